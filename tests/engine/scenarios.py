"""The stories in which everything that can be interrupted is interrupted: what was before, the order, and how it ends on a calm day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from engine.stories import QUICK, SHOP, deployed

from mooring.engine.orders import DestroyOrder, Order, RestartOrder, RollbackOrder, ScaleOrder
from mooring.errors import DriverError
from mooring.model.deployment import Deployment, Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.health import Check, CheckKind, Checks
from mooring.model.instance import InstanceKey
from mooring.model.names import DeploymentId, HostId, ProcessName, RegionName
from mooring.model.placement import Region
from mooring.testing.behaviour import Behaviour
from mooring.testing.laws import Point
from mooring.testing.platform import Crash, FakePlatform, play
from mooring.testing.workshop import Tree, process

_ASKED = Check(kind=CheckKind.COMMAND, command="true", interval=0.1)  # answered at once, where a plain worker has to live for a while
_CHECKS = Checks(startup=_ASKED, readiness=msgspec.structs.replace(_ASKED, interval=1.0))
FAST = Tree(
    processes=(process("web", count=2), process("worker", checks=_CHECKS), process("clock", is_single=True, checks=_CHECKS)),
    policy=msgspec.structs.replace(QUICK, bake=0.1, healthy_deadline=2.0),
    release_command="migrate",
)
SPREAD = Tree(
    processes=(process("web", count=3), process("clock", is_single=True, checks=_CHECKS)),
    policy=msgspec.structs.replace(QUICK, bake=0.1, healthy_deadline=2.0),
    release_command="migrate",
    regions=(Region(name=RegionName("eu")),),
)
BESIDE = msgspec.structs.replace(
    SPREAD,
    processes=(process("web", count=1), process("clock", is_single=True, checks=_CHECKS)),
    regions=(Region(name=RegionName("eu")), Region(name=RegionName("us"))),
)
WATCHED = msgspec.structs.replace(FAST, policy=msgspec.structs.replace(QUICK, bake=2.0))
BESIDE_WATCHED = msgspec.structs.replace(BESIDE, policy=msgspec.structs.replace(QUICK, bake=2.0))


@dataclass(frozen=True)
class Scenario:
    name: str
    deploys: int  # how often it was deployed before
    order: Callable[[FakePlatform], Order]
    calm: Outcome
    target: frozenset[str]  # what runs when it succeeded
    new_releases: int = 1
    tree: Tree = FAST
    has_visitors: bool = False  # who must not notice anything
    behave: Callable[[FakePlatform], None] = lambda _: None

    def __str__(self) -> str:
        return self.name

    def target_now(self, platform: FakePlatform) -> frozenset[str]:
        """Where the controller died between numbering a release and noting it down, its number stays unused."""
        releases = platform.memory.releases(SHOP)
        newest, planned = (releases[-1].number if releases else 0), self.deploys + self.new_releases
        return frozenset(name.replace(f"v{planned} ", f"v{newest} ") for name in self.target)

    async def prepare(self, platform: FakePlatform) -> None:
        """The world before the order, at rest."""
        self.behave(platform)
        for _ in range(self.deploys):
            await deployed(platform, self.tree)
        await platform.rest(2.0)


def ran(version: str, *, web: int = 2) -> frozenset[str]:
    return frozenset({f"{version} clock.1", f"{version} worker.1", *(f"{version} web.{slot}" for slot in range(1, web + 1))})


def on_hosts(version: str) -> frozenset[str]:
    return frozenset({f"{version} clock.1 on eu-1", *(f"{version} web.{slot} on eu-{slot}" for slot in (1, 2, 3))})


def three_hosts(platform: FakePlatform) -> None:
    for slot in (1, 2, 3):
        platform.add_host(f"eu-{slot}")


def in_two_regions(version: str) -> frozenset[str]:
    return frozenset({f"{version} clock.1 on eu-1", f"{version} web.1 on eu-1", f"{version} web.2 on us-1"})


def three_edges(platform: FakePlatform) -> None:
    """The controller's, and one in each region."""
    for region in ("eu", "us"):
        platform.add_host(f"{region}-1", region=region)
        platform.add_edge(f"{region}-1")


def three_edges_and_failing(platform: FakePlatform) -> None:
    """The new release is ready in both regions, and dies in one of them once it serves."""
    three_edges(platform)
    platform.laws.is_calm = False
    short = Behaviour(ready_after=0.1, exits_after=1.7)
    runtime = platform.world.hosts[HostId("us-1")]
    runtime.behave = lambda spec: short if spec.key.release > 1 and spec.key.process == "web" else Behaviour()


def three_hosts_and_failing(platform: FakePlatform) -> None:
    """The new release is well on two of them."""
    three_hosts(platform)
    runtime = platform.world.hosts[HostId("eu-3")]
    runtime.behave = lambda spec: Behaviour(answers=500 if spec.key.release > 1 else 200)


def failing(platform: FakePlatform) -> None:
    platform.runtime.behave = lambda spec: Behaviour(answers=500 if spec.key.release > 1 and spec.key.process == "web" else 200)


def slow_answers(platform: FakePlatform) -> None:
    platform.respond = lambda _life, _path: Behaviour(latency=0.25)


def dying(platform: FakePlatform) -> None:
    """Ready at first, and dead a moment later, again and again."""
    platform.laws.is_calm = False
    short = Behaviour(ready_after=0.1, exits_after=1.7)
    platform.runtime.behave = lambda spec: short if spec.key.release > 1 and spec.key.process == "web" else Behaviour()


SCENARIOS = (
    Scenario("first deploy", 0, lambda platform: platform.order(FAST), Outcome.SUCCEEDED, ran("v1")),
    Scenario("redeploy", 1, lambda platform: platform.order(FAST), Outcome.SUCCEEDED, ran("v2")),
    Scenario(
        "redeploy under traffic",
        1,
        lambda platform: platform.order(FAST),
        Outcome.SUCCEEDED,
        ran("v2"),
        behave=slow_answers,
        has_visitors=True,
    ),
    Scenario("failing redeploy", 1, lambda platform: platform.order(FAST), Outcome.FAILED, ran("v2"), behave=failing),
    Scenario("reverted redeploy", 1, lambda platform: platform.order(WATCHED), Outcome.REVERTED, ran("v2"), behave=dying, tree=WATCHED),
    Scenario("scale up", 1, lambda _: ScaleOrder(counts={ProcessName("web"): 3}), Outcome.SUCCEEDED, ran("v1", web=3), new_releases=0),
    Scenario("scale down", 1, lambda _: ScaleOrder(counts={ProcessName("web"): 1}), Outcome.SUCCEEDED, ran("v1", web=1), new_releases=0),
    Scenario("restart", 1, lambda _: RestartOrder(), Outcome.SUCCEEDED, ran("v1"), new_releases=0),
    Scenario("rollback", 2, lambda _: RollbackOrder(), Outcome.SUCCEEDED, ran("v3")),
    Scenario(
        "redeploy to three hosts",
        1,
        lambda platform: platform.order(SPREAD),
        Outcome.SUCCEEDED,
        on_hosts("v2"),
        tree=SPREAD,
        behave=three_hosts,
        has_visitors=True,
    ),
    Scenario(
        "failing redeploy to three hosts",
        1,
        lambda platform: platform.order(SPREAD),
        Outcome.FAILED,
        on_hosts("v2"),
        tree=SPREAD,
        behave=three_hosts_and_failing,
    ),
    Scenario(
        "redeploy behind three edges",
        1,
        lambda platform: platform.order(BESIDE),
        Outcome.SUCCEEDED,
        in_two_regions("v2"),
        tree=BESIDE,
        behave=three_edges,
        has_visitors=True,
    ),
    Scenario(
        "reverted redeploy behind three edges",
        1,
        lambda platform: platform.order(BESIDE_WATCHED),
        Outcome.REVERTED,
        in_two_regions("v2"),
        tree=BESIDE_WATCHED,
        behave=three_edges_and_failing,
    ),
    Scenario("destroy", 1, lambda _: DestroyOrder(), Outcome.SUCCEEDED, frozenset(), new_releases=0),
)


async def outlived(scenario: Scenario, platform: FakePlatform, look: Callable[[Point], None], *, settling: float = 3.0) -> Deployment:
    """The scenario, with `look` at every point of it; then all-new or all-old."""
    await scenario.prepare(platform)
    before = platform.running(SHOP)
    visitors = asyncio.create_task(visit(platform)) if scenario.has_visitors else None
    platform.on_point = look
    deployment = await platform.end(await asked(platform, scenario.order(platform)))
    await platform.rest(settling)
    if visitors is not None:
        visitors.cancel()
        assert await visitors == {200}, "a visitor met an error"
    check_end(platform, scenario, deployment, before)
    return deployment


def points_of(scenario: Scenario) -> list[Point]:
    """What a calm run passes, from the order to rest."""
    points: list[Point] = []

    async def story(platform: FakePlatform) -> None:
        deployment = await outlived(scenario, platform, points.append)
        assert deployment.outcome is scenario.calm, deployment.error

    play(story)
    return points


async def visit(platform: FakePlatform) -> set[int]:
    """A request ten times a second to each edge, each under way for longer than that, until cancelled; the statuses of all answers."""
    visits = []
    try:
        while True:
            visits += [asyncio.create_task(edge.ask("shop.localhost")) for edge in (platform.edge, *platform.edges.values())]
            await platform.clock.sleep(0.1)
    except asyncio.CancelledError:
        return {answer.status for answer in await asyncio.gather(*visits)}


Hook = Callable[[Point], None]


def dies_at_each_point(story: Callable[[FakePlatform, Hook], Awaitable[None]]) -> int:
    """The story again and again, with the controller dying one point later each time, counted from where it sets the hook that it is given.

    How many points it has, but for those after an event is on record, which only tells of others."""
    count, passed = 0, 0
    while passed >= count:
        count, passed = count + 1, _passed(story, crash_at=count + 1)
    return passed


def _passed(story: Callable[[FakePlatform, Hook], Awaitable[None]], *, crash_at: int) -> int:
    passed: list[Point] = []

    async def dying(platform: FakePlatform) -> None:
        def look(point: Point) -> None:
            if str(point) == "after memory.append_event":
                return
            passed.append(point)
            if len(passed) == crash_at:
                platform.crash()

        await story(platform, look)

    play(dying)
    return len(passed)


async def asked(platform: FakePlatform, order: Order, environment: EnvironmentId = SHOP) -> DeploymentId:
    """The order, asked again where the controller died before it took it, as a person would."""
    while True:
        try:
            return platform.submit(environment, order)
        except Crash:
            taken = platform.memory.unfinished_deployments()
            await platform.start()
            if taken:
                return taken[-1].id
        except DriverError:
            await platform.clock.sleep(1.0)


def check_end(platform: FakePlatform, scenario: Scenario, deployment: Deployment, before: frozenset[InstanceKey]) -> None:
    """All-new or all-old, and nothing left over; the laws are watched besides."""
    assert platform.disorder(SHOP) == [], deployment.outcome
    present = platform.running(SHOP)
    if deployment.outcome is Outcome.SUCCEEDED:
        assert frozenset(str(key) for key in present) == scenario.target_now(platform)
    else:
        assert present == before, deployment.outcome
    assert platform.memory.unfinished_deployments() == ()
    lease = platform.memory.lease(SHOP)
    assert lease is None or lease.holder == "this controller", "what could not be given back is at least nobody else's"
    assert platform.workshop.unpacked == set() or platform.workshop.cancelled
    if scenario.name == "destroy":
        assert (platform.memory.environments(), platform.edge.table(SHOP)) == ((), None)
