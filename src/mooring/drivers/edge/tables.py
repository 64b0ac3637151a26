"""Whether a route table may be routed beside the others: pure checks that every edge makes, fake or real. Must not: change a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_address

from mooring.errors import InvalidInput
from mooring.model.names import hostname, process_name
from mooring.model.routing import Endpoint, EndpointState, RouteTable

LONGEST_PATH = 256


def check_table(table: RouteTable, others: Iterable[RouteTable]) -> None:
    """Raises InvalidInput or InvalidName with what is wrong and, for what is taken, by which environment."""
    known = [other for other in others if other.environment != table.environment]
    _check_hostnames(table, known)
    _check_paths(table)
    _check_endpoints(table, known)
    if min(table.hold, table.wakes_within, table.request_timeout, table.max_request_bytes) < 0:
        raise InvalidInput(f"a limit of {table.environment} is negative", hint="use numbers from 0 up")


def _check_hostnames(table: RouteTable, known: list[RouteTable]) -> None:
    if not table.hostnames:
        raise InvalidInput(f"{table.environment} has no hostname to be reached under", hint="give it one, like shop.example.com")
    for name in table.hostnames:
        hostname(name)
        _refuse_twice(table.hostnames, f"the hostname {name} of {table.environment}", name)
        holder = next((other for other in known if name in other.hostnames), None)
        if holder is not None:
            raise InvalidInput(f"the hostname {name} belongs to {holder.environment}", hint="choose another one, or remove it there first")


def _check_paths(table: RouteTable) -> None:
    if not table.routes:
        raise InvalidInput(f"{table.environment} has nothing to route", hint="it needs a process type that answers requests, like web")
    paths = [_plain(route.path) for route in table.routes]
    for route in table.routes:
        process_name(route.process)
        if not _is_path(route.path):
            raise InvalidInput(
                f"the path {route.path!r} of {route.process} is not one", hint="write it like / or /api, without ? # * or .."
            )
        _refuse_twice(paths, f"the path {route.path} of {table.environment}", _plain(route.path))


def _check_endpoints(table: RouteTable, known: list[RouteTable]) -> None:
    taken = {_place(each): other.environment for other in known for each in _active(other)}
    for route in table.routes:
        for endpoint in route.endpoints:
            _check_address(endpoint)
            holder = taken.get(_place(endpoint))
            if endpoint.state is EndpointState.ACTIVE and holder is not None:
                raise InvalidInput(
                    f"{endpoint.address}:{endpoint.port} of {endpoint.instance} is already routed for {holder}",
                    hint="two apps cannot listen on one port; restart one of them",
                )


def _check_address(endpoint: Endpoint) -> None:
    try:
        ip_address(endpoint.address)
    except ValueError as error:
        raise InvalidInput(f"{endpoint.address!r} of {endpoint.instance} is no IP address") from error
    if not 0 < endpoint.port < 65_536:
        raise InvalidInput(f"{endpoint.port} of {endpoint.instance} is no port", hint="ports are numbers from 1 to 65535")


def _is_path(path: str) -> bool:
    is_plain = path.startswith("/") and len(path) <= LONGEST_PATH and path.isascii() and path.isprintable()
    return is_plain and not any(mark in path for mark in ("?", "#", "*", "//", "..", " ", "\\"))


def _refuse_twice(values: Iterable[str], what: str, value: str) -> None:
    if Counter(values)[value] > 1:
        raise InvalidInput(f"{what} is there twice", hint="keep one of them")


def _plain(path: str) -> str:
    return path.rstrip("/") or "/"


def _place(endpoint: Endpoint) -> tuple[str, int]:
    return endpoint.address, endpoint.port


def _active(table: RouteTable) -> list[Endpoint]:
    return [each for route in table.routes for each in route.endpoints if each.state is EndpointState.ACTIVE]
