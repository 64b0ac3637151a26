"""What lies between the controller and its drivers: effects get lost on it, are late, are delivered twice, or outlive their sender.

The effects of all drivers are counted together, from 1. A late effect holds up all that is sent to its driver after it: each driver
takes one thing after another. A line that is cut (`cut`) swallows what is sent and what is answered. Law 10 is watched here: what got
lost is looked for before it is sent again, or its opposite is.
Must not: choose what happens, or change an effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from mooring.errors import MooringError, OutcomeUnknown, Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Mark
from mooring.model.names import HostId
from mooring.testing.laws import Moment
from mooring.testing.platform import Crash, FakePlatform
from mooring.testing.simulator.story import Happening, What

Result = TypeVar("Result")
Send = Callable[[], Awaitable[Result]]
EDGE = "edge"  # the name of its line; those of the runtimes have the name of their host
_SWALLOWED = 3.0  # seconds after which nobody waits for an answer on a line that is cut
_LOOKS_ITSELF = ("runtime.deliver", "runtime.reclaim")  # what is there already is found by the effect


class World(Protocol):
    """Who says what happens at an effect, and lets all happen that has nothing to do with the wire; `line` is where the effect goes."""

    def at_effect(self, name: str, count: int, moment: Moment) -> tuple[Happening, ...]: ...

    def happen(self, happening: Happening, line: str) -> None: ...


@dataclass(frozen=True)
class _Straggler:
    """An effect whose sender is dead: it arrives once another has begun to act."""

    line: str
    what: str
    mark: Mark
    send: Callable[[], Awaitable[object]]


@dataclass
class _Line:
    """To one driver. `lost`: what was sent, was not answered, and has not been looked for since."""

    name: str
    pending: asyncio.Task[Any] | None = None
    lost: set[tuple[EnvironmentId, object]] = field(default_factory=set)
    cut_until: float = float("-inf")


class Wire:
    """`count`: effects sent so far. Silent until `blind_until`; `refuse` makes effects of one name fail for a while."""

    def __init__(self, platform: FakePlatform, world: World) -> None:
        self.count = 0
        self.passed: set[str] = set()
        self.blind_until = float("-inf")
        self._platform = platform
        self._world = world
        self._lines: dict[str, _Line] = {}
        self._refusing: dict[str, float] = {}
        self._stragglers: list[_Straggler] = []

    async def carry(self, to: str, name: str, mark: Mark, subject: object, send: Send[Result]) -> Result:
        """One effect, with all that happens to it on the way."""
        line, what = self._line(to), (mark.environment, subject)
        await self._free(line)
        self.count += 1
        count = self.count
        self.passed.add(name)
        if what in line.lost and name not in _LOOKS_ITSELF:
            self._platform.laws.tell(10, f"{name} {subject} is sent again and nobody looked what became of it")
        happenings = self._world.at_effect(name, count, Moment.BEFORE)
        for happening in happenings:
            self._before(happening, _Straggler(to, name, mark, send), line, what)
        self._check_silence(name)
        await self._pass_cut(line, what)
        late = max((each.seconds for each in happenings if each.what is What.LATE), default=0.0)
        try:
            result = await (self._late(line, late, send) if late else send())
        except (asyncio.CancelledError, Crash):
            line.lost.add(what)
            raise
        await self._deliver_stragglers(to, mark)
        for happening in self._world.at_effect(name, count, Moment.AFTER):
            await self._after(happening, send, line, what)
        await self._pass_cut(line, what)
        return result

    async def look(self, to: str, ask: Send[Result], *, task: tuple[EnvironmentId, object] | None = None) -> Result:
        """What the controller learns by it, it need not fear to have lost any more. A look at a task shows that task only."""
        line = self._line(to)
        await self._free(line)
        self._check_silence("")
        if self._is_cut(line):
            await self._platform.clock.sleep(_SWALLOWED)
            raise Unavailable(f"{to} gives no answer")
        lost = set(line.lost)
        result = await ask()
        line.lost -= {task} if task is not None else {each for each in lost if not isinstance(each[1], str)}
        return result

    def reaches(self, host: HostId) -> bool:
        """Whether its instances are reached, as probes reach them: also where its line tells nothing."""
        return host not in self._platform.world.cut_off

    async def swallow(self, *, seconds: float) -> None:
        """A question that gets no answer, for as long as whoever asked it waits."""
        await self._platform.clock.sleep(seconds)

    def refuse(self, name: str, *, seconds: float) -> None:
        self._refusing[name] = self._platform.clock.monotonic() + seconds

    def cut(self, to: str, *, until: float) -> None:
        """Nothing comes through before that time (monotonic)."""
        line = self._line(to)
        line.cut_until = max(line.cut_until, until)

    def is_cut(self, to: str) -> bool:
        """Whether nothing comes through."""
        return self._is_cut(self._line(to))

    def is_hindered(self, now: float) -> bool:
        """Whether something is under way that holds up the rest, is refused, or does not come through."""
        return self.is_held_up(now) or any(map(self._is_cut, self._lines.values()))

    def is_held_up(self, now: float) -> bool:
        """The same, but for lines that are cut."""
        is_late = any(line.pending is not None and not line.pending.done() for line in self._lines.values())
        return is_late or any(until > now for until in self._refusing.values())

    def heal(self) -> None:
        """Nothing goes wrong any more, and what was under way is lost."""
        self._refusing.clear()
        self._stragglers.clear()
        for line in self._lines.values():
            line.cut_until = float("-inf")
        self.blind_until = float("-inf")

    def _before(self, happening: Happening, effect: _Straggler, line: _Line, what: tuple[EnvironmentId, object]) -> None:
        match happening.what:
            case What.LATE:
                return
            case What.LOST:
                line.lost.add(what)
                raise OutcomeUnknown(f"no answer to {effect.what}")
            case What.REFUSED:
                self.refuse(effect.what, seconds=happening.seconds)
                raise Unavailable(f"{effect.what} was refused")
            case What.ZOMBIE:
                self._stragglers.append(effect)
                self._world.happen(happening, line.name)
                raise Crash
        self._world.happen(happening, line.name)
        if self._platform.is_crashed:
            raise Crash

    async def _after(self, happening: Happening, send: Send[object], line: _Line, what: tuple[EnvironmentId, object]) -> None:
        match happening.what:
            case What.LATE:
                await self._platform.clock.sleep(happening.seconds)
            case What.TWICE:
                await send()
            case What.LOST:
                line.lost.add(what)
                raise OutcomeUnknown("the answer was lost")
            case _:
                self._world.happen(happening, line.name)
        if self._platform.is_crashed:
            line.lost.add(what)
            raise Crash

    def _check_silence(self, name: str) -> None:
        now = self._platform.clock.monotonic()
        if now < self.blind_until:
            raise Unavailable("the driver gives no answer")
        if now < self._refusing.get(name, now):
            raise Unavailable(f"{name} is refused")

    def _line(self, to: str) -> _Line:
        return self._lines.setdefault(to, _Line(to))

    def _is_cut(self, line: _Line) -> bool:
        return self._platform.clock.monotonic() < line.cut_until

    async def _pass_cut(self, line: _Line, what: tuple[EnvironmentId, object]) -> None:
        """On a line that is cut nobody hears an answer: neither whether it arrived, nor that it did not."""
        if self._is_cut(line):
            line.lost.add(what)
            await self._platform.clock.sleep(_SWALLOWED)
            raise OutcomeUnknown(f"no answer from {line.name}")

    async def _free(self, line: _Line) -> None:
        while line.pending is not None and not line.pending.done():
            await asyncio.wait({line.pending})

    async def _late(self, line: _Line, seconds: float, send: Send[Result]) -> Result:
        """It lands even if its sender is dead by then."""

        async def land() -> Result:
            await self._platform.clock.sleep(seconds)
            return await send()

        landing = _of_the_world(land())
        line.pending = landing
        return await asyncio.shield(landing)

    async def _deliver_stragglers(self, to: str, mark: Mark) -> None:
        """After the successor's first effect: from now on an older number must be refused."""
        due = [each for each in self._stragglers if (each.line, each.mark.environment) == (to, mark.environment)]
        self._stragglers = [each for each in self._stragglers if each not in due]
        for straggler in due:
            await _of_the_world(self._arrive(straggler))

    async def _arrive(self, straggler: _Straggler) -> None:
        try:
            await straggler.send()
        except MooringError:
            return  # a StaleFence, or refused for another reason: nothing has landed either way
        self._platform.laws.tell(11, f"{straggler.what} of a controller that was dead landed after its successor had acted")


def _of_the_world(work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
    """A task that belongs to no controller, and outlives each."""
    task = asyncio.get_running_loop().create_task(work, context=Context())
    task.add_done_callback(_noted)
    return task


def _noted(task: asyncio.Task[Any]) -> None:
    """Whoever waited for it hears of its failure; there may be nobody left."""
    if not task.cancelled():
        task.exception()
