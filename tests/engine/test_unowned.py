"""Law 8: what no environment owns is found, told, and removed when a person names it; nothing else ever is."""

from __future__ import annotations

import pytest
from engine.stories import BLOG, SHOP, WEB, check_order, deployed, running, serving, story, until

from mooring.engine.orders import DestroyOrder
from mooring.errors import NotFound
from mooring.model.deployment import Outcome
from mooring.testing.platform import FakePlatform


async def forgotten(platform: FakePlatform) -> None:
    """Both run; then the memory is as it was before one of them was first deployed."""
    await deployed(platform)
    await deployed(platform, WEB, BLOG)
    platform.laws.is_calm = False
    platform.crash()
    platform.memory.forget_environment(BLOG)
    await platform.start()


@story
async def test_what_runs_for_an_unknown_environment_is_found_and_goes_on(platform: FakePlatform) -> None:
    assert await platform.controller.unowned() == ()
    await forgotten(platform)
    (found,) = await platform.controller.unowned()
    assert (found.environment, [str(key) for key in found.instances], found.hostnames) == (
        BLOG,
        ["v1 web.1", "v1 web.2"],
        ("blog.localhost",),
    )
    await platform.clock.sleep(60.0)
    assert running(platform, BLOG) == serving(platform, BLOG) == ["v1 web.1", "v1 web.2"]


@story
async def test_it_is_removed_when_a_person_names_it_and_nothing_else_is(platform: FakePlatform) -> None:
    await forgotten(platform)
    await platform.controller.adopt(BLOG)
    ended = await platform.run(BLOG, DestroyOrder())
    assert ended.outcome is Outcome.SUCCEEDED
    await until(platform, lambda: platform.memory.environment(BLOG) is None, within=5.0)
    assert (running(platform, BLOG), platform.edge.table(BLOG), await platform.controller.unowned()) == ([], None, ())
    assert serving(platform) == ["v1 web.1", "v1 web.2"]
    await check_order(platform)


@story
async def test_it_is_replaced_without_a_gap_when_its_app_is_deployed_again(platform: FakePlatform) -> None:
    await forgotten(platform)
    ended = await platform.end(platform.deploy(BLOG, WEB))
    assert ended.outcome is Outcome.SUCCEEDED
    await check_order(platform, BLOG)
    assert await platform.controller.unowned() == ()


@story
async def test_an_environment_of_which_nothing_is_there_is_not_adopted(platform: FakePlatform) -> None:
    await deployed(platform)
    with pytest.raises(NotFound, match="there is no blog/production"):
        await platform.controller.adopt(BLOG)
    assert platform.memory.environment(BLOG) is None
    assert serving(platform, SHOP) == ["v1 web.1", "v1 web.2"]
