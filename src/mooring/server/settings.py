"""What an installation has chosen, kept in its state so that `mooring up` needs no options a second time. Must not: hold a secret."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import msgspec

from mooring.errors import InvalidInput, StateDamaged
from mooring.store.directory import replace

FILE = "settings.json"
ENVOY, HAPROXY, AUTO = "envoy", "haproxy", "auto"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`edge` is `envoy` or `haproxy`. `https_port` 0: no HTTPS.

    `api` is `address:port` for the API besides its socket; empty: only the socket.

    `api_hosts` are names by which a proxy or a tunnel calls the API. `largest_downloads` in bytes: what the package clients' download
    caches may take.

    `acme_email` empty: the platform orders no certificates. `acme_directory` is `letsencrypt`, `staging` or an address, whose own HTTPS
    is checked with the roots in `acme_ca_file` (empty: the system's). `acme_dns_hook` is argv of the program that sets TXT records.

    `unconfined_strangers`: what strangers' pull requests bring may be built and run where nothing keeps it apart from the platform.

    `capacity` is argv of the program that lends hosts; `capacity_limit` how many at most, `capacity_idle` the seconds after which one that
    nothing is on is given back."""

    edge: str = ENVOY
    http_port: int = 8080
    https_port: int = 8443
    bind: str = "127.0.0.1"
    api: str = ""
    api_hosts: tuple[str, ...] = ()
    largest_downloads: int = 5_000_000_000
    acme_email: str = ""
    acme_directory: str = "letsencrypt"
    acme_ca_file: str = ""
    acme_dns_hook: tuple[str, ...] = ()
    unconfined_strangers: bool = False
    capacity: tuple[str, ...] = ()
    capacity_limit: int = 1
    capacity_idle: float = 600.0


def load(state: Path) -> Settings:
    """The defaults where none were kept. Raises StateDamaged."""
    path = state / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settings)
    except FileNotFoundError:
        return Settings()
    except (OSError, msgspec.MsgspecError) as foreign:
        hint = "correct the file or remove it; then the defaults apply"
        raise StateDamaged(f"the settings cannot be read: {foreign}", hint=hint, where=str(path)) from foreign


def save(state: Path, settings: Settings) -> None:
    replace(state / FILE, msgspec.json.format(msgspec.json.encode(settings), indent=2) + b"\n")


def checked(settings: Settings) -> Settings:
    """Raises InvalidInput."""
    _address(settings.bind, "--bind")
    if settings.edge not in (ENVOY, HAPROXY):
        raise InvalidInput(f"there is no edge {settings.edge!r}", hint=f"use {ENVOY}, {HAPROXY} or {AUTO}")
    for option, port, least in (("--http-port", settings.http_port, 1), ("--https-port", settings.https_port, 0)):
        if not least <= port <= 65_535:
            raise InvalidInput(f"{option} {port} is no port", hint=f"use {least} to 65535")
    if settings.http_port == settings.https_port:
        raise InvalidInput(f"HTTP and HTTPS cannot both have port {settings.http_port}", hint="choose two ports")
    if settings.largest_downloads < 0:
        raise InvalidInput(f"largest_downloads is {settings.largest_downloads}", hint="0 or more bytes; 0 keeps no downloads")
    if settings.api and not parse_address(settings.api)[0].is_loopback:
        hint = "use 127.0.0.1:PORT and an SSH tunnel (ssh -L), or a proxy with HTTPS before it"
        raise InvalidInput(f"the API speaks plain HTTP, so it does not listen on {settings.api}", hint=hint)
    return settings


def parse_address(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """Of `127.0.0.1:9000` or `[::1]:9000`; raises InvalidInput."""
    address, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65_535):
        raise InvalidInput(f"{text!r} is no address with a port", hint="write it like 127.0.0.1:9000")
    return _address(address.removeprefix("[").removesuffix("]"), "--api"), int(port)


def _address(text: str, option: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise InvalidInput(
            f"{option} {text!r} is no address", hint="write it like 127.0.0.1, or 0.0.0.0 for all of this machine's"
        ) from None
