"""A stranger's code runs where it is kept apart, and nowhere else unless the operator said so; the team's own runs anywhere."""

from __future__ import annotations

import msgspec
import pytest
from engine.stories import SHOP, deployed, story

from mooring.engine.orders import DeployOrder
from mooring.errors import Refused
from mooring.model.deployment import Outcome
from mooring.model.health import Check, CheckKind
from mooring.model.names import RegionName
from mooring.model.placement import Region
from mooring.model.records import EnvironmentRecord
from mooring.model.review import ReviewMark, review_environment, strangers_branch
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process

BRANCH = strangers_branch(3, "main")
THEIRS = review_environment(SHOP.app, BRANCH)


def bare(platform: FakePlatform) -> None:
    """As with the runtime `process`."""
    platform.runtime.capabilities = msgspec.structs.replace(platform.runtime.capabilities, takes_strangers=False)


def order(platform: FakePlatform, tree: Tree = Tree(), *, branch: str = BRANCH) -> DeployOrder:  # noqa: B008 - a value
    made = platform.order(tree)
    return msgspec.structs.replace(made, origin=msgspec.structs.replace(made.origin, branch=branch))


@story
async def test_a_strangers_code_is_refused_before_it_is_built_where_nothing_keeps_it_apart(platform: FakePlatform) -> None:
    bare(platform)
    with pytest.raises(Refused, match="a stranger's code, and nothing on the controller's own machine keeps it apart") as refused:
        await platform.controller.examine(THEIRS, order(platform))
    assert "mooring up --unconfined-strangers" in refused.value.hint
    assert platform.workshop.builds == {} and not platform.runtime.lives()
    assert (await platform.end(platform.submit(THEIRS, order(platform)))).error_code == "refused"
    assert not platform.runtime.lives()
    await deployed(platform)
    own = review_environment(SHOP.app, "main")
    await platform.controller.examine(own, order(platform, branch="main"))


@story
async def test_also_where_only_the_mark_of_its_environment_tells_that_it_is_a_strangers(platform: FakePlatform) -> None:
    bare(platform)
    mark = ReviewMark(branch=BRANCH, used_at=0.0, expires_at=1e12)
    platform.memory.save_environment(EnvironmentRecord(environment=THEIRS, created_at=0.0, review=mark))
    with pytest.raises(Refused, match="a stranger's code"):
        await platform.controller.examine(THEIRS, order(platform, branch="main"))


@story
async def test_one_that_is_asked_by_a_command_is_taken_where_its_code_may_run(platform: FakePlatform) -> None:
    """That command runs where the instance does."""
    web = process("web")
    checks = msgspec.structs.replace(web.checks, readiness=Check(kind=CheckKind.COMMAND, command="bin/check"))
    tree = Tree(processes=(msgspec.structs.replace(web, checks=checks),))
    assert (await platform.end(platform.submit(THEIRS, order(platform, tree)))).outcome is Outcome.SUCCEEDED
    bare(platform)
    with pytest.raises(Refused, match="a stranger's code"):
        await platform.controller.examine(THEIRS, order(platform, tree))


@story
async def test_on_a_host_that_keeps_apart_it_runs(platform: FakePlatform) -> None:
    bare(platform)
    platform.add_host("web-1")
    away = Tree(regions=(Region(name=RegionName("eu")),))
    assert (await platform.end(platform.submit(THEIRS, order(platform, away)))).outcome is Outcome.SUCCEEDED
    assert {life.spec.key.host for life in platform.world.lives() if life.spec.key.environment == THEIRS} == {"web-1"}
