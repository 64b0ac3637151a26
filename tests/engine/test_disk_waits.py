"""Disk for review apps: what nobody may want any more goes first, then one waits, named with figures, and not for ever."""

from __future__ import annotations

from typing import Any

import msgspec
from engine.stories import QUICK, SHOP, story, told, until
from engine.test_room import SETTINGS, asked, running, up, waiting

from mooring.engine.orders import DestroyOrder
from mooring.engine.waits import LONGEST_WAIT
from mooring.errors import CapacityExceeded
from mooring.model.build import BuildSettings
from mooring.model.deployment import Outcome
from mooring.model.events import EventKind
from mooring.model.names import ArtifactId, RegionName
from mooring.model.placement import Region
from mooring.model.release import Artifact
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process

EU = Region(name=RegionName("eu"))
TREE = Tree(processes=(process("web"),), policy=QUICK, review=SETTINGS, regions=(EU,), size=1_000)


def a_leftover(artifact: Artifact) -> Artifact:
    return msgspec.structs.replace(artifact, id=ArtifactId("left over"))


@story
async def test_what_nobody_may_want_any_more_goes_for_it_and_it_does_not_wait(platform: FakePlatform) -> None:
    host = platform.add_host("eu-1", room=2_500)
    first = await up(platform, "first", tree=TREE)
    (artifact,) = host.delivered.values()
    host.delivered[ArtifactId("left over")] = a_leftover(artifact)
    second = await up(platform, "second", tree=TREE)
    assert sorted((running(platform, first), running(platform, second))) == [["v1 web.1 on eu-1"], ["v1 web.1 on eu-1"]]
    assert ArtifactId("left over") not in host.delivered
    assert not [each for each in told(platform, EventKind.ENVIRONMENT_CHANGED, second) if "it waits" in str(each.fields["message"])]


@story
async def test_where_all_is_wanted_it_waits_with_the_figures_until_something_goes(platform: FakePlatform) -> None:
    platform.add_host("eu-1", room=1_500)
    first = await up(platform, "first", tree=TREE)
    second, deployment = asked(platform, "second", tree=TREE)
    await until(platform, lambda: "needs 1000 bytes, and 500 are free" in waiting(platform, second), within=60)
    await platform.run(first, DestroyOrder())
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert (running(platform, second), waiting(platform, second)) == (["v1 web.1 on eu-1"], "")


@story
async def test_the_wait_has_an_end(platform: FakePlatform) -> None:
    platform.add_host("eu-1", room=1_500)
    await up(platform, "first", tree=TREE)
    second, deployment = asked(platform, "second", tree=TREE)
    ended = await platform.end(deployment, within=LONGEST_WAIT + 120)
    assert (ended.outcome, ended.error_code) == (Outcome.FAILED, CapacityExceeded.code)
    assert "there was no disk for 30 minutes" in ended.error and "needs 1000 bytes, and 500 are free" in ended.error
    assert waiting(platform, second) == ""


@story
async def test_a_build_without_disk_waits_too_and_what_is_no_review_app_is_refused_at_once(platform: FakePlatform) -> None:
    build, is_full = platform.workshop.build, True

    async def built(source: Any, settings: BuildSettings, *given: Any, **more: Any) -> Artifact:
        if is_full:
            raise CapacityExceeded("building needs about 2.0 GB of disk, and 1.0 GB are free")
        return await build(source, settings, *given, **more)

    platform.workshop.build = built  # type: ignore[method-assign]
    refused = await platform.end(platform.deploy(SHOP, Tree()))
    assert (refused.outcome, refused.error_code) == (Outcome.FAILED, CapacityExceeded.code)
    branch, deployment = asked(platform, "first", tree=msgspec.structs.replace(TREE, regions=()))
    await until(platform, lambda: "building needs about 2.0 GB" in waiting(platform, branch), within=60)
    is_full = False
    assert (await platform.end(deployment)).outcome is Outcome.SUCCEEDED
    assert (len(platform.memory.releases(branch)), waiting(platform, branch)) == (1, "")
