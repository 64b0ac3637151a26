"""The one place that acts: writes the intent, calls one driver method, writes the outcome. Must not: decide, retry, or swallow.

An effect whose answer was lost is written down as unknown; the next look at the world says what became of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import assert_never

from mooring.drivers.runtime.contract import Delivery, Variables
from mooring.engine.confinement import confinement_of
from mooring.engine.kept import kept_artifacts
from mooring.engine.parts import Parts
from mooring.engine.variables import variables_of
from mooring.errors import DriverError, InvalidInput, MooringError, NotFound, OutcomeUnknown, Refused
from mooring.model.assets import AssetCount
from mooring.model.events import EventKind
from mooring.model.instance import Confinement, InstanceKey, InstanceSpec, TaskSpec
from mooring.model.lease import Lease, Mark
from mooring.model.names import DeploymentId, HostId
from mooring.model.records import JournalEntry
from mooring.model.release import Release
from mooring.model.steps import (
    AssetStep,
    Conclude,
    Deliver,
    ForgetReleases,
    GoBack,
    ProvideService,
    PruneAssets,
    PushAssets,
    RemoveAssets,
    RemoveRoutes,
    RemoveService,
    RestartInstance,
    RestoreService,
    RotateService,
    RunMask,
    RunRelease,
    ServiceStep,
    SetRoutes,
    StartInstance,
    Step,
    StopInstance,
    StopRelease,
    WithdrawLogins,
    own_words,
)


class Hands:
    """Acts for one environment under one lease, for one deployment or (None) to keep things as they are."""

    def __init__(self, parts: Parts, lease: Lease, deployment: DeploymentId | None) -> None:
        self._parts = parts
        self._environment = lease.environment
        self._deployment = deployment
        self._fence = lease.fence
        self.deliveries: dict[HostId, Delivery] = {}
        self.assets: AssetCount | None = None  # what the last push came to
        self.trouble = ""  # what the last driver that failed said
        self._mark = Mark(environment=lease.environment, operation=deployment or "keep", fence=lease.fence)

    @property
    def mark(self) -> Mark:
        return self._mark

    async def take(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """All of them: routes first and in order, then starts and stops side by side. Gives those that were done, or may have been.

        Raises StaleFence when another has taken over, Unavailable when the memory cannot be written.
        """
        routing = [step for step in steps if isinstance(step, (SetRoutes, RemoveRoutes))]
        rest = [step for step in steps if not isinstance(step, (SetRoutes, RemoveRoutes))]
        try:
            done = [step for step in routing if await self.apply(step)]
            results = await asyncio.gather(*(self.apply(step) for step in rest), return_exceptions=True)
        finally:
            self._parts.observer.outdate()
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return (*done, *(step for step, is_done in zip(rest, results, strict=True) if is_done))

    async def apply(self, step: Step) -> bool:
        """One step; whether it was done, or may have been. A driver's failure is recorded and told, and left to the next look.

        Raises StaleFence, Unavailable when the memory cannot be written, what a host or a server refuses, and defects.
        """
        clock, memory = self._parts.clock, self._parts.memory
        sequence = memory.write_intent(
            deployment=self._deployment, environment=self._environment, step=step, fence=self._fence, at=clock.wall()
        )
        self._say(EventKind.STEP_STARTED, step, reason=step.reason)
        began = clock.monotonic()
        try:
            await self._perform(step)
        except OutcomeUnknown as error:
            self._failed(sequence, step, error, outcome="unknown")
            return True
        except (DriverError, NotFound) as error:
            self._failed(sequence, step, error, outcome="not-done")
            return False
        except (Refused, InvalidInput) as error:
            self._failed(sequence, step, error, outcome="refused")
            raise
        else:
            memory.write_outcome(sequence, outcome="done", at=clock.wall())
            self._say(EventKind.STEP_ENDED, step, seconds=clock.monotonic() - began)
            return True

    async def _perform(self, step: Step) -> None:
        runtime, edge = self._parts.runtime, self._parts.edge
        match step:
            case StartInstance(instance=key):
                release = self._release(key.release)
                self._parts.health.expect(key)
                await runtime.start(
                    self._mark,
                    self._spec(key, release),
                    variables_of(self._parts.memory, self._parts.services, release, process=f"{key.process}.{key.slot}"),
                )
            case StopInstance(instance=key, grace=grace):
                await runtime.stop(self._mark, key, grace=grace)
            case RestartInstance(instance=key, grace=grace):
                await runtime.restart(self._mark, key, grace=grace)
            case SetRoutes(table=table):
                await edge.apply(self._mark, table)
            case RemoveRoutes():
                await edge.remove(self._mark)
            case Deliver() | RunRelease() | StopRelease() | ForgetReleases() | PushAssets() | PruneAssets() | RemoveAssets():
                await self._perform_on_releases(step)
            case RunMask() | ProvideService() | RotateService() | WithdrawLogins() | RestoreService() | RemoveService():
                await self._perform_on_services(step)
            case Conclude() | GoBack():
                pass
            case _:
                assert_never(step)

    async def _perform_on_releases(self, step: Deliver | RunRelease | StopRelease | ForgetReleases | AssetStep) -> None:
        runtime = self._parts.runtime
        match step:
            case Deliver(host=host, release=number):
                self.deliveries[host] = await runtime.deliver_to(host, self._mark, self._release(number).artifact)
            case RunRelease():
                release = self._release(step.release)
                name = seed_task_name(release.number) if step.is_seed else release_task_name(release.number)
                await self._run_once(release, name, step.command, host=step.host, process="seed" if step.is_seed else "release")
            case StopRelease(release=number):
                for name in (release_task_name(number), seed_task_name(number)):
                    await runtime.stop_task(self._mark, self._environment, name)
            case ForgetReleases(releases=releases, volumes=volumes):
                numbers = None if releases is None else frozenset(releases)
                await runtime.forget(self._mark, self._environment, releases=numbers, volumes=volumes)
                kept = kept_artifacts(self._parts, without=self._environment if releases is None else None)
                await runtime.reclaim(self._mark, keep=kept)
            case PushAssets(release=number):
                self.assets = await self._parts.assets.push(self._mark, self._release(number))
            case PruneAssets():
                await self._parts.assets.prune(self._mark)
            case RemoveAssets():
                await self._parts.assets.remove(self._mark)
            case _:
                assert_never(step)

    async def _perform_on_services(self, step: ServiceStep | RunMask) -> None:
        """The command that masks a copy ends before the copy goes."""
        services = self._parts.services
        if isinstance(step, RunMask):
            release = self._release(step.release)
            await self._run_once(release, step.task, step.command, host=step.host, process="mask", copies=services.copies(release))
            return
        for record in services.unmasked(self._environment) if isinstance(step, RemoveService) else ():
            if record.piece.service == step.service:
                await self._parts.runtime.stop_task(self._mark, self._environment, record.mask_task)
        await services.perform(self._mark, step)

    async def _run_once(
        self, release: Release, name: str, command: str, *, host: HostId, process: str, copies: Variables | None = None
    ) -> None:
        task = TaskSpec(
            environment=self._environment,
            name=name,
            command=command,
            directory=release.artifact.directory,
            timeout=release.policy.release_timeout,
            release=release.number,
            host=host,
            artifact=release.artifact,
            confinement=self._confinement(with_copies=copies is not None),
        )
        variables = variables_of(self._parts.memory, self._parts.services, release, process=process, copies=copies)
        await self._parts.runtime.run_task(self._mark, task, variables)

    def _spec(self, key: InstanceKey, release: Release) -> InstanceSpec:
        process = release.process(key.process)
        if process is None:
            raise NotFound(f"{release.version} has no process type {key.process}")
        return InstanceSpec(
            key=key,
            command=process.command,
            directory=release.artifact.directory,
            is_routed=process.is_routed,
            stop_signal=process.stop_signal,
            kill_timeout=release.policy.kill_timeout,
            memory=process.memory,
            cpus=process.cpus,
            artifact=release.artifact,
            lasting=process.lasting,
            confinement=self._confinement(),
        )

    def _confinement(self, *, with_copies: bool = False) -> Confinement | None:
        return confinement_of(self._parts.memory, self._parts.services, self._environment, with_copies=with_copies)

    def _release(self, number: int) -> Release:
        release = self._parts.observer.release(self._environment, number)
        if release is None:
            raise NotFound(f"{self._environment} has no release v{number}")
        return release

    def _failed(self, sequence: int, step: Step, error: MooringError, *, outcome: str) -> None:
        detail = self._parts.redact(self._environment, str(error))
        self._parts.memory.write_outcome(sequence, outcome=outcome, at=self._parts.clock.wall(), detail=detail)
        self.trouble = detail
        self._say(EventKind.STEP_FAILED, step, message=detail)

    def _say(self, kind: EventKind, step: Step, **fields: object) -> None:
        name = str(type(step).__struct_config__.tag)
        self._parts.announcer.say(
            kind, environment=self._environment, deployment=self._deployment, step=name, summary=summary(step), **fields
        )


def close_intents(parts: Parts, entries: Iterable[JournalEntry]) -> None:
    """Those without an outcome, of which nobody will hear any more: the world shows what became of them. Raises Unavailable."""
    for entry in entries:
        if not entry.outcome:
            detail = "the controller ended, or could not write, before it knew"
            parts.memory.write_outcome(entry.sequence, outcome="unknown", at=parts.clock.wall(), detail=detail)


def release_task_name(number: int) -> str:
    return f"release.v{number}"


def seed_task_name(number: int) -> str:
    return f"seed.v{number}"


def summary(step: Step) -> str:
    """What the step does, in a few words."""
    match step:
        case RunRelease() | StopRelease() | Deliver():
            return _summary_of_release(step)
        case ForgetReleases(releases=None, volumes=volumes):
            return "remove all that is left" + (" and its volumes" if volumes else ", but for its volume")
        case ForgetReleases(releases=releases):
            return "remove logs of " + ", ".join(f"v{number}" for number in releases or ())
        case StartInstance(instance=key):
            return f"start {key}"
        case StopInstance(instance=key):
            return f"stop {key}"
        case RestartInstance(instance=key):
            return f"restart {key}"
        case SetRoutes(summary=text, is_switch=is_switch):
            return f"switch: {text}" if is_switch else text
        case Conclude(outcome=outcome):
            return f"end: {outcome.value}"
        case RemoveRoutes() | GoBack():
            return str(type(step).__struct_config__.tag).replace("-", " ")
        case _:
            return own_words(step)


def _summary_of_release(step: RunRelease | StopRelease | Deliver) -> str:
    match step:
        case RunRelease(command=command, is_seed=is_seed):
            return f"run {'seed' if is_seed else 'release'} command: {command}"
        case StopRelease(release=number):
            return f"end the release command of v{number}"
        case Deliver(host=host, release=number):
            return f"deliver v{number} to {host}"
        case _:
            assert_never(step)
