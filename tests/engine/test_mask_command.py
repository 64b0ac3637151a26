"""A copy that a command of the app's masks: whatever fails, is aborted or dies, nothing else ever runs with it as it was."""

from __future__ import annotations

import msgspec
import pytest
from engine.scenarios import Hook, asked, dies_at_each_point
from engine.stories import QUICK, SHOP, deployed, running, story, told, until

from mooring.engine.orders import RollbackOrder
from mooring.errors import InvalidInput
from mooring.model.deployment import Deployment, Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import EventKind
from mooring.model.instance import Confinement, InstanceKey, TaskSpec
from mooring.model.names import EnvironmentName, RegionName, ServiceName
from mooring.model.placement import Region
from mooring.model.records import EnvironmentRecord
from mooring.model.review import ReviewMark
from mooring.model.secret import Secret
from mooring.model.service import Piece, ServiceKind, ServiceWish
from mooring.testing.behaviour import Behaviour
from mooring.testing.platform import FakePlatform, play
from mooring.testing.service import FakeServer
from mooring.testing.workshop import Tree, process

DB = ServiceName("db")
WISH = ServiceWish(name=DB, kind=ServiceKind.POSTGRES, prefix="DATABASE")
REAL = Tree(processes=(process("web"),), policy=QUICK, release_command="migrate", services=(WISH,))
COPIED = msgspec.structs.replace(WISH, source=EnvironmentName("production"), mask_command="bin/rails mask")
TREE = msgspec.structs.replace(REAL, services=(COPIED,))
STAGING = EnvironmentId.parse("shop/staging")
COPY = Piece("c0ffee", STAGING, DB).identity


class Observed:
    """What the copy held when something of its environment began. A mask command writes over it, and succeeds unless `behaviour` says
    otherwise."""

    def __init__(self, platform: FakePlatform, server: FakeServer) -> None:
        self.server = server
        self.began: list[tuple[str, dict[str, str]]] = []
        self.behaviour = Behaviour(exits_after=0.1, exit_code=0)
        self._platform = platform
        self.watch()

    def watch(self) -> None:
        self._platform.runtime.behave_task = self._task
        self._platform.runtime.behave = lambda spec: self._instance(spec.key)

    @property
    def masks(self) -> list[dict[str, str]]:
        return [content for name, content in self.began if name.startswith("mask.")]

    @property
    def others(self) -> list[dict[str, str]]:
        return [content for name, content in self.began if not name.startswith("mask.")]

    def _task(self, spec: TaskSpec) -> Behaviour:
        if spec.environment != STAGING:
            return Behaviour(exit_code=0)
        self.began.append((spec.name, dict(self.server.stored[COPY].content)))
        if not spec.name.startswith("mask."):
            return Behaviour(exits_after=0.1, exit_code=0)
        assert spec.command == "bin/rails mask"
        self.server.stored[COPY].content["a"] = "masked"
        return self.behaviour

    def _instance(self, key: InstanceKey) -> Behaviour:
        if key.environment == STAGING:
            self.began.append((str(key), dict(self.server.stored[COPY].content)))
        return Behaviour()


async def with_production(platform: FakePlatform) -> Observed:
    """Which has real data."""
    server = platform.add_server()
    await deployed(platform, REAL)
    server.stored[Piece("c0ffee", SHOP, DB).identity].content["a"] = "real"
    return Observed(platform, server)


async def end_of(platform: FakePlatform, tree: Tree = TREE) -> Deployment:
    return await platform.end(platform.deploy(STAGING, tree))


def check_masked(platform: FakePlatform) -> None:
    """It is on record as ready and holds what the mask has left."""
    (record,) = platform.memory.services(STAGING)
    assert (record.is_ready, record.mask_task) == (True, "")
    assert platform.running(STAGING)


@story
async def test_a_mask_command_runs_before_the_release_command_and_only_once(platform: FakePlatform) -> None:
    observed = await with_production(platform)
    preview = await platform.controller.preview(STAGING, platform.order(TREE))
    assert str(preview.steps[0]) == "make db (postgres on main, a copy of that of production, masked by `bin/rails mask`)"
    await deployed(platform, TREE, STAGING)
    assert [name.partition(".")[0] for name, _ in observed.began] == ["mask", "release", "v1 web"]
    assert (observed.masks, observed.others) == ([{"a": "real"}], [{"a": "masked"}] * 2)
    check_masked(platform)
    await deployed(platform, TREE, STAGING)
    assert len(observed.masks) == 1


@story
async def test_it_is_given_the_copy_whatever_is_set_under_its_name_and_production_never_changes(platform: FakePlatform) -> None:
    observed = await with_production(platform)
    platform.memory.save_environment(EnvironmentRecord(environment=STAGING, created_at=0.0))
    platform.memory.put_config(STAGING, changes={"DATABASE_URL": Secret("postgresql://elsewhere")}, by="ann", at=1.0)
    await deployed(platform, TREE, STAGING)
    (name,) = (name for name, _ in observed.began if name.startswith("mask."))
    given = platform.runtime.task_variables(STAGING, name)
    assert observed.server.enter(Secret(given["DATABASE_URL"])) == {"a": "masked"}
    assert given["MOORING_PROCESS"] == "mask"
    assert observed.server.stored[Piece("c0ffee", SHOP, DB).identity].content == {"a": "real"}


@story
async def test_a_mask_and_a_mask_command_run_one_after_the_other(platform: FakePlatform) -> None:
    observed = await with_production(platform)
    both = msgspec.structs.replace(TREE, services=(msgspec.structs.replace(COPIED, mask="DELETE FROM entries"),))
    preview = await platform.controller.preview(STAGING, platform.order(both))
    assert "copy of that of production, masked, masked by `bin/rails mask`" in str(preview.steps[0])
    await deployed(platform, both, STAGING)
    assert observed.masks == [{}]


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (Behaviour(exit_code=3, lines=("no table people",)), "the mask command of db ended with exit code 3"),
        (Behaviour(exits_after=10_000.0), "the mask command of db ended with exit code 124"),
    ],
    ids=["fails", "hangs"],
)
def test_a_mask_command_that_does_not_succeed_ends_the_deployment_and_its_copy_goes(behaviour: Behaviour, said: str) -> None:
    async def failing(platform: FakePlatform) -> None:
        observed = await with_production(platform)
        observed.behaviour = behaviour
        deployment = await end_of(platform)
        assert (deployment.outcome, deployment.error_code) == (Outcome.FAILED, "release-command-failed")
        assert said in deployment.error
        assert [event.fields["line"] for event in told(platform, EventKind.TASK_OUTPUT, STAGING)] == list(behaviour.lines)
        assert (COPY in observed.server.stored, platform.memory.services(STAGING)) == (False, ())
        assert (observed.others, running(platform, STAGING)) == ([], [])
        observed.behaviour = Behaviour(exit_code=0)
        await deployed(platform, TREE, STAGING)
        assert observed.masks == [{"a": "real"}] * 2, "a copy of its own for each attempt"
        check_masked(platform)

    play(failing)


@story
async def test_aborting_it_ends_the_command_and_the_copy_goes(platform: FakePlatform) -> None:
    observed = await with_production(platform)
    observed.behaviour = Behaviour(exits_after=20.0, exit_code=0)
    aborted = platform.deploy(STAGING, TREE)
    await until(platform, lambda: bool(platform.runtime.running_tasks(STAGING)))
    (record,) = platform.memory.services(STAGING)
    assert not record.is_ready and platform.controller.services.variables(platform.memory.releases(STAGING)[0]) == {}
    platform.controller.abort(aborted, by="ann")
    assert (await platform.end(aborted)).outcome is Outcome.ABORTED
    assert not platform.runtime.running_tasks(STAGING)
    assert (COPY in observed.server.stored, platform.memory.services(STAGING)) == (False, ())


@story
async def test_a_copy_that_could_not_be_removed_is_given_to_nobody_also_by_a_release_that_masks_nothing(platform: FakePlatform) -> None:
    observed = await with_production(platform)
    observed.behaviour = Behaviour(exit_code=1)

    def dying(name: str, subject: object) -> None:
        observed.server.is_down = observed.server.is_down or name == "remove"

    observed.server.before = dying
    deployment = await end_of(platform)
    assert deployment.outcome is Outcome.FAILED
    assert "nobody is given it" in deployment.hint
    (record,) = platform.memory.services(STAGING)
    assert record.mask_task and not record.is_ready
    observed.server.before, observed.server.is_down = (lambda name, subject: None), False
    await deployed(platform, REAL, STAGING)
    assert observed.others == [{}, {}], "it begins empty"


@story
async def test_going_back_to_a_release_whose_service_is_gone_masks_the_new_copy(platform: FakePlatform) -> None:
    observed = await with_production(platform)
    await deployed(platform, TREE, STAGING)
    await deployed(platform, msgspec.structs.replace(TREE, services=()), STAGING)
    (record,) = platform.memory.services(STAGING)
    platform.memory.forget_service(STAGING, DB)
    observed.server.stored.pop(record.piece.identity)
    observed.server.stored.pop(COPY, None)
    observed.began.clear()
    assert (await platform.run(STAGING, RollbackOrder(number=1))).outcome is Outcome.SUCCEEDED
    assert (observed.masks, observed.others) == ([{"a": "real"}], [{"a": "masked"}])


@story
async def test_on_another_host_it_runs_where_the_app_will_and_after_the_artifact_is_there(platform: FakePlatform) -> None:
    observed = await with_production(platform)
    there = platform.add_host("fra-1")
    ran: list[TaskSpec] = []

    def behave(spec: TaskSpec) -> Behaviour:
        ran.append(spec)
        observed.server.stored[COPY].content["a"] = "masked"
        return Behaviour(exit_code=0)

    there.behave_task = behave
    await deployed(platform, msgspec.structs.replace(TREE, regions=(Region(name=RegionName("eu")),)), STAGING)
    assert [spec.name.partition(".")[0] for spec in ran] == ["mask", "release"]
    assert observed.masks == []


@story
async def test_a_file_that_is_not_masked_yet_is_open_in_a_confined_review_app_to_its_mask_command_alone(platform: FakePlatform) -> None:
    server = platform.add_server("disk", kind=ServiceKind.SQLITE)
    server.__dict__.update(root="/databases", place=lambda piece: f"/databases/{piece.environment.environment}")
    filed = msgspec.structs.replace(REAL, services=(msgspec.structs.replace(WISH, kind=ServiceKind.SQLITE),))
    await deployed(platform, filed)
    mark = ReviewMark(branch="main", used_at=0.0, expires_at=1e12)
    platform.memory.save_environment(EnvironmentRecord(environment=STAGING, created_at=0.0, review=mark))
    open_to: list[tuple[str, tuple[str, ...]]] = []

    def began(name: str, confinement: Confinement | None) -> Behaviour:
        assert confinement is not None
        open_to.append((name.partition(".")[0], confinement.own))
        if name.startswith("mask."):
            open_to.append(("others", platform.controller.services.confinement(STAGING).own))
        return Behaviour(exit_code=0)

    platform.runtime.behave_task = lambda spec: began(spec.name, spec.confinement)
    copied = msgspec.structs.replace(COPIED, kind=ServiceKind.SQLITE)
    await deployed(platform, msgspec.structs.replace(TREE, services=(copied,)), STAGING)
    mine = ("/databases/staging",)
    assert open_to == [("mask", mine), ("others", ()), ("release", mine)]


@story
async def test_production_is_copied_with_either_mask_and_without_one_never(platform: FakePlatform) -> None:
    await with_production(platform)
    bare = msgspec.structs.replace(TREE, services=(msgspec.structs.replace(COPIED, mask_command=""),))
    with pytest.raises(InvalidInput, match="with no mask") as refused:
        await platform.controller.preview(STAGING, platform.order(bare))
    assert "mask_command = …" in (refused.value.hint or "")


@story
async def test_a_controller_that_is_stopped_meanwhile_leaves_it_to_its_successor(platform: FakePlatform) -> None:
    observed = await with_production(platform)
    observed.behaviour = Behaviour(exits_after=20.0, exit_code=0)
    interrupted = platform.deploy(STAGING, TREE)
    await until(platform, lambda: bool(platform.runtime.running_tasks(STAGING)))
    await platform.stop()
    await platform.start()
    assert (await platform.end(interrupted)).outcome is Outcome.SUCCEEDED
    assert (observed.masks, observed.others) == ([{"a": "real"}] * 2, [{"a": "masked"}] * 2)
    check_masked(platform)


def test_a_controller_that_dies_at_any_point_leaves_no_copy_to_anybody_that_is_not_masked() -> None:
    async def dying(platform: FakePlatform, look: Hook) -> None:
        observed = await with_production(platform)
        observed.behaviour = Behaviour(exits_after=0.3, exit_code=0)
        platform.on_point = look
        deployment = await platform.end(await asked(platform, platform.order(TREE), STAGING))
        platform.on_point = None
        assert deployment.outcome is Outcome.SUCCEEDED, deployment.error
        await platform.rest()
        assert observed.masks and all(content == {"a": "real"} for content in observed.masks), "each in a copy of its own"
        assert observed.others and all(content == {"a": "masked"} for content in observed.others)
        check_masked(platform)

    assert dies_at_each_point(dying) > 40
