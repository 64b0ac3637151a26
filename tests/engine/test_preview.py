"""What a plan shows is what then happens, step by step; and showing it touches nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from engine.stories import FULL, QUICK, SHOP, WEB, deployed, running, story

from mooring.engine.orders import ConfigOrder, DeployOrder, DestroyOrder, Order, RestartOrder, RollbackOrder, ScaleOrder
from mooring.errors import CapacityExceeded, InvalidInput, ManifestInvalid, NotFound, UsageError
from mooring.model.lease import Lock
from mooring.model.names import ProcessName
from mooring.model.problem import Problem
from mooring.model.quantity import Share
from mooring.model.steps import Conclude, RunRelease, SetRoutes, Step
from mooring.testing.platform import FakePlatform, play
from mooring.testing.workshop import Tree, process

IN_PLACE = Tree(
    processes=(process("web", count=3),), policy=msgspec.structs.replace(QUICK, max_surge=Share(amount=0), max_unavailable=Share(amount=1))
)
ONE_BY_ONE = Tree(processes=(process("web", count=4),), policy=msgspec.structs.replace(QUICK, max_surge=Share(amount=1)))
ORDERS: dict[str, Callable[[FakePlatform], Order]] = {
    "deploy": lambda platform: platform.order(FULL),
    "deploy with an api": lambda platform: platform.order(Tree(processes=(process("web"), process("api", path="/api")), policy=QUICK)),
    "deploy without clock and worker": lambda platform: platform.order(WEB),
    "deploy in place": lambda platform: platform.order(IN_PLACE),
    "deploy one by one": lambda platform: platform.order(ONE_BY_ONE),
    "config": lambda _: ConfigOrder(config_version=0, description="config set"),
    "rollback": lambda _: RollbackOrder(),
    "scale up": lambda _: ScaleOrder(counts={ProcessName("web"): 5}),
    "scale down": lambda _: ScaleOrder(counts={ProcessName("web"): 1}),
    "scale to what it is": lambda _: ScaleOrder(counts={ProcessName("web"): 2}),
    "restart": lambda _: RestartOrder(),
    "destroy": lambda _: DestroyOrder(),
}


def words(step: Step) -> str:
    """All of a step but ports, which nobody can know before."""
    what = step.summary if isinstance(step, SetRoutes) else str(getattr(step, "instance", getattr(step, "outcome", "")))
    return f"{type(step).__name__} {what}: {step.reason}"


@story
@pytest.mark.parametrize("name", sorted(ORDERS))
async def test_a_plan_shows_the_steps_that_then_happen(platform: FakePlatform, name: str) -> None:
    await deployed(platform, FULL)
    await deployed(platform, FULL)
    await platform.rest()
    order = ORDERS[name](platform)
    preview = await platform.controller.preview(SHOP, order)
    happened: list[str] = []

    def look(_: object) -> None:
        happened[:] = journal(platform) or happened

    platform.on_point = look
    deployment = await platform.run(SHOP, order)
    assert deployment.exit_code == 0 or deployment.receipt is None
    shown = [words(step) for step in preview.steps]
    assert sorted(happened[: len(shown)]) == sorted(shown)
    assert happened[len(shown) - 1] == shown[-1], "and the end is the end"
    assert isinstance(preview.steps[-1], Conclude)


def journal(platform: FakePlatform) -> list[str]:
    newest = platform.memory.deployments(SHOP, limit=1)
    return [words(entry.step) for entry in platform.memory.journal(newest[0].id)] if newest else []


@story
async def test_a_plan_of_a_first_deployment_shows_the_steps_that_then_happen(platform: FakePlatform) -> None:
    preview = await platform.controller.preview(SHOP, platform.order(FULL))
    assert platform.memory.environments() == ()
    deployment = await deployed(platform, FULL)
    assert sorted(words(entry.step) for entry in platform.memory.journal(deployment.id)) == sorted(words(step) for step in preview.steps)
    assert any("nothing serves yet" in note for note in preview.notes)


def world(platform: FakePlatform) -> tuple[object, ...]:
    memory = platform.memory
    return running(platform), platform.edge.table(SHOP), platform.events(), memory.deployments(), memory.releases(SHOP)


@story
async def test_planning_and_examining_touch_nothing(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    before = world(platform)
    points: list[object] = []
    platform.on_point = points.append
    for order in (platform.order(FULL), RestartOrder(), ConfigOrder(config_version=0, description="x"), DestroyOrder()):
        await platform.controller.preview(SHOP, order)
        await platform.controller.examine(SHOP, order)
        if isinstance(order, DeployOrder):
            await platform.controller.drop(Path(order.archive))
    with pytest.raises(UsageError, match="v1 is what runs now"):
        await platform.controller.examine(SHOP, RollbackOrder(number=1))
    assert points == []
    assert world(platform) == before
    assert platform.workshop.unpacked == set()
    assert platform.workshop.builds == {"digest of 1": 1}


@story
async def test_a_plan_says_where_there_will_be_a_gap_and_what_is_locked(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    platform.memory.save_lock(Lock(environment=SHOP, by="ben", reason="", since=platform.clock.wall()))
    notes = (await platform.controller.preview(SHOP, platform.order(FULL))).notes
    assert any("clock" in note and "gap" in note for note in notes)
    assert any("locked by ben" in note for note in notes)


@story
async def test_a_plan_of_a_release_command_shows_the_command(platform: FakePlatform) -> None:
    preview = await platform.controller.preview(SHOP, platform.order(FULL))
    first = preview.steps[0]
    assert isinstance(first, RunRelease) and first.command == "migrate"


def test_a_plan_refuses_what_the_order_would_be_refused_for() -> None:
    problem = Problem(file="mooring.toml", line=1, key="x", message="unknown key")

    async def tell(platform: FakePlatform) -> None:
        with pytest.raises(NotFound):
            await platform.controller.preview(SHOP, RestartOrder())
        await deployed(platform, Tree(policy=QUICK))
        with pytest.raises(ManifestInvalid):
            await platform.controller.preview(SHOP, platform.order(Tree(plan_error=ManifestInvalid([problem]))))
        with pytest.raises(CapacityExceeded):
            await platform.controller.preview(SHOP, platform.order(Tree(processes=(process("web", memory=10_000),), policy=QUICK)))
        with pytest.raises(NotFound):
            await platform.controller.preview(SHOP, RollbackOrder())
        with pytest.raises(InvalidInput, match="API_KEY"):
            await platform.controller.preview(SHOP, platform.order(Tree(required_variables=("API_KEY",))))
        assert platform.workshop.unpacked == set()

    play(tell, platform=FakePlatform(memory_budget=1_000))
