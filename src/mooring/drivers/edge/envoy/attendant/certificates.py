"""Answers Envoy's question for the certificate of a name, from the file of that name. Must not: make, check or keep certificates.

Protocol: Envoy's secret discovery service over REST; source: envoyproxy.io, "xDS REST and gRPC protocol".
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from mooring.drivers.edge.envoy.attendant.exchange import Answer, Request
from mooring.drivers.edge.envoy.settings import Layout
from mooring.drivers.edge.files import read_whole
from mooring.errors import InvalidName, Unavailable
from mooring.model.names import hostname

FALLBACK = "localhost"
KIND = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"

_CHAIN = re.compile(rb"-----BEGIN CERTIFICATE-----.*-----END CERTIFICATE-----\n", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN (?:EC |RSA )?PRIVATE KEY-----.*-----END (?:EC |RSA )?PRIVATE KEY-----\n", re.DOTALL)


class Question(msgspec.Struct, frozen=True):
    """The part of Envoy's DiscoveryRequest that is read."""

    resource_names: tuple[str, ...] = ()


def answer_certificates(request: Request, layout: Layout) -> Answer:
    """The certificate of the name that was asked for; the fallback's when it has none that is whole."""
    try:
        names = msgspec.json.decode(request.body or b"{}", type=Question).resource_names
    except msgspec.DecodeError:
        return _json(400, "Bad Request", {"error": "not a discovery request"})
    resources = [_secret(name, pem) for name in names if (pem := _pem(name, layout) or _pem(FALLBACK, layout))]
    content = {"type_url": KIND, "resources": resources}
    version = hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]
    return _json(200, "OK", {"version_info": version, **content})


def _pem(name: str, layout: Layout) -> tuple[str, str] | None:
    """Chain and key. A file that cannot be read is as good as none: another name's must still be served."""
    try:
        content = read_whole(layout.certificate(hostname(name))) or b""
        chain, key = _CHAIN.search(content), _KEY.search(content)
    except (InvalidName, Unavailable):
        return None
    return (chain[0].decode("ascii", "replace"), key[0].decode("ascii", "replace")) if chain and key else None


def _secret(name: str, pem: tuple[str, str]) -> dict[str, object]:
    chain, key = pem
    certificate = {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}
    return {"@type": KIND, "name": name, "tls_certificate": certificate}


def _json(status: int, reason: str, content: object) -> Answer:
    return Answer(status=status, reason=reason, headers={"content-type": "application/json"}, body=msgspec.json.encode(content))
