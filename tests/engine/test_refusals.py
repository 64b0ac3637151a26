"""Orders that cannot be carried out: their deployment says why, and the environment is as it was."""

from __future__ import annotations

import msgspec
import pytest
from engine.stories import BLOG, QUICK, SHOP, WEB, check_order, deployed, kinds, running, story

from mooring.errors import BuildFailed, LeaseHeld, ManifestInvalid, SourceInvalid, Unavailable
from mooring.model.deployment import Outcome
from mooring.model.lease import Lock
from mooring.model.problem import Problem
from mooring.testing.behaviour import Behaviour
from mooring.testing.platform import FakePlatform, play
from mooring.testing.workshop import Tree, process

PROBLEM = Problem(file="mooring.toml", line=3, key="deploy.bak", message="unknown key 'bak'", hint="did you mean 'bake'?")
BAD = {
    "source-invalid": Tree(unpack_error=SourceInvalid("a link in the archive")),
    "manifest-invalid": Tree(plan_error=ManifestInvalid([PROBLEM])),
    "build-failed": Tree(build_error=BuildFailed("pip ended with code 1", hint="see above")),
    "unavailable": Tree(build_error=Unavailable("the build could not be written", hint="see whether the disk is full")),
    "invalid-input": Tree(required_variables=("API_KEY",)),
}


@story
@pytest.mark.parametrize("code", sorted(BAD))
async def test_a_tree_that_cannot_be_built_touches_nothing_and_says_why(platform: FakePlatform, code: str) -> None:
    await deployed(platform)
    before = running(platform)
    deployment = await platform.end(platform.deploy(SHOP, BAD[code]))
    assert (deployment.outcome, deployment.error_code, deployment.exit_code) == (Outcome.FAILED, code, 1)
    assert deployment.error
    assert running(platform) == before
    assert platform.workshop.unpacked == set()
    assert kinds(platform.events(deployment=deployment.id))[-1] == "deployment.ended"
    await check_order(platform)
    assert (await deployed(platform)).number == 3, "the next one goes through"


@story
async def test_all_problems_of_a_manifest_reach_the_person_with_their_places(platform: FakePlatform) -> None:
    other = Problem(file="Procfile", line=1, key="", message="no process types")
    deployment = await platform.end(platform.deploy(SHOP, Tree(plan_error=ManifestInvalid([PROBLEM, other]))))
    assert "mooring.toml:3" in deployment.error
    assert "did you mean 'bake'?" in deployment.error
    assert "Procfile:1" in deployment.error


@story
async def test_a_first_deployment_that_fails_leaves_nothing_running(platform: FakePlatform) -> None:
    deployment = await platform.end(platform.deploy(SHOP, BAD["build-failed"]))
    assert deployment.outcome is Outcome.FAILED
    assert running(platform) == []
    assert platform.edge.table(SHOP) is None


def test_memory_that_would_not_fit_is_refused_with_numbers() -> None:
    async def tell(platform: FakePlatform) -> None:
        await deployed(platform, Tree(processes=(process("web", memory=300_000_000),), policy=QUICK))
        deployment = await platform.end(platform.deploy(SHOP, Tree(processes=(process("web", memory=800_000_000),), policy=QUICK)))
        assert deployment.error_code == "capacity-exceeded"
        assert "1.1GB" in deployment.error.replace(" ", ""), deployment.error
        assert running(platform) == ["v1 web.1"]

    play(tell, platform=FakePlatform(memory_budget=1_000_000_000))


def heavy(memory: int, *, count: int = 1) -> Tree:
    return Tree(processes=(process("web", count=count, memory=memory),), policy=QUICK)


def test_two_apps_that_fit_alone_and_not_together_are_not_let_in_at_the_same_moment() -> None:
    async def tell(platform: FakePlatform) -> None:
        first, second = (platform.deploy(environment, heavy(600_000_000)) for environment in (SHOP, BLOG))
        outcomes = [(await platform.end(each)).error_code for each in (first, second)]
        assert sorted(outcomes) == ["", "capacity-exceeded"]

    play(tell, platform=FakePlatform(memory_budget=1_000_000_000))


def test_an_app_that_is_being_replaced_needs_room_for_old_and_new_beside_the_next_one() -> None:
    async def tell(platform: FakePlatform) -> None:
        await deployed(platform, heavy(300_000_000))
        platform.runtime.behave = lambda _: Behaviour(ready_after=2.0)
        replaced = platform.deploy(SHOP, heavy(300_000_000))
        await platform.clock.sleep(1.0)
        refused = await platform.end(platform.deploy(BLOG, heavy(500_000_000)))
        assert refused.error_code == "capacity-exceeded"
        assert (await platform.end(replaced)).outcome is Outcome.SUCCEEDED
        await deployed(platform, heavy(500_000_000), BLOG)

    play(tell, platform=FakePlatform(memory_budget=1_000_000_000))


def test_what_could_not_be_stopped_still_takes_its_memory() -> None:
    async def tell(platform: FakePlatform) -> None:
        await deployed(platform, heavy(300_000_000))
        platform.runtime.faults.fail("stop", times=1_000)
        stuck = await platform.end(platform.deploy(SHOP, heavy(300_000_000)))
        assert stuck.outcome is Outcome.NEEDS_PERSON
        refused = await platform.end(platform.deploy(SHOP, heavy(300_000_000)))
        assert refused.error_code == "capacity-exceeded"
        assert "300.0 MB for instances that could not be stopped yet" in refused.error
        platform.runtime.faults.recover()
        await platform.rest(20)
        await deployed(platform, heavy(300_000_000))

    play(tell, platform=FakePlatform(memory_budget=800_000_000))


def test_processors_that_a_host_does_not_have_are_refused_and_a_plan_says_where_none_is_held_to_its_own() -> None:
    async def tell(platform: FakePlatform) -> None:
        await deployed(platform, busy(1.5))
        await deployed(platform, busy(1.5))
        refused = await platform.end(platform.deploy(BLOG, busy(0.6)))
        assert refused.error_code == "capacity-exceeded"
        assert "declared cpus do not fit this host: 0.6 for this app, 1.5 for other apps, and it has 2" in refused.error
        (life,) = platform.runtime.lives()
        assert life.spec.cpus == 1.5
        preview = await platform.controller.preview(BLOG, platform.order(busy(0.5)))
        assert (
            "cpus of web: the sum is checked, but nothing on the controller's own machine keeps an instance from taking more"
            in preview.notes
        )
        preview = await platform.controller.preview(BLOG, platform.order(heavy(1)))
        assert not [note for note in preview.notes if "cpus" in note]
        await deployed(platform, busy(0.5), BLOG)

    platform = FakePlatform()
    platform.runtime.capabilities = msgspec.structs.replace(platform.runtime.capabilities, processors=2.0)
    play(tell, platform=platform)


def busy(cpus: float) -> Tree:
    return Tree(processes=(msgspec.structs.replace(process("web"), cpus=cpus),), policy=QUICK)


@story
async def test_hostnames_of_another_app_are_refused_all_at_once_and_the_other_serves_on(platform: FakePlatform) -> None:
    await deployed(platform, msgspec.structs.replace(WEB, hostnames=("shop.localhost", "www.shop.localhost")))
    wished = ("shop.localhost", "blog.localhost", "www.shop.localhost")
    deployment = await platform.end(platform.deploy(BLOG, Tree(hostnames=wished, policy=QUICK)))
    assert deployment.error_code == "invalid-input"
    claims = [f"the hostname {name} belongs to shop/production already" for name in ("shop.localhost", "www.shop.localhost")]
    assert deployment.error == f"{BLOG}: {claims[0]}; {claims[1]}"
    assert running(platform, BLOG) == []
    await check_order(platform)


@story
async def test_a_locked_environment_takes_no_order_until_it_is_unlocked(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.memory.save_lock(Lock(environment=SHOP, by="ben", reason="the fair", since=platform.clock.wall()))
    with pytest.raises(LeaseHeld, match="ben") as held:
        platform.deploy(SHOP, WEB)
    assert "unlock" in held.value.hint
    assert len(platform.memory.deployments(SHOP)) == 1
    platform.memory.remove_lock(SHOP)
    await deployed(platform)


@story
async def test_a_lease_of_another_controller_refuses_an_order_and_is_taken_once_its_owner_is_dead(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.memory.take_lease(SHOP, holder="another", now=platform.clock.wall(), dead_after=10)
    deployment = await platform.end(platform.deploy(SHOP, WEB))
    assert (deployment.outcome, deployment.error_code) == (Outcome.FAILED, "lease-held")
    await platform.clock.sleep(11)
    await deployed(platform)


@story
async def test_a_defect_in_the_memory_ends_no_keeper(platform: FakePlatform) -> None:
    await deployed(platform)
    read = platform.memory.environment

    def explode(environment: object) -> None:
        raise RuntimeError("a bug")

    platform.memory.environment = explode  # type: ignore[method-assign, assignment]  # a defect is what this test needs
    await platform.clock.sleep(30)
    platform.memory.environment = read  # type: ignore[method-assign]  # and its end
    await platform.clock.sleep(30)
    await deployed(platform)


@story
async def test_a_defect_in_a_builder_ends_the_deployment_for_a_person_to_look_at_and_nothing_else(platform: FakePlatform) -> None:
    await deployed(platform)

    async def explode(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    platform.workshop.build = explode  # type: ignore[method-assign, assignment]  # a defect is what this test needs
    deployment = await platform.end(platform.deploy(SHOP, WEB))
    assert (deployment.outcome, deployment.exit_code) == (Outcome.NEEDS_PERSON, 4)
    assert "RuntimeError" in deployment.error
    del platform.workshop.build
    await deployed(platform)


@story
async def test_two_apps_that_want_one_hostname_do_not_both_get_it_at_the_same_moment(platform: FakePlatform) -> None:
    wishes = Tree(hostnames=("www.localhost",), policy=QUICK)
    asked = [platform.deploy(environment, wishes) for environment in (SHOP, BLOG)]
    assert sorted([(await platform.end(each)).error_code for each in asked]) == ["", "invalid-input"]
