"""A real Redis beside an app: it outlives deploys under traffic, a killed controller and a dead machine, with all that it has kept."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from e2e.platform import App, Platform, Traffic, eventually


@pytest.fixture(autouse=True, scope="module")
def _there_is_a_redis() -> None:
    assert shutil.which("redis-server"), "there is no redis-server (Debian: apt-get install redis-server)"


def redis(app: App) -> dict:
    """How it is, once it has answered."""

    def ready():
        (each,) = app.mooring("accessory", "ls", "--json").json
        return each if each["instance"] and each["instance"]["health"] == "ready" else None

    return eventually(ready, within=40)


def visits(app: App) -> int:
    status, body, _ = app.get("/")
    assert status == 200, body
    return int(body)


def pid_of(platform: Platform, word: str) -> int:
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() for pid in platform.pids()}
    return next(pid for pid, line in lines.items() if word in line)


def listening(port: int) -> set[str]:
    """The addresses, in hex, at which somebody listens on that port."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and int(row[1].partition(":")[2], 16) == port}


def test_an_accessory_outlives_deploys_under_traffic_a_killed_controller_and_a_dead_machine(platform: Platform) -> None:
    app = platform.app("counter", "kept")
    assert "accessory redis is declared and missing" in app.mooring("plan").out
    assert app.deploy().code == 0
    before = redis(app)
    first = visits(app)
    assert listening(before["place"]["port"]) == {"0100007F"}, "on this machine alone"

    with Traffic(app, rate=50, paths=("/",)) as traffic:
        app.release(2)
        assert app.deploy().code == 0
        os.kill(pid_of(platform, "mooring.server serve"), signal.SIGKILL)
        eventually(lambda: app.mooring("accessory", "ls").code == 0, within=40)
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
    after = redis(app)
    assert (after["instance"]["pid"], after["instance"]["restarts"]) == (before["instance"]["pid"], 0), "nobody touched it"
    counted = visits(app)
    assert counted > first + traffic.report["ok"], "every visit was counted"

    platform.kill_all()  # as when the machine loses its power
    assert platform.up().code == 0
    again = redis(app)
    assert again["place"] == before["place"]
    assert again["instance"]["pid"] != before["instance"]["pid"]
    eventually(lambda: app.get("/version")[0] == 200, within=40)
    assert visits(app) > counted, "with all that it had kept"


def test_what_is_declared_anew_is_shown_by_a_deploy_and_applied_by_a_person_and_removed_with_its_volume_last(platform: Platform) -> None:
    app = platform.app("counter", "changed")
    assert app.deploy().code == 0
    before, first = redis(app), visits(app)
    manifest = (app.path / "mooring.toml").read_text()
    app.write("mooring.toml", manifest.replace("secrets =", 'memory = "64MB"\nsecrets ='))
    app.commit("a larger one")
    deployed = app.deploy()
    assert deployed.code == 0, deployed
    said = "accessory redis is declared otherwise than it runs (memory none → 64.0 MB): `mooring accessory apply redis` changes it"
    assert said in deployed.out
    assert redis(app)["instance"]["pid"] == before["instance"]["pid"]

    planned = app.mooring("accessory", "apply", "redis", "--plan")
    assert [word in planned.out for word in ("stop v1 redis.1", "start v2 redis.1", said, "Nothing was touched.")] == [True] * 4, planned
    assert app.mooring("accessory", "apply", "redis").code == 0
    assert redis(app)["place"] == before["place"]
    assert visits(app) > first
    nothing = app.mooring("accessory", "apply", "redis")
    said = "Nothing to do: accessory redis runs as it is declared; a change of mooring.toml counts once it is deployed.\n"
    assert (nothing.code, nothing.out) == (0, said)

    assert app.mooring("accessory", "stop", "redis").code == 0
    assert app.get("/")[0] == 500
    refused = app.mooring("accessory", "restart", "redis")
    assert (refused.code, "`mooring accessory start redis` starts it" in refused.err) == (2, True), refused
    assert app.mooring("accessory", "start", "redis").code == 0
    assert visits(app) > first
    assert "Ready to accept connections" in app.mooring("accessory", "logs", "redis").out

    assert app.mooring("accessory", "rm", "redis").code == 0
    assert app.mooring("accessory", "start", "redis").code == 0
    assert visits(app) > first, "the volume was kept, with its secret and its port"
    last = redis(app)["instance"]["pid"]
    assert app.mooring("destroy", "--confirm", app.name).code == 0
    left = [str(path) for path in (platform.state / "processes").glob(f"*/*{app.name}*") if path.parent.name != "fences"]
    assert left == [], "nothing of it is left, its volume neither"
    assert not Path(f"/proc/{last}").exists()


def test_the_secret_of_an_accessory_is_in_no_log_no_event_and_no_file_that_others_may_read(platform: Platform) -> None:
    app = platform.app("counter", "quiet")
    app.write("app.py", "import os\nprint('connecting to', os.environ['REDIS_URL'], flush=True)\n" + (app.path / "app.py").read_text())
    app.commit("it says where it connects to")
    assert app.deploy().code == 0
    (instance,) = app.mooring("ps", "--json").json["instances"]
    environment = Path(f"/proc/{instance['pid']}/environ").read_bytes().split(b"\0")
    address = next(entry for entry in environment if entry.startswith(b"REDIS_URL=")).decode()
    secret = address.partition("://:")[2].partition("@")[0]
    assert len(secret) == 64
    said = eventually(lambda: out if "connecting to" in (out := app.mooring("logs").out) else "")
    shown = [said] + [
        app.mooring(*words).out
        for words in (
            ("accessory", "ls", "--json"),
            ("accessory", "logs", "redis"),
            ("events", "--all", "--json"),
            ("config", "show", "--origin"),
            ("releases", "--json"),
            ("status", "--json"),
        )
    ]
    assert all(secret not in text for text in shown)


def test_that_of_a_review_app_sleeps_with_it_and_has_its_data_when_a_visitor_wakes_it(platform: Platform) -> None:
    app = platform.app("counter", "napping")
    app.git("switch", "--quiet", "-C", "sleepy")
    manifest = (app.path / "mooring.toml").read_text()
    app.write("mooring.toml", f'app = "napping"\n{manifest}\n[review]\nsleep = "4s"\naccess = "open"\n')
    app.commit("with review apps")
    answer = app.mooring("review", "up")
    assert answer.code == 0, answer
    (review,) = app.mooring("review", "ls", "--json").json["reviews"]
    environment, host = review["summary"]["environment"]["environment"], review["summary"]["urls"][0].removeprefix("http://")
    of = ("-e", environment)
    counted = max(int(app.get("/", headers={"Host": host})[1]) for _ in range(100))
    assert counted >= 100, "and it is asked by its checks"

    def sleeps() -> bool:
        (cache,) = app.mooring("accessory", "ls", *of, "--json").json
        return cache["instance"] is None and not app.mooring("ps", *of, "--json").json["instances"]

    eventually(sleeps, within=60)
    status, body, _ = app.get("/", headers={"Host": host, "Accept": "application/json"}, timeout=60)
    assert status == 200, "who comes waits for both"
    assert int(body) > counted, "what was kept is there"
    assert app.mooring("review", "down", "sleepy").code == 0
