"""The controller's own numbers for Prometheus: deployments, instances, requests, and how late the loop runs. Must not: name a secret.

Gauges are taken when they are asked for; counters begin at 0 with each controller, as Prometheus expects.
"""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mooring.errors import MooringError
from mooring.model.deployment import Outcome
from mooring.model.events import Event, EventKind
from mooring.model.health import Health
from mooring.model.instance import InstanceView, ProcessState
from mooring.usecases.platform import Platform

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.5, 1, 2, 3, 5, 8, 13, 21, 34, 60, 120, 300, 600, 1800)
_TICK = 1.0


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._deployments = Counter("mooring_deployments", "Deployments that ended.", ["outcome"], registry=self.registry)
        self._seconds = Histogram(
            "mooring_deployment_seconds", "From the request to the end.", ["trigger"], registry=self.registry, buckets=_SECONDS
        )
        self._requests = Counter("mooring_http_requests", "Requests to the API.", ["method", "route", "status"], registry=self.registry)
        self._instances = Gauge("mooring_instances", "Instances by what they do.", ["state"], registry=self.registry)
        self._environments = Gauge("mooring_environments", "Environments that are remembered.", registry=self.registry)
        self._under_way = Gauge("mooring_deployments_under_way", "Deployments that have not ended.", registry=self.registry)
        self._streams = Gauge("mooring_http_streams", "Streams that are open.", registry=self.registry)
        self._lag = Gauge(
            "mooring_loop_lag_seconds", "How much later than asked the controller's loop woke up last.", registry=self.registry
        )
        self._expiry = Gauge(
            "mooring_certificate_expiry_timestamp_seconds",
            "When the certificate shown for a hostname expires, in seconds since 1970.",
            ["hostname"],
            registry=self.registry,
        )
        for outcome in Outcome:
            self._deployments.labels(outcome.value)

    def count_request(self, *, method: str, route: str, status: int) -> None:
        """`route` is a template, never what a stranger typed."""
        self._requests.labels(method, route, str(status)).inc()

    async def text(self, platform: Platform, *, streams: int) -> bytes:
        """Prometheus' text format."""
        tally: Tally[str] = Tally()
        records = platform.memory.environments()
        for record in records:
            with suppress(MooringError):
                tally.update(state_of(view) for view in (await platform.controller.snapshot(record.environment)).instances)
        for state in ("ready", "unready", "starting", "crashed", "stopping", "running"):
            self._instances.labels(state).set(tally[state])
        self._environments.set(len(records))
        self._under_way.set(len(platform.memory.unfinished_deployments()))
        self._streams.set(streams)
        self._expiry.clear()
        for view in platform.certificates.views():
            if view.expires_at and view.environment:
                self._expiry.labels(view.hostname).set(view.expires_at)
        return generate_latest(self.registry)

    async def watch(self, platform: Platform) -> None:
        """Count what ends and how late the loop is, until cancelled."""
        await asyncio.gather(self._watch_deployments(platform), self._watch_loop())

    async def _watch_deployments(self, platform: Platform) -> None:
        async for event in platform.controller.follow(after=_newest(platform)):
            if event.kind is EventKind.DEPLOYMENT_ENDED:
                self._count_deployment(platform, event)

    def _count_deployment(self, platform: Platform, event: Event) -> None:
        self._deployments.labels(str(event.fields.get("outcome", ""))).inc()
        deployment = platform.memory.deployment(event.deployment) if event.deployment else None
        if deployment is not None:
            self._seconds.labels(deployment.trigger.value).observe(max(event.at - deployment.requested_at, 0.0))

    async def _watch_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(_TICK)
            self._lag.set(max(loop.time() - before - _TICK, 0.0))


def state_of(view: InstanceView) -> str:
    """One word for what an instance does."""
    if view.state in (ProcessState.BACKOFF, ProcessState.EXITED):
        return "crashed"
    if view.state is ProcessState.STOPPING:
        return "stopping"
    words = {Health.READY: "ready", Health.UNREADY: "unready", Health.SICK: "unready", Health.STARTING: "starting"}
    return words.get(view.health, "running")


def _newest(platform: Platform) -> int:
    """The sequence behind which nothing is stored yet."""
    low, high = 0, 1
    while platform.memory.events(after=high, limit=1):
        low, high = high, high * 2
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if platform.memory.events(after=middle, limit=1) else (low, middle)
    return low
