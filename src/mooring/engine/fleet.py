"""Many hosts as one runtime: each effect goes to the host that its key names, each look goes to all of them at once.

A runtime knows one host and no host's name: it is taken off a key on the way in, and put on again on the way out. A host that does not
answer keeps nobody else waiting: of it the last known is told, with its age. Whether an app on it still answers is the prober's to find.
An instance that was changed, or may have been, is not told to run, and nothing more is done to it, until its host has been looked at.
Must not: decide where anything runs, or know how a host is reached.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TypeVar, cast

import msgspec

from mooring.drivers.runtime.contract import (
    Delivery,
    Heard,
    Holdings,
    Inspection,
    Interactive,
    LogQuery,
    Runtime,
    RuntimeCapabilities,
    Terminal,
    Variables,
)
from mooring.engine.contract import Clock
from mooring.engine.member import SILENT, Member, let_go, with_host, without_host
from mooring.errors import CapacityExceeded, DriverError, InvalidInput, OutcomeUnknown, Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.host import Sight
from mooring.model.instance import InstanceKey, InstanceSpec, InstanceView, LogLine, TaskSpec, TaskState, TaskView
from mooring.model.lease import Mark
from mooring.model.names import LOCAL, ArtifactId, HostId
from mooring.model.release import Artifact

LOOK = 1.5  # seconds that a look at all hosts waits for the slowest of them
_SULKING = 2.0  # seconds for which a host that was found not to answer is not looked at again for an effect
_ENDED = object()

T = TypeVar("T")


class Fleet:
    """`replace` and `remove` change it while it works. The local host is asked directly: what it does not say is not known."""

    def __init__(self, clock: Clock, local: Runtime) -> None:
        self._clock = clock
        self._local = local
        self._members: dict[HostId, Member] = {LOCAL: Member(LOCAL, clock, runtime=local)}

    # the fleet itself

    def add(self, name: HostId, runtime: Runtime) -> None:
        """A host that is not there yet."""
        self._members[name] = Member(name, self._clock, runtime=runtime)

    async def replace(self, name: HostId, runtime: Runtime) -> None:
        """A host, or another way to one that is there; the way there was is let go of."""
        gone = self._members.get(name)
        self.add(name, runtime)
        if gone is not None and gone.runtime is not runtime:
            await let_go(gone)

    async def remove(self, name: HostId) -> None:
        """Nothing of it is seen or done any more; what runs there goes on."""
        gone = self._members.pop(name, None)
        if gone is not None:
            await let_go(gone)

    async def close(self) -> None:
        """Let go of all hosts but the local one; what runs there goes on."""
        for each in self._others():
            await self.remove(each.name)

    def sights(self) -> tuple[Sight, ...]:
        """How well each host is seen, the local one left out."""
        return tuple(each.sight() for each in self._others())

    def unseen(self) -> frozenset[HostId]:
        """Hosts of which nothing is known, not even from before."""
        return frozenset(each.name for each in self._others() if each.views is None)

    def seen_at(self, host: HostId) -> float:
        """Monotonic time at which the last look began that it answered; the local one is always seen."""
        member = self._members.get(host)
        return float("inf") if host == LOCAL else member.seen_at if member and member.views is not None else float("-inf")

    def away(self) -> frozenset[HostId]:
        """Hosts that do not answer now."""
        return frozenset(each.name for each in self._others() if each.trouble())

    def hosts(self) -> tuple[HostId, ...]:
        """All that there are, the local one first."""
        return tuple(self._members)

    def budgets(self) -> dict[HostId, int]:
        """Bytes that declared memory may add up to, by host."""
        return {each.name: each.runtime.capabilities.memory_budget for each in self._members.values()}

    def processors(self) -> dict[HostId, float]:
        """How many declared ones may add up to, by host; 0 where it is not known."""
        return {each.name: each.runtime.capabilities.processors for each in self._members.values()}

    def not_limiting_processors(self) -> frozenset[HostId]:
        """Hosts where nothing holds an instance to the processors that it declares."""
        return frozenset(each.name for each in self._members.values() if not each.runtime.capabilities.limits_processors)

    def taking_strangers(self) -> frozenset[HostId]:
        """Hosts where code may run that nobody vouches for."""
        return frozenset(each.name for each in self._members.values() if each.runtime.capabilities.takes_strangers)

    def unconfined(self) -> dict[HostId, str]:
        """Hosts where a review app is not confined wholly, and why."""
        capabilities = {each.name: each.runtime.capabilities for each in self._members.values()}
        return {host: known.unconfined for host, known in capabilities.items() if known.unconfined}

    def runtime_of(self, host: HostId) -> Runtime:
        """Raises Unavailable for a host that is not there."""
        return self._member(host).runtime

    # what the contract asks

    @property
    def capabilities(self) -> RuntimeCapabilities:
        return self._local.capabilities

    async def deliver(self, mark: Mark, artifact: Artifact) -> Delivery:
        """To the local host; `deliver_to` names another."""
        return await self.deliver_to(LOCAL, mark, artifact)

    async def deliver_to(self, host: HostId, mark: Mark, artifact: Artifact) -> Delivery:
        return await self._act(host, lambda runtime: runtime.deliver(mark, artifact))

    async def reclaim(self, mark: Mark, *, keep: frozenset[ArtifactId]) -> int:
        """On every other host that answers; what lies elsewhere is reclaimed the next time. Here whoever built them prunes them."""
        results = await self._on(self._others(), lambda runtime: runtime.reclaim(mark, keep=keep))
        return sum(_done(results, is_strict=False))

    async def holdings(self, environment: EnvironmentId) -> Holdings:
        """Of the local host; `holdings_on` names another."""
        return await self.holdings_on(LOCAL, environment)

    async def holdings_on(self, host: HostId, environment: EnvironmentId) -> Holdings:
        """Raises Unavailable also where it does not answer soon."""
        return await self._looked_into(host, lambda runtime: runtime.holdings(environment))

    async def start(self, mark: Mark, spec: InstanceSpec, variables: Variables) -> None:
        stripped = msgspec.structs.replace(spec, key=without_host(spec.key))
        await self._change(spec.key, lambda runtime: _started(runtime, mark, stripped, variables, host=spec.key.host))

    async def stop(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        await self._change(key, lambda runtime: runtime.stop(mark, without_host(key), grace=grace))

    async def restart(self, mark: Mark, key: InstanceKey, *, grace: float) -> None:
        await self._change(key, lambda runtime: runtime.restart(mark, without_host(key), grace=grace))

    async def observe(self) -> tuple[InstanceView, ...]:
        """The local host's as they are; others' as they are if they say so within LOOK seconds, else as they last were."""
        looking = asyncio.create_task(self.look_around())
        try:
            views = list(await self._local.observe())
            await looking
        finally:
            looking.cancel()
        for each in self._others():
            views += each.known()
        return tuple(views)

    async def observe_on(self, host: HostId) -> tuple[InstanceView, ...]:
        """As they are there now. Raises Unavailable also where it does not answer soon: what it last said is not told."""
        views = await self._looked_into(host, lambda runtime: runtime.observe())
        return tuple(with_host(view, host) for view in views)

    async def look_around(self) -> None:
        """At all other hosts, for at most LOOK seconds: so that what is told of them is of now, also where no app asks for it."""
        if looks := {each.look() for each in self._others()}:
            await asyncio.wait(looks, timeout=LOOK)

    async def inspect(self, key: InstanceKey, *, lines: int = 50) -> Inspection:
        """Raises Unavailable also where its host does not answer soon."""
        found = await self._looked_into(key.host, lambda runtime: runtime.inspect(without_host(key), lines=lines))
        return found if found.view is None else msgspec.structs.replace(found, view=with_host(found.view, key.host))

    async def ask(self, key: InstanceKey, command: str, *, within: float) -> Heard:
        return await self._member(key.host).runtime.ask(without_host(key), command, within=within)

    async def run_task(self, mark: Mark, spec: TaskSpec, variables: Variables) -> None:
        self._member(spec.host).tasks.add((spec.environment, spec.name))
        stripped = msgspec.structs.replace(spec, host=LOCAL)
        await self._act(spec.host, lambda runtime: _run(runtime, mark, stripped, variables, host=spec.host))

    async def observe_task(self, environment: EnvironmentId, name: str) -> TaskView:
        """Where it was run; where that is not known, on every host. Raises Unavailable while one that may have it does not answer."""
        asked = self._having(environment, name)
        views = await asyncio.gather(*(each.runtime.observe_task(environment, name) for each in asked))
        return next((view for view in views if view.state is not TaskState.ABSENT), views[0])

    async def stop_task(self, mark: Mark, environment: EnvironmentId, name: str) -> None:
        asked = self._having(environment, name)
        await asyncio.gather(*(self._act(each.name, lambda runtime: runtime.stop_task(mark, environment, name)) for each in asked))

    async def logs(self, query: LogQuery) -> AsyncIterator[LogLine]:
        """Of all hosts, history merged by time; what is followed comes as it comes."""
        if len(self._members) == 1:
            async for line in self._local.logs(query):
                yield line
            return
        past = msgspec.structs.replace(query, follow=False)
        histories = await asyncio.gather(*(_history(each, past, self._clock) for each in self._members.values()))
        for line in heapq.merge(*histories, key=lambda each: each.at):
            yield line
        if query.follow:
            async for line in self._followed(msgspec.structs.replace(query, lines=0)):
                yield line

    async def forget(self, mark: Mark, environment: EnvironmentId, *, releases: frozenset[int] | None, volumes: bool = False) -> int:
        """On every host. Raises what the first that could not do it raised, when the others have done it."""

        def forget(runtime: Runtime) -> Awaitable[int]:
            return runtime.forget(mark, environment, releases=releases, volumes=volumes)

        return sum(_done(await self._on(list(self._members.values()), forget)))

    async def attach(self, spec: TaskSpec, variables: Variables, *, terminal: bool, rows: int = 24, columns: int = 80) -> Terminal:
        stripped = msgspec.structs.replace(spec, host=LOCAL)
        return await self._interactive(spec.host).attach(stripped, variables, terminal=terminal, rows=rows, columns=columns)

    async def enter(self, key: InstanceKey, argv: Sequence[str], *, terminal: bool, rows: int = 24, columns: int = 80) -> Terminal:
        return await self._interactive(key.host).enter(without_host(key), argv, terminal=terminal, rows=rows, columns=columns)

    # within

    def _others(self) -> list[Member]:
        return [each for each in self._members.values() if each.name != LOCAL]

    def _having(self, environment: EnvironmentId, name: str) -> list[Member]:
        """Where the task was run, as far as this controller knows; else everybody."""
        return [each for each in self._members.values() if (environment, name) in each.tasks] or list(self._members.values())

    def _interactive(self, host: HostId) -> Interactive:
        """Raises Unavailable where its runtime cannot do that."""
        runtime = self._member(host).runtime
        if not runtime.capabilities.runs_interactively:
            raise Unavailable(f"nothing runs interactively on {host}", hint="its runtime cannot do that", where=host)
        return cast(Interactive, runtime)

    def _member(self, host: HostId) -> Member:
        member = self._members.get(host)
        if member is None:
            raise Unavailable(
                f"there is no host {host} any more", hint="`mooring host ls` lists them; deploy again to place it anew", where=host
            )
        return member

    async def _change(self, key: InstanceKey, effect: Callable[[Runtime], Awaitable[None]]) -> None:
        """One effect on one instance; its host is looked at before, where nobody has seen what became of the one before it."""
        member, bare = self._member(key.host), without_host(key)
        if key.host == LOCAL:
            await self._act(LOCAL, effect)
            return
        if bare in member.changed:
            await asyncio.wait({member.look()}, timeout=SILENT)
        if bare in member.changed:
            trouble = member.error or "its host has not been looked at since"
            raise Unavailable(f"nobody knows yet what became of {key}: {trouble}", where=key.host)
        try:
            await self._act(key.host, effect)
        except OutcomeUnknown:
            member.changed.add(bare)
            raise
        member.changed.add(bare)

    async def _act(self, host: HostId, effect: Callable[[Runtime], Awaitable[T]]) -> T:
        """One effect on one host. A host that was just found not to answer is not waited for again."""
        member = self._member(host)
        await self._check(member)
        with member.acting():
            return await effect(member.runtime)

    async def _looked_into(self, host: HostId, look: Callable[[Runtime], Awaitable[T]]) -> T:
        """One look at one host. Raises Unavailable also where it does not answer soon."""
        member = self._member(host)
        await self._check(member)
        try:
            async with asyncio.timeout(SILENT):
                return await look(member.runtime)
        except TimeoutError:
            raise Unavailable(f"{host} does not answer", where=host) from None

    async def _check(self, member: Member) -> None:
        """Raises Unavailable for a host that does not answer: whoever waited for it would keep the others waiting."""
        is_sulking = member.error and self._clock.monotonic() - member.failed_at < _SULKING
        if member.trouble() and not is_sulking:
            await asyncio.wait({member.look()}, timeout=LOOK)
        if trouble := member.trouble():
            raise Unavailable(f"{member.name} does not answer: {trouble}", where=member.name)

    async def _on(self, members: Iterable[Member], effect: Callable[[Runtime], Awaitable[T]]) -> list[T | BaseException]:
        """One effect on each of them at once: what it gave, or how it failed."""
        return await asyncio.gather(*(self._act(each.name, effect) for each in members), return_exceptions=True)

    async def _followed(self, query: LogQuery) -> AsyncIterator[LogLine]:
        lines: asyncio.Queue[LogLine | object] = asyncio.Queue(maxsize=1000)

        async def carry(member: Member) -> None:
            async for line in _lines(member, query, self._clock):
                await lines.put(line)
            await lines.put(_ENDED)

        carriers = [asyncio.create_task(carry(each)) for each in self._members.values()]
        left = len(carriers)
        try:
            while left:
                line = await lines.get()
                if isinstance(line, LogLine):
                    yield line
                else:
                    left -= 1
        finally:
            for carrier in carriers:
                carrier.cancel()
            await asyncio.gather(*carriers, return_exceptions=True)


async def _started(runtime: Runtime, mark: Mark, spec: InstanceSpec, variables: Variables, *, host: HostId) -> None:
    await _delivered(runtime, mark, spec.artifact, host=host)
    await runtime.start(mark, spec, variables)


async def _run(runtime: Runtime, mark: Mark, spec: TaskSpec, variables: Variables, *, host: HostId) -> None:
    await _delivered(runtime, mark, spec.artifact, host=host)
    await runtime.run_task(mark, spec, variables)


async def _delivered(runtime: Runtime, mark: Mark, artifact: Artifact | None, *, host: HostId) -> None:
    """A host that lost its disk gets again what it runs from. Raises Unavailable also where it cannot take it: nothing was started."""
    if artifact is None or host == LOCAL:
        return
    try:
        await runtime.deliver(mark, artifact)
    except (CapacityExceeded, InvalidInput) as error:
        raise Unavailable(error.message, hint=error.hint, where=host) from error


def _done(results: list[int | BaseException], *, is_strict: bool = True) -> list[int]:
    """What was done. Raises the first failure; one of a driver only where `is_strict`."""
    for result in results:
        if isinstance(result, BaseException) and (is_strict or not isinstance(result, DriverError)):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def _history(member: Member, query: LogQuery, clock: Clock) -> list[LogLine]:
    return [line async for line in _lines(member, query, clock)]


async def _lines(member: Member, query: LogQuery, clock: Clock) -> AsyncIterator[LogLine]:
    """With their host's name, until it does not answer any more, which a last line says: the others are told on."""
    try:
        async for line in member.runtime.logs(query):
            yield msgspec.structs.replace(line, host=member.name)
    except DriverError as error:
        text = f"{member.name} does not answer, its lines are missing here: {error.message}"
        yield LogLine(at=clock.wall(), source="mooring", release=0, stream="stderr", text=text, host=member.name)


_runtime: type[Runtime] = Fleet
_interactive: type[Interactive] = Fleet
