"""The ports as Envoy reads them: HTTP, HTTPS, and HTTP/3 on the same number by UDP. Must not: write files, or make certificates.

HTTP/3 is for names with a certificate of the wide web: browsers speak it with no other, and each name there costs a change of its chains,
whose earlier configuration Envoy keeps for minutes.
"""

from __future__ import annotations

from collections.abc import Sequence

from mooring.drivers.edge.certificates import is_local
from mooring.drivers.edge.envoy.connections import connection_manager, encoded
from mooring.drivers.edge.envoy.settings import EnvoySettings, Layout
from mooring.drivers.edge.envoy.tls import ServedCertificate, asking_chains, chain_matcher, quic_chain, quic_chains

Json = dict[str, object]

BUFFER = 131_072


def listeners(
    settings: EnvoySettings, layout: Layout, certificates: Sequence[ServedCertificate], *, fallback: ServedCertificate | None
) -> list[Json]:
    """The content of the listeners file (without its version). `fallback` is shown to whoever asks for an unknown name."""
    plain = connection_manager(layout, codec="AUTO", is_secure=False)
    http = {**_listener("http", settings.bind, settings.http_port), "filter_chains": [{"filters": [plain]}]}
    if not settings.https_port or fallback is None:
        return [http]
    return [http, _secure(settings, layout, certificates, fallback=fallback), _quic(settings, layout, certificates, fallback=fallback)]


def _secure(settings: EnvoySettings, layout: Layout, certificates: Sequence[ServedCertificate], *, fallback: ServedCertificate) -> Json:
    manager = encoded(connection_manager(layout, codec="AUTO", is_secure=True))
    names = [each.hostname for each in certificates]
    inspector = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
    return {
        **_listener("https", settings.bind, settings.https_port),
        "listener_filters": [{"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": inspector}}],
        "listener_filters_timeout": "10s",
        "filter_chain_matcher": chain_matcher(names),
        "filter_chains": asking_chains(names, manager, fallback=fallback),
    }


def _quic(settings: EnvoySettings, layout: Layout, certificates: Sequence[ServedCertificate], *, fallback: ServedCertificate) -> Json:
    manager = encoded(connection_manager(layout, codec="HTTP3", is_secure=True))
    public = [each for each in certificates if not is_local(each.hostname)]
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "http3",
        "address": _address(settings.bind, settings.https_port, protocol="UDP"),
        "udp_listener_config": {"quic_options": {"quic_protocol_options": {}}, "downstream_socket_config": {"prefer_gro": True}},
        "enable_reuse_port": True,
        "filter_chains": quic_chains(public, manager),
        "default_filter_chain": quic_chain("stranger", [fallback], manager),
    }


def _listener(name: str, address: str, port: int) -> Json:
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "address": _address(address, port, protocol="TCP"),
        "per_connection_buffer_limit_bytes": BUFFER,
        "enable_reuse_port": False,  # another edge on the same port must be an error, not a partner
    }


def _address(address: str, port: int, *, protocol: str) -> Json:
    return {"socket_address": {"protocol": protocol, "address": address, "port_value": port, "ipv4_compat": address == "::"}}
