"""The release command: once per release, before any traffic moves, never two at a time, whatever dies meanwhile."""

from __future__ import annotations

import msgspec
from engine.stories import FULL, QUICK, SHOP, check_order, deployed, running, serving, story, told, until, web

from mooring.model.deployment import Outcome, Phase
from mooring.model.events import EventKind
from mooring.model.instance import TaskState
from mooring.testing.behaviour import Behaviour
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree

SECOND = (SHOP, "release.v2")


def is_running(platform: FakePlatform) -> bool:
    return bool(platform.runtime.running_tasks(SHOP))


@story
async def test_a_failing_release_command_leaves_the_old_release_untouched_and_tells_its_output_once(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    before = running(platform)
    platform.runtime.behave_task = lambda _: Behaviour(exit_code=1, lines=("no such table",))
    deployment = await platform.end(platform.deploy(SHOP, FULL))
    assert (deployment.outcome, deployment.error_code, deployment.exit_code) == (Outcome.FAILED, "release-command-failed", 1)
    assert running(platform) == before
    assert not any(key.release == 2 for key in platform.runtime.starts if not isinstance(key, tuple)), "nothing of v2 was started"
    assert [event.fields["line"] for event in told(platform, EventKind.TASK_OUTPUT)] == ["no such table"]
    await check_order(platform)


@story
async def test_a_release_command_that_hangs_is_ended_at_its_deadline(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    platform.runtime.behave_task = lambda _: Behaviour(exits_after=10_000.0)
    began = platform.clock.monotonic()
    deployment = await platform.end(platform.deploy(SHOP, FULL))
    assert (deployment.outcome, deployment.error_code) == (Outcome.FAILED, "release-command-failed")
    assert 30.0 <= platform.clock.monotonic() - began < 40.0
    assert not is_running(platform)
    await check_order(platform)


@story
async def test_aborting_during_the_release_command_ends_it_before_the_next_one_may_run(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    platform.runtime.behave_task = lambda spec: Behaviour(exits_after=20.0, exit_code=0)
    aborted = platform.deploy(SHOP, FULL)
    await until(platform, lambda: is_running(platform))
    following = platform.deploy(SHOP, FULL)
    platform.controller.abort(aborted, by="ann")
    assert (await platform.end(aborted)).outcome is Outcome.ABORTED
    assert (await platform.end(following)).outcome is Outcome.SUCCEEDED
    assert (await platform.runtime.observe_task(*SECOND)).state is TaskState.FAILED
    await check_order(platform)


@story
async def test_a_controller_that_dies_during_the_release_command_lets_it_end_and_does_not_repeat_it(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    platform.runtime.behave_task = lambda _: Behaviour(exits_after=5.0, exit_code=0)
    deployment = platform.deploy(SHOP, FULL)
    for _ in range(3):
        await until(platform, lambda: is_running(platform))
        platform.crash()
        await platform.clock.sleep(0.5)
        await platform.start()
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert platform.runtime.starts[SECOND] == 1
    assert serving(platform) == ["v2 web.1", "v2 web.2"]


@story
async def test_a_release_command_whose_start_got_no_answer_runs_once(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    platform.runtime.faults.lose_answer("run_task")
    assert (await platform.end(platform.deploy(SHOP, FULL))).outcome is Outcome.SUCCEEDED
    assert platform.runtime.starts[SECOND] == 1
    journal = platform.memory.journal(platform.memory.deployments(SHOP)[0].id)
    assert journal[0].outcome == "unknown"


@story
async def test_the_output_of_a_release_command_that_cannot_be_read_stops_nothing(platform: FakePlatform) -> None:
    platform.runtime.behave_task = lambda _: Behaviour(exits_after=1.0, exit_code=0)
    deployment = platform.deploy(SHOP, FULL)
    await until(platform, lambda: is_running(platform))
    platform.runtime.faults.is_down = True
    await platform.clock.sleep(3)
    platform.runtime.faults.is_down = False
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED


@story
async def test_what_serves_is_kept_serving_while_a_release_command_runs(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    platform.laws.is_calm = False
    platform.runtime.behave_task = lambda _: Behaviour(exits_after=10.0, exit_code=0)
    deployment = platform.deploy(SHOP, FULL)
    await until(platform, lambda: is_running(platform))
    platform.runtime.behave = lambda _: Behaviour(ready_after=1.0)
    platform.runtime.lose_host([web(1)])
    await until(platform, lambda: serving(platform) == ["v1 web.2"])
    await until(platform, lambda: serving(platform) == ["v1 web.1", "v1 web.2"])
    record = platform.memory.deployment(deployment)
    assert record is not None and record.phase is Phase.RELEASE
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED


@story
async def test_a_release_without_a_command_runs_none(platform: FakePlatform) -> None:
    await deployed(platform, Tree(policy=msgspec.structs.replace(QUICK, bake=0.0)))
    assert not [name for name in platform.runtime.starts if isinstance(name, tuple)]
