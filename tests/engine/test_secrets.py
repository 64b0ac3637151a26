"""Secrets on their way to a process: made up where the app asks for it, handed over as files where it reads them, refused in time."""

from __future__ import annotations

import pytest
from engine.stories import QUICK, SHOP, deployed, running, story

from mooring.engine.contract import EnvironmentRecord
from mooring.engine.orders import ConfigOrder
from mooring.errors import BuildFailed, InvalidInput
from mooring.model.deployment import Outcome
from mooring.model.instance import InstanceKey
from mooring.model.names import ProcessName
from mooring.model.secret import Secret
from mooring.testing.behaviour import Behaviour
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process

WEB = (process("web"),)
GENERATED = Tree(processes=WEB, policy=QUICK, required_variables=("SECRET_KEY",), generated_variables=("SECRET_KEY",))
AS_FILE = Tree(processes=WEB, policy=QUICK, secret_files=("TLS_KEY",), release_command="migrate")


def variables(platform: FakePlatform, release: int) -> dict[str, str]:
    life = platform.runtime.life(InstanceKey(SHOP, ProcessName("web"), 1, release))
    assert life is not None
    return life.variables


@story
async def test_a_generated_secret_is_made_up_once_and_kept(platform: FakePlatform) -> None:
    await deployed(platform, GENERATED)
    first = variables(platform, 1)["SECRET_KEY"]
    assert len(first) == 64
    assert int(first, 16) > 0
    assert platform.memory.config(SHOP, 1) == {"SECRET_KEY": Secret(first)}
    await deployed(platform, GENERATED)
    assert variables(platform, 2)["SECRET_KEY"] == first
    assert len(platform.memory.config_versions(SHOP)) == 1


@story
async def test_what_somebody_has_set_is_never_made_up(platform: FakePlatform) -> None:
    await deployed(platform, Tree(processes=WEB, policy=QUICK))
    version = platform.memory.put_config(SHOP, changes={"SECRET_KEY": "mine"}, by="ann", at=platform.clock.wall())
    await platform.run(SHOP, ConfigOrder(config_version=version, description="config set"))
    await deployed(platform, GENERATED)
    assert variables(platform, 3)["SECRET_KEY"] == "mine"
    assert len(platform.memory.config_versions(SHOP)) == 1


@story
async def test_nothing_is_made_up_for_a_tree_that_does_not_build_or_a_plan(platform: FakePlatform) -> None:
    await deployed(platform, Tree(processes=WEB, policy=QUICK))
    broken = Tree(build_error=BuildFailed("no"), required_variables=("SECRET_KEY",), generated_variables=("SECRET_KEY",))
    assert (await platform.end(platform.deploy(SHOP, broken))).outcome is Outcome.FAILED
    await platform.controller.preview(SHOP, platform.order(GENERATED))
    assert platform.memory.config_versions(SHOP) == ()


@story
async def test_one_made_up_for_a_release_that_did_not_come_up_is_taken_by_the_next(platform: FakePlatform) -> None:
    await deployed(platform, Tree(processes=WEB, policy=QUICK))
    failing = Tree(
        processes=WEB, policy=QUICK, release_command="fail", required_variables=("SECRET_KEY",), generated_variables=("SECRET_KEY",)
    )
    platform.runtime.behave_task = lambda _: Behaviour(exit_code=1)
    assert (await platform.end(platform.deploy(SHOP, failing))).outcome is Outcome.FAILED
    made = platform.memory.config(SHOP, 1)["SECRET_KEY"]
    await deployed(platform, GENERATED)
    assert Secret(variables(platform, 3)["SECRET_KEY"]) == made


@story
async def test_a_secret_is_handed_over_as_a_file_to_instances_and_to_the_release_command(platform: FakePlatform) -> None:
    await deployed(platform, Tree(processes=WEB, policy=QUICK))
    version = platform.memory.put_config(
        SHOP, changes={"TLS_KEY": Secret("a\udcffb"), "OTHER": Secret("c")}, by="ann", at=platform.clock.wall()
    )
    await platform.run(SHOP, ConfigOrder(config_version=version, description="secret set"))
    await deployed(platform, AS_FILE)
    for found in (variables(platform, 3), platform.runtime.task_variables(SHOP, "release.v3")):
        assert found["TLS_KEY_FILE"] == "a\udcffb"
        assert found["OTHER"] == "c"
        assert "TLS_KEY" not in found


@story
async def test_a_file_that_nobody_has_set_is_asked_for_before_anything_is_built(platform: FakePlatform) -> None:
    before = running(platform)
    deployment = await platform.end(platform.deploy(SHOP, AS_FILE))
    assert deployment.outcome is Outcome.FAILED
    assert "the app reads TLS_KEY from a file, and nothing sets it" in deployment.error
    assert "`mooring secret set TLS_KEY`" in f"{deployment.error} {deployment.hint}"
    assert platform.workshop.builds == {}
    assert running(platform) == before


@story
async def test_bytes_that_no_environment_carries_are_refused_before_anything_is_built(platform: FakePlatform) -> None:
    platform.memory.save_environment(EnvironmentRecord(environment=SHOP, created_at=0.0))
    platform.memory.put_config(SHOP, changes={"TLS_KEY": Secret("a\0b")}, by="ann", at=platform.clock.wall())
    with pytest.raises(InvalidInput, match="TLS_KEY holds a NUL byte") as refused:
        await platform.controller.preview(SHOP, platform.order(Tree(processes=WEB, policy=QUICK)))
    assert 'files = ["TLS_KEY"]' in refused.value.hint


@story
async def test_bytes_that_no_environment_carries_wait_for_the_release_that_takes_them_as_a_file(platform: FakePlatform) -> None:
    await deployed(platform, Tree(processes=WEB, policy=QUICK))
    version = platform.memory.put_config(
        SHOP, changes={"TLS_KEY": Secret("a\0b"), "OTHER": Secret("c")}, by="ann", at=platform.clock.wall()
    )
    await platform.run(SHOP, ConfigOrder(config_version=version, description="secret set"))
    found = variables(platform, 2)
    assert (found["OTHER"], "TLS_KEY" in found, "TLS_KEY_FILE" in found) == ("c", False, False)
    await deployed(platform, AS_FILE)
    assert variables(platform, 3)["TLS_KEY_FILE"] == "a\0b"


@story
async def test_what_a_build_needs_is_given_to_it_and_to_no_process(platform: FakePlatform) -> None:
    await deployed(platform, Tree(processes=WEB, policy=QUICK))
    tree = Tree(processes=WEB, policy=QUICK, build_secrets=("NPM_TOKEN",))
    refused = await platform.end(platform.deploy(SHOP, tree))
    assert refused.outcome is Outcome.FAILED
    assert "the build needs NPM_TOKEN, and nothing sets it" in refused.error
    changes = {"NPM_TOKEN": Secret("s3ntinel"), "OTHER": Secret("c")}
    version = platform.memory.put_config(SHOP, changes=changes, by="ann", at=platform.clock.wall())
    await platform.run(SHOP, ConfigOrder(config_version=version, description="secret set"))
    await deployed(platform, tree)
    assert platform.workshop.secrets == {"NPM_TOKEN": Secret("s3ntinel")}
    assert "NPM_TOKEN" not in variables(platform, 3)
    assert variables(platform, 3)["OTHER"] == "c"


@story
async def test_a_plan_says_which_secret_of_the_build_is_missing(platform: FakePlatform) -> None:
    with pytest.raises(InvalidInput, match="the build needs NPM_TOKEN"):
        await platform.controller.preview(SHOP, platform.order(Tree(processes=WEB, policy=QUICK, build_secrets=("NPM_TOKEN",))))
