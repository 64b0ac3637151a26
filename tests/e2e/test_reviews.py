"""Review apps on a whole platform, as docs/how-to/review-apps.md shows them: a branch comes up with data of its own, and leaves nothing."""

from __future__ import annotations

import base64
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from e2e.platform import App, Platform, eventually
from e2e.test_crashes import pid_of

from mooring.drivers.runtime.process.memory import budget

RULES = """
[review]
limit = 2
seed = "echo seeded >> $SEEDS"

[review.env]
MAIL = "off"
"""


@pytest.fixture(scope="module")
def app(platform: Platform) -> App:
    app = platform.app("static-site", "site")
    kept = platform.directory / "kept"
    kept.mkdir()
    app.write("version", "1\n")
    app.write("mooring.toml", 'app = "site"\n' + RULES)
    app.commit("with review apps")
    answer = app.deploy()
    assert answer.code == 0, answer
    answer = app.mooring("config", "set", "-e", "review", f"SEEDS={kept / 'seeds'}")
    assert answer.code == 0, answer
    return app


def branch(app: App, name: str, version: int) -> None:
    app.git("switch", "--quiet", "-C", name)
    app.release(version)


def shown(app: App, name: str) -> dict:
    """Of `review ls`."""
    return next(each for each in app.mooring("review", "ls", "--json").json["reviews"] if each["branch"] == name)


def branches(app: App) -> list[str]:
    """Empty too while nobody answers."""
    return sorted(each["branch"] for each in app.mooring("review", "ls", "--json").json.get("reviews", []))


def visit(app: App, name: str, path: str = "/version") -> tuple[int, bytes]:
    host = shown(app, name)["summary"]["urls"][0].removeprefix("http://")
    login = app.mooring("review", "access", name, "--json").json
    sent = base64.b64encode(f"{login['user']}:{login['password']}".encode()).decode()
    assert app.get(path, headers={"Host": host})[0] == 401, "strangers do not get in"
    status, body, told = app.get(path, headers={"Host": host, "Authorization": f"Basic {sent}"})
    assert told["x-robots-tag"] == "noindex"
    return status, body.strip()


def test_a_branch_comes_up_beside_production_is_brought_up_to_date_and_leaves_nothing(platform: Platform, app: App) -> None:
    branch(app, "Feature/New_Checkout", 2)
    answer = app.mooring("review", "up")
    assert answer.code == 0, answer
    found = shown(app, "Feature/New_Checkout")
    assert answer.out.rstrip().endswith(found["summary"]["urls"][0]), "the URL is the last word"
    assert found["summary"]["environment"]["environment"].startswith("feature-new-checkout-")
    assert visit(app, "Feature/New_Checkout") == (200, b"2")
    assert app.version() == 1, "production is as it was"

    branch(app, "Feature/New_Checkout", 3)
    app.git("switch", "--quiet", "main")
    answer = app.mooring("review", "up", "Feature/New_Checkout")
    assert answer.code == 0, answer
    assert visit(app, "Feature/New_Checkout") == (200, b"3")
    assert (platform.directory / "kept" / "seeds").read_text() == "seeded\n", "once, over two releases"
    answer = app.mooring("review", "reseed", "Feature/New_Checkout")
    assert answer.code == 0 and "Seeding site/feature-new-checkout-" in answer.out + answer.err, answer
    assert (platform.directory / "kept" / "seeds").read_text() == "seeded\nseeded\n"

    host = found["summary"]["urls"][0].removeprefix("http://")
    answer = app.mooring("review", "down", "Feature/New_Checkout")
    assert answer.code == 0, answer
    for kind in ("instance", "route", "certificate", "volume", "config", "release", "log"):
        assert f"✓ {kind}: gone" in answer.out, answer
    assert app.get("/version", headers={"Host": host})[0] == 404
    assert branches(app) == []
    assert app.mooring("review", "down", "Feature/New_Checkout").code == 2
    assert app.version() == 1


def test_the_longest_idle_makes_room_and_a_controller_that_is_killed_over_it_goes_on(platform: Platform, app: App) -> None:
    for number, name in enumerate(("one", "two", "three"), start=4):
        branch(app, name, number)
        answer = app.mooring("review", "up", "--detach" if name == "three" else "--no-start")
        assert answer.code == 0, answer
    os.kill(pid_of(platform, "mooring.server serve"), signal.SIGKILL)
    eventually(lambda: branches(app) == ["three", "two"], within=60)
    eventually(lambda: shown(app, "three")["summary"]["urls"] and visit(app, "three") == (200, b"6"))  # it has none before its release
    assert visit(app, "two") == (200, b"5")
    for name in ("two", "three"):
        assert app.mooring("review", "down", name).code == 0
    assert app.version() == 1


def test_one_that_sleeps_wakes_on_the_first_request_and_none_of_many_fails(platform: Platform, app: App) -> None:
    app.git("switch", "--quiet", "-C", "sleepy")
    app.write("mooring.toml", 'app = "site"\n' + RULES.replace("limit = 2", 'limit = 2\nsleep = "4s"\naccess = "open"'))
    app.release(7)
    assert app.mooring("review", "up").code == 0
    host = shown(app, "sleepy")["summary"]["urls"][0].removeprefix("http://")
    eventually(lambda: is_asleep(app, "sleepy"), within=60)

    status, body, _ = app.get("/version", headers={"Host": host, "Accept": "text/html"})
    assert status == 503 and b"http-equiv" in body and b"Waking up" in body, "a browser is shown a page that loads again"
    with ThreadPoolExecutor(20) as visitors:
        answers = list(
            visitors.map(lambda _: app.get("/version", headers={"Host": host, "Accept": "application/json"}, timeout=60), range(20))
        )
    assert {(status, body.strip()) for status, body, _ in answers} == {(200, b"7")}
    assert not shown(app, "sleepy")["summary"]["is_asleep"]
    assert app.mooring("review", "down", "sleepy").code == 0
    app.git("switch", "--quiet", "main")


def test_one_that_is_pushed_while_it_sleeps_needs_room_for_itself_alone_and_serves_whoever_came_meanwhile(app: App) -> None:
    app.git("switch", "--quiet", "-C", "drowsy")
    rules = RULES.replace("limit = 2", 'limit = 2\nsleep = "4s"\naccess = "open"')
    app.write("mooring.toml", f'app = "site"\n{rules}\n[review.processes.web]\nmemory = "{budget() * 6 // 10_000_000}MB"\n')
    app.release(8)
    assert app.mooring("review", "up").code == 0
    host = shown(app, "drowsy")["summary"]["urls"][0].removeprefix("http://")
    eventually(lambda: is_asleep(app, "drowsy"), within=60)

    app.release(9)
    with ThreadPoolExecutor(11) as visitors:
        pushed = visitors.submit(app.mooring, "review", "up")
        eventually(lambda: pushed.done() or shown(app, "drowsy")["summary"]["deployment"], within=60)
        came = [visitors.submit(app.get, "/version", headers={"Host": host}, timeout=60) for _ in range(10)]
        answers = {(status, body.strip()) for status, body, _ in (each.result() for each in came)}
    assert pushed.result().code == 0, pushed.result()
    assert answers == {(200, b"9")}, "two of its releases have no room here"
    assert app.mooring("review", "down", "drowsy").code == 0
    app.git("switch", "--quiet", "main")


def is_asleep(app: App, name: str) -> bool:
    """On record, and nothing of it runs."""
    return shown(app, name)["summary"]["is_asleep"] and not app.mooring("ps", *of(app, name)).json["instances"]


def of(app: App, name: str) -> tuple[str, ...]:
    """The options that mean a review app's environment, for a program."""
    return "-e", shown(app, name)["summary"]["environment"]["environment"], "--json"
