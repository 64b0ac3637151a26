"""Each order on a quiet day: what it leaves running, and what it says."""

from __future__ import annotations

from asyncio import create_task
from pathlib import Path

import msgspec
import pytest
from engine.stories import FULL, QUICK, SHOP, WEB, browse, check_order, deployed, only_release, running, serving, story, told, web

from mooring.engine.orders import ConfigOrder, DestroyOrder, RestartOrder, RollbackOrder, ScaleOrder
from mooring.errors import NotFound
from mooring.model.deployment import Outcome, Phase
from mooring.model.events import EventKind
from mooring.model.names import ProcessName
from mooring.model.quantity import Share
from mooring.testing.behaviour import Behaviour
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process

WEB_NAME = ProcessName("web")


@story
async def test_a_first_deployment_builds_migrates_starts_and_routes(platform: FakePlatform) -> None:
    deployment = await deployed(platform, FULL)
    assert serving(platform) == ["v1 web.1", "v1 web.2"]
    assert running(platform) == ["v1 clock.1", "v1 web.1", "v1 web.2", "v1 worker.1"]
    assert platform.runtime.starts[SHOP, "release.v1"] == 1
    assert (deployment.phase, deployment.exit_code, deployment.error) == (Phase.ENDED, 0, "")
    await check_order(platform)


@story
async def test_a_redeployment_moves_all_traffic_and_leaves_nothing_of_the_old_release(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    deployment = await deployed(platform, FULL)
    assert running(platform) == ["v2 clock.1", "v2 web.1", "v2 web.2", "v2 worker.1"]
    assert serving(platform) == ["v2 web.1", "v2 web.2"]
    receipt = deployment.receipt
    assert receipt is not None
    assert (receipt.from_release, receipt.to_release, receipt.serving_release) == (1, 2, 2)
    assert (receipt.instances_started, receipt.instances_stopped) == (4, 4)
    assert receipt.probes is not None and receipt.probes.sent > 0
    assert [time.phase for time in receipt.phases] == ["build", "release", "prepare", "watch", "drain"]
    await check_order(platform)


@story
async def test_a_hostname_that_is_taken_away_is_not_asked_for_and_one_that_stays_is(platform: FakePlatform) -> None:
    one, two, three = (msgspec.structs.replace(FULL, hostnames=names) for names in (("a.test", "b.test"), ("b.test",), ("c.test",)))
    await deployed(platform, one)
    moved = await deployed(platform, two)
    assert [name for name, _, _ in platform.streams.streams] == ["a.test", "b.test"]
    assert moved.receipt is not None and moved.receipt.probes is not None and moved.receipt.probes.sent > 0
    renamed = await deployed(platform, three)
    assert [name for name, _, _ in platform.streams.streams] == ["a.test", "b.test", "b.test"]
    assert renamed.receipt is not None and renamed.receipt.probes is None
    assert any("all hostnames are new" in note for note in renamed.receipt.notes)


@story
async def test_a_visitor_during_a_redeployment_sees_only_good_answers(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.runtime.behave = only_release(2, Behaviour(ready_after=0.5))
    visits = create_task(browse(platform, "shop.localhost", rate=100, seconds=4))
    deployment = await deployed(platform)
    assert set(await visits) == {200}
    assert deployment.receipt is not None
    assert deployment.receipt.traffic.requests > 50
    assert deployment.receipt.failed == 0


@story
async def test_a_change_of_config_is_a_new_release_of_the_same_artifact_with_a_rolling_restart(platform: FakePlatform) -> None:
    await deployed(platform)
    version = platform.memory.put_config(SHOP, changes={"LOG_LEVEL": "debug"}, by="ann", at=platform.clock.wall())
    deployment = await platform.run(SHOP, ConfigOrder(config_version=version, description="config set LOG_LEVEL"))
    assert deployment.outcome is Outcome.SUCCEEDED
    first, second = platform.memory.releases(SHOP)
    assert (second.artifact, second.config_version, second.description) == (first.artifact, 1, "config set LOG_LEVEL")
    life = platform.runtime.life(web(release=2))
    assert life is not None and life.variables["LOG_LEVEL"] == "debug"
    assert serving(platform) == ["v2 web.1", "v2 web.2"]
    await check_order(platform)


@story
async def test_scaling_up_and_down_touches_only_the_instances_that_differ(platform: FakePlatform) -> None:
    await deployed(platform)
    up = await platform.run(SHOP, ScaleOrder(counts={WEB_NAME: 4}))
    assert serving(platform) == ["v1 web.1", "v1 web.2", "v1 web.3", "v1 web.4"]
    down = await platform.run(SHOP, ScaleOrder(counts={WEB_NAME: 1}))
    assert serving(platform) == running(platform) == ["v1 web.1"]
    assert up.receipt is not None and (up.receipt.instances_started, up.receipt.instances_stopped) == (2, 0)
    assert down.receipt is not None and (down.receipt.instances_started, down.receipt.instances_stopped) == (0, 3)
    assert platform.runtime.starts[web(1)] == 1
    await check_order(platform)


@story
async def test_a_scaled_environment_keeps_its_scale_when_it_is_deployed_again(platform: FakePlatform) -> None:
    await deployed(platform)
    await platform.run(SHOP, ScaleOrder(counts={WEB_NAME: 3}))
    await deployed(platform)
    assert serving(platform) == ["v2 web.1", "v2 web.2", "v2 web.3"]


@story
async def test_scaling_to_none_stops_all_and_scaling_back_serves_again(platform: FakePlatform) -> None:
    await deployed(platform)
    down = await platform.run(SHOP, ScaleOrder(counts={WEB_NAME: 0}))
    assert (down.outcome, down.exit_code) == (Outcome.SUCCEEDED, 0)
    assert running(platform) == serving(platform) == []
    await platform.run(SHOP, ScaleOrder(counts={WEB_NAME: 2}))
    assert serving(platform) == ["v1 web.1", "v1 web.2"]
    await check_order(platform)


@story
@pytest.mark.parametrize("counts", [{"nosuch": 1}, {"web": -1}, {"clock": 2}])
async def test_an_impossible_scale_is_refused_and_touches_nothing(platform: FakePlatform, counts: dict[str, int]) -> None:
    await deployed(platform, FULL)
    before = running(platform)
    deployment = await platform.run(SHOP, ScaleOrder(counts={ProcessName(name): count for name, count in counts.items()}))
    assert (deployment.outcome, deployment.error_code) == (Outcome.FAILED, "invalid-input")
    assert running(platform) == before
    await check_order(platform)


@story
async def test_a_restart_replaces_every_instance_of_the_same_release(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    deployment = await platform.run(SHOP, RestartOrder())
    assert deployment.outcome is Outcome.SUCCEEDED
    assert platform.routed(SHOP) == {web(1, generation=1), web(2, generation=1)}
    assert platform.runtime.starts[SHOP, "release.v1"] == 1, "the release command does not run again"
    await check_order(platform)


@story
async def test_a_rollback_runs_what_served_before_with_its_config_and_without_its_release_command(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    version = platform.memory.put_config(SHOP, changes={"MODE": "new"}, by="ann", at=platform.clock.wall())
    await platform.run(SHOP, ConfigOrder(config_version=version, description="config set MODE"))
    deployment = await platform.run(SHOP, RollbackOrder())
    assert deployment.outcome is Outcome.SUCCEEDED
    first, _, third = platform.memory.releases(SHOP)
    assert (third.artifact, third.config_version, third.description) == (first.artifact, 0, "rollback to v1")
    assert (SHOP, "release.v3") not in platform.runtime.starts
    life = platform.runtime.life(web(release=3))
    assert life is not None and "MODE" not in life.variables
    await check_order(platform)


@story
async def test_two_rollbacks_in_a_row_come_back_to_what_served_first(platform: FakePlatform) -> None:
    await deployed(platform)
    await deployed(platform)
    artifacts = [release.artifact.id for release in platform.memory.releases(SHOP)]
    for _ in range(2):
        assert (await platform.run(SHOP, RollbackOrder())).outcome is Outcome.SUCCEEDED
    assert [release.artifact.id for release in platform.memory.releases(SHOP)] == [*artifacts, artifacts[0], artifacts[1]]
    assert serving(platform) == ["v4 web.1", "v4 web.2"]


@story
async def test_a_rollback_passes_over_releases_that_never_served(platform: FakePlatform) -> None:
    await deployed(platform)
    platform.runtime.behave = only_release(2, Behaviour(answers=500))
    assert (await platform.end(platform.deploy(SHOP, WEB))).outcome is Outcome.FAILED
    await deployed(platform)
    await platform.run(SHOP, RollbackOrder())
    assert platform.memory.releases(SHOP)[-1].description == "rollback to v1"


@story
@pytest.mark.parametrize(("number", "code"), [(1, "usage"), (7, "not-found"), (None, "not-found")])
async def test_a_rollback_to_what_is_not_there_is_refused(platform: FakePlatform, number: int | None, code: str) -> None:
    await deployed(platform)
    deployment = await platform.run(SHOP, RollbackOrder(number=number))
    assert (deployment.outcome, deployment.error_code) == (Outcome.FAILED, code)
    assert len(platform.memory.releases(SHOP)) == 1
    await check_order(platform)


@story
async def test_a_rollback_to_a_release_whose_artifact_was_pruned_says_what_to_do(platform: FakePlatform) -> None:
    platform.workshop = type(platform.workshop)(platform.clock, directory="/absent")
    await platform.stop()
    await platform.start()
    await deployed(platform)
    await deployed(platform)
    deployment = await platform.run(SHOP, RollbackOrder())
    assert deployment.error_code == "not-found"
    assert "pruned" in deployment.error and "deploy" in deployment.hint


@story
async def test_a_destroyed_environment_leaves_nothing_but_its_events(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    deployment = await platform.run(SHOP, DestroyOrder())
    assert deployment.outcome is Outcome.SUCCEEDED
    await platform.rest()
    assert running(platform) == []
    assert platform.edge.table(SHOP) is None
    assert platform.memory.environments() == ()
    assert platform.memory.lease(SHOP) is None
    assert told(platform, EventKind.DEPLOYMENT_ENDED)[-1].fields["exit_code"] == 0
    with pytest.raises(NotFound):
        platform.submit(SHOP, RestartOrder())


@story
async def test_what_was_destroyed_can_be_deployed_again_from_v1(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    await platform.run(SHOP, DestroyOrder())
    platform.runtime.starts.clear()
    await deployed(platform, FULL)
    assert serving(platform) == ["v1 web.1", "v1 web.2"]
    assert platform.runtime.starts[SHOP, "release.v1"] == 1
    await check_order(platform)


@story
async def test_instances_replaced_in_place_never_fall_below_what_the_policy_allows(platform: FakePlatform) -> None:
    policy = msgspec.structs.replace(QUICK, max_surge=Share(amount=0), max_unavailable=Share(amount=1))
    tree = Tree(processes=(process("web", count=3),), policy=policy)
    await deployed(platform, tree)
    most = 0

    def count(_: object) -> None:
        nonlocal most
        most = max(most, len(platform.running(SHOP)))

    platform.on_point = count
    await deployed(platform, tree)
    assert most == 3, "never more than before, never less than the laws allow"
    await check_order(platform)


@story
async def test_old_releases_beyond_those_kept_are_pruned_and_what_serves_is_not(platform: FakePlatform) -> None:
    tree = Tree(policy=msgspec.structs.replace(QUICK, keep_releases=2))
    for _ in range(4):
        await deployed(platform, tree)
    await platform.rest()
    newest = platform.memory.releases(SHOP)[-2:]
    assert platform.workshop.kept == {release.artifact.id for release in newest}


@story
async def test_the_uploaded_archive_is_removed_when_its_deployment_has_ended(platform: FakePlatform, tmp_path: Path) -> None:
    for number, tree in enumerate([WEB, Tree(build_error=NotFound("no builder"))]):
        archive = tmp_path / f"{number}.tar"
        archive.write_bytes(b"tar")
        await platform.end(platform.deploy(SHOP, tree, archive=archive))
        assert not archive.exists()
    assert platform.workshop.unpacked == set()
