"""The engine broken on purpose, a law at a time: what each break does to it, and which laws must be found broken."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from mooring.engine import fit, fleet, hands, member, observer, rollout, targets, waiting
from mooring.engine.controller import Controller
from mooring.engine.parts import Parts
from mooring.errors import OutcomeUnknown
from mooring.model.health import Health
from mooring.model.steps import SetRoutes, StopInstance
from mooring.planner import reach, replace, routes
from mooring.planner import rollout as planning
from mooring.planner.goal import Wanted

Break = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutation:
    law: int
    name: str
    apply: Break

    def __str__(self) -> str:
        return f"law {self.law}: {self.name}"


MUTATIONS: list[Mutation] = []


def mutation(law: int) -> Callable[[Break], Break]:
    def add(apply: Break) -> Break:
        MUTATIONS.append(Mutation(law, apply.__name__.replace("_", " "), apply))
        return apply

    return add


@mutation(1)
def in_place_all_the_old_leave_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replace, "_may_be_down", lambda process, wanted: wanted.count(process))


@mutation(1)
def the_old_go_though_the_new_are_not_ready(patch: pytest.MonkeyPatch) -> None:
    look = planning.reach
    patch.setattr(planning, "reach", lambda *args, **named: msgspec.structs.replace(look(*args, **named), is_ready=True))


@mutation(1)
def a_host_that_does_not_answer_is_taken_for_empty(patch: pytest.MonkeyPatch) -> None:
    known = member.Member.known
    patch.setattr(member.Member, "known", lambda self: () if self.error else known(self))


@mutation(2)
def who_is_not_ready_is_routed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(routes, "may_serve", lambda view, was_active: True)


@mutation(0)
@mutation(3)
def nobody_waits_for_requests_in_flight(patch: pytest.MonkeyPatch) -> None:
    state = reach._drain_state

    def hasty(key: Any, current: Any, **named: Any) -> str | float:
        return "it may go" if key not in routes.active_keys(current.table) else state(key, current, **named)

    patch.setattr(reach, "_drain_state", hasty)


@mutation(4)
def both_releases_serve_until_a_host_is_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reach, "_is_ready_elsewhere", lambda replacement, current: replacement.is_ready)


@mutation(4)
def a_deployment_ends_though_the_old_release_still_runs(patch: pytest.MonkeyPatch) -> None:
    look = planning.reach
    patch.setattr(planning, "reach", lambda *args, **named: msgspec.structs.replace(look(*args, **named), is_clear=True))


@mutation(4)
def a_failed_release_is_left_running(patch: pytest.MonkeyPatch) -> None:
    revert = planning._revert

    def lazy(*args: Any, **named: Any) -> Any:
        decided = revert(*args, **named)
        return msgspec.structs.replace(decided, steps=tuple(step for step in decided.steps if not isinstance(step, StopInstance)))

    patch.setattr(planning, "_revert", lazy)


@mutation(4)
def what_a_host_has_not_answered_is_taken_for_not_done(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(member.Member, "known", lambda self: tuple(member.with_host(view, self.name) for view in self.views or ()))


@mutation(5)
def a_release_command_is_not_known_again(patch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count()
    patch.setattr(hands, "release_task_name", lambda number: f"release.v{number}.{next(numbers)}")


@mutation(6)
def a_single_one_is_replaced_like_any_other(patch: pytest.MonkeyPatch) -> None:
    for module in (reach, replace):
        patch.setattr(module, "is_in_place", lambda process, wanted: wanted.release.policy.max_surge.amount == 0)


@mutation(7)
def declared_memory_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fit, "check_memory", lambda *args, **named: None)


@mutation(7)
def what_is_being_deployed_elsewhere_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Parts, "others", lambda parts, environment: [])


@mutation(8)
def what_is_left_over_is_never_removed(patch: pytest.MonkeyPatch) -> None:
    keep = planning._keep

    def lazy(*args: Any, **named: Any) -> Any:
        decided = keep(*args, **named)
        return msgspec.structs.replace(decided, steps=tuple(step for step in decided.steps if not isinstance(step, StopInstance)))

    patch.setattr(planning, "_keep", lazy)


@mutation(9)
def routes_are_set_again_and_again(patch: pytest.MonkeyPatch) -> None:
    keep = planning._keep

    def busy(goal: Any, current: Any, *, now: float) -> Any:
        decided = keep(goal, current, now=now)
        again = SetRoutes(table=current.table, summary="again", reason="to be sure") if current.table else None
        return msgspec.structs.replace(decided, steps=decided.steps or ((again,) if again else ()))

    patch.setattr(planning, "_keep", busy)


@mutation(10)
def an_effect_without_an_answer_is_sent_again_at_once(patch: pytest.MonkeyPatch) -> None:
    perform = hands.Hands._perform

    async def insistent(self: hands.Hands, step: Any) -> None:
        try:
            await perform(self, step)
        except OutcomeUnknown:
            await perform(self, step)

    patch.setattr(hands.Hands, "_perform", insistent)


@mutation(10)
def an_instance_is_changed_again_before_its_host_was_looked_at(patch: pytest.MonkeyPatch) -> None:
    async def act(self: fleet.Fleet, key: Any, effect: Any) -> None:
        await self._act(key.host, effect)

    patch.setattr(fleet.Fleet, "_change", act)


@mutation(10)
def what_ran_on_a_host_that_does_not_answer_is_started_on_another(patch: pytest.MonkeyPatch) -> None:
    fleets: list[fleet.Fleet] = []
    begin, slots_of = fleet.Fleet.__init__, Wanted.slots_of

    def remembered(self: fleet.Fleet, *args: Any) -> None:
        begin(self, *args)
        fleets.append(self)

    def elsewhere(self: Wanted, process: Any) -> Any:
        others = fleets[-1]._others()
        well = [each.name for each in others if not each.error]
        unwell = {each.name for each in others if each.error}
        return tuple(well[0] if host in unwell and well else host for host in slots_of(self, process))

    patch.setattr(fleet.Fleet, "__init__", remembered)
    patch.setattr(Wanted, "slots_of", elsewhere)


@mutation(11)
def nothing_is_written_down_before_it_is_done(patch: pytest.MonkeyPatch) -> None:
    async def act(self: hands.Hands, step: Any) -> bool:
        await self._perform(step)
        return True

    patch.setattr(hands.Hands, "apply", act)


@mutation(11)
def every_effect_carries_the_same_number(patch: pytest.MonkeyPatch) -> None:
    begin = hands.Hands.__init__

    def frozen(self: hands.Hands, *args: Any) -> None:
        begin(self, *args)
        self._mark = msgspec.structs.replace(self._mark, fence=10**15)

    patch.setattr(hands.Hands, "__init__", frozen)


@mutation(12)
def a_new_controller_believes_nobody_before_it_has_asked(patch: pytest.MonkeyPatch) -> None:
    for module in (routes, replace):
        patch.setattr(module, "may_serve", lambda view, was_active: view.health is Health.READY)


@mutation(13)
def the_order_that_came_last_is_carried_out_first(patch: pytest.MonkeyPatch) -> None:
    def newest(self: waiting.Waiting) -> Any:
        if not self._entries:
            return None
        entry = self._entries.pop()
        return entry.deployment, entry.asked_at

    patch.setattr(waiting.Waiting, "next", newest)


@mutation(13)
def a_newer_push_gives_way_to_one_that_waits(patch: pytest.MonkeyPatch) -> None:
    add = waiting.Waiting._add

    def stubborn(self: waiting.Waiting, entry: Any) -> None:
        if any(waiting._supersedes(entry.order, each.order) for each in self._entries):
            older = self._entries.pop()
            add(self, entry)
            entry = self._entries.pop()
            self._entries.append(older)
            self._write(lambda: waiting.Ending(self._parts, entry.deployment).superseded(by=older.deployment))
        else:
            add(self, entry)

    patch.setattr(waiting.Waiting, "_add", stubborn)


@mutation(13)
def durations_are_read_from_a_clock_that_may_be_set(patch: pytest.MonkeyPatch) -> None:
    class WallClock:
        def __init__(self, clock: Any) -> None:
            self.wall = self.monotonic = clock.wall
            self.sleep = clock.sleep

    begin = Controller.__init__

    def careless(self: Controller, *, clock: Any, **named: Any) -> None:
        begin(self, clock=WallClock(clock), **named)  # type: ignore[misc]  # all the rest is passed on

    patch.setattr(Controller, "__init__", careless)


@mutation(14)
def nothing_has_a_deadline(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planning, "_until", lambda progress, policy: float("inf"))


@mutation(14)
def status_calls_everything_new(patch: pytest.MonkeyPatch) -> None:
    look = observer.Observer.snapshot

    async def fresh(self: observer.Observer, environment: Any) -> Any:
        return msgspec.structs.replace(await look(self, environment), age=0.0)

    patch.setattr(observer.Observer, "snapshot", fresh)


@mutation(15)
def a_rollback_brings_back_what_runs_already(patch: pytest.MonkeyPatch) -> None:
    earlier = targets._earlier

    def forgetful(parts: Any, environment: Any, before: Any, number: Any, *, at: float) -> Any:
        right = earlier(parts, environment, before, number, at=at)
        return msgspec.structs.replace(right, artifact=before.release.artifact)

    patch.setattr(targets, "_earlier", forgetful)


@mutation(15)
def a_rollback_forgets_how_many_ran(patch: pytest.MonkeyPatch) -> None:
    changed = targets.changed

    def forgetful(parts: Any, order: Any, environment: Any, before: Any, *, at: float) -> Any:
        wanted = changed(parts, order, environment, before, at=at)
        return msgspec.structs.replace(wanted, counts={}) if isinstance(order, targets.RollbackOrder) else wanted

    patch.setattr(targets, "changed", forgetful)


assert rollout.release_task_name is hands.release_task_name  # both look it up by the name that is patched above
