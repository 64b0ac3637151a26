"""Hypothesis plays: any acts, faults and pauses, in any order; what it finds it shrinks to the shortest story."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from simulator.mutations import MUTATIONS

from mooring.testing.clock import VirtualLoop
from mooring.testing.simulator.stage import Stage
from mooring.testing.simulator.story import AROUND_A_WRITE, AROUND_AN_EFFECT, ORDERS, Happening, On, Setting, Story, What

AT_ANY_TIME = [*ORDERS, *(what for what in AROUND_AN_EFFECT if what not in (What.ZOMBIE, What.LOST, What.LATE, What.TWICE, What.REFUSED))]
PICKS = st.integers(0, 95)
SECONDS = st.sampled_from([0.0, 0.5, 2.0, 8.0])
SETTINGS = st.builds(
    Setting,
    web=st.integers(1, 3),
    has_clock=st.booleans(),
    is_in_place=st.booleans(),
    deploys_before=st.integers(0, 2),
    release_seconds=st.sampled_from([-1.0, 1.0]),
    latency=st.sampled_from([0.001, 0.6]),
)


class Life(RuleBasedStateMachine):
    """`lived`: what happened in the last story that was played: after a failure, the shortest."""

    lived: ClassVar[list[Happening]] = []

    @initialize(setting=SETTINGS)
    def begin(self, setting: Setting) -> None:
        type(self).lived = []
        self.stage = Stage(Story(setting=setting))
        self.runner = asyncio.Runner(loop_factory=lambda: VirtualLoop(self.stage.platform.clock))
        self.run(self.stage.begin())

    @rule(what=st.sampled_from(AT_ANY_TIME), seconds=SECONDS, pick=PICKS)
    def happen(self, what: What, seconds: float, pick: int) -> None:
        self.act(Happening(what=what, seconds=seconds, pick=pick))

    @rule(data=st.data(), on=st.sampled_from([On.EFFECT, On.WRITE]), number=st.integers(1, 12), seconds=SECONDS, pick=PICKS)
    def strike(self, data: st.DataObject, on: On, number: int, seconds: float, pick: int) -> None:
        around = AROUND_AN_EFFECT if on is On.EFFECT else AROUND_A_WRITE
        what = data.draw(st.sampled_from(list(around)))
        moment = data.draw(st.sampled_from(around[what]))
        self.act(Happening(what=what, on=on, number=number, moment=moment, seconds=seconds, pick=pick))

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0]))
    def wait(self, seconds: float) -> None:
        self.run(self.stage.pass_time(seconds))

    def act(self, happening: Happening) -> None:
        self.lived.append(happening)
        self.run(self.stage.act(happening))
        self.run(self.stage.pass_time(0.2))

    def run(self, part: Coroutine[Any, Any, None]) -> None:
        self.runner.run(part)

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        with self.runner:
            self.run(self.stage.finish())
        assert self.stage.ended().violations == ()


PLAYED = settings(
    max_examples=150, stateful_step_count=8, report_multiple_bugs=False, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.timeout(1800)
def test_no_story_that_hypothesis_finds_breaks_a_law(is_long: bool) -> None:
    run_state_machine_as_test(Life, settings=settings(PLAYED, max_examples=5_000 if is_long else 150))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("law", "steps"), [(3, 2), (9, 1)])
def test_a_break_is_shrunk_to_the_shortest_story(law: int, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    next(each for each in MUTATIONS if each.law == law).apply(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Life, settings=settings(PLAYED, derandomize=True, database=None, max_examples=60))
    assert len(Life.lived) <= steps
