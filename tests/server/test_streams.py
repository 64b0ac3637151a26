"""Streams: in order, each once, over a restart of the controller; ended with their story, their token or the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from server.serving import TREE, Served, new_world, started

from mooring.client.client import Client
from mooring.errors import NotFound, Unauthorized
from mooring.model.access import Role
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.names import ProcessName
from mooring.model.release import Source
from mooring.model.secret import Secret
from mooring.server import sse
from mooring.testing.behaviour import Behaviour
from mooring.testing.workshop import Tree

STREAM = {"Accept": "text/event-stream"}


def until(condition, *, within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def test_the_events_of_a_deployment_come_in_order_and_end_with_its_end(served: Served) -> None:
    ended = served.deploy(EnvironmentId.parse("told"))
    events = list(served.client.deployment_events(ended.id))
    sequences = [event.sequence for event in events]
    assert sequences == sorted(set(sequences))
    assert events[0].kind is EventKind.DEPLOYMENT_QUEUED
    assert events[-1].kind is EventKind.DEPLOYMENT_ENDED
    assert all(event.deployment == ended.id for event in events)


def test_a_stream_goes_on_behind_the_last_event_that_was_seen(served: Served) -> None:
    ended = served.deploy(EnvironmentId.parse("behind"))
    events = list(served.client.deployment_events(ended.id))
    middle = events[len(events) // 2].sequence
    assert list(served.client.deployment_events(ended.id, after=middle)) == events[len(events) // 2 + 1 :]
    with served.http as http:
        by_header = http.get(f"/v1/deployments/{ended.id}/events", headers={"Last-Event-ID": str(middle)})
    assert f"id: {middle + 1}\n" in by_header.text or f"id: {middle}\n" not in by_header.text
    assert by_header.text.endswith("event: end\ndata: {}\n\n")


@pytest.mark.parametrize("identity", ["x", "-1", "1" * 30, "١"])
def test_a_last_event_id_that_is_none_of_ours_is_refused(served: Served, identity: str) -> None:
    ended = served.deploy(EnvironmentId.parse("odd-id"))
    with served.http as http:
        assert http.get(f"/v1/deployments/{ended.id}/events", headers={"Last-Event-ID": identity.encode()}).status_code == 400


def test_stored_events_come_as_json_the_newest_on_request(served: Served) -> None:
    app = EnvironmentId.parse("stored")
    served.deploy(app)
    everything = served.client.events(environment=app, limit=5000)
    assert served.client.events(environment=app, after=-3) == everything[-3:]
    assert served.client.events(environment=app, after=-4000, limit=5000) == everything
    assert served.client.events(environment=app, after=everything[2].sequence, limit=2) == everything[3:5]
    assert {event.environment for event in everything} == {app}


def test_the_log_of_a_process_type_that_there_is_not_is_refused_with_those_that_there_are(served: Served) -> None:
    app = EnvironmentId.parse("typed")
    served.deploy(app)
    with pytest.raises(NotFound, match="typed/production has no process type 'wbe'") as refused:
        list(served.client.logs(app, process=ProcessName("wbe")))
    assert refused.value.hint == "it has web"


def test_logs_come_without_secrets_and_follow_what_comes(served: Served) -> None:
    app = EnvironmentId.parse("spoken")
    served.client.set_secret(app, "KEY", Secret("hush-hush-value"))
    served.world.runtime.behave = lambda _: Behaviour(lines=("hello", "the key is hush-hush-value"))
    served.deploy(app)
    assert [line.text for line in served.client.logs(app)] == ["hello", "the key is [redacted]"]
    assert [line.text for line in served.client.logs(app, process=ProcessName("web"))] == ["hello", "the key is [redacted]"]
    following = served.client.logs(app, follow=True)
    assert [next(following).text, next(following).text] == ["hello", "the key is [redacted]"]
    following.close()  # type: ignore[attr-defined]  # it is a generator
    with pytest.raises(NotFound):
        next(served.client.logs(EnvironmentId.parse("silent")))


def test_a_silent_stream_is_kept_alive_by_heartbeats(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT", 0.1)
    monkeypatch.setattr(sse, "VALIDITY", 0.1)
    with served.http as http, http.stream("GET", "/v1/events?after=999999", headers=STREAM) as answer:
        pieces = iter(answer.iter_text())
        assert next(pieces) == "retry: 500\n\n"
        assert next(pieces) == ": still here\n\n"


def test_every_open_stream_of_a_revoked_token_ends_within_five_seconds(served: Served) -> None:
    token = served.token(Role.VIEWER, "followed")
    ends: list[float] = []

    def follow(path: str) -> None:
        with served.tcp(token) as http, http.stream("GET", path, headers=STREAM) as answer:
            text = "".join(answer.iter_text())
        assert '"code":"unauthorized"' in text
        ends.append(time.monotonic())

    served.deploy(EnvironmentId.parse("watched"))
    paths = ["/v1/events?after=999999", "/v1/environments/watched/production/logs?follow=true"]
    threads = [threading.Thread(target=follow, args=(path,), daemon=True) for path in paths]
    for thread in threads:
        thread.start()
    until(lambda: served.services.streams.count >= 2)
    revoked = time.monotonic()
    served.client.revoke_token("followed")
    for thread in threads:
        thread.join(10)
    assert len(ends) == 2
    assert all(end - revoked < 5.0 for end in ends)


def test_a_follower_is_told_that_its_token_has_ended(served: Served) -> None:
    token = served.token(Role.VIEWER, "told-so")
    client = Client(url=f"http://127.0.0.1:{served.port}", token=Secret(token))
    following = client.follow_events(after=0)
    next(following)
    client_side: list[Exception] = []
    served.client.revoke_token("told-so")
    with pytest.raises(Unauthorized):
        for _ in following:
            client_side.append(Exception("still told"))
            assert len(client_side) < 10_000


def test_too_many_streams_are_refused_as_a_problem(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MOST_STREAMS", 0)
    with served.http as http:
        answer = http.get("/v1/events", headers=STREAM)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]


def test_a_follower_that_goes_away_leaves_nothing_behind(served: Served) -> None:
    until(lambda: served.services.streams.count == 0)
    with served.http as http, http.stream("GET", "/v1/events?after=999999", headers=STREAM) as answer:
        pieces = answer.iter_text()  # held: a generator that is dropped closes the connection
        next(pieces)
        assert served.services.streams.count == 1
    until(lambda: served.services.streams.count == 0)


def test_following_a_deployment_survives_a_restart_of_the_controller(tmp_path: Path) -> None:
    world = new_world(tmp_path)
    here = started(world)
    world.workshop.tree = Tree(processes=TREE.processes, policy=TREE.policy, build_seconds=3.0, build_lines=("one", "two", "three"))
    archive = tmp_path / "source.tar"
    archive.write_bytes(b"tree")
    asked = here.client.deploy(EnvironmentId.parse("survivor"), archive, Source(digest="d"))
    events: list[Event] = []
    following = threading.Thread(target=lambda: events.extend(here.client.deployment_events(asked.id)), daemon=True)
    following.start()
    until(lambda: any(event.kind is EventKind.BUILD_OUTPUT for event in world.memory.events(limit=100)))
    here.stop()
    assert following.is_alive()
    there = started(world)
    try:
        following.join(30)
        assert not following.is_alive()
        stored = world.memory.events(deployment=asked.id, limit=1000)
        assert [event.sequence for event in events] == [event.sequence for event in stored]
        assert events[-1].kind is EventKind.DEPLOYMENT_ENDED
        assert events[-1].fields["outcome"] == "succeeded"
    finally:
        there.stop()
        world.close()


def test_the_server_stops_at_once_although_streams_are_open(tmp_path: Path) -> None:
    world = new_world(tmp_path)
    here = started(world)

    def follow() -> Iterator[str]:
        with here.http as http, http.stream("GET", "/v1/events?after=999999", headers=STREAM) as answer:
            yield from answer.iter_text()

    following = follow()
    next(following)
    here.stop()
    assert "event: end" not in "".join(following)
    world.close()
