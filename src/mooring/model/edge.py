"""How the edge treats an app's requests. Must not: hold routes."""

from __future__ import annotations

import base64
import hashlib
import ipaddress

import msgspec

from mooring.errors import InvalidName


class HttpsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Of the hostnames that have a certificate browsers trust; those under localhost have none, and are left as they are.

    `acme`: whether the platform gets one by itself. `redirect`: plain HTTP is sent to HTTPS. `hsts`: how many seconds browsers
    are told to use nothing but HTTPS, 0 for not at all; with `hsts_subdomains` for every name below too. Source: RFC 6797.
    """

    acme: bool = True
    redirect: bool = True
    hsts: float = 0.0
    hsts_subdomains: bool = False


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets to the app: everybody, or who knows the password of `user`; with `networks` (CIDR) only who connects from one of them.

    Not `is_indexed`: search engines are told to pass it over.

    `digest`: base64 of the password's SHA-1, as htpasswd writes it; it only guards passwords that nobody can guess.
    """

    user: str = ""
    digest: str = ""
    is_indexed: bool = True
    networks: tuple[str, ...] = ()


def network(text: str) -> str:
    """A network or a single address, as CIDR writes it. Raises InvalidName."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        hint = "write it like 203.0.113.0/24, 2001:db8::/32 or 203.0.113.7"
        raise InvalidName(f"{text[:100]!r} is no network", hint=hint) from None


def digest_of(password: str) -> str:
    """What `Access` keeps of a password."""
    return base64.b64encode(hashlib.sha1(password.encode(), usedforsecurity=False).digest()).decode()


class EdgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds. `hold`: how long a request waits for a ready instance before a page answers.

    `request_timeout`, `stream_idle_timeout`: how long a request, or a WebSocket or event stream, may pass no byte; 0 for no limit.
    """

    hold: float = 10.0
    request_timeout: float = 300.0
    stream_idle_timeout: float = 3600.0
    max_request_bytes: int = 100_000_000
    https: HttpsSettings = HttpsSettings()
    access: Access = Access()
