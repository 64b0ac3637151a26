"""Which endpoints the edge should have, given who should serve and who is ready. Must not: start or stop anything."""

from __future__ import annotations

from mooring.model.edge import EdgeSettings
from mooring.model.health import Health
from mooring.model.instance import InstanceKey, InstanceView, ProcessState
from mooring.model.names import ProcessName
from mooring.model.release import Release
from mooring.model.routing import Endpoint, EndpointState, Page, PathRoute, RouteTable
from mooring.planner.goal import Current, Goal

_DOWN = (ProcessState.EXITED, ProcessState.BACKOFF)


def table_for(goal: Goal, current: Current, *, release: Release | None, serving: frozenset[InstanceKey]) -> RouteTable | None:
    """The table in which `serving` instances are active while ready, and all others that the edge knows and that still run drain.

    `release` gives hostnames, paths and settings. None: nothing of the environment is to be routed.
    """
    routes = tuple(_route(path, process, current, serving=serving) for path, process in _paths(release, current))
    if not routes:
        return None
    known = current.table
    hostnames = release.hostnames if release else known.hostnames if known else ()
    settings = release.edge if release else _settings(known)
    return RouteTable(
        environment=goal.environment,
        hostnames=hostnames,
        routes=routes,
        page=_page(goal, current, routes, serving=serving),
        is_maintenance=goal.is_maintenance,
        hold=settings.hold,
        wakes_within=release.policy.wakes_within if release and goal.may_sleep else 0.0,
        request_timeout=settings.request_timeout,
        stream_idle_timeout=settings.stream_idle_timeout,
        max_request_bytes=settings.max_request_bytes,
        https=settings.https,
        access=settings.access,
    )


def active_keys(table: RouteTable | None) -> frozenset[InstanceKey]:
    """Who gets new requests by this table."""
    endpoints = (endpoint for route in table.routes for endpoint in route.endpoints) if table else ()
    return frozenset(endpoint.instance for endpoint in endpoints if endpoint.state is EndpointState.ACTIVE)


def routed_keys(table: RouteTable | None) -> frozenset[InstanceKey]:
    """All the edge knows, draining ones too."""
    return frozenset(endpoint.instance for route in table.routes for endpoint in route.endpoints) if table else frozenset()


def describe_change(before: RouteTable | None, after: RouteTable) -> str:
    """A few words for what applying `after` changes."""
    was, will = active_keys(before), active_keys(after)
    if before is None and not will:
        return f"take requests for {', '.join(after.hostnames)}"
    parts = [f"route {_names(will - was)}" if will - was else "", f"drain {_names(was - will)}" if was - will else ""]
    gone = routed_keys(before) - routed_keys(after) - was
    parts.append(f"forget {_names(gone)}" if gone else "")
    if before is None or before.is_maintenance != after.is_maintenance:
        parts.append("maintenance on" if after.is_maintenance else "maintenance off" if before else "")
    if before is not None and before.page is not after.page:
        parts.append(f"page: {after.page.value}")
    return ", ".join(part for part in parts if part) or "hostnames and settings"


def _names(keys: frozenset[InstanceKey]) -> str:
    """`v7 web.1-3, v7 api.1`: slots of one process type and release in a row are one word."""
    groups: dict[tuple[int, ProcessName, int], list[int]] = {}
    for key in sorted(keys):
        groups.setdefault((key.release, key.process, key.generation), []).append(key.slot)
    return ", ".join(f"v{release} {process}.{_slots(slots)}" for (release, process, _), slots in groups.items())


def _slots(slots: list[int]) -> str:
    is_row = len(slots) > 1 and slots == list(range(slots[0], slots[-1] + 1))
    return f"{slots[0]}-{slots[-1]}" if is_row else "+".join(str(slot) for slot in slots)


def _paths(release: Release | None, current: Current) -> tuple[tuple[str, ProcessName], ...]:
    """The release's routed process types, then those that only draining endpoints still need."""
    wanted = tuple((process.path, process.name) for process in release.processes if process.is_routed) if release else ()
    names, paths = {name for _, name in wanted}, {path for path, _ in wanted}
    known = current.table.routes if current.table else ()
    leaving = tuple(
        (route.path, route.process)
        for route in known
        if route.process not in names and route.path not in paths and any(current.view(end.instance) for end in route.endpoints)
    )
    return wanted + leaving


def _route(path: str, process: ProcessName, current: Current, *, serving: frozenset[InstanceKey]) -> PathRoute:
    views = sorted((view for view in current.instances if view.key.process == process and view.port), key=lambda view: view.key)
    endpoints = (_endpoint(view, current, is_serving=view.key in serving) for view in views)
    return PathRoute(path=path, process=process, endpoints=tuple(endpoint for endpoint in endpoints if endpoint))


def _endpoint(view: InstanceView, current: Current, *, is_serving: bool) -> Endpoint | None:
    known = current.table.endpoint(view.key) if current.table else None
    was_active = known is not None and known.state is EndpointState.ACTIVE
    if is_serving and may_serve(view, was_active=was_active):
        return Endpoint(instance=view.key, address=view.address, port=view.port)
    if known is None:
        return None
    return Endpoint(instance=view.key, address=view.address, port=view.port, state=EndpointState.DRAINING)


def may_serve(view: InstanceView, *, was_active: bool) -> bool:
    """Ready; or not asked yet by this controller, and active before (unknown is not failed)."""
    if view.state in (*_DOWN, ProcessState.STOPPING):
        return False
    return view.health is Health.READY or (view.health is Health.UNKNOWN and was_active)


def _page(goal: Goal, current: Current, routes: tuple[PathRoute, ...], *, serving: frozenset[InstanceKey]) -> Page:
    """One that was asleep wakes until it serves: who comes meanwhile waits as long as who woke it, or until what is deployed serves."""
    if goal.is_asleep and not serving:
        return Page.NO_ROOM if goal.is_crowded else Page.WAKING
    views = [view for view in current.instances if view.key in serving and view.port]
    if views and all(view.state in _DOWN for view in views):
        return Page.CRASHED
    is_waking = current.table is not None and current.table.is_asleep and not _serves(routes, serving)
    return Page.WAKING if is_waking else Page.STARTING


def _serves(routes: tuple[PathRoute, ...], serving: frozenset[InstanceKey]) -> bool:
    """Whether each process type that has instances to serve has one that does."""
    processes = {key.process for key in serving}
    active = {route.process for route in routes for endpoint in route.endpoints if endpoint.state is EndpointState.ACTIVE}
    return all(route.process in active for route in routes if route.process in processes)


def _settings(known: RouteTable | None) -> EdgeSettings:
    if known is None:
        return EdgeSettings()
    return EdgeSettings(
        hold=known.hold,
        request_timeout=known.request_timeout,
        stream_idle_timeout=known.stream_idle_timeout,
        max_request_bytes=known.max_request_bytes,
        https=known.https,
        access=known.access,
    )
