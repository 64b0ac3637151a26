"""What the engine's tests share: a story is a test that lives on a fake platform in virtual time, where every law is watched."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from mooring.model.deployment import Deployment, Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.instance import InstanceKey, InstanceSpec
from mooring.model.names import ProcessName
from mooring.model.policy import Policy
from mooring.testing.behaviour import Behaviour
from mooring.testing.platform import FakePlatform, play
from mooring.testing.workshop import Tree, process

SHOP = EnvironmentId.parse("shop")
BLOG = EnvironmentId.parse("blog")
QUICK = Policy(bake=0.3, healthy_deadline=5.0, progress_deadline=60.0, release_timeout=30.0)
WEB = Tree(processes=(process("web", count=2),), policy=QUICK)
FULL = Tree(
    processes=(process("web", count=2), process("worker"), process("clock", is_single=True)), policy=QUICK, release_command="migrate"
)


def story(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """The test's first argument is a started platform; it ends with no law broken and no task that died unheard."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        play(lambda platform: test(platform, *arguments, **named))

    parameters = list(inspect.signature(test).parameters.values())[1:]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what pytest reads; not known to mypy
    return run


async def deployed(platform: FakePlatform, tree: Tree = WEB, environment: EnvironmentId = SHOP) -> Deployment:
    """A deployment of it that has succeeded."""
    deployment = await platform.end(platform.deploy(environment, tree))
    assert deployment.outcome is Outcome.SUCCEEDED, f"{deployment.outcome}: {deployment.error}"
    return deployment


async def check_order(platform: FakePlatform, environment: EnvironmentId = SHOP) -> None:
    """After a while all is as recorded: nothing missing, nothing left over."""
    await platform.rest()
    assert platform.disorder(environment) == []


def serving(platform: FakePlatform, environment: EnvironmentId = SHOP) -> list[str]:
    """`v2 web.1`, …: who gets requests."""
    return [str(key) for key in sorted(platform.routed(environment))]


def running(platform: FakePlatform, environment: EnvironmentId = SHOP) -> list[str]:
    return [str(key) for key in sorted(platform.running(environment))]


def web(slot: int = 1, *, release: int = 1, generation: int = 0, environment: EnvironmentId = SHOP) -> InstanceKey:
    return InstanceKey(environment, ProcessName("web"), slot, release, generation)


def kinds(events: tuple[Event, ...]) -> list[str]:
    return [event.kind.value for event in events]


def told(platform: FakePlatform, kind: EventKind, environment: EnvironmentId = SHOP) -> list[Event]:
    return [event for event in platform.events(environment) if event.kind is kind]


def only_release(number: int, behaviour: Behaviour, *, of: str = "web") -> Callable[[InstanceSpec], Behaviour]:
    """That release's instances of one process type behave so, all others well."""
    return lambda spec: behaviour if spec.key.release == number and spec.key.process == of else Behaviour()


async def until(platform: FakePlatform, holds: Callable[[], bool], *, within: float = 120.0) -> None:
    """Wait in small steps until something is so."""
    end = platform.clock.monotonic() + within
    while not holds():
        assert platform.clock.monotonic() < end, "it never came to be"
        await platform.clock.sleep(0.02)


async def browse(platform: FakePlatform, hostname: str, *, rate: float, seconds: float) -> list[int]:
    """Visitors who come at a constant rate, however long their answers take; the statuses."""
    visits = []
    for _ in range(int(rate * seconds)):
        visits.append(asyncio.create_task(platform.edge.ask(hostname)))
        await platform.clock.sleep(1 / rate)
    return [answer.status for answer in await asyncio.gather(*visits)]
