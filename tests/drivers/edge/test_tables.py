"""A table that cannot be routed is refused with what is wrong, before anything changes."""

from __future__ import annotations

import msgspec
import pytest

from mooring.drivers.edge.tables import check_table
from mooring.errors import UsageError
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey
from mooring.model.names import Hostname, ProcessName
from mooring.model.routing import Endpoint, EndpointState, PathRoute, RouteTable

SHOP, BLOG = EnvironmentId.parse("shop"), EnvironmentId.parse("blog/staging")


def _table(environment: EnvironmentId = SHOP, *, port: int = 9000, **changes: object) -> RouteTable:
    key = InstanceKey(environment=environment, process=ProcessName("web"), slot=1, release=1)
    endpoints = (Endpoint(instance=key, address="127.0.0.1", port=port),)
    routes = (PathRoute(path="/", process=ProcessName("web"), endpoints=endpoints),)
    table = RouteTable(environment=environment, hostnames=(Hostname(f"{environment.app}.localhost"),), routes=routes)
    return msgspec.structs.replace(table, **changes)


def _route(path: str) -> tuple[PathRoute, ...]:
    return (PathRoute(path=path, process=ProcessName("web")),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hostnames": ()}, "no hostname"),
        ({"hostnames": ("Shop",)}, "is not a DNS name"),
        ({"hostnames": ("a.b", "a.b")}, "is there twice"),
        ({"hostnames": ("a\nb",)}, "is not a DNS name"),
        ({"routes": ()}, "nothing to route"),
        ({"routes": _route("api")}, "is not one"),
        ({"routes": _route("/a?b")}, "is not one"),
        ({"routes": _route("/../etc")}, "is not one"),
        ({"routes": _route("/a\n")}, "is not one"),
        ({"routes": _route("/" + "x" * 300)}, "is not one"),
        ({"routes": (*_route("/api"), *_route("/api/"))}, "is there twice"),
        ({"routes": (PathRoute(path="/", process=ProcessName("a/b")),)}, "is not allowed"),
        ({"hold": -1.0}, "is negative"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_table(_table(**changes), ())


def test_a_hostname_of_another_environment_is_named_with_its_holder() -> None:
    with pytest.raises(UsageError, match=r"shop\.localhost belongs to shop/production"):
        check_table(_table(BLOG, hostnames=("shop.localhost",)), (_table(),))


def test_a_port_where_another_app_serves_is_refused() -> None:
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:9000 of v1 web\.1 is already routed for shop/production"):
        check_table(_table(BLOG, port=9000), (_table(port=9000),))


def test_a_port_that_another_app_has_left_may_be_taken() -> None:
    left = _table(port=9000)
    (route,) = left.routes
    draining = tuple(msgspec.structs.replace(each, state=EndpointState.DRAINING) for each in route.endpoints)
    left = msgspec.structs.replace(left, routes=(msgspec.structs.replace(route, endpoints=draining),))
    check_table(_table(BLOG, port=9000), (left,))


def test_a_table_may_take_the_place_of_the_one_before_it() -> None:
    check_table(_table(), (_table(),))
