"""Each effect of every story fails once, or is done and its answer lost: unknown is not failed, and the story ends all-new or all-old."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from engine.scenarios import SCENARIOS, Scenario, outlived, points_of
from engine.stories import QUICK, SHOP, WEB, check_order, deployed, running, serving, story, until, web

from mooring.errors import OutcomeUnknown, Unavailable
from mooring.model.deployment import Outcome, Phase
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Mark
from mooring.model.routing import RouteView
from mooring.planner.routes import active_keys
from mooring.testing.behaviour import Behaviour
from mooring.testing.laws import Moment, Point
from mooring.testing.platform import FakePlatform, play

FAULTS: dict[str, tuple[Moment, Callable[[str], Exception]]] = {
    "is refused": (Moment.BEFORE, Unavailable),
    "gets no answer and was not done": (Moment.BEFORE, OutcomeUnknown),
    "is done and gets no answer": (Moment.AFTER, OutcomeUnknown),
}


def is_effect(point: Point) -> bool:
    return not point.name.startswith("memory.")


def fail_at(scenario: Scenario, count: int, *, fault: str, times: int) -> None:
    """The `count`th effect, and the same again until it has failed `times`."""
    moment, error = FAULTS[fault]
    passed = 0
    failing: list[tuple[str, object]] = []

    async def tell(platform: FakePlatform) -> None:
        def look(point: Point) -> None:
            nonlocal passed
            if not is_effect(point) or point.moment is not moment:
                return
            passed += 1
            what = (point.name, point.subject)
            if passed == count or (failing and what == failing[0] and len(failing) < times):
                failing.append(what)
                raise error(f"{point} {fault}")

        deployment = await outlived(scenario, platform, look)
        assert deployment.outcome is scenario.calm, f"one fault is no reason to fail: {deployment.error}"

    try:
        play(tell)
    except BaseException as problem:
        problem.add_note(f"effect {count} {fault}: {failing}")
        raise


@pytest.mark.parametrize("fault", sorted(FAULTS))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_an_effect_that_fails_once_or_thrice_changes_nothing_about_the_end(scenario: Scenario, fault: str) -> None:
    moment, _ = FAULTS[fault]
    effects = [point for point in points_of(scenario) if is_effect(point) and point.moment is moment]
    for count in range(1, len(effects) + 1):
        fail_at(scenario, count, fault=fault, times=1)
        fail_at(scenario, count, fault=fault, times=3)


@story
async def test_an_effect_of_an_older_controller_is_refused_where_it_lands_and_its_deployment_ends_there(platform: FakePlatform) -> None:
    """Another controller has taken the environment over: this one stops acting, and leaves what runs to it."""
    await deployed(platform)
    deployment = platform.deploy(SHOP, WEB)
    await until(platform, lambda: _phase(platform) is Phase.WATCH)
    held = platform.memory.lease(SHOP)
    assert held is not None
    newer = Mark(environment=SHOP, operation="other", fence=held.fence + 1000)
    table = platform.edge.table(SHOP)
    assert table is not None
    await platform.edge.apply(newer, table)
    await platform.runtime.forget(newer, SHOP, releases=frozenset())
    await platform.clock.sleep(30)
    record = platform.memory.deployment(deployment)
    assert record is not None and record.outcome is Outcome.NEEDS_PERSON
    assert "another controller has taken over this environment" in record.error
    assert sorted(running(platform)) == ["v1 web.1", "v1 web.2", "v2 web.1", "v2 web.2"], "nothing more was done"
    refused = [entry for entry in platform.memory.journal(deployment) if entry.outcome == "refused"]
    assert (refused and "older" in refused[0].detail) or "newer" in refused[0].detail


@story
async def test_a_lease_that_another_took_over_ends_the_acting_at_the_next_heartbeat(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.runtime.behave = lambda _: Behaviour(ready_after=4.0)
    deployment = platform.deploy(SHOP, WEB)
    await until(platform, lambda: _phase(platform) is Phase.PREPARE)
    platform.memory.release_lease(platform.memory.lease(SHOP))  # type: ignore[arg-type]  # it is held
    other = platform.memory.take_lease(SHOP, holder="another", now=platform.clock.wall(), dead_after=10)
    await platform.clock.sleep(8)
    record = platform.memory.deployment(deployment)
    assert record is not None and record.outcome is None
    assert serving(platform) == ["v1 web.1", "v1 web.2"]
    platform.memory.release_lease(other)
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    await check_order(platform)


@story
async def test_drivers_that_are_silent_for_minutes_during_a_deployment_delay_it_and_nothing_else(platform: FakePlatform) -> None:
    await deployed(platform)
    deployment = platform.deploy(SHOP, WEB)
    await until(platform, lambda: _phase(platform) is Phase.WATCH)
    platform.edge.faults.is_down = platform.runtime.faults.is_down = True
    await platform.clock.sleep(30)
    platform.edge.faults.is_down = platform.runtime.faults.is_down = False
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    await check_order(platform)


@story
async def test_what_drains_has_its_time_from_when_the_edge_has_taken_its_routes_however_late_that_is(platform: FakePlatform) -> None:
    """Until then it goes on giving the old ones requests: those have not had any time yet."""
    tree = msgspec.structs.replace(WEB, policy=msgspec.structs.replace(QUICK, drain_timeout=5.0))
    await deployed(platform, tree)
    look, is_late, slug = platform.edge.observe, True, web(1).slug

    async def observe(environment: EnvironmentId | None = None) -> tuple[RouteView, ...]:
        views = await look(environment)
        is_new = any(key.release == 2 for view in views for key in active_keys(view.table))
        return tuple(msgspec.structs.replace(view, is_acknowledged=not (is_late and is_new)) for view in views)

    platform.edge.observe = observe  # type: ignore[method-assign]  # a proxy that is slow to take what it was given
    platform.edge.flying[slug] = 1
    deployment = platform.deploy(SHOP, tree)
    await until(platform, lambda: serving(platform) == ["v2 web.1", "v2 web.2"])
    await platform.clock.sleep(8.0)
    is_late = False
    await platform.clock.sleep(4.0)
    assert running(platform) == ["v1 web.1", "v2 web.1", "v2 web.2"], "the other one had nothing in flight"
    platform.edge.flying[slug] = 0
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    await check_order(platform)


@story
async def test_a_deployment_on_drivers_that_stay_silent_ends_for_a_person_and_is_put_right_when_they_answer(platform: FakePlatform) -> None:
    await deployed(platform)
    deployment = platform.deploy(SHOP, WEB)
    await until(platform, lambda: _phase(platform) is Phase.WATCH)
    platform.edge.faults.is_down = True
    record = await platform.end(deployment)
    assert (record.outcome, record.exit_code) == (Outcome.NEEDS_PERSON, 4)
    platform.edge.faults.is_down = False
    await platform.rest(20)
    await check_order(platform)
    assert serving(platform) == ["v1 web.1", "v1 web.2"]


def _phase(platform: FakePlatform) -> Phase | None:
    newest = platform.memory.deployments(SHOP, limit=1)
    return newest[0].phase if newest and newest[0].number == 2 else None
