"""The same request sent twice is done once: by its key, also at the same time, also over a restart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from server.serving import Served, new_world, started

from mooring.model.access import Role
from mooring.model.environment import EnvironmentId

TAR = {"Content-Type": "application/x-tar"}


def path(app: str) -> str:
    return f"/v1/environments/{app}/production/deployments"


def count(served: Served, app: str) -> int:
    return len(served.client.deployments(EnvironmentId.parse(app)))


def settle(served: Served, app: str) -> None:
    """Wait for all deployments: while one goes on, its archive is there by right."""
    for deployment in served.client.deployments(EnvironmentId.parse(app)):
        served.ended(deployment.id)


def test_the_same_key_twice_is_one_deployment_and_the_same_answer(served: Served) -> None:
    with served.http as http:
        answers = [http.post(path("twice"), content=b"tree", headers={**TAR, "Idempotency-Key": "k1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].content == answers[1].content
    assert count(served, "twice") == 1
    served.ended(answers[0].json()["id"])
    assert list(served.services.uploads.iterdir()) == []


def test_the_same_key_at_the_same_time_is_one_deployment(served: Served) -> None:
    with served.http as http, ThreadPoolExecutor(6) as pool:
        sent = [pool.submit(http.post, path("at-once"), content=b"tree", headers={**TAR, "Idempotency-Key": "k2"}) for _ in range(6)]
        ids = {each.result().json()["id"] for each in sent}
    assert len(ids) == 1
    assert count(served, "at-once") == 1
    settle(served, "at-once")


@pytest.mark.parametrize("change", ["body", "query"])
def test_the_same_key_with_something_else_is_refused(served: Served, change: str) -> None:
    app = f"other-{change}"
    headers = {**TAR, "Idempotency-Key": "k3"}
    with served.http as http:
        first = http.post(path(app), content=b"tree", headers=headers)
        second = http.post(
            path(app) + ("?commit=x" if change == "query" else ""), content=b"tree" if change == "query" else b"x", headers=headers
        )
    assert first.status_code == 202
    assert (second.status_code, second.json()["code"]) == (409, "refused")
    assert count(served, app) == 1
    settle(served, app)


def test_two_people_may_use_the_same_key(served: Served) -> None:
    for name in ("ann", "bob"):
        with served.tcp(served.token(Role.DEPLOYER, name)) as http:
            assert http.post(path("shared"), content=name.encode(), headers={**TAR, "Idempotency-Key": "k4"}).status_code == 202
    assert count(served, "shared") == 2
    settle(served, "shared")


def test_a_refused_request_is_not_remembered(served: Served) -> None:
    app = EnvironmentId.parse("retried")
    served.deploy(app)
    headers = {"Idempotency-Key": "k5"}
    address = "/v1/environments/retried/production/restart"
    served.client.lock(app, reason="wait")
    with served.http as http:
        assert http.post(address, json={}, headers=headers).status_code == 409
        served.client.unlock(app)
        assert http.post(address, json={}, headers=headers).status_code == 202
    settle(served, "retried")


@pytest.mark.parametrize("key", ["", "k" * 200])
def test_a_key_that_is_none_is_refused(served: Served, key: str) -> None:
    with served.http as http:
        assert http.post(path("keyless"), content=b"t", headers={**TAR, "Idempotency-Key": key}).status_code == 400
    assert list(served.services.uploads.iterdir()) == []


def test_a_key_is_known_after_a_restart(tmp_path: Path) -> None:
    world = new_world(tmp_path)
    here = started(world)
    with here.http as http:
        first = http.post(path("lasting"), content=b"tree", headers={**TAR, "Idempotency-Key": "k6"})
    here.ended(first.json()["id"])
    here.stop()
    there = started(world)
    try:
        with there.http as http:
            second = http.post(path("lasting"), content=b"tree", headers={**TAR, "Idempotency-Key": "k6"})
        assert second.content == first.content
        assert count(there, "lasting") == 1
    finally:
        there.stop()
        world.close()


@pytest.mark.parametrize("verb", ["deploy", "config", "restart"])
def test_a_controller_that_dies_between_taking_an_order_and_answering_has_the_answer_already(
    tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = new_world(tmp_path)
    here = started(world)
    app = EnvironmentId.parse("cut-off")
    here.deploy(app)
    ordered = count(here, "cut-off") + 1
    headers = {"Idempotency-Key": "k7"}

    def send(served: Served) -> httpx.Response:
        with served.http as http:
            match verb:
                case "deploy":
                    return http.post(path("cut-off"), content=b"tree", headers={**TAR, **headers})
                case "config":
                    return http.patch("/v1/environments/cut-off/production/config", json={"set": {"A": "1"}}, headers=headers)
                case _:
                    return http.post("/v1/environments/cut-off/production/restart", json={}, headers=headers)

    def die(*_: object, **__: object) -> None:
        raise RuntimeError("killed before the order is told to anybody")

    with monkeypatch.context() as patch:
        patch.setattr("mooring.engine.announcer.Announcer.say", die)
        assert send(here).status_code == 500
        here.stop()
    taken = world.memory.deployments(app)[0]
    there = started(world)
    try:
        answer = send(there)
        assert answer.status_code < 300, answer.text
        assert (answer.json() if verb != "config" else answer.json()["deployment"])["id"] == taken.id
        assert count(there, "cut-off") == ordered
        settle(there, "cut-off")
    finally:
        there.stop()
        world.close()
