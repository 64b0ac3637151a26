"""The life of one fake instance, reckoned from the clock: starts, exits, ever slower restarts. Must not: wait, or know a runtime."""

from __future__ import annotations

from dataclasses import dataclass, field

from mooring.model.health import Listening
from mooring.model.instance import InstanceSpec, InstanceView, ProcessState
from mooring.testing.behaviour import Behaviour

_QUICK_STARTS = 3  # restarts without waiting, as in the runtime `process`
_LONGEST_WAIT = 60.0


@dataclass
class FakeLife:
    """`now` and `started` are monotonic; `wall_offset` turns them into wall time. `pids` hands out numbers never used before."""

    spec: InstanceSpec
    behaviour: Behaviour
    port: int
    variables: dict[str, str]
    started: float
    wall_offset: float
    pid: int
    restarts: int = 0
    short_lives: int = 0
    waits_until: float | None = None
    exit_code: int | None = None
    signal: str = ""
    stops_at: float | None = None
    has_answered: bool = False  # well, to a prober, since its last start
    lines: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._say()

    def advance(self, now: float) -> None:
        """Live through everything up to `now`."""
        while True:
            if self.waits_until is not None:
                if now < self.waits_until:
                    return
                self._start(self.waits_until)
            ends = self._end()
            if ends is None or now < ends:
                return
            self._die(ends)

    def kill(self, now: float, *, signal: str = "SIGKILL") -> None:
        """Its process dies now; the supervisor starts it again."""
        self.advance(now)
        if self.waits_until is None:
            self.exit_code, self.signal = None, signal
            self._wait_to_start(now)
            self.advance(now)

    def restart(self, now: float) -> None:
        self.short_lives = 0
        self._start(now)

    def is_ready(self, now: float) -> bool:
        """Whether it answers now."""
        self.advance(now)
        is_up = self.waits_until is None and not self.has_stopped(now)
        return is_up and now - self.started >= self.behaviour.ready_after and self.behaviour.listens_on is None

    def has_stopped(self, now: float) -> bool:
        """As it was told to, though whoever told it did not come back to forget it."""
        return self.stops_at is not None and now >= self.stops_at

    def listening(self, now: float) -> tuple[Listening, ...]:
        self.advance(now)
        if self.waits_until is not None or self.has_stopped(now) or now - self.started < self.behaviour.ready_after:
            return ()
        if self.behaviour.listens_on is not None:
            return self.behaviour.listens_on
        return (Listening("127.0.0.1", self.port),) if self.port else ()

    def view(self, now: float) -> InstanceView:
        self.advance(now)
        state = ProcessState.RUNNING if self.waits_until is None else ProcessState.BACKOFF
        if self.stops_at is not None:
            state = ProcessState.EXITED if self.has_stopped(now) else ProcessState.STOPPING
        return InstanceView(
            key=self.spec.key,
            state=state,
            port=self.port,
            pid=self.pid if self.waits_until is None else 0,
            started_at=self.started + self.wall_offset,
            restarts=self.restarts,
            exit_code=self.exit_code,
            signal=self.signal,
            is_retired=self.stops_at is not None,
            retry_at=self.waits_until + self.wall_offset if self.waits_until is not None else 0.0,
            memory=self.behaviour.memory if self.waits_until is None else 0,
        )

    def _end(self) -> float | None:
        after = self.behaviour.exits_after
        return None if after is None else self.started + after

    def _die(self, at: float) -> None:
        self.exit_code = None if self.behaviour.signal else self.behaviour.exit_code
        self.signal = self.behaviour.signal
        self._wait_to_start(at)

    def _wait_to_start(self, at: float) -> None:
        self.short_lives = self.short_lives + 1 if at - self.started < _LONGEST_WAIT else 0
        wait = 0.01 if self.short_lives < _QUICK_STARTS else min(_LONGEST_WAIT, 2.0 ** (self.short_lives - _QUICK_STARTS))
        self.waits_until = at + wait

    def _start(self, at: float) -> None:
        self.started, self.waits_until, self.has_answered = at, None, False
        self.restarts += 1
        self.pid += 1
        self._say()

    def _say(self) -> None:
        self.lines += [(self.started + self.wall_offset, line) for line in self.behaviour.lines]
        del self.lines[:-1000]
