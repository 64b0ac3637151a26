"""A release that is not well: it never gets traffic, or gives it back; the old one serves, and a person reads why."""

from __future__ import annotations

from asyncio import create_task

import msgspec
import pytest
from engine.stories import (
    FULL,
    QUICK,
    SHOP,
    WEB,
    browse,
    check_order,
    deployed,
    only_release,
    running,
    serving,
    story,
    told,
    until,
    web,
)

from mooring.engine.orders import RestartOrder, ScaleOrder
from mooring.model.deployment import Deployment, Outcome, Phase
from mooring.model.events import EventKind
from mooring.model.health import Check, CheckKind, Checks, Listening
from mooring.model.names import ProcessName
from mooring.model.policy import Policy
from mooring.testing.behaviour import Behaviour
from mooring.testing.life import FakeLife
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process

WATCHED = Tree(policy=msgspec.structs.replace(QUICK, bake=5.0))
NEVER_READY = {
    "answers 500": Behaviour(answers=500, lines=("Traceback",)),
    "never listens": Behaviour(listens_on=()),
    "listens on another port": Behaviour(listens_on=(Listening("127.0.0.1", 5000),)),
    "gives no answer": Behaviour(answers=0),
    "dies at once": Behaviour(ready_after=10.0, exits_after=0.1, exit_code=3),
    "takes too long": Behaviour(ready_after=100.0),
}


def phase(platform: FakePlatform, deployment: str) -> Phase | None:
    record = platform.memory.deployment(deployment)  # type: ignore[arg-type]  # a plain id
    return record.phase if record else None


@story
@pytest.mark.parametrize("how", sorted(NEVER_READY))
async def test_a_release_that_never_becomes_ready_leaves_the_old_one_serving_and_is_explained(platform: FakePlatform, how: str) -> None:
    await deployed(platform)
    before, table = running(platform), platform.edge.table(SHOP)
    platform.runtime.behave = only_release(2, NEVER_READY[how])
    began = platform.clock.monotonic()
    deployment = await platform.end(platform.deploy(SHOP, WEB))
    assert (deployment.outcome, deployment.error_code, deployment.exit_code) == (Outcome.FAILED, "not-healthy", 1)
    assert platform.clock.monotonic() - began < QUICK.healthy_deadline + 5
    assert (running(platform), platform.edge.table(SHOP)) == (before, table), "nothing of the old release was touched"
    diagnoses = told(platform, EventKind.DIAGNOSIS)
    assert diagnoses and diagnoses[0].fields["likely_cause"]
    assert deployment.receipt is not None
    assert deployment.receipt.diagnoses[0].instance == "v2 web.1"
    assert deployment.receipt.serving_release == 1
    assert "v1 still serves" in told(platform, EventKind.DEPLOYMENT_ENDED)[-1].fields["message"]  # type: ignore[operator]  # a text
    await check_order(platform)


@story
async def test_a_secret_is_not_told_by_halves_where_the_cause_is_cut(platform: FakePlatform) -> None:
    secret = "s3ntinel" * 4
    platform.secrets.append(secret)
    error = ('  File "/srv/app.py", line 7, in <module>', "ValueError: " + "x" * 170 + secret)
    platform.runtime.behave = only_release(1, Behaviour(ready_after=10.0, exits_after=0.1, exit_code=3, lines=error))
    deployment = await platform.end(platform.deploy(SHOP, WEB))
    assert deployment.receipt is not None
    diagnosis = deployment.receipt.diagnoses[0]
    assert "ValueError: xxx" in diagnosis.likely_cause
    assert "s3ntinel" not in f"{diagnosis} {told(platform, EventKind.DIAGNOSIS)}"


@story
async def test_instances_that_are_ready_in_turns_but_never_together_get_no_traffic(platform: FakePlatform) -> None:
    ask = Check(kind=CheckKind.HTTP, paths=("/up",), interval=0.1, failures=1)
    tree = Tree(processes=(process("web", count=2, checks=Checks(startup=ask, readiness=ask)),), policy=QUICK)
    await deployed(platform, tree)
    deployment = platform.deploy(SHOP, tree)
    platform.runtime.behave = only_release(2, Behaviour(answers=503))

    async def flap() -> None:
        for turn in range(24):
            await platform.clock.sleep(0.5)
            for slot in (1, 2):
                life = platform.runtime.life(web(slot, release=2))
                if life is not None:
                    life.behaviour = Behaviour(answers=200 if turn % 4 == 2 * (slot - 1) else 503)

    flapping = create_task(flap())
    assert (await platform.end(deployment)).outcome is Outcome.FAILED
    assert platform.edge.applied[SHOP] == 2, "the routes of v1, and nothing since"
    await flapping
    await check_order(platform)


@story
async def test_an_old_instance_that_flaps_during_a_deployment_leaves_and_comes_back_and_the_deployment_goes_on(
    platform: FakePlatform,
) -> None:
    await deployed(platform)
    platform.laws.is_calm = False
    platform.runtime.behave = only_release(2, Behaviour(ready_after=4.0))
    deployment = platform.deploy(SHOP, WEB)
    old = platform.runtime.life(web(1))
    assert old is not None
    old.behaviour = Behaviour(answers=503)
    await until(platform, lambda: serving(platform) == ["v1 web.2"], within=3)
    old.behaviour = Behaviour()
    await until(platform, lambda: serving(platform) == ["v1 web.1", "v1 web.2"], within=3)
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    await check_order(platform)


@story
async def test_a_crash_loop_is_recognised_long_before_the_deadline(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.runtime.behave = only_release(2, Behaviour(exits_after=0.2, ready_after=1.0))
    began = platform.clock.monotonic()
    deployment = await platform.end(platform.deploy(SHOP, WEB))
    assert deployment.outcome is Outcome.FAILED
    assert "again and again" in deployment.error
    assert platform.clock.monotonic() - began < QUICK.healthy_deadline


@story
async def test_a_first_release_that_is_never_ready_is_taken_away_whole(platform: FakePlatform) -> None:
    platform.runtime.behave = only_release(1, Behaviour(answers=500))
    deployment = await platform.end(platform.deploy(SHOP, FULL))
    assert deployment.outcome is Outcome.FAILED
    assert running(platform) == []
    assert platform.edge.table(SHOP) is None
    await check_order(platform)


@story
async def test_one_unready_process_type_holds_back_all_the_others(platform: FakePlatform) -> None:
    tree = Tree(processes=(process("web", count=2), process("api", path="/api"), process("worker")), policy=QUICK)
    await deployed(platform, tree)
    platform.runtime.behave = only_release(2, Behaviour(answers=500), of="api")
    deployment = await platform.end(platform.deploy(SHOP, tree))
    assert deployment.outcome is Outcome.FAILED
    assert serving(platform) == ["v1 api.1", "v1 web.1", "v1 web.2"]
    assert not any(event.fields.get("summary", "") == "stop v1 worker.1" for event in platform.events(SHOP))
    await check_order(platform)


@story
async def test_a_release_that_dies_while_it_is_watched_is_taken_back(platform: FakePlatform) -> None:
    await deployed(platform, WATCHED)
    platform.laws.is_calm = False
    deployment = platform.deploy(SHOP, WATCHED)
    await until(platform, lambda: phase(platform, deployment) is Phase.WATCH)
    platform.runtime.kill(web(1, release=2))
    record = await platform.end(deployment)
    assert (record.outcome, record.error_code, record.exit_code) == (Outcome.REVERTED, "regressed", 1)
    assert running(platform) == serving(platform) == ["v1 web.1", "v1 web.2"]
    assert all(platform.runtime.starts[web(slot)] == 1 for slot in (1, 2)), "the old ones were still warm"
    await check_order(platform)


async def watched_with_visitors(platform: FakePlatform, tree: Tree, answer: Behaviour) -> Deployment:
    """Redeploys under traffic: the second release answers visitors so, though its health checks are good."""
    await deployed(platform, tree)
    platform.respond = lambda life, _: answer if life.spec.key.release == 2 else Behaviour()
    visits = create_task(browse(platform, "shop.localhost", rate=50, seconds=12))
    await platform.clock.sleep(1)
    deployment = await platform.end(platform.deploy(SHOP, tree))
    await visits
    return deployment


@story
async def test_a_release_that_answers_more_errors_than_the_old_one_is_taken_back(platform: FakePlatform) -> None:
    deployment = await watched_with_visitors(platform, WATCHED, Behaviour(answers=500))
    assert (deployment.outcome, deployment.error_code) == (Outcome.REVERTED, "regressed")
    assert "errors rose" in deployment.error
    assert serving(platform) == ["v1 web.1", "v1 web.2"]


@story
async def test_a_release_that_is_much_slower_than_the_old_one_is_taken_back(platform: FakePlatform) -> None:
    platform.runtime.behave = only_release(2, Behaviour(ready_after=2.0))
    deployment = await watched_with_visitors(platform, WATCHED, Behaviour(latency=0.9))
    assert (deployment.outcome, deployment.error_code) == (Outcome.REVERTED, "regressed")
    assert "slowest" in deployment.error


@story
async def test_without_auto_revert_a_worse_release_stays_and_the_receipt_shows_its_errors(platform: FakePlatform) -> None:
    tree = msgspec.structs.replace(WATCHED, policy=msgspec.structs.replace(WATCHED.policy, auto_revert=False))
    deployment = await watched_with_visitors(platform, tree, Behaviour(answers=500))
    assert deployment.outcome is Outcome.SUCCEEDED
    assert deployment.receipt is not None and deployment.receipt.traffic.app_errors > 0
    assert serving(platform) == ["v2 web.1", "v2 web.2"]


@story
async def test_without_auto_revert_what_serves_stays_though_the_old_one_cannot_be_stopped_by_the_deadline(platform: FakePlatform) -> None:
    tree = msgspec.structs.replace(WEB, policy=msgspec.structs.replace(QUICK, auto_revert=False, progress_deadline=20.0))
    await deployed(platform, tree)
    platform.runtime.faults.fail("stop", times=1_000)
    deployment = await platform.end(platform.deploy(SHOP, tree))
    assert (deployment.outcome, deployment.exit_code) == (Outcome.NEEDS_PERSON, 4)
    assert "auto_revert is off" in told(platform, EventKind.DEPLOYMENT_ENDED)[-1].fields["message"]  # type: ignore[operator]  # a text
    assert deployment.receipt is not None and deployment.receipt.serving_release == 2
    assert serving(platform) == ["v2 web.1", "v2 web.2"]
    platform.runtime.faults.recover()
    await platform.rest(20)
    assert running(platform) == ["v2 web.1", "v2 web.2"], "and it goes on from there"
    await check_order(platform)


@story
async def test_without_auto_revert_a_release_that_never_becomes_ready_still_leaves_the_old_one_serving(platform: FakePlatform) -> None:
    tree = msgspec.structs.replace(WEB, policy=msgspec.structs.replace(QUICK, auto_revert=False))
    await deployed(platform, tree)
    platform.runtime.behave = only_release(2, Behaviour(answers=500))
    assert (await platform.end(platform.deploy(SHOP, tree))).outcome is Outcome.FAILED
    assert running(platform) == serving(platform) == ["v1 web.1", "v1 web.2"]
    await check_order(platform)


@story
async def test_a_regression_is_found_by_a_controller_that_was_started_during_the_watch(platform: FakePlatform) -> None:
    await deployed(platform, WATCHED)
    platform.runtime.behave = only_release(2, Behaviour(ready_after=1.0))
    platform.respond = lambda life, _: Behaviour(answers=500) if life.spec.key.release == 2 else Behaviour()
    visits = create_task(browse(platform, "shop.localhost", rate=50, seconds=12))
    deployment = platform.deploy(SHOP, WATCHED)
    await until(platform, lambda: phase(platform, deployment) is Phase.WATCH)
    platform.crash()
    record = await platform.end(deployment)
    await visits
    assert (record.outcome, record.error_code) == (Outcome.REVERTED, "regressed")


@story
async def test_a_failed_scale_and_a_failed_restart_leave_what_was(platform: FakePlatform) -> None:
    await deployed(platform)

    def later_ones_fail(spec: object) -> Behaviour:
        key = spec.key  # type: ignore[attr-defined]  # an InstanceSpec
        return Behaviour(answers=500) if key.generation or key.slot > 2 else Behaviour()

    platform.runtime.behave = later_ones_fail
    for order in (ScaleOrder(counts={ProcessName("web"): 4}), RestartOrder()):
        assert (await platform.run(SHOP, order)).outcome is Outcome.FAILED
        assert platform.routed(SHOP) == {web(1), web(2)}
        await check_order(platform)


@story
async def test_why_it_turned_round_is_still_known_after_the_controller_died_while_going_back(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.runtime.behave = only_release(2, Behaviour(answers=500, stop_takes=2.0))
    deployment = platform.deploy(SHOP, WEB)
    await until(platform, lambda: phase(platform, deployment) is Phase.REVERT)
    platform.crash()
    record = await platform.end(deployment)
    assert (record.outcome, record.error_code) == (Outcome.FAILED, "not-healthy")
    assert "v2 web.1 was not ready within 5 s" in record.error


@story
async def test_an_old_release_that_is_unwell_by_itself_does_not_keep_a_failed_deployment_waiting(platform: FakePlatform) -> None:
    """The database is down, say: both releases answer 500."""
    await deployed(platform)
    platform.laws.is_calm = False
    platform.runtime.behave = lambda _: Behaviour(answers=500)
    for life in platform.runtime.lives():
        life.behaviour = Behaviour(answers=500)
    await until(platform, lambda: serving(platform) == [])
    began = platform.clock.monotonic()
    deployment = await platform.end(platform.deploy(SHOP, WEB))
    assert deployment.outcome is Outcome.FAILED
    assert platform.clock.monotonic() - began < QUICK.progress_deadline
    assert running(platform) == ["v1 web.1", "v1 web.2"]


@story
async def test_the_progress_deadline_ends_a_deployment_whose_starts_never_succeed(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.runtime.faults.fail("start", times=100_000)
    deployment = await platform.end(platform.deploy(SHOP, WEB))
    assert (deployment.outcome, deployment.error_code) == (Outcome.FAILED, "not-healthy")
    tries = [entry for entry in platform.memory.journal(deployment.id) if entry.outcome == "not-done"]
    assert 10 < len(tries) < 200, "ever more slowly, and not in a busy loop"
    assert serving(platform) == ["v1 web.1", "v1 web.2"]


@story
async def test_long_draining_streams_are_not_taken_for_a_deployment_that_makes_no_progress(platform: FakePlatform) -> None:
    policy = Policy(bake=0.3, progress_deadline=20.0, stream_drain_timeout=100.0)
    tree = Tree(processes=(process("web"),), policy=policy)
    await deployed(platform, tree)
    platform.edge.streams[web().slug] = 1
    began = platform.clock.monotonic()
    deployment = await platform.end(platform.deploy(SHOP, tree))
    assert deployment.outcome is Outcome.SUCCEEDED
    assert platform.clock.monotonic() - began > 99, "the stream had its whole budget"


@story
async def test_an_instance_that_fails_its_liveness_while_it_drains_others_is_restarted(platform: FakePlatform) -> None:
    """Sick once the old ones are going: there is no way back, so it is healed and the deployment goes on."""
    ask = Check(kind=CheckKind.HTTP, paths=("/up",), interval=0.5, failures=2)
    checks = Checks(startup=msgspec.structs.replace(ask, interval=0.1), readiness=ask, liveness=ask)
    policy = msgspec.structs.replace(QUICK, drain_timeout=20.0, bake=0.0)
    tree = Tree(processes=(process("web", checks=checks),), policy=policy)
    await deployed(platform, tree)
    platform.laws.is_calm = False
    platform.edge.flying[web().slug] = 1
    deployment = platform.deploy(SHOP, tree)
    await until(platform, lambda: phase(platform, deployment) is Phase.DRAIN)
    life = platform.runtime.life(web(release=2))
    assert life is not None
    heal(life)
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert life.restarts >= 1


def heal(life: FakeLife) -> None:
    """It answers 500 until it is restarted: then it is well."""
    well = life.behaviour
    life.behaviour = Behaviour(answers=500)
    begin_anew = life.restart

    def restart(now: float) -> None:
        life.behaviour = well
        begin_anew(now)

    life.restart = restart  # type: ignore[method-assign]  # this one instance behaves so
