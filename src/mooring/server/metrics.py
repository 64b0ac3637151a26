"""The controller's own numbers for Prometheus: deployments, instances, requests, and how late the loop runs. Must not: name a secret.

Gauges are taken when they are asked for; counters begin at 0 with each controller, as Prometheus expects.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from itertools import accumulate

import msgspec

from mooring.errors import MooringError
from mooring.model.deployment import Outcome
from mooring.model.events import Event, EventKind
from mooring.model.health import Health
from mooring.model.instance import InstanceView, ProcessState
from mooring.usecases.platform import Platform

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STATES = ("ready", "unready", "starting", "crashed", "stopping", "running")
_SECONDS = (0.5, 1, 2, 3, 5, 8, 13, 21, 34, 60, 120, 300, 600, 1800)
_TICK = 1.0


class Spread:
    """How long things took, in seconds: how many of them no longer than each bound, and all of them together."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_SECONDS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(_SECONDS, seconds)] += 1
        self.sum += seconds

    @property
    def buckets(self) -> tuple[tuple[str, float], ...]:
        """By bound as Prometheus writes it; the last one has none."""
        names = (*(str(float(bound)) for bound in _SECONDS), "+Inf")
        return tuple(zip(names, accumulate(self._counts), strict=True))


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to tell at one moment. `seconds`: of deployments, by trigger; `requests`: by method, route and status.

    `lag` in seconds; `expiry` of what is shown for each hostname, in seconds since 1970."""

    deployments: Mapping[str, int]
    seconds: Mapping[str, Spread]
    requests: Mapping[tuple[str, str, str], int]
    instances: Mapping[str, int]
    environments: int
    under_way: int
    streams: int
    lag: float
    expiry: Mapping[str, float]


class Metrics:
    def __init__(self) -> None:
        self._deployments = Tally({outcome.value: 0 for outcome in Outcome})
        self._seconds = defaultdict[str, Spread](Spread)
        self._requests: Tally[tuple[str, str, str]] = Tally()
        self._lag = 0.0

    def count_request(self, *, method: str, route: str, status: int) -> None:
        """`route` is a template, never what a stranger typed."""
        self._requests[method, route, str(status)] += 1

    async def text(self, platform: Platform, *, streams: int) -> bytes:
        """Prometheus' text format."""
        from mooring.server.exposition import exposed  # its library comes with whoever asks first: many have nobody who does

        tally = Tally(dict.fromkeys(_STATES, 0))
        records = platform.memory.environments()
        for record in records:
            with suppress(MooringError):
                tally.update(state_of(view) for view in (await platform.controller.snapshot(record.environment)).instances)
        return exposed(
            Numbers(
                deployments=self._deployments,
                seconds=self._seconds,
                requests=self._requests,
                instances=tally,
                environments=len(records),
                under_way=len(platform.memory.unfinished_deployments()),
                streams=streams,
                lag=self._lag,
                expiry={view.hostname: view.expires_at for view in platform.certificates.views() if view.expires_at and view.environment},
            )
        )

    async def watch(self, platform: Platform) -> None:
        """Count what ends and how late the loop is, until cancelled."""
        await asyncio.gather(self._watch_deployments(platform), self._watch_loop())

    async def _watch_deployments(self, platform: Platform) -> None:
        async for event in platform.controller.follow(after=_newest(platform)):
            if event.kind is EventKind.DEPLOYMENT_ENDED:
                self._count_deployment(platform, event)

    def _count_deployment(self, platform: Platform, event: Event) -> None:
        self._deployments[str(event.fields.get("outcome", ""))] += 1
        deployment = platform.memory.deployment(event.deployment) if event.deployment else None
        if deployment is not None:
            self._seconds[deployment.trigger.value].add(max(event.at - deployment.requested_at, 0.0))

    async def _watch_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(_TICK)
            self._lag = max(loop.time() - before - _TICK, 0.0)


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
