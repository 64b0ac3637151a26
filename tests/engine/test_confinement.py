"""All that runs for a review app is confined, and nothing else; nobody else runs a folder that it may have written to."""

from __future__ import annotations

import msgspec
from engine.stories import SHOP, deployed, story
from engine.test_reviews import ONE, TREE, brought_up

from mooring.engine.orders import DeployOrder
from mooring.model.build import BuildConfinement
from mooring.model.deployment import Outcome
from mooring.model.instance import Confinement, TaskSpec
from mooring.model.promotion import Promotion
from mooring.model.release import Source
from mooring.testing.platform import FakePlatform
from mooring.testing.runtime import Behaviour

OF_D = Source(digest="d")  # as a review app's here


@story
async def test_instances_release_command_and_seed_of_a_review_app_are_confined_and_production_s_are_not(platform: FakePlatform) -> None:
    tasks, behave = {}, platform.runtime.behave_task

    def noted(spec: TaskSpec) -> Behaviour:
        tasks[spec.environment, spec.name] = spec.confinement
        return behave(spec)

    platform.runtime.behave_task = noted
    await deployed(platform, TREE)
    await brought_up(platform)
    confined = {life.spec.key.environment: life.spec.confinement for life in platform.runtime.lives()}
    assert confined == {SHOP: None, ONE: Confinement()}
    assert tasks == {(SHOP, "release.v1"): None, (ONE, "release.v1"): Confinement(), (ONE, "seed.v1"): Confinement()}


@story
async def test_the_build_of_a_review_app_is_confined_wherever_it_is_to_run_and_production_s_is_not(platform: FakePlatform) -> None:
    await deployed(platform, TREE)
    await brought_up(platform)
    assert platform.workshop.confinements == [None, BuildConfinement(slug=ONE.slug)]


@story
async def test_the_same_content_is_built_once_more_for_a_review_app_and_what_it_runs_is_not_promoted(platform: FakePlatform) -> None:
    order = msgspec.structs.replace(platform.order(TREE), origin=OF_D)
    assert (await platform.run(SHOP, order)).outcome is Outcome.SUCCEEDED
    await brought_up(platform)
    ours, its = platform.memory.release(SHOP, 1), platform.memory.release(ONE, 1)
    assert ours is not None and its is not None and ours.source.digest == its.source.digest
    assert ours.artifact.id != its.artifact.id
    taken = Promotion(environment=ONE.environment, number=1)
    refused = await platform.run(SHOP, DeployOrder(archive=str(platform.workshop.pack(TREE)), origin=its.source, promotion=taken))
    assert refused.error_code == "refused" and "a review app's alone: it may have written to it" in refused.error
