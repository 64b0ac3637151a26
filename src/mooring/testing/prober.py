"""A prober that asks the instances of a FakeWorld, and a probe stream that counts by the clock. Must not: open a socket."""

from __future__ import annotations

from mooring.drivers.probe.contract import Prober, StreamOpener
from mooring.engine.contract import Clock
from mooring.model.health import Check, CheckKind, ProbeResult, ProbeTarget
from mooring.model.receipt import ProbeStream
from mooring.testing.life import FakeLife
from mooring.testing.world import FakeWorld


class FakeProber:
    """Answers as the instance behaves. `asked` counts the questions, by port (or pid for those without one)."""

    def __init__(self, world: FakeWorld, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self.asked: dict[int, int] = {}

    async def probe(self, target: ProbeTarget, check: Check) -> ProbeResult:
        place = target.port or target.pid
        self.asked[place] = self.asked.get(place, 0) + 1
        life = self._life(target)
        if life is not None and life.spec.key.host in self._world.cut_off:
            await self._clock.sleep(check.timeout)
            return self._result(check, passed=False, latency=check.timeout, said=f"no answer within {check.timeout:g} s")
        if life is None or life.view(self._clock.monotonic()).pid == 0:
            return self._result(check, passed=False, said="connection refused")
        if check.kind is CheckKind.ALIVE:
            return self._result(check, passed=True, said="the process runs")
        if not life.is_ready(self._clock.monotonic()):
            return self._result(check, passed=False, said="connection refused")
        return await self._answer(life, check)

    async def _answer(self, life: FakeLife, check: Check) -> ProbeResult:
        behaviour = life.behaviour
        if behaviour.answers == 0:
            await self._clock.sleep(check.timeout)
            return self._result(check, passed=False, latency=check.timeout, said=f"no answer within {check.timeout:g} s")
        status = behaviour.answers if check.kind is CheckKind.HTTP else 0
        await self._clock.sleep(behaviour.latency)
        passed = check.kind is not CheckKind.HTTP or 200 <= status < 400
        life.has_answered = life.has_answered or passed
        return self._result(check, passed=passed, latency=behaviour.latency, status=status, said=f"answered {status}" if status else "")

    def _life(self, target: ProbeTarget) -> FakeLife | None:
        now = self._clock.monotonic()
        found = (life for life in self._world.lives() if (target.port and life.port == target.port) or life.view(now).pid == target.pid)
        return next(found, None)

    def _result(self, check: Check, *, passed: bool, said: str, status: int = 0, latency: float = 0.0) -> ProbeResult:
        path = check.paths[0] if check.kind is CheckKind.HTTP and check.paths else ""
        return ProbeResult(passed=passed, at=self._clock.wall(), latency=latency, path=path, status=status, said=said)


class FakeStream:
    """Counts `rate` requests a second of the clock; `fail` adds failures."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._rate = rate
        self._failures: list[str] = []

    def fail(self, reason: str) -> None:
        self._failures.append(reason)

    async def close(self) -> ProbeStream:
        sent = max(int((self._clock.monotonic() - self._began) * self._rate), len(self._failures))
        failed = len(self._failures)
        return ProbeStream(
            rate=self._rate, sent=sent, answered=sent - failed, failed=failed, slowest=0.002, failures=tuple(self._failures[:20])
        )


class FakeStreamOpener:
    """`streams` are those opened so far, with what they were asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.streams: list[tuple[str, str, FakeStream]] = []

    async def open(self, *, hostname: str, path: str, rate: float) -> FakeStream:
        stream = FakeStream(self._clock, rate)
        self.streams.append((hostname, path, stream))
        return stream


_prober: type[Prober] = FakeProber
_opener: type[StreamOpener] = FakeStreamOpener
