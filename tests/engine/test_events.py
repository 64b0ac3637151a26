"""What is told: stored, in order, complete across restarts, and never with a secret in it."""

from __future__ import annotations

import asyncio

import msgspec
from engine.stories import BLOG, FULL, QUICK, SHOP, WEB, deployed, kinds, only_release, story, told, until

from mooring.engine.orders import DestroyOrder
from mooring.errors import BuildFailed
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.names import DeploymentId
from mooring.testing.behaviour import Behaviour
from mooring.testing.platform import REDACTED, FakePlatform
from mooring.testing.workshop import Tree

SECRET = "s3cr3t-sentinel"


async def followed(
    platform: FakePlatform, *, after: int = 0, deployment: DeploymentId | None = None, environment: EnvironmentId | None = None
) -> list[Event]:
    return [event async for event in platform.controller.follow(after=after, deployment=deployment, environment=environment)]


@story
async def test_a_deployment_tells_its_story_from_the_queue_to_its_end(platform: FakePlatform) -> None:
    deployment = await deployed(platform, FULL)
    events = platform.events(deployment=deployment.id)
    assert kinds(events)[:4] == ["deployment.queued", "deployment.started", "phase.started", "build.detected"]
    assert kinds(events)[-2:] == ["receipt", "deployment.ended"]
    phases = [event.fields["phase"] for event in events if event.kind is EventKind.PHASE_STARTED]
    assert phases == ["build", "release", "prepare", "watch", "drain"]
    assert phases == [event.fields["phase"] for event in events if event.kind is EventKind.PHASE_ENDED]
    assert [event.sequence for event in events] == sorted(event.sequence for event in events)
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert len([event for event in events if event.kind is EventKind.STEP_STARTED]) == len(
        [event for event in events if event.kind is EventKind.STEP_ENDED]
    )


@story
async def test_nothing_is_told_of_a_deployment_after_its_end(platform: FakePlatform) -> None:
    tree = Tree(policy=msgspec.structs.replace(QUICK, keep_releases=1))
    for _ in range(3):
        deployment = await deployed(platform, tree)
        await platform.rest(20)
        assert kinds(platform.events(deployment=deployment.id))[-1] == "deployment.ended"


@story
async def test_following_a_deployment_gives_every_event_and_ends_with_it(platform: FakePlatform) -> None:
    deployment = platform.deploy(SHOP, FULL)
    events = await followed(platform, deployment=deployment)
    assert tuple(events) == platform.events(deployment=deployment)
    assert events[-1].kind is EventKind.DEPLOYMENT_ENDED


@story
async def test_following_what_has_ended_or_never_was_ends_at_once(platform: FakePlatform) -> None:
    deployment = await deployed(platform)
    last = platform.events(deployment=deployment.id)[-1].sequence
    assert await followed(platform, deployment=deployment.id, after=last) == []
    assert await followed(platform, deployment=DeploymentId("nosuch")) == []


@story
async def test_an_end_whose_news_were_forgotten_long_ago_is_not_told_anew(platform: FakePlatform) -> None:
    deployment = await deployed(platform)
    platform.memory._events.clear()  # as retention does
    platform.crash()
    await platform.rest()
    assert platform.events(deployment=deployment.id) == ()
    assert await followed(platform, deployment=deployment.id) == []


@story
async def test_following_a_destruction_ends_though_its_record_goes(platform: FakePlatform) -> None:
    await deployed(platform)
    events = await followed(platform, deployment=platform.submit(SHOP, DestroyOrder()))
    assert events[-1].fields["outcome"] == "succeeded"


@story
async def test_following_goes_on_exactly_where_it_was_after_the_controller_died(platform: FakePlatform) -> None:
    await deployed(platform, FULL)
    deployment = platform.deploy(SHOP, FULL)
    seen: list[Event] = []
    for crash_after in (5, 17, 31, 1000):
        async for event in platform.controller.follow(after=seen[-1].sequence if seen else 0, deployment=deployment):
            seen.append(event)
            if len(seen) == crash_after:
                platform.crash()
                break
        if platform.is_crashed:
            await platform.start()
    assert tuple(seen) == platform.events(deployment=deployment)
    assert seen[-1].kind is EventKind.DEPLOYMENT_ENDED


@story
async def test_a_follower_of_one_environment_hears_nothing_of_another(platform: FakePlatform) -> None:
    heard: list[Event] = []

    async def listen() -> None:
        async for event in platform.controller.follow(environment=BLOG):
            heard.append(event)

    listening = asyncio.create_task(listen())
    await deployed(platform, WEB, SHOP)
    await deployed(platform, WEB, BLOG)
    await platform.rest()
    listening.cancel()
    assert heard and {event.environment for event in heard} == {BLOG}
    assert tuple(heard) == platform.events(BLOG)


@story
async def test_a_follower_that_stops_reading_holds_nobody_up(platform: FakePlatform) -> None:
    stream = platform.controller.follow()
    await anext(aiter(stream))
    await deployed(platform, FULL)


@story
async def test_a_secret_reaches_no_event_and_no_record(platform: FakePlatform) -> None:
    """In the build's output and error, the release command's output, the app's own lines, the diagnosis."""
    platform.secrets.append(SECRET)
    await deployed(platform)
    tree = Tree(build_lines=(f"password={SECRET}",), release_command="migrate", policy=QUICK)
    platform.runtime.behave = only_release(2, Behaviour(answers=500, lines=(f"connecting with {SECRET}",)))
    platform.runtime.behave_task = lambda _: Behaviour(exit_code=0, lines=(f"migrating {SECRET}",))
    assert (await platform.end(platform.deploy(SHOP, tree))).outcome is Outcome.FAILED
    error = BuildFailed(f"could not log in with {SECRET}", hint="see above")
    assert (await platform.end(platform.deploy(SHOP, Tree(build_error=error)))).outcome is Outcome.FAILED
    kept = [*platform.events(), *platform.memory.deployments()]
    text = msgspec.json.encode(kept).decode()
    assert SECRET not in text
    assert text.count(REDACTED) >= 5
    assert told(platform, EventKind.DIAGNOSIS)


@story
async def test_an_instance_that_is_stopped_on_purpose_is_not_said_to_have_crashed(platform: FakePlatform) -> None:
    platform.runtime.behave = lambda _: Behaviour(stop_takes=5.0)
    await deployed(platform)
    await deployed(platform, WEB, BLOG)
    await deployed(platform)
    await platform.rest()
    assert told(platform, EventKind.INSTANCE_CRASHED) == []


@story
async def test_every_build_line_is_told_as_it_comes(platform: FakePlatform) -> None:
    lines = tuple(f"line {number}" for number in range(10))
    platform.deploy(SHOP, Tree(build_lines=lines, build_seconds=10.0, policy=QUICK))
    await until(platform, lambda: len(told(platform, EventKind.BUILD_OUTPUT)) == 5, within=8)
    await until(platform, lambda: len(told(platform, EventKind.BUILD_OUTPUT)) == 10, within=8)
    assert [event.fields["line"] for event in told(platform, EventKind.BUILD_OUTPUT)] == list(lines)
