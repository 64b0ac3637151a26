"""What a request must look like before anybody asks what it wants: no browser, no strange Host, one reading of its address.

A page in somebody's browser can reach loopback: it sends an Origin, or (DNS rebinding) a Host of its own. Both are refused.
Must not: know a route.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from mooring.errors import Forbidden, InvalidInput
from mooring.server.callers import Peer, TcpPeer

_ADDRESS = re.compile(rb"\A/[A-Za-z0-9/._~!$&'()*+,;=:@%{}-]*\Z")
_SMUGGLED = re.compile(rb"%(?![0-9A-Fa-f]{2})|%2[fF]|%5[cC]|%00|//|/\.{1,2}(?:/|\Z)")


def check_request(peer: Peer | None, headers: Mapping[str, str], raw_path: bytes, *, hosts: frozenset[str]) -> None:
    """`hosts` are names by which the API is known besides its addresses. Raises Forbidden, InvalidInput."""
    if "origin" in headers or "sec-fetch-site" in headers:
        raise Forbidden("the API does not speak to web pages", hint="call it from a program, without an Origin header")
    if isinstance(peer, TcpPeer) and not _is_own_host(headers.get("host", ""), peer, hosts):
        raise Forbidden(f"{headers.get('host', '')[:100]!r} is not a name of this API", hint="call it by the address that it listens on")
    if not _ADDRESS.match(raw_path) or _SMUGGLED.search(raw_path):
        raise InvalidInput(
            "the address holds characters that no route has", hint="names hold letters, digits, dashes, dots and underscores"
        )


def _is_own_host(host: str, peer: TcpPeer, hosts: frozenset[str]) -> bool:
    name = _without_port(host).lower()
    if name in hosts or name == peer.local:
        return True
    return name == "localhost" and ipaddress.ip_address(peer.local).is_loopback


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host
