"""The controller dies before and after every single effect and every single write of every story, and is started again.

Exhaustive, not sampled: whatever k is, the story ends all-new or all-old, by the laws, with its successor needing nobody's help.
Only the moment after an event's writing is left out: nothing lies between it and the moment before the next effect or write.
"""

from __future__ import annotations

import pytest
from engine.scenarios import SCENARIOS, Scenario, outlived, points_of

from mooring.model.events import EventKind
from mooring.testing.laws import Point
from mooring.testing.platform import FakePlatform, play

AFTER_EVENT = "after memory.append_event"


def crash_at(scenario: Scenario, *crashes: int) -> None:
    """Let the controller die at these points of the story, counted from the order on; a later one is a successor's."""
    passed: list[str] = []

    async def story(platform: FakePlatform) -> None:
        def look(point: Point) -> None:
            if str(point) == AFTER_EVENT:
                return
            passed.append(str(point))
            if len(passed) in crashes:
                platform.crash()

        deployment = await outlived(scenario, platform, look)
        ends = [event for event in platform.events(deployment=deployment.id) if event.kind is EventKind.DEPLOYMENT_ENDED]
        assert len(ends) == 1, "its end is told once, whenever the controller died"

    try:
        play(story)
    except BaseException as error:
        error.add_note(f"crashed at points {crashes}: {[passed[count - 1] for count in crashes if count <= len(passed)]}")
        raise


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_controller_that_dies_at_any_point_leaves_all_new_or_all_old_to_its_successor(scenario: Scenario) -> None:
    points = [point for point in points_of(scenario) if str(point) != AFTER_EVENT]
    assert any(point.name.startswith("runtime.") for point in points), "there is something to interrupt"
    for count in range(1, len(points) + 1):
        crash_at(scenario, count)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_successor_that_dies_too_leaves_it_to_the_next(scenario: Scenario) -> None:
    points = [point for point in points_of(scenario) if str(point) != AFTER_EVENT]
    for count in range(1, len(points) + 1, 7):
        crash_at(scenario, count, count + 11, count + 17)
