"""Which certificate a TLS client is shown, as Envoy reads it. Must not: make or store certificates.

HTTPS asks the attendant for a certificate when its name is first wanted, so a new app changes no listener's certificates and a bad
certificate spoils only its own name. Only names that are served are asked for: anybody can invent names. HTTP/3 cannot ask, so its
chains carry the certificates themselves.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

import msgspec

from mooring.model.certificate import Certificate

Json = dict[str, object]

ATTENDANT = "attendant"  # the cluster behind which the attendant answers for certificates
ASK_AGAIN = "10s"  # a renewed certificate is shown after once to twice as long: Envoy draws lots
HANDSHAKE = "10s"
QUIC_CHAINS = 32


class ServedCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate chain with its key, both PEM, for one hostname: on its way into a file of Envoy's."""

    hostname: str
    chain: str
    key: str

    @classmethod
    def of(cls, hostname: str, certificate: Certificate) -> ServedCertificate:
        return cls(hostname=hostname, chain=certificate.chain, key=certificate.key.reveal())


def asking_chains(names: Sequence[str], manager: msgspec.Raw, *, fallback: ServedCertificate) -> list[Json]:
    """A chain for all exact names, one for each wildcard, and one that shows `fallback` to strangers."""
    wildcards = [name for name in names if name.startswith("*.")]
    return [
        _chain("exact", manager, _tls(_selector("sni", {"default_value": fallback.hostname}))),
        *(_chain(name, manager, _tls(_selector("static_name", {"name": name}))) for name in wildcards),
        _chain("stranger", manager, _tls(_certificates([fallback]))),
    ]


def chain_matcher(names: Iterable[str]) -> Json:
    """Which of the chains a name gets. Changing this closes no connection: the chains stay the same."""
    known = list(names)
    exact = {name: _choose("exact") for name in known if not name.startswith("*.")}
    rest = _wildcard_matcher([name for name in known if name.startswith("*.")])
    if not exact:
        return {"on_no_match": rest}
    return {"matcher_tree": {"input": _server_name(), "exact_match_map": {"map": exact}}, "on_no_match": rest}


def _wildcard_matcher(names: list[str]) -> Json:
    """A step of the matcher. Without wildcards no use is made of Envoy's domain matcher, which 1.40 does not call finished."""
    stranger = _choose("stranger")
    if not names:
        return stranger
    domains = [{"domains": [name], "on_match": _choose(name)} for name in names]
    config = {"@type": "type.googleapis.com/xds.type.matcher.v3.ServerNameMatcher", "domain_matchers": domains}
    custom = {"name": "envoy.matching.custom_matchers.domain_matcher", "typed_config": config}
    return {"matcher": {"matcher_tree": {"input": _server_name(), "custom_match": custom}, "on_no_match": stranger}}


def _server_name() -> Json:
    kind = "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.ServerNameInput"
    return {"name": "sni", "typed_config": {"@type": kind}}


def quic_chains(certificates: Iterable[ServedCertificate], manager: msgspec.Raw) -> list[Json]:
    """The chains of HTTP/3, each for some of the names: a new name changes, and in time closes, only the connections of one of them."""
    buckets: dict[int, list[ServedCertificate]] = {}
    for certificate in certificates:
        buckets.setdefault(zlib.crc32(certificate.hostname.encode()) % QUIC_CHAINS, []).append(certificate)
    return [
        {
            **quic_chain(f"names-{number:02}", held, manager),
            "filter_chain_match": {"server_names": [each.hostname for each in held]},
        }
        for number, held in sorted(buckets.items())
    ]


def quic_chain(name: str, certificates: Iterable[ServedCertificate], manager: msgspec.Raw) -> Json:
    """A chain that shows each client the certificate of the name it asks for, and others the first."""
    transport = {
        "name": "envoy.transport_sockets.quic",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport",
            "downstream_tls_context": {"common_tls_context": {**_common("h3"), **_certificates(certificates)}},
        },
    }
    return {"name": name, "filters": [manager], "transport_socket": transport}


def _choose(name: str) -> Json:
    value = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": name}
    return {"action": {"name": name, "typed_config": value}}


def _chain(name: str, manager: msgspec.Raw, transport: Json) -> Json:
    return {"name": name, "filters": [manager], "transport_socket": transport, "transport_socket_connect_timeout": HANDSHAKE}


def _tls(certificates: Json) -> Json:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {**_common("h2", "http/1.1"), **certificates},
            # Envoy 1.40 refuses certificates on demand together with session resumption.
            "disable_stateless_session_resumption": True,
            "disable_stateful_session_resumption": True,
        },
    }


def _common(*protocols: str) -> Json:
    limits = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
    return {"tls_params": limits, "alpn_protocols": list(protocols)}


def _certificates(certificates: Iterable[ServedCertificate]) -> Json:
    return {
        "tls_certificates": [
            {"certificate_chain": {"inline_string": each.chain}, "private_key": {"inline_string": each.key}} for each in certificates
        ]
    }


def _selector(mapper: str, config: Json) -> Json:
    kind = {"sni": "sni.v3.SNI", "static_name": "static_name.v3.StaticName"}[mapper]
    mapping = {"@type": f"type.googleapis.com/envoy.extensions.transport_sockets.tls.cert_mappers.{kind}", **config}
    source = {
        "api_config_source": {
            "api_type": "REST",
            "transport_api_version": "V3",
            "cluster_names": [ATTENDANT],
            "refresh_delay": ASK_AGAIN,
            "request_timeout": "2s",
        },
        "resource_api_version": "V3",
        "initial_fetch_timeout": "2s",
    }
    selector = "type.googleapis.com/envoy.extensions.transport_sockets.tls.cert_selectors.on_demand_secret.v3.Config"
    return {
        "custom_tls_certificate_selector": {
            "name": "envoy.tls.certificate_selectors.on_demand_secret",
            "typed_config": {
                "@type": selector,
                "config_source": source,
                "certificate_mapper": {"name": mapper, "typed_config": mapping},
            },
        }
    }
