"""Config and secrets: each change a release, from what runs; a secret's value in no answer, whatever is asked."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from server.serving import Served

from mooring.errors import InvalidInput, InvalidName, LeaseHeld, NotFound
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.secret import Secret
from mooring.server.endpoints import ENDPOINTS
from mooring.testing.behaviour import Behaviour
from mooring.usecases.answers import ConfigChange, VariableKind

SENTINEL = "s3ntinel/Value+42"


def shown(served: Served, app: EnvironmentId) -> dict[str, str | None]:
    return {variable.name: variable.value for variable in served.client.config(app)}


def applied(served: Served, change: ConfigChange) -> Outcome | None:
    assert change.deployment is not None
    return served.ended(change.deployment.id).outcome


def test_config_of_an_app_that_was_never_deployed_is_stored_and_used_by_its_first_deployment(served: Served) -> None:
    app = EnvironmentId.parse("early")
    change = served.client.change_config(app, set={"LOG_LEVEL": "debug"})
    assert (change.version, change.deployment) == (1, None)
    assert shown(served, app) == {"LOG_LEVEL": "debug"}
    served.deploy(app)
    release = served.client.environment(app).release
    assert release is not None
    assert release.config_version == 1


def test_a_change_makes_a_new_release_and_says_who_made_it(served: Served) -> None:
    app = EnvironmentId.parse("changed")
    served.deploy(app)
    change = served.client.change_config(app, set={"A": "1", "B": "2"})
    assert applied(served, change) is Outcome.SUCCEEDED
    release = served.client.environment(app).release
    assert release is not None
    assert (release.number, release.description) == (2, "config set A B")
    variable = served.client.config(app)[0]
    assert (variable.name, variable.value, variable.kind, variable.version) == ("A", "1", VariableKind.PLAIN, 1)
    assert variable.origin.startswith("config set by ")
    assert applied(served, served.client.change_config(app, unset=["A"])) is Outcome.SUCCEEDED
    assert shown(served, app) == {"B": "2"}


def test_a_change_that_changes_nothing_deploys_nothing(served: Served) -> None:
    app = EnvironmentId.parse("same")
    served.deploy(app)
    applied(served, served.client.change_config(app, set={"A": "1"}))
    again = served.client.change_config(app, set={"A": "1"})
    assert (again.version, again.deployment) == (1, None)


def test_a_change_that_did_not_come_up_is_not_carried_into_the_next(served: Served) -> None:
    app = EnvironmentId.parse("carried")
    served.deploy(app)
    held = served.world.runtime.behave
    served.world.runtime.behave = lambda spec: Behaviour(answers=0, exits_after=0.05) if spec.key.environment == app else held(spec)
    try:
        assert applied(served, served.client.change_config(app, set={"BAD": "1"})) is Outcome.FAILED
    finally:
        served.world.runtime.behave = held
    assert shown(served, app) == {}
    assert applied(served, served.client.change_config(app, set={"GOOD": "1"})) is Outcome.SUCCEEDED
    assert shown(served, app) == {"GOOD": "1"}


def test_after_a_rollback_a_change_goes_from_the_config_that_was_rolled_back_to(served: Served) -> None:
    app = EnvironmentId.parse("back")
    served.deploy(app)
    applied(served, served.client.change_config(app, set={"A": "old"}))
    applied(served, served.client.change_config(app, set={"A": "new"}))
    served.ended(served.client.rollback(app, release=2).id)
    assert shown(served, app) == {"A": "old"}
    applied(served, served.client.change_config(app, set={"B": "1"}))
    assert shown(served, app) == {"A": "old", "B": "1"}


@pytest.mark.parametrize("name", ["1X", "A-B", "", "A=B", "Ü", "A\n"])
def test_a_name_that_no_process_could_have_is_refused(served: Served, name: str) -> None:
    with pytest.raises(InvalidName):
        served.client.change_config(EnvironmentId.parse("names"), set={name: "x"})


@pytest.mark.parametrize("changes", [{"PORT": "1"}, {"MOORING_APP": "x"}, {"A": "x\0y"}, {"A": "x" * 130_000}, {}])
def test_a_value_that_could_not_reach_a_process_is_refused(served: Served, changes: dict[str, str]) -> None:
    app = EnvironmentId.parse("values")
    with pytest.raises(InvalidInput):
        served.client.change_config(app, set=changes)
    with pytest.raises(NotFound):
        served.client.environment(app)


@pytest.mark.parametrize("value", ["", " ", "a\nb", "ü" * 30_000, "$(id)", "'\"`\\"])
def test_an_odd_value_is_kept_as_it_is(served: Served, value: str) -> None:
    app = EnvironmentId.parse("odd-values")
    served.client.change_config(app, set={"ODD": value})
    assert shown(served, app)["ODD"] == value


def test_a_locked_environment_keeps_its_config(served: Served) -> None:
    app = EnvironmentId.parse("locked-config")
    served.deploy(app)
    served.client.lock(app, reason="no")
    with pytest.raises(LeaseHeld):
        served.client.change_config(app, set={"A": "1"})
    assert shown(served, app) == {}


def test_a_secret_is_not_made_plain_by_config_set(served: Served) -> None:
    app = EnvironmentId.parse("turned")
    served.client.set_secret(app, "KEY", Secret("hidden-value"))
    with pytest.raises(InvalidInput, match="KEY is a secret"):
        served.client.change_config(app, set={"KEY": "shown"})


def test_a_secret_that_is_not_there_cannot_be_removed(served: Served) -> None:
    app = EnvironmentId.parse("without")
    served.client.change_config(app, set={"PLAIN": "1"})
    for name in ("ABSENT", "PLAIN"):
        with pytest.raises(NotFound):
            served.client.unset_secret(app, name)


def test_a_variable_that_is_not_there_cannot_be_removed(served: Served) -> None:
    app = EnvironmentId.parse("without-any")
    served.client.change_config(app, set={"GREETING": "hi"})
    with pytest.raises(NotFound, match="without-any/production has no variable GREETIGN"):
        served.client.change_config(app, unset=["GREETING", "GREETIGN"])
    assert shown(served, app) == {"GREETING": "hi"}


def test_bytes_of_a_secret_that_are_no_text_are_kept(served: Served) -> None:
    app = EnvironmentId.parse("bytes")
    with served.http as http:
        assert http.put("/v1/environments/bytes/production/secrets/RAW", content=b"\xff\xfe\x01key").status_code == 200
    value = served.world.memory.config(app, 1)["RAW"]
    assert isinstance(value, Secret)
    assert value.reveal().encode("utf-8", "surrogateescape") == b"\xff\xfe\x01key"


def test_a_secret_that_no_environment_carries_is_for_an_app_that_reads_it_from_a_file(served: Served) -> None:
    app = EnvironmentId.parse("nul")
    served.client.set_secret(app, "TLS_KEY", Secret("a\0b"))
    with served.http as http:
        answer = http.post("/v1/environments/nul/production/deployments", content=b"a tree", headers={"Content-Type": "application/x-tar"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-input")
    assert "TLS_KEY holds a NUL byte" in answer.json()["detail"]
    assert 'files = ["TLS_KEY"]' in answer.json()["hint"]
    served.client.unset_secret(app, "TLS_KEY")
    served.deploy(app)
    assert applied(served, served.client.set_secret(app, "TLS_KEY", Secret("a\0b"))) is Outcome.SUCCEEDED
    assert shown(served, app)["TLS_KEY"] is None, "it is there for the deployment that names the file"


def test_keys_can_be_rotated_and_secrets_stay_readable(served: Served) -> None:
    app = EnvironmentId.parse("rotated")
    served.client.set_secret(app, "KEY", Secret("as-before"))
    assert served.client.rotate_keys().resealed >= 1
    assert served.world.memory.config(app, 1)["KEY"] == Secret("as-before")


def test_a_secret_is_in_no_answer_event_log_or_audit_line(served: Served) -> None:
    app = EnvironmentId.parse("sentinel")
    served.world.runtime.behave = lambda _: Behaviour(lines=(f"I was given {SENTINEL}",))
    served.client.set_secret(app, "API_KEY", Secret(SENTINEL))
    deployment = served.deploy(app)
    applied(served, served.client.set_secret(app, "SECOND", Secret("another-" + SENTINEL)))
    found = {}
    with served.http as http:
        for endpoint in ENDPOINTS:
            if endpoint.method == "GET" and endpoint.path != "/openapi.json":
                path = endpoint.path.replace("{app}", "sentinel").replace("{environment}", "production").replace("{id}", deployment.id)
                found[path] = http.get(path).text
    found["audit"] = repr(served.world.memory.audit(limit=500))
    disguises = {SENTINEL, quote(SENTINEL, safe=""), base64.b64encode(SENTINEL.encode()).decode(), SENTINEL.encode().hex(), repr(SENTINEL)}
    assert [path for path, text in found.items() if any(disguise in text for disguise in disguises)] == []
    assert "[redacted]" in found["/v1/environments/sentinel/production/logs"]
    assert "API_KEY" in found["/v1/environments/sentinel/production/config"]
