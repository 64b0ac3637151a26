"""Several orders at once: their turn, which replaces which, aborting, and what a controller that is started again takes up."""

from __future__ import annotations

import pytest
from engine.stories import BLOG, FULL, QUICK, SHOP, WEB, check_order, deployed, kinds, only_release, running, serving, story, until

from mooring.engine.orders import ConfigOrder, DestroyOrder, ReseedOrder, RestartOrder, RollbackOrder, ScaleOrder
from mooring.errors import NotFound, Refused
from mooring.model.deployment import Deployment, Outcome, Phase
from mooring.model.names import DeploymentId, ProcessName
from mooring.testing.behaviour import Behaviour
from mooring.testing.platform import Crash, FakePlatform
from mooring.testing.workshop import Tree

SLOW = Tree(build_seconds=30.0, policy=QUICK)


def record(platform: FakePlatform, deployment: DeploymentId) -> Deployment:
    found = platform.memory.deployment(deployment)
    assert found is not None
    return found


async def reached(platform: FakePlatform, deployment: DeploymentId, phase: Phase) -> None:
    await until(platform, lambda: record(platform, deployment).phase is phase)


@story
async def test_a_newer_push_supersedes_those_that_wait_and_not_the_one_under_way(platform: FakePlatform) -> None:
    first = platform.deploy(SHOP, SLOW)
    await reached(platform, first, Phase.BUILD)
    second, third = platform.deploy(SHOP, WEB), platform.deploy(SHOP, WEB)
    assert record(platform, second).outcome is Outcome.SUPERSEDED, "at once"
    assert third in record(platform, second).error
    assert [(await platform.end(each)).outcome for each in (first, third)] == [Outcome.SUCCEEDED, Outcome.SUCCEEDED]
    assert (await platform.end(second)).exit_code == 3
    assert serving(platform) == ["v2 web.1", "v2 web.2"]
    assert kinds(platform.events(deployment=second)) == ["deployment.queued", "deployment.ended"]


@story
async def test_a_later_snapshot_of_config_replaces_one_that_waits(platform: FakePlatform) -> None:
    await deployed(platform)
    busy = platform.deploy(SHOP, SLOW)
    await reached(platform, busy, Phase.BUILD)
    orders = []
    for value in ("a", "b"):
        version = platform.memory.put_config(SHOP, changes={"KEY": value}, by="ann", at=platform.clock.wall())
        orders.append(platform.submit(SHOP, ConfigOrder(config_version=version, description="config set KEY")))
    assert (await platform.end(orders[0])).outcome is Outcome.SUPERSEDED
    assert (await platform.end(orders[1])).outcome is Outcome.SUCCEEDED
    assert platform.memory.releases(SHOP)[-1].config_version == 2


@story
async def test_data_laid_in_once_more_take_no_change_of_config_away_that_waits(platform: FakePlatform) -> None:
    await deployed(platform)
    busy = platform.deploy(SHOP, SLOW)
    await reached(platform, busy, Phase.BUILD)
    version = platform.memory.put_config(SHOP, changes={"KEY": "a"}, by="ann", at=platform.clock.wall())
    orders = [
        platform.submit(SHOP, ConfigOrder(config_version=version, description="config set KEY")),
        platform.submit(SHOP, ReseedOrder()),
    ]
    assert [(await platform.end(each)).outcome for each in orders] == [Outcome.SUCCEEDED] * 2
    assert [release.config_version for release in platform.memory.releases(SHOP)[-2:]] == [version, version]


@story
async def test_orders_of_different_kinds_are_fulfilled_in_turn(platform: FakePlatform) -> None:
    await deployed(platform)
    orders = [
        platform.deploy(SHOP, WEB),
        platform.submit(SHOP, ScaleOrder(counts={ProcessName("web"): 3})),
        platform.submit(SHOP, RestartOrder()),
        platform.submit(SHOP, ScaleOrder(counts={ProcessName("web"): 1})),
    ]
    ends = [await platform.end(each) for each in orders]
    assert [end.outcome for end in ends] == [Outcome.SUCCEEDED] * 4
    assert [end.number for end in ends] == [2, 3, 4, 5]
    assert [end.ended_at for end in ends] == sorted(end.ended_at or 0 for end in ends)
    assert running(platform) == ["v2 web.1"]


@story
async def test_a_destruction_supersedes_all_that_waits_and_lets_nothing_queue_behind_it(platform: FakePlatform) -> None:
    await deployed(platform)
    busy = platform.deploy(SHOP, SLOW)
    await reached(platform, busy, Phase.BUILD)
    waiting = platform.submit(SHOP, RestartOrder())
    destruction = platform.submit(SHOP, DestroyOrder())
    assert record(platform, waiting).outcome is Outcome.SUPERSEDED
    with pytest.raises(Refused, match="being destroyed"):
        platform.deploy(SHOP, WEB)
    assert (await platform.end(destruction)).outcome is Outcome.SUCCEEDED
    await platform.rest()
    assert platform.memory.environments() == ()
    await deployed(platform)


@story
async def test_two_environments_are_deployed_side_by_side(platform: FakePlatform) -> None:

    began = platform.clock.monotonic()
    both = [platform.deploy(each, SLOW) for each in (SHOP, BLOG)]
    for each in both:
        assert (await platform.end(each)).outcome is Outcome.SUCCEEDED
    assert platform.clock.monotonic() - began < 45


@story
async def test_an_order_that_waits_is_aborted_without_having_begun(platform: FakePlatform) -> None:
    first = platform.deploy(SHOP, SLOW)
    await reached(platform, first, Phase.BUILD)
    second = platform.submit(SHOP, RestartOrder())
    platform.controller.abort(second, by="ann")
    assert record(platform, second).outcome is Outcome.ABORTED
    assert (await platform.end(first)).outcome is Outcome.SUCCEEDED


@story
async def test_aborting_during_the_build_cancels_it(platform: FakePlatform) -> None:
    await deployed(platform)
    deployment = platform.deploy(SHOP, SLOW)
    await reached(platform, deployment, Phase.BUILD)
    await platform.clock.sleep(1)
    began = platform.clock.monotonic()
    platform.controller.abort(deployment, by="ann")
    end = await platform.end(deployment)
    assert (end.outcome, end.error_code, end.exit_code) == (Outcome.ABORTED, "aborted", 1)
    assert platform.clock.monotonic() - began < 1
    assert platform.workshop.cancelled == 1
    assert platform.workshop.unpacked == set()
    assert serving(platform) == ["v1 web.1", "v1 web.2"]
    await check_order(platform)


@story
@pytest.mark.parametrize("phase", [Phase.PREPARE, Phase.WATCH])
async def test_aborting_a_rollout_leads_back_to_the_old_release(platform: FakePlatform, phase: Phase) -> None:
    await deployed(platform, FULL)
    platform.runtime.behave = only_release(2, Behaviour(ready_after=2.0))
    deployment = platform.deploy(SHOP, FULL)
    await reached(platform, deployment, phase)
    platform.controller.abort(deployment, by="ann")
    end = await platform.end(deployment)
    assert (end.outcome, end.error_code) == (Outcome.ABORTED, "aborted")
    assert running(platform) == ["v1 clock.1", "v1 web.1", "v1 web.2", "v1 worker.1"]
    await check_order(platform)


@story
async def test_an_abort_is_not_forgotten_when_the_controller_dies_right_after_it(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.runtime.behave = only_release(2, Behaviour(ready_after=2.0))
    deployment = platform.deploy(SHOP, WEB)
    await reached(platform, deployment, Phase.PREPARE)
    platform.controller.abort(deployment, by="ann")
    platform.crash()
    assert (await platform.end(deployment)).outcome is Outcome.ABORTED
    assert serving(platform) == ["v1 web.1", "v1 web.2"]


@story
async def test_once_the_old_release_is_going_an_abort_comes_too_late_and_changes_nothing(platform: FakePlatform) -> None:
    platform.runtime.behave = only_release(1, Behaviour(stop_takes=3.0))
    await deployed(platform)
    deployment = platform.deploy(SHOP, WEB)
    await reached(platform, deployment, Phase.DRAIN)
    platform.controller.abort(deployment, by="ann")
    end = await platform.end(deployment)
    assert (end.outcome, end.error_code) == (Outcome.SUCCEEDED, "")
    assert serving(platform) == ["v2 web.1", "v2 web.2"]


@story
async def test_what_has_ended_or_never_was_cannot_be_aborted(platform: FakePlatform) -> None:
    deployment = await deployed(platform)
    with pytest.raises(Refused, match="ended already"):
        platform.controller.abort(deployment.id, by="ann")
    with pytest.raises(NotFound):
        platform.controller.abort(DeploymentId("nosuch"), by="ann")


@story
async def test_a_destruction_that_has_begun_cannot_be_aborted(platform: FakePlatform) -> None:
    platform.runtime.behave = lambda _: Behaviour(stop_takes=3.0)
    await deployed(platform)
    destruction = platform.submit(SHOP, DestroyOrder())
    await until(platform, lambda: record(platform, destruction).phase is Phase.DRAIN)
    with pytest.raises(Refused, match="no longer"):
        platform.controller.abort(destruction, by="ann")
    assert (await platform.end(destruction)).outcome is Outcome.SUCCEEDED


@story
async def test_orders_that_waited_when_the_controller_died_are_taken_up_in_turn(platform: FakePlatform) -> None:
    await deployed(platform)
    first = platform.deploy(SHOP, SLOW)
    await reached(platform, first, Phase.BUILD)
    scale = platform.submit(SHOP, ScaleOrder(counts={ProcessName("web"): 3}))
    rollback = platform.submit(SHOP, RollbackOrder())
    platform.crash()
    ends = [await platform.end(each) for each in (first, scale, rollback)]
    assert [end.outcome for end in ends] == [Outcome.SUCCEEDED] * 3
    assert [end.ended_at for end in ends] == sorted(end.ended_at or 0 for end in ends)
    assert serving(platform) == ["v3 web.1", "v3 web.2", "v3 web.3"]
    await check_order(platform)


@story
async def test_of_pushes_that_waited_when_the_controller_died_the_newest_wins(platform: FakePlatform) -> None:
    """The controller died between taking the newer push and writing down that the older one is superseded."""
    await deployed(platform)
    busy = platform.submit(SHOP, RestartOrder())
    older = platform.deploy(SHOP, WEB)
    die_on_the_next_event(platform)
    newer = platform.order(WEB)
    with pytest.raises(Crash):
        platform.submit(SHOP, newer)
    last = platform.memory.deployments(SHOP)[0].id
    assert record(platform, older).outcome is None
    assert (await platform.end(older)).outcome is Outcome.SUPERSEDED
    assert [(await platform.end(each)).outcome for each in (busy, last)] == [Outcome.SUCCEEDED] * 2
    await check_order(platform)


def die_on_the_next_event(platform: FakePlatform) -> None:
    def look(point: object) -> None:
        if str(point) == "before memory.append_event":
            platform.on_point = None
            platform.crash()

    platform.on_point = look


@story
async def test_an_order_that_waits_may_be_aborted_on_a_controller_that_was_started_again(platform: FakePlatform) -> None:
    first = platform.deploy(SHOP, SLOW)
    await reached(platform, first, Phase.BUILD)
    waiting = platform.submit(SHOP, ScaleOrder(counts={ProcessName("web"): 3}))
    platform.crash()
    await platform.start()
    platform.controller.abort(waiting, by="ann")
    assert (await platform.end(waiting)).outcome is Outcome.ABORTED
    assert (await platform.end(first)).outcome is Outcome.SUCCEEDED
    assert serving(platform) == ["v1 web.1", "v1 web.2"]


@story
async def test_what_was_unpacked_to_be_examined_is_built_and_goes_when_it_is_not(platform: FakePlatform) -> None:
    await deployed(platform)

    async def examined(tree: Tree) -> DeploymentId:
        order = platform.order(tree)
        await platform.controller.examine(SHOP, order)
        return platform.submit(SHOP, order)

    first = await examined(SLOW)
    await reached(platform, first, Phase.BUILD)
    assert len(platform.workshop.unpacked) == 1, "once for both"
    second, third = await examined(SLOW), await examined(SLOW)
    outcomes = [(await platform.end(each)).outcome for each in (first, second, third)]
    assert outcomes[1:] == [Outcome.SUPERSEDED, Outcome.SUCCEEDED]
    assert platform.workshop.unpacked == set()
