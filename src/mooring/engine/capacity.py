"""Borrows hosts while review apps wait for room, and gives them back when nothing is on them: asks the planner from time to time.

What is to be done is on record before anybody is asked for it, under a key that stays the same: a controller that dies over it asks again
and gets the same machine. Must not: decide, or give back a host that a person added.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Coroutine, Iterator

import msgspec

from mooring.drivers.capacity.contract import Capacity
from mooring.engine.contract import Clock, Memory
from mooring.engine.defect import traced
from mooring.engine.hosts import HostDesk, placed
from mooring.engine.reviews import ReviewKeeper
from mooring.errors import DriverError, MooringError, NeedsPerson, Refused
from mooring.model.capacity import CapacityTerms, Lent, Loan, Need, borrowed
from mooring.model.host import Host
from mooring.model.names import HostId
from mooring.planner.loans import Ask, Borrow, GiveBack, Note, Return, TakeIn, Waiting, plan

_LOOK_EVERY = 2.0  # seconds
_SWEEP_EVERY = 600.0  # seconds between two looks at what was lent in all
_SWEEP = "what is there"
_LOST_AFTER = 600.0  # seconds for which a host that goes may not answer: then nothing is asked of it any more
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0  # seconds between two tries with a loan


class CapacityKeeper:
    """One per controller. `driver` None: nobody lends. `controller` gives the name that every key begins with."""

    def __init__(
        self,
        *,
        memory: Memory,
        desk: HostDesk,
        reviews: ReviewKeeper,
        driver: Capacity | None,
        terms: CapacityTerms,
        clock: Clock,
        tell: Callable[[str], None],
        controller: Callable[[], str],
        new_key: Callable[[], str] = lambda: secrets.token_hex(4),
    ) -> None:
        self._memory = memory
        self._desk = desk
        self._reviews = reviews
        self._driver = driver
        self.terms = terms
        self._clock = clock
        self._tell = tell
        self._controller = controller
        self._new_key = new_key
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._held: set[HostId] = set()  # taken out of use by hand
        self._pauses: dict[str, tuple[float, float]] = {}  # monotonic time of the next try, and the pause after it
        self._orphans: tuple[Lent, ...] = ()
        self._swept_at = float("-inf")

    @property
    def is_there(self) -> bool:
        """Whether anybody lends."""
        return self._driver is not None

    @property
    def orphans(self) -> tuple[Lent, ...]:
        """Machines made for keys of this controller that it knows nothing of."""
        return self._orphans

    async def run(self) -> None:
        """Until cancelled."""
        if self._driver is None:
            return
        trouble = ""
        try:
            while True:
                try:
                    self.turn(self._driver)
                    trouble = ""
                except MooringError as error:
                    if error.message != trouble:
                        trouble = error.message
                        self._tell(f"borrowed hosts cannot be looked after: {error}")
                except Exception as error:
                    self._tell(f"borrowed hosts could not be looked after: {traced(error)}")
                await self._clock.sleep(_LOOK_EVERY)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def turn(self, driver: Capacity) -> None:
        """One look at all loans. Raises Unavailable."""
        loans, hosts = self._memory.loans(), self._memory.hosts()
        self._pauses = {key: pause for key, pause in self._pauses.items() if key in {loan.key for loan in loans}}
        used = _used(self._memory) if loans else frozenset[HostId]()  # it reads every release
        present = frozenset(host.name for host in hosts if host.loan)
        now = self._clock.wall()
        if self._clock.monotonic() - self._swept_at >= _SWEEP_EVERY:
            self._swept_at = self._clock.monotonic()
            self._go_on(_SWEEP, self._sweep(driver))
        for act in plan(loans, _waiting(self._memory), used=used, present=present, terms=self.terms, now=now):
            match act:
                case Borrow(need=need, reason=reason):
                    self._borrow(need, reason)
                case Note(loan=loan, idle_since=idle_since):
                    self._memory.save_loan(msgspec.structs.replace(loan, idle_since=idle_since))
                case GiveBack(loan=loan, reason=reason):
                    self._give_back(loan, reason)
                case Ask(loan=loan) | TakeIn(loan=loan) | Return(loan=loan):
                    self._begin(driver, act, loan)

    @contextlib.contextmanager
    def left_alone(self, host: Host) -> Iterator[None]:
        """While somebody takes it out of use nothing is done with its loan. Raises Refused while it is taken out of use already."""
        if host.name in self._held or host.loan in self._tasks:
            hint = "`mooring host ls` shows when it is gone; if it is still there in a minute, ask again"
            raise Refused(f"{host.name} is being taken away already", hint=hint)
        self._held.add(host.name)
        try:
            yield
        finally:
            self._held.remove(host.name)

    def give_back(self, host: Host, reason: str) -> None:
        """Somebody took it out of use: where it was borrowed, it goes back to whoever lent it. Raises Unavailable."""
        for loan in self._memory.loans():
            if host.loan == loan.key and not loan.leaving:
                self._leave(loan, reason)

    async def _sweep(self, driver: Capacity) -> None:
        """Names what was made for nobody that is known: a memory that came back from a backup does not know what was borrowed since."""
        try:
            before, found = self._memory.loans(), await driver.lent()  # which takes its time: loans come and go meanwhile
            known = {loan.key for loan in (*before, *self._memory.loans())}
        except MooringError as error:
            self._tell(f"it is not known which hosts are borrowed: {error}")
            return
        told, self._orphans = self._orphans, tuple(each for each in found if each.key not in known)
        for each in self._orphans:
            if each not in told:
                self._tell(f"nobody needs the borrowed host {each.address} (key {each.key}), and it is not known here")

    def _borrow(self, need: Need, reason: str) -> None:
        loan = Loan(key=f"{self._controller()}-{self._new_key()}", need=need, reason=reason, since=self._clock.wall())
        self._memory.save_loan(loan)
        self._tell(f"one more host is asked for in region {need.region}, {loan.host}: {reason}")

    def _give_back(self, loan: Loan, reason: str) -> None:
        if loan.key in self._tasks or loan.host in self._held:
            return  # whoever lends is not interrupted: it may just be making it
        self._leave(loan, reason)

    def _leave(self, loan: Loan, reason: str) -> None:
        self._memory.save_loan(msgspec.structs.replace(loan, leaving=reason, since=self._clock.wall(), error=""))
        self._pauses.pop(loan.key, None)
        self._tell(f"the borrowed host {loan.host} is given back: {reason}")

    def _begin(self, driver: Capacity, act: Ask | TakeIn | Return, loan: Loan) -> None:
        """Unless something goes on with that loan, or it is not yet time to try again."""
        now = self._clock.monotonic()
        next_try, pause = self._pauses.get(loan.key, (now, _FIRST_PAUSE))
        if loan.key in self._tasks or loan.host in self._held or now < next_try:
            return
        self._pauses[loan.key] = now + pause, min(_LONGEST_PAUSE, 2 * pause)
        self._go_on(loan.key, self._tried(driver, act, loan))

    def _go_on(self, key: str, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name=f"borrowed hosts: {key}")
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    async def _tried(self, driver: Capacity, act: Ask | TakeIn | Return, loan: Loan) -> None:
        """What goes wrong is told once, stands in the loan, and is tried again."""
        try:
            match act:
                case Ask():
                    await self._ask(driver, loan)
                case TakeIn():
                    await self._take_in(loan)
                case Return():
                    await self._return(driver, loan)
            self._pauses.pop(loan.key, None)
        except MooringError as error:
            self._failed(loan, str(error))
        except Exception as error:
            self._failed(loan, traced(error))

    async def _ask(self, driver: Capacity, loan: Loan) -> None:
        lent = await driver.add(loan.key, loan.need)
        self._memory.save_loan(msgspec.structs.replace(loan, lent=lent, since=self._clock.wall(), error=""))
        self._tell(f"{loan.host} was lent: {lent.address}")

    async def _take_in(self, loan: Loan) -> None:
        assert loan.lent is not None
        host, _ = await self._desk.take_in(borrowed(loan, loan.lent))
        self._memory.save_loan(msgspec.structs.replace(loan, since=self._clock.wall(), error=""))
        self._tell(f"the borrowed host {host.name} is used in region {host.region}")

    async def _return(self, driver: Capacity, loan: Loan) -> None:
        """Emptied, taken out as any host, handed back, forgotten: in this order, each of which may be done twice."""
        host = self._desk.known(loan.host)
        if host is not None and host.loan == loan.key:
            if not host.is_draining:
                host = msgspec.structs.replace(host, is_draining=True)
                self._memory.save_host(host)
            self._reviews.move_away(host.name)
            if host.name in _used(self._memory):
                self._stays(loan, host)
                return
            await self._take_out(loan, host)
        await driver.remove(loan.key, loan.lent)
        self._memory.forget_loan(loan.key)
        self._tell(f"{loan.host} was given back")

    def _stays(self, loan: Loan, host: Host) -> None:
        """Somebody was placed on it before it was to be left alone."""
        self._memory.save_host(msgspec.structs.replace(host, is_draining=False))
        self._memory.save_loan(msgspec.structs.replace(loan, leaving="", idle_since=0.0, since=self._clock.wall(), error=""))
        self._tell(f"{loan.host} is kept after all: it is used again")

    async def _take_out(self, loan: Loan, host: Host) -> None:
        """One that has not answered for long is let go as it is: whoever lent it does away with it."""
        try:
            await self._desk.check_unused(host)
            await self._desk.let_go(host, is_lost=False)
        except (DriverError, NeedsPerson):
            if self._clock.wall() - loan.since < _LOST_AFTER:
                raise
            await self._desk.let_go(host, is_lost=True)

    def _failed(self, loan: Loan, said: str) -> None:
        now = next((each for each in self._memory.loans() if each.key == loan.key), None)
        if now is None or now.error == said:
            return
        with contextlib.suppress(DriverError):  # it is told all the same
            self._memory.save_loan(msgspec.structs.replace(now, error=said))
        self._tell(f"the borrowed host {loan.host}: {said}")


def _used(memory: Memory) -> frozenset[HostId]:
    """Those on which something is placed that is awake, or is to be."""
    return frozenset(host for wanted in placed(memory, is_awake=True) for host in wanted.hosts())


def _waiting(memory: Memory) -> list[Waiting]:
    """Whom one more host would help."""
    return [
        Waiting(environment=record.environment, need=record.review.need, since=record.review.waiting_since)
        for record in memory.environments()
        if record.review is not None and record.review.need is not None and not record.review.leaving
    ]
