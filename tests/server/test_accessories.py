"""Accessories over the API: what a person may ask of one, what is answered where nothing has to be done, and who may ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec
import pytest
from server.serving import TREE, Served

from mooring.client.client import Client
from mooring.errors import Forbidden, InvalidName, NotFound, Refused
from mooring.model.access import Role
from mooring.model.accessory import Accessory
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.health import Check, CheckKind, Checks
from mooring.model.names import AccessoryName, VariableName
from mooring.model.secret import Secret
from mooring.planner.accessories import Condition
from mooring.testing.workshop import Tree
from mooring.usecases.answers import AccessoryStatus
from mooring.usecases.requests import AccessoryVerb, PlanAccessory

_ASKED = Check(kind=CheckKind.TCP, interval=0.1)
REDIS = Accessory(
    name=AccessoryName("redis"),
    command="redis-server",
    secrets=(VariableName("PASSWORD"),),
    url="redis://:{PASSWORD}@{address}:{port}",
    checks=Checks(startup=_ASKED, readiness=_ASKED),
)


APPLIED = "accessory redis runs as it is declared; a change of mooring.toml counts once it is deployed"


@pytest.fixture
def declare(served: Served) -> Iterator[Callable[[EnvironmentId, Tree], None]]:
    """Deploys an app that declares these."""

    def deployed(environment: EnvironmentId, tree: Tree) -> None:
        served.world.workshop.tree = tree
        served.deploy(environment)

    yield deployed
    served.world.workshop.tree = TREE


def with_accessories(*accessories: Accessory) -> Tree:
    return msgspec.structs.replace(TREE, accessories=accessories)


def the_one(served: Served, environment: EnvironmentId) -> AccessoryStatus:
    (each,) = served.client.accessories(environment).all()
    return each


def acting(served: Served, role: Role) -> Client:
    """Somebody with a token of that role."""
    return Client(url=f"http://127.0.0.1:{served.port}", token=Secret(served.token(role)))


def done(served: Served, environment: EnvironmentId, verb: AccessoryVerb) -> None:
    change = served.client.accessories(environment).change("redis", verb)
    assert change.deployment is not None, change.said
    assert served.ended(change.deployment.id).outcome is Outcome.SUCCEEDED


def test_one_that_is_declared_is_made_by_a_deploy_and_found_by_the_app(
    served: Served, declare: Callable[[EnvironmentId, Tree], None]
) -> None:
    app = EnvironmentId.parse("caching")
    declare(app, with_accessories(REDIS))
    each = the_one(served, app)
    assert (each.name, each.condition, each.runs) == ("redis", Condition.AS_DECLARED, "the command redis-server")
    assert each.place is not None
    assert each.instance is not None
    web = next(life for life in served.world.runtime.lives() if life.spec.key.environment == app)
    assert web.variables["REDIS_HOST"] == each.place.address
    assert web.variables["REDIS_PORT"] == str(each.place.port)
    assert "caching/production.redis" not in [str(summary.environment) for summary in served.client.environments()], "it is no app"


def test_its_verbs_do_what_they_say_or_say_why_nothing_has_to_be_done(
    served: Served, declare: Callable[[EnvironmentId, Tree], None]
) -> None:
    app = EnvironmentId.parse("verbs")
    declare(app, with_accessories(REDIS))
    for verb, said in (("apply", APPLIED), ("start", "accessory redis is to run already")):
        change = served.client.accessories(app).change("redis", verb)  # type: ignore[arg-type]  # a list of words is no list of literals
        assert (change.deployment, change.said) == (None, said)
    done(served, app, "restart")
    done(served, app, "stop")
    assert the_one(served, app).condition is Condition.STOPPED
    assert served.client.accessories(app).change("redis", "stop").said == "accessory redis does not run"
    with pytest.raises(Refused, match="accessory redis does not run") as caught:
        served.client.accessories(app).change("redis", "restart")
    assert caught.value.hint == "`mooring accessory start redis` starts it"
    done(served, app, "start")
    declare(app, with_accessories(msgspec.structs.replace(REDIS, memory=1_000_000)))
    assert the_one(served, app).condition is Condition.CHANGED
    done(served, app, "apply")
    assert the_one(served, app).condition is Condition.AS_DECLARED
    asked = [row for row in served.world.memory.audit(limit=50) if row.environment == app and row.what.startswith("accessory")]
    assert {row.what.removeprefix("accessory ") for row in asked} == {"apply", "start", "stop", "restart"}
    assert {row.detail["accessory"] for row in asked} == {"redis"}


def test_one_that_is_removed_keeps_its_volume_until_that_is_said(served: Served, declare: Callable[[EnvironmentId, Tree], None]) -> None:
    app = EnvironmentId.parse("removing")
    declare(app, with_accessories(REDIS))
    own = app.with_accessory(REDIS.name)
    planned = served.client.accessories(app).plan("redis", PlanAccessory(order="remove"))
    assert "its volume and its secrets are kept: --volume removes them too" in planned.notes
    removed = served.client.accessories(app).remove("redis", is_volume_removed=False)
    assert served.ended(removed.id).outcome is Outcome.SUCCEEDED
    assert own in served.world.runtime.volumes
    assert the_one(served, app).condition is Condition.MISSING
    assert "its volume goes with it" in served.client.accessories(app).plan("redis", PlanAccessory(order="remove", volume=True)).notes
    gone = served.client.accessories(app).remove("redis", is_volume_removed=True)
    events = list(served.client.deployment_events(gone.id))
    assert events[-1].fields["outcome"] == "succeeded"
    assert own not in served.world.runtime.volumes
    with pytest.raises(NotFound, match="there is no accessory redis of removing/production"):
        served.client.accessories(app).remove("redis", is_volume_removed=True)


def test_one_that_nobody_remembers_is_shown_and_removed_by_its_name(served: Served, declare: Callable[[EnvironmentId, Tree], None]) -> None:
    app = EnvironmentId.parse("forgotten")
    declare(app, with_accessories(REDIS))
    own = app.with_accessory(REDIS.name)
    served.world.memory.forget_environment(own)
    assert own in [each.environment for each in served.client.status().unowned]
    gone = served.client.accessories(app).remove("redis", is_volume_removed=True)
    assert list(served.client.deployment_events(gone.id))[-1].fields["outcome"] == "succeeded"
    assert own not in [life.spec.key.environment for life in served.world.runtime.lives()]


def test_what_it_prints_is_told_without_its_secret_and_so_is_what_the_app_prints(
    served: Served, declare: Callable[[EnvironmentId, Tree], None]
) -> None:
    app = EnvironmentId.parse("printing")
    declare(app, with_accessories(REDIS))
    own = app.with_accessory(REDIS.name)
    password = next(value for value in served.world.memory.config(own, 1).values() if isinstance(value, Secret)).reveal()
    for life in served.world.runtime.lives():
        if life.spec.key.environment in (app, own):
            life.lines.append((time.time(), f"connecting with {password}"))
    for lines in (served.client.accessories(app).logs("redis"), served.client.logs(app)):
        told = [line.text for line in lines]
        assert any("connecting with" in text for text in told)
        assert not any(password in text for text in told)


def test_who_asks_for_what_is_not_there_or_not_allowed_is_told(served: Served, declare: Callable[[EnvironmentId, Tree], None]) -> None:
    app = EnvironmentId.parse("asking")
    declare(app, TREE)
    assert served.client.accessories(app).all() == ()
    with pytest.raises(NotFound, match="asking/production has no accessory redis") as caught:
        served.client.accessories(app).change("redis", "start")
    assert "[accessories.redis]" in caught.value.hint
    with pytest.raises(NotFound, match="there is no accessory redis of asking/production"):
        list(served.client.accessories(app).logs("redis"))
    with pytest.raises(NotFound):
        served.client.accessories(EnvironmentId.parse("nowhere")).all()
    with pytest.raises(InvalidName):
        served.client.accessories(app).change("Redis_1", "start")
    declare(app, with_accessories(REDIS))
    deployer = acting(served, Role.DEPLOYER)
    with pytest.raises(Forbidden):
        deployer.accessories(app).remove("redis", is_volume_removed=True)
    viewer = acting(served, Role.VIEWER)
    assert [each.name for each in viewer.accessories(app).all()] == ["redis"]
    with pytest.raises(Forbidden):
        viewer.accessories(app).change("redis", "stop")
