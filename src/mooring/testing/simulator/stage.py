"""Where a story is lived: the platform, its clients, the people who ask, and all that happens to them.

    stage = Stage(story)
    ended = stage.play()      # from beginning to end, in virtual time; or step by step: begin, happen, pass_time, finish
    assert not ended.violations

Must not: draw lots; the story says everything.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextvars import Context

import msgspec

from mooring.errors import DriverError, OutcomeUnknown, Unavailable
from mooring.model.deployment import Revision
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.names import HostId
from mooring.testing.clock import Stuck, VirtualClock, run_virtually
from mooring.testing.laws import HEALING, Moment, Point, Violation
from mooring.testing.life import FakeLife
from mooring.testing.platform import Crash, FakePlatform, note_trouble
from mooring.testing.simulator import app
from mooring.testing.simulator.cells import Cell, cell
from mooring.testing.simulator.client import Client
from mooring.testing.simulator.decided import Decided
from mooring.testing.simulator.end import Lived, check_end
from mooring.testing.simulator.hosts import Hosts
from mooring.testing.simulator.lines import EdgeLine, RuntimeLine
from mooring.testing.simulator.onlooker import Onlooker
from mooring.testing.simulator.people import People, later
from mooring.testing.simulator.story import HOST_FAULTS, ORDERS, Happening, On, Story, What
from mooring.testing.simulator.watch import ROLLING, Watch
from mooring.testing.simulator.wire import Wire

SHOP = EnvironmentId.parse("shop")
BLOG = EnvironmentId.parse("blog")
_PLENTY = 8_000_000_000  # bytes
_LONGEST = 900.0  # virtual seconds a story may take to come to rest
_QUIET = 3.0  # seconds at rest in which nothing may be done any more
_JUMPS = (3600.0, -3600.0, 5.0, -5.0)


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a story. `rollouts`: deployments that were carried out, not those that only waited."""

    story: Story
    rollouts: int
    requests: int
    failed: int
    violations: tuple[Violation, ...]
    cells: Counter[Cell]
    passed: frozenset[str]
    events: tuple[Event, ...] = ()


class Stage:
    """One story's. `on_event` is told what happens and when, for who wants to read along."""

    def __init__(self, story: Story, *, on_event: Callable[[str], None] = lambda _: None) -> None:
        setting = story.setting
        self.story = story
        self.platform = FakePlatform(VirtualClock(), memory_budget=setting.budget or _PLENTY)
        self.environments = (SHOP, BLOG) if setting.has_second_environment else (SHOP,)
        self.wire = Wire(self.platform, self)
        self.hosts = Hosts(self.platform, self.wire, setting)
        self.clients = {each: Client(self.platform, each, self.hosts, patience=setting.drain_timeout - 0.2) for each in self.environments}
        self.people = People(self.platform, setting)
        self.watch = Watch(self.platform, self.environments, self.hosts)
        self.decided = Decided(self.platform, self.environments, self.hosts)
        self.cells: Counter[Cell] = Counter()
        self.happened: list[Happening] = []
        self._before: dict[EnvironmentId, Revision | None] = {}
        self._absences: list[tuple[float, float]] = []
        self._died_at = 0.0
        self._told = 0  # events looked at
        self._on_event = on_event
        self._writes = self._effects = 0
        self._waiting = [each for each in story.happenings if each.on is not On.TIME]
        self._is_open = False  # whether anything may happen yet
        self._began = self._full_until = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []
        platform = self.platform
        platform.runtime_line, platform.edge_line = RuntimeLine(platform.runtime, self.wire), EdgeLine(platform.edge, self.wire)
        platform.runtime.behave = lambda spec: app.instance(setting, spec)
        platform.runtime.behave_task = lambda spec: app.task(setting, spec)
        platform.on_point = self._at_write
        platform.laws.before_check = self.watch.notice_deaths
        platform.clock.before_leap = self._tick

    # the story

    def play(self) -> Ended:
        """From beginning to end."""
        try:
            run_virtually(self._live(), self.platform.clock, within=10 * _LONGEST)
        except Stuck as error:
            self.platform.laws.tell(14, str(error))
        return self.ended()

    async def begin(self) -> None:
        """Until what was deployed before is at rest and the clients ask."""
        asyncio.get_running_loop().set_exception_handler(lambda _, context: note_trouble(self.platform, context))
        await self.platform.start()
        for environment in self.environments:
            for _ in range(self.story.setting.deploys_before):
                await self.platform.end(self.platform.deploy(environment, app.tree(self.story.setting, app.GOOD)))
        self._tasks = [asyncio.create_task(client.visit()) for client in self.clients.values()]
        self._tasks.append(asyncio.create_task(Onlooker(self.platform, self.environments).watch()))
        await self.platform.clock.sleep(1.0)
        self._began = self.platform.clock.monotonic()
        self.wire.count = self._writes = 0
        self.watch.begin()
        self.hosts.begin()
        self._is_open = True
        self._before = dict.fromkeys(self.environments, None)
        self._before |= {record.environment: record.revision for record in self.platform.memory.environments()}

    async def act(self, happening: Happening) -> None:
        """Now; or, where it is to be at an effect or a write, at the `number`th from now."""
        if happening.on is On.TIME:
            self.happen(happening)
            return
        passed = self.wire.count if happening.on is On.EFFECT else self._writes
        self._waiting.append(msgspec.structs.replace(happening, number=passed + happening.number))

    async def pass_time(self, seconds: float) -> None:
        await self.platform.clock.sleep(seconds)

    async def finish(self) -> None:
        """Everything that was asked comes to its end, everything heals, and the laws of the end are checked."""
        await self._until(self._is_done, law=14, what="a deployment does not end")
        self._is_open, self._effects = False, self.wire.count
        self._full_until = float("-inf")
        self.wire.heal()
        self.hosts.heal()
        for runtime in self.platform.world.hosts.values():
            runtime.behave = lambda _: app.WELL
        for life in self.platform.world.lives():
            life.behaviour = app.WELL
        await self._until(self.watch.is_in_order, law=8, what="it does not come to order")
        await self.platform.clock.sleep(2 * HEALING if self.hosts.names else HEALING)  # who asked a lost host still waits for an answer
        await self._until(self.watch.is_in_order, law=8, what="it does not stay in order")
        for client in self.clients.values():
            await client.stop()
        count = self.wire.count
        await self.platform.clock.sleep(_QUIET)
        if self.wire.count != count:
            self.platform.laws.tell(9, f"{self.wire.count - count} effects though nothing has changed")
        check_end(self.platform, self._lived())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.platform.stop()

    def ended(self) -> Ended:
        for trouble in self.platform.trouble:
            self.platform.laws.tell(14, f"died without a word: {trouble}")
        events = self.platform.events()
        started = {event.deployment for event in events if event.kind is EventKind.PHASE_STARTED and event.fields["phase"] in ROLLING}
        return Ended(
            story=self.story,
            rollouts=len(started) - self.story.setting.deploys_before * len(self.environments),
            requests=sum(client.asked for client in self.clients.values()),
            failed=sum(client.failed for client in self.clients.values()),
            violations=tuple(self.platform.laws.violations),
            cells=self.cells,
            passed=frozenset(self.wire.passed),
            events=events,
        )

    # what the wire asks

    def at_effect(self, name: str, count: int, moment: Moment) -> tuple[Happening, ...]:
        """What is to happen there, each once."""
        return self._due(name, On.EFFECT, count, moment) if self._is_open else ()

    def happen(self, happening: Happening, line: str = "") -> None:
        """Now, and whoever's turn it is; `line` is where the effect goes at which it happens."""
        self.happened.append(happening)
        self._on_event(f"{self.now():8.2f}  ** {happening.what.value}")
        Context().run(self._happen, happening, line)

    # what others look at

    @property
    def effects(self) -> int:
        """How many were sent, from the story's beginning until all was done."""
        return self._effects

    @property
    def writes(self) -> int:
        """How often the memory was written, likewise."""
        return self._writes

    def now(self) -> float:
        """Seconds since the story began."""
        return self.platform.clock.monotonic() - self._began

    # happenings

    def _due(self, name: str, on: On, count: int, moment: Moment) -> tuple[Happening, ...]:
        if not self._waiting:
            return ()
        due = tuple(each for each in self._waiting if each.on is on and each.number == count and each.moment is moment)
        if due:
            self._waiting = [each for each in self._waiting if each not in due]
            self.cells.update(cell(name, moment, each.what) for each in due)
            self._on_event(f"{self.now():8.2f}  ** {', '.join(each.what.value for each in due)} {moment.value} {name}")
            self.happened += due
        return due

    def _at_write(self, point: Point) -> None:
        """Of the memory: a full disk, a lost answer, a crash."""
        if not self._is_open or not point.name.startswith("memory."):
            return
        self.wire.passed.add(point.name)
        if point.moment is Moment.BEFORE:
            self._writes += 1
        elif point.name == "memory.save_deployment":
            self.watch.check_ends()
        for happening in self._due(point.name, On.WRITE, self._writes, point.moment):
            match happening.what:
                case What.CRASH:
                    Context().run(self._crash, happening.seconds)
                    raise Crash
                case What.LOST:
                    raise OutcomeUnknown("the answer was lost")
                case What.DISK_FULL:
                    self._full_until = self.platform.clock.monotonic() + happening.seconds
        if point.moment is Moment.BEFORE and self.platform.clock.monotonic() <= self._full_until:
            raise Unavailable("the disk is full", hint="free some space")

    def _happen(self, happening: Happening, line: str) -> None:
        environment = self.environments[happening.pick % len(self.environments)]
        match happening.what:
            case What.CRASH | What.ZOMBIE:
                self._crash(happening.seconds)
            case What.BLIND:
                self.wire.blind_until = self.platform.clock.monotonic() + happening.seconds
            case What.FLAP:
                self._flap(environment, happening)
            case What.DIES:
                self._die(environment, happening.pick)
            case What.EDGE_RESTART:
                self.platform.edge.restart()
                for client in self.clients.values():
                    client.note_edge_restart()
            case What.DISK_FULL:
                self._full_until = self.platform.clock.monotonic() + happening.seconds
            case What.CLOCK_JUMP:
                self.platform.clock.jump(_JUMPS[happening.pick % len(_JUMPS)])
            case what if what in HOST_FAULTS:
                self._strike(happening, line)
            case _:
                self._act(environment, happening)

    def _strike(self, happening: Happening, line: str) -> None:
        """A host: that of the effect, or another one."""
        names = self.hosts.names
        if names:
            is_there = line in names and happening.pick % 2 == 0
            self.hosts.happen(
                happening.what, HostId(line) if is_there else names[happening.pick // 2 % len(names)], seconds=happening.seconds
            )

    def _act(self, environment: EnvironmentId, happening: Happening) -> None:
        """What people do."""
        match happening.what:
            case What.SECOND_USER:
                other = self.environments[(happening.pick + 1) % len(self.environments)]
                self.people.ask(other, ORDERS[happening.pick // 2 % 4], happening.pick, by="bob")
            case What.PUSHES:
                for who in ("ann", "bob", "cat"):
                    self.people.ask(environment, What.DEPLOY, 0, by=who)
            case What.CANCEL:
                self.people.cancel(environment)
            case _:
                self.people.ask(environment, happening.what, happening.pick, by="ann")

    def _crash(self, seconds: float) -> None:
        if not self.platform.is_crashed:
            self.platform.crash()
            self._died_at = self.platform.clock.monotonic()
            later(seconds, self._recover)

    def _recover(self) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(self._restart(), context=Context()))

    async def _restart(self) -> None:
        while self.platform.is_crashed:
            try:
                await self.platform.start()
            except DriverError:  # as a process that ends with an error and is started again
                self.platform.crash()
            if self.platform.is_crashed:
                await self.platform.clock.sleep(0.5)
        self._absences.append((self._died_at, self.platform.clock.monotonic()))

    def _lives(self, environment: EnvironmentId) -> list[FakeLife]:
        return [life for life in self.platform.world.lives() if life.spec.key.environment == environment]

    def _flap(self, environment: EnvironmentId, happening: Happening) -> None:
        lives = [life for life in self._lives(environment) if life.port]
        if not lives:
            return
        life = lives[happening.pick // 2 % len(lives)]
        life.behaviour = msgspec.structs.replace(life.behaviour, answers=503)
        runtime = self.platform.world.hosts[life.spec.key.host]

        def heal() -> None:
            life.behaviour = runtime.behave(life.spec)

        later(happening.seconds, heal)

    def _die(self, environment: EnvironmentId, pick: int) -> None:
        lives = self._lives(environment)
        if not lives:
            return
        key = lives[pick // 2 % len(lives)].spec.key
        self.platform.laws.excuse(environment, seconds=HEALING)
        runtime = self.platform.world.hosts[key.host]
        if pick % 3 == 2:
            runtime.lose_host([key])
        else:
            runtime.kill(key)

    # time

    def _tick(self) -> None:
        """All that can be done at this moment is done: look at the world, before time goes on."""
        now = self.platform.clock.monotonic()
        is_hindered = self._is_hindered(now)
        self.hosts.look(is_hindered=is_hindered)
        self.watch.look(is_hindered=is_hindered)
        self.decided.look(is_held_up=self._is_held_up(now))
        for client in self.clients.values():
            client.judge(is_calm=all(_is_calm(each) for each in self.happened))
        for event in self.platform.memory.events(after=self._told, limit=1_000):
            self._told = event.sequence
            self.watch.read(event)
            self._on_event(_line(event, self.now()))

    def _is_hindered(self, now: float) -> bool:
        """Whether the controller can do nothing about what it may not even see."""
        return self._is_held_up(now) or self.wire.is_hindered(now)

    def _is_held_up(self, now: float) -> bool:
        """The same, but for hosts that it cannot reach: it can act on all the others."""
        return self.platform.is_crashed or now <= max(self._full_until, self.wire.blind_until) or self.wire.is_held_up(now)

    async def _live(self) -> None:
        await self.begin()
        for happening in sorted((each for each in self.story.happenings if each.on is On.TIME), key=lambda each: each.number):
            await self.pass_time(max(0.0, happening.number - self.now()))
            self.happen(happening)
        await self.finish()

    async def _until(self, holds: Callable[[], bool], *, law: int, what: str) -> None:
        until = self.platform.clock.monotonic() + _LONGEST
        while not holds():
            if self.platform.clock.monotonic() > until:
                self.platform.laws.tell(law, f"{what}: {'; '.join(self.watch.disorder())}")
                return
            await self.platform.clock.sleep(0.5)

    def _is_done(self) -> bool:
        last = max((each.number for each in self.story.happenings if each.on is On.TIME), default=0.0)
        is_idle = not self.platform.is_crashed and not self.platform.memory.unfinished_deployments()
        return is_idle and not self.people.waiting and self.now() > last + 2.0

    def _lived(self) -> Lived:
        return Lived(
            before=self._before,
            destroyers=frozenset(self.people.destroyers),
            happened=tuple(self.happened),
            absences=tuple(self._absences),
        )


def _is_calm(happening: Happening) -> bool:
    """Whether this is what people ask of a platform on a good day."""
    return happening.what in ORDERS and (happening.what is not What.DEPLOY or app.kind_of(happening.pick) == app.GOOD)


def _line(event: Event, now: float) -> str:
    said = " ".join(f"{name}={value}" for name, value in event.fields.items() if isinstance(value, (str, int, float)) and value != "")
    return f"{now:8.2f}  {event.environment or '-'} {event.kind.value} {said}"
