"""Copies that a command of the release's own masks: made, masked, and only then given to anybody.

On record as not masked from before such a copy is there until its command has succeeded; whatever ends it earlier, the copy goes, at
once or before the next deployment makes one. Must not: let anything else of the environment run with it meanwhile.
"""

from __future__ import annotations

import asyncio

from mooring.engine.hands import Hands
from mooring.engine.parts import Parts
from mooring.engine.provision import done, remove_unmasked
from mooring.errors import DriverError, MooringError, ReleaseCommandFailed
from mooring.model.deployment import Deployment
from mooring.model.events import EventKind
from mooring.model.instance import TaskState, TaskView
from mooring.model.lease import Lease
from mooring.model.steps import RunMask
from mooring.planner.goal import Wanted

_MARGIN = 5.0  # seconds after its time is up in which it should have been ended
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # a command tells nobody when it ends: looked at after each tenth of the time it has taken


async def provide_masked(parts: Parts, wanted: Wanted, deployment: Deployment, lease: Lease) -> None:
    """Where the artifact is on its hosts already. Raises InvalidInput, ReleaseCommandFailed, and as `done`."""
    hands, release = Hands(parts, lease, deployment.id), wanted.release
    steps = [step for step in parts.services.missing(release) if step.mask_command]
    try:
        for step in steps:
            await done(parts, hands, step)
        for step in steps:
            record = parts.services.record(release.environment, step.service)
            run = RunMask(
                release=release.number,
                service=step.service,
                command=step.mask_command,
                task=record.mask_task,
                reason=f"what is in it is that of {step.source}, and nobody may see it as it is",
                host=wanted.first_host(),
            )
            await done(parts, hands, run)
            await _succeeded(parts, deployment, run, seconds=release.policy.release_timeout)
            parts.services.masked(release.environment, step.service)
    except (MooringError, asyncio.CancelledError):
        await remove_unmasked(parts, hands)
        raise


async def _succeeded(parts: Parts, deployment: Deployment, run: RunMask, *, seconds: float) -> None:
    """Waits for its end, and tells what it printed. Raises ReleaseCommandFailed."""
    view = await _ended(parts, deployment, run, within=seconds + _MARGIN)
    for text in view.last_lines:
        parts.announcer.say(EventKind.TASK_OUTPUT, environment=deployment.environment, deployment=deployment.id, name="mask", line=text)
    if view.state is TaskState.SUCCEEDED:
        return
    ends = {
        TaskState.FAILED: "failed" if view.exit_code is None else f"ended with exit code {view.exit_code}",
        TaskState.LOST: "was started and left no exit code",
    }
    raise ReleaseCommandFailed(
        f"the mask command of {run.service} {ends.get(view.state, f'did not end within {seconds:g} s')}",
        hint="its output is above; the copy is not kept, and no traffic had moved",
        where=str(deployment.environment),
    )


async def _ended(parts: Parts, deployment: Deployment, run: RunMask, *, within: float) -> TaskView:
    """As it was last seen: ended, or after `within` seconds. A look that is not answered tells nothing."""
    clock, view = parts.clock, TaskView(environment=deployment.environment, name=run.task, state=TaskState.ABSENT)
    began = clock.monotonic()
    while view.state in (TaskState.ABSENT, TaskState.RUNNING) and clock.monotonic() - began < within:
        await clock.sleep(max(_SHORTEST_PAUSE, min(_LONGEST_PAUSE, (clock.monotonic() - began) / 10)))
        try:
            view = await parts.runtime.observe_task(deployment.environment, run.task)
        except DriverError:
            continue
    return view
