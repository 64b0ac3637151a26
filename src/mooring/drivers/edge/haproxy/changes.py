"""Which commands lead from what HAProxy has to what it is to have. Pure. Must not: send one.

What is added comes first, what leads away last, so that at no moment a request finds no server where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mooring.drivers.edge.haproxy.access_log import WAITING
from mooring.drivers.edge.haproxy.backends import place_of
from mooring.drivers.edge.haproxy.commands import escaped
from mooring.drivers.edge.haproxy.configuration import SERVER_OPTIONS
from mooring.drivers.edge.haproxy.places import Backend, Backends, backend_name, server_name
from mooring.drivers.edge.haproxy.sight import Seen


def beginnings(number: int, wanted: Backend, seen: Mapping[str, Seen]) -> list[str]:
    """Of one backend: the servers that are to take requests. One that HAProxy does not have yet is made."""
    commands: list[str] = []
    for place, taken in enumerate(wanted.servers):
        path, now = _path(number, place), seen.get(server_name(number, place))
        if now is None:
            commands += [f"add server {path} {place_of(taken)} {SERVER_OPTIONS}", f"enable health {path}"]
        elif taken is not None and (now.address, now.port) != (taken.address, taken.port):
            commands += [f"set server {path} state maint", f"set server {path} addr {taken.address} port {taken.port}"]
        if taken is not None and taken.is_active and now != Seen(taken.address, taken.port, is_active=True):
            commands.append(f"set server {path} state ready")
    return commands


def endings(number: int, wanted: Backend, seen: Mapping[str, Seen]) -> list[str]:
    """Of one backend: the servers that are to get no request any more."""
    named = [(place, taken, seen.get(server_name(number, place))) for place, taken in enumerate(wanted.servers)]
    leaving = [place for place, taken, now in named if now and now.is_active and not (taken and taken.is_active)]
    beyond = [name for name in seen if name not in {server_name(number, place) for place, _, _ in named}]
    paths = [_path(number, place) for place in leaving]
    paths += [f"{backend_name(number)}/{name}" for name in beyond if name != WAITING and seen[name].is_active]
    return [f"set server {path} state maint" for path in paths]


def instance_entries(backends: Backends) -> dict[str, str]:
    """The map from servers to the instances that they lead to."""
    places = ((server_name(number, place), each) for number, backend in enumerate(backends) for place, each in enumerate(backend.servers))
    return {name: f"{each.instance}|{each.release}" for name, each in places if each is not None}


def map_changes(path: Path, wanted: Mapping[str, str], seen: Mapping[str, str]) -> list[str]:
    """Entry by entry."""
    added = [f"add map {path} {escaped(key)} {escaped(value)}" for key, value in wanted.items() if key not in seen]
    changed = [f"set map {path} {escaped(key)} {escaped(value)}" for key, value in wanted.items() if seen.get(key, value) != value]
    gone = [f"del map {path} {escaped(key)}" for key in seen if key not in wanted]
    return added + changed + gone


def map_text(entries: Mapping[str, str]) -> str:
    return "".join(f"{key} {value}\n" for key, value in entries.items())


def ordered_map_changes(path: Path, wanted: Mapping[str, str], seen: Mapping[str, str]) -> list[str]:
    """Of a map whose order counts: all of it anew, if it is not as it should be."""
    if list(wanted.items()) == list(seen.items()):
        return []
    return [f"clear map {path}", *(f"add map {path} {escaped(key)} {escaped(value)}" for key, value in wanted.items())]


def _path(number: int, place: int) -> str:
    return f"{backend_name(number)}/{server_name(number, place)}"
