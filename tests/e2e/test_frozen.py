"""An instance that is frozen (SIGSTOP): the kernel takes connections and requests for it, and nobody answers them.

What an instance may have seen is never sent to another one: it waits, as long as its edge lets it, and is told in the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psutil
import pytest
from e2e.platform import App, Platform, eventually, receipt_of

MANIFEST = """
[processes.web]
command = "python3 server.py"
count = 2

[processes.web.health.readiness]
path = "/up"
interval = 1
timeout = 1
failures = 2
{liveness}
[deploy]
bake = "1s"
drain_timeout = "3s"
kill_timeout = "1s"
"""
LIVENESS = """
[processes.web.health.liveness]
path = "/up"
interval = 1
timeout = 1
failures = 3
"""
AT_ONCE = 24  # requests: so many that the frozen instance is given some, by any lot
PATIENCE = 120  # seconds that a client waits: longer than the edge does for anything here


@pytest.fixture(scope="module")
def app(platform: Platform) -> Iterator[App]:
    app = platform.app("trouble", "frozen")
    serve(app, MANIFEST.format(liveness=""), release=1)
    yield app
    app.mooring("destroy", "--confirm", app.name)


def serve(app: App, manifest: str, *, release: int) -> None:
    app.write("mooring.toml", manifest)
    app.release(release)
    answer = app.deploy()
    assert answer.code == 0, answer


def instances(app: App) -> list[dict]:
    return app.mooring("ps", "--json").json["instances"]


@contextmanager
def frozen(app: App) -> Iterator[tuple[dict, list[Future[int]]]]:
    """Its first instance, as it was before, and what those are answered in the end who ask at once. Then it goes on, if it is there."""
    victim = instances(app)[0]
    process = psutil.Process(victim["pid"])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        process.suspend()
        try:
            asked = [pool.submit(lambda: app.get("/version", timeout=PATIENCE)[0]) for _ in range(AT_ONCE)]
            eventually(lambda: len(waiting(asked)) < AT_ONCE, within=60)
            yield victim, asked
        finally:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def waiting(asked: list[Future[int]]) -> list[Future[int]]:
    return [each for each in asked if not each.done()]


def is_left_out(app: App, victim: dict) -> bool:
    return next(each["health"] for each in instances(app) if each["key"] == victim["key"]) == "unready"


@pytest.mark.parametrize("edge", [pytest.param("haproxy", marks=pytest.mark.long), "envoy"])
def test_it_gets_no_requests_once_it_has_failed_its_check_and_answers_what_it_had_taken_when_it_goes_on(
    app: App, platform: Platform, edge: str
) -> None:
    answer = platform.mooring("up", "--edge", edge)
    assert answer.code == 0, answer
    with frozen(app) as (victim, asked):
        eventually(lambda: is_left_out(app, victim), within=60)
        assert {app.get("/version", timeout=PATIENCE)[0] for _ in range(AT_ONCE)} == {200}, "the other one answers all"
        assert waiting(asked), "what has been taken is asked nobody else"
    assert {each.result() for each in asked} == {200}
    eventually(lambda: {each["health"] for each in instances(app)} == {"ready"}, within=60)


def test_a_deploy_gives_it_its_drain_budget_and_the_receipt_tells_each_request_that_went_with_it(app: App) -> None:
    app.release(2)
    with frozen(app) as (_, asked):
        answer = app.deploy()
    assert answer.code == 4, answer
    statuses = [each.result() for each in asked]
    assert set(statuses) == {200, 503}
    receipt = receipt_of(app)
    assert receipt["outcome"] == "succeeded"
    assert receipt["traffic"]["edge_errors"] + receipt["traffic"]["resets"] == statuses.count(503)
    assert app.version() == 2


def test_one_with_a_liveness_check_is_killed_and_started_anew_and_what_it_had_taken_is_told_so(app: App) -> None:
    serve(app, MANIFEST.format(liveness=LIVENESS), release=3)
    with frozen(app) as (victim, asked):
        assert {each.result() for each in asked} == {200, 503}
        eventually(lambda: {each["health"] for each in instances(app)} == {"ready"}, within=60)
        assert [each["pid"] == victim["pid"] for each in instances(app)] == [False, False]
        assert [each["restarts"] for each in instances(app)] == [1, 0]
