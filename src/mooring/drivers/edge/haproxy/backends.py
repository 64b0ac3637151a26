"""The prepared backends as HAProxy reads them when it starts: each server where it leads to now. Must not: change a running HAProxy."""

from __future__ import annotations

from functools import lru_cache

from mooring.drivers.edge.haproxy.access_log import WAITING
from mooring.drivers.edge.haproxy.configuration import APPS
from mooring.drivers.edge.haproxy.places import Backend, Backends, Taken, backend_name, server_name
from mooring.drivers.edge.haproxy.settings import Layout
from mooring.drivers.edge.silence import GONE_AFTER

NOWHERE = "127.0.0.1:1"  # where a free server leads; it is in maintenance


def backends_text(layout: Layout, backends: Backends) -> str:
    waiting = f"    server {WAITING} unix@{layout.waiting_socket} backup no-check"
    sections = (_backend(number, each, waiting) for number, each in enumerate(backends))
    return "\n".join(("# made from the tables; see places.json", *sections, ""))


def place_of(taken: Taken | None) -> str:
    if taken is None:
        return NOWHERE
    return f"[{taken.address}]:{taken.port}" if ":" in taken.address else f"{taken.address}:{taken.port}"


@lru_cache(maxsize=8192)
def _backend(number: int, backend: Backend, waiting: str) -> str:
    servers = [_server(server_name(number, place), each) for place, each in enumerate(backend.servers)]
    return "\n".join((f"backend {backend_name(number)} from {APPS}", waiting, *servers))


def _server(name: str, taken: Taken | None) -> str:
    end = "" if taken and taken.is_active else " disabled"
    return f"    server {name} {place_of(taken)} tcp-ut {GONE_AFTER}s{end}"  # of a default-server HAProxy would not take it
