"""While old instances drain: how many requests and streams each still has, asked once a second in a thread of its own.

Must not: disturb following; a question that fails is asked again later.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mooring.cli.render.progress import Progress
from mooring.cli.session import Session
from mooring.errors import MooringError
from mooring.model.environment import EnvironmentId
from mooring.model.routing import EndpointState, RouteView

PHASES = ("drain", "revert")
EVERY = 1.0  # seconds


@contextmanager
def told_while_draining(session: Session, environment: EnvironmentId, progress: Progress) -> Iterator[None]:
    """Keep `progress.in_flight` current while its phase is one that drains."""
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(session, environment, progress, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()


def _watch(session: Session, environment: EnvironmentId, progress: Progress, done: threading.Event) -> None:
    while not done.wait(EVERY):
        if progress.phase not in PHASES:
            progress.in_flight = {}
            continue
        try:
            routes = session.client.environment(environment).snapshot.routes
        except MooringError:
            continue
        progress.in_flight = in_flight_on_draining(routes) if routes else {}


def in_flight_on_draining(routes: RouteView) -> dict[str, int]:
    """Requests and streams that go on, by the names of the draining instances that have any."""
    endpoints = [endpoint for route in routes.table.routes for endpoint in route.endpoints if endpoint.state is EndpointState.DRAINING]
    slugs = {str(endpoint.instance): endpoint.instance.slug for endpoint in endpoints}
    counts = {name: routes.in_flight.get(slug, 0) + routes.streams.get(slug, 0) for name, slug in slugs.items()}
    return {name: count for name, count in counts.items() if count}
