"""The laws of the rollout, for any releases, any lives and deaths, any lost answers and controller restarts."""

from __future__ import annotations

from core.planner.world import REQUESTS_DRAIN, SHOP, STREAMS_DRAIN, World, process, release
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.model.deployment import Outcome
from mooring.model.health import Health
from mooring.model.policy import Policy
from mooring.model.quantity import Share
from mooring.planner.goal import Current, Goal, Wanted
from mooring.planner.rollout import plan
from mooring.planner.routes import active_keys


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    in_place = draw(st.booleans())
    return Policy(
        max_surge=Share(amount=0) if in_place else draw(st.sampled_from([Share(amount=1), Share(amount=100, is_percent=True)])),
        max_unavailable=Share(amount=draw(st.integers(1, 2))) if in_place else Share(amount=0),
        bake=draw(st.sampled_from([0.0, 0.3])),
        min_healthy_time=draw(st.sampled_from([0.0, 0.1])),
        healthy_deadline=20.0,
        progress_deadline=60.0,
        drain_timeout=REQUESTS_DRAIN,
        stream_drain_timeout=STREAMS_DRAIN,
    )


@st.composite
def formations(draw: st.DrawFn, number: int) -> Wanted:
    kinds = [process("web", count=draw(st.integers(1, 4)))]
    if draw(st.booleans()):
        kinds.append(process("worker", count=draw(st.integers(0, 2))))
    if draw(st.booleans()):
        kinds.append(process("clock", count=1, single=True))
    command = draw(st.sampled_from(["", "migrate"]))
    return Wanted(release=release(number, *kinds, policy=draw(policies()), command=command))


def settle(world: World, *, ticks: int = 4000) -> None:
    for _ in range(ticks):
        if world.progress is None:
            return
        world.tick(calm=True)
    raise AssertionError("law 14: the deployment does not end\n" + "\n".join(world.history[-30:]))


def check_end(world: World) -> None:
    """Law 4: all-new or all-old, and law 9: nothing left to do."""
    serving = world.target if world.outcome is Outcome.SUCCEEDED else world.baseline
    for _ in range(40):
        world.tick(calm=True)
    expected = frozenset(serving.instances()) if serving else frozenset()
    assert frozenset(world.views) == expected, f"law 4: {world.outcome}\n" + "\n".join(world.history[-30:])
    routed = {key for key in expected if key.process == "web"}
    assert active_keys(world.table) == routed
    assert plan(world.goal(), world.current(), now=world.now).steps == (), "law 9: nothing changed, so there is nothing to do"


@settings(max_examples=300, deadline=None)
@given(data=st.data(), has_baseline=st.booleans(), ticks=st.integers(0, 60))
def test_whatever_happens_the_laws_hold_and_the_deployment_ends_all_new_or_all_old(data, has_baseline, ticks):
    baseline = data.draw(formations(1)) if has_baseline else None
    target = data.draw(formations(2))
    world = World(target=target, baseline=baseline, choose=lambda what, options: data.draw(st.sampled_from(options), label=what))
    world.broken = data.draw(st.sampled_from([frozenset(), frozenset({2})]))
    world.begin()
    for _ in range(ticks):
        world.tick(calm=False)
    settle(world)
    check_end(world)
    assert world.task_runs <= 1
    if world.broken:
        assert world.outcome is not Outcome.SUCCEEDED or not target.instances()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_healthy_release_on_a_quiet_day_succeeds(data):
    world = World(target=data.draw(formations(2)), baseline=data.draw(st.none() | formations(1)))
    world.begin()
    settle(world)
    assert world.outcome is Outcome.SUCCEEDED, "\n".join(world.history)
    check_end(world)
    assert world.task_runs == (1 if world.target.release.release_command else 0)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_release_that_never_becomes_ready_leaves_the_old_one_untouched(data):
    start_first = Policy(healthy_deadline=5.0)
    old = Wanted(release=release(1, process("web", count=data.draw(st.integers(1, 3))), policy=start_first))
    new = Wanted(release=release(2, process("web", count=data.draw(st.integers(1, 3))), policy=start_first))
    world = World(target=new, baseline=old, broken=frozenset({2}))
    world.begin()
    routed = active_keys(world.table)
    settle(world)
    assert world.outcome is Outcome.FAILED
    assert active_keys(world.table) == routed
    assert not any("StopInstance v1" in line or "drain v1" in line for line in world.history)


@given(data=st.data())
def test_nothing_is_decided_while_a_driver_does_not_answer(data):
    world = World(target=data.draw(formations(2)), baseline=data.draw(formations(1)))
    world.begin()
    unknown = Current(is_known=False)
    assert plan(world.goal(), unknown, now=world.now).steps == ()
    assert plan(Goal(environment=SHOP, target=world.target), unknown, now=world.now).steps == ()


def test_after_a_reboot_ready_instances_serve_at_once_without_waiting_for_the_rest():
    wanted = Wanted(release=release(1, process("web", count=2)))
    world = World(target=wanted, baseline=wanted)
    world.begin()
    world.progress, world.outcome = None, Outcome.SUCCEEDED
    world.views.clear()
    world.tick(calm=True)
    first, second = wanted.instances()
    world.choose = lambda what, options: options[0]
    world.views[second] = world.views[second].__class__(**{**_fields(world.views[second]), "health": Health.STARTING})
    for step in plan(world.goal(), Current(instances=tuple(world.views.values()), table=None), now=world.now).steps:
        world.apply(step)
    world.tick(calm=True)
    world.tick(calm=True)
    assert active_keys(world.table) == {first, second}


def _fields(view):
    return {name: getattr(view, name) for name in view.__struct_fields__}
