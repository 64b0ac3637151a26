"""A review app tries everything against another's data, production's and the platform itself, on a whole platform."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from e2e.platform import App, Platform
from e2e.test_crashes import pid_of
from e2e.test_reviews import of

from mooring.drivers.runtime.process.landlock import WHOLE, version
from mooring.store.directory import DATABASE, KEY

RULES = """
[services.db]
type = "sqlite"

[review]
access = "open"
"""
DENIED = {"EACCES", "EPERM", "EXDEV"}  # the last is what Landlock says to a link from another place
FILL = """
import os, sqlite3

with sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///")) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS entries (text TEXT)")
"""


@pytest.fixture(scope="module")
def app(platform: Platform) -> App:
    """Production, and two review apps, each with a file of SQLite; in production's environment a secret."""
    assert version() >= WHOLE, "this kernel does not confine wholly: Linux 6.12 or newer, with landlock among its `lsm=`"
    databases = platform.directory / "databases"
    databases.mkdir(mode=0o700)
    app = platform.app("prowler", "prowler")
    app.write("mooring.toml", 'app = "prowler"\n' + RULES)
    app.write("fill.py", FILL)
    app.write("Procfile", f"release: python3 fill.py\n{(app.path / 'Procfile').read_text()}")
    app.commit("with a database")
    added = app.mooring("service", "add-server", "disk", "--type", "sqlite", stdin=f"sqlite:///{databases}")
    assert added.code == 0, added
    answer = app.deploy()
    assert answer.code == 0, answer
    for name in ("one", "two"):
        app.git("switch", "--quiet", "-C", name)
        app.commit(f"branch {name}, which is like production so far")
        answer = app.mooring("review", "up")
        assert answer.code == 0, answer
    return app


def prowl(app: App, *place: str, **targets: list) -> dict[str, str]:
    """What came of it, tried by `mooring run` there."""
    answer = app.mooring("run", *place, "--", "python3", "prowl.py", json.dumps(targets, default=str))
    assert answer.code == 0, answer
    return json.loads(answer.out)


def control(app: App, **targets: list) -> dict[str, str]:
    """The same, tried by a program that nothing confines."""
    done = subprocess.run([sys.executable, "prowl.py", json.dumps(targets, default=str)], cwd=app.path, capture_output=True, check=True)
    return json.loads(done.stdout)


def database_of(app: App, environment: str = "production") -> Path:
    """By the name of its directory: what tells an app where it is is redacted."""
    (found,) = (app.platform.directory / "databases").glob(f"m_{app.name}_{environment[:4]}*/database.sqlite3")
    return found


def instance_of(app: App, *place: str) -> int:
    return app.mooring("ps", *place, "--json").json["instances"][0]["pid"]


def test_a_review_app_reaches_no_other_database_secret_or_process_and_nothing_of_the_platform(platform: Platform, app: App) -> None:
    one, two = of(app, "one")[:2], of(app, "two")[:2]
    processes = platform.state / "processes"
    starts = sorted(processes.glob("run/prowler--production--*/environment")) + sorted(
        processes.glob(f"run/prowler--{two[1]}--*/environment")
    )
    assert len(starts) == 2
    databases = [database_of(app), database_of(app, "two")]
    targets = {
        "files": databases,
        "busy": [*starts, platform.state / DATABASE, platform.state / KEY],
        "folders": [
            app.mooring("run", "--", "pwd").out.strip(),  # production's code
            databases[0].parent.parent,
            databases[1].parent,
            platform.state,
            platform.state / "run",
            processes / "run",
            processes / "logs",
        ],
        "processes": [instance_of(app), instance_of(app, *two), pid_of(platform, "mooring.server serve")],
        "sockets": [
            platform.state / "run" / "controller.sock",
            processes / "supervisord.sock",
            platform.state / "run" / "edge-certificates.sock",
        ],
    }
    reached = control(app, **targets)
    assert set(reached.values()) == {"open"}, f"nobody else is kept from it: {reached}"
    assert set(prowl(app, **targets).values()) == {"open"}, "nor is production"
    found = prowl(app, *one, **targets)
    assert len(found) == 2 * 7 + 4 * 5 + 7 * 2 + 3 * 8 + 3
    assert {attempt: what for attempt, what in found.items() if what not in DENIED} == {}

    mine = prowl(app, *one, files=[database_of(app, "one")], folders=["."])
    assert set(mine.values()) == {"open"}, "what is its own it has"


def test_it_writes_to_its_own_home_and_to_what_is_temporary_and_nowhere_else(platform: Platform, app: App) -> None:
    one = of(app, "one")[:2]
    say = "echo $HOME; touch $HOME/kept && mktemp >/dev/null && : >/dev/null && echo said >/dev/stderr"
    answer = app.mooring("run", *one, "--", "sh", "-c", say)
    assert answer.code == 0, answer
    home = Path(answer.out.split()[0])
    assert (home / "kept").exists() and home.is_relative_to(platform.state)
    with tempfile.TemporaryDirectory(dir=pwd.getpwuid(os.getuid()).pw_dir) as elsewhere:  # not below /tmp, where $HOME may be
        assert set(control(app, folders=[elsewhere]).values()) == {"open"}
        assert prowl(app, *one, folders=[elsewhere]) == {f"list {elsewhere}": "open", f"make in {elsewhere}": "EACCES"}
    answer = app.mooring("run", *one, "--", "grep", "-E", "^(CapEff|NoNewPrivs)", "/proc/self/status")
    assert answer.out.split() == ["CapEff:", "0" * 16, "NoNewPrivs:", "1"], answer


def test_what_its_instances_its_checks_and_its_release_command_do_is_confined_as_well(platform: Platform, app: App) -> None:
    """As they are started, and as they are entered."""
    production = database_of(app)
    app.git("switch", "--quiet", "one")
    look = f"cat {production} >/dev/null && echo LOOKED; true"
    app.write("Procfile", f"release: {look}\nweb: {look}; python3 -m http.server $PORT --bind 127.0.0.1 --directory public\n")
    health = f'\n[review.processes.web.health]\ncommand = "! cat {production}"\n'
    app.write("mooring.toml", (app.path / "mooring.toml").read_text() + health)  # it is not well where this can be read
    app.commit("looks around")
    answer = app.mooring("review", "up")
    assert answer.code == 0, answer
    logs = app.mooring("review", "logs", "one").out
    assert logs.count(f"{production}: Permission denied") == 2 and "LOOKED" not in logs, logs
    one = of(app, "one")[:2]
    answer = app.mooring("exec", *one, "web.1", "--", "cat", str(production))
    assert answer.code == 1 and "Permission denied" in answer.err, answer
    answer = app.mooring("review", "down", "one")
    assert answer.code == 0, answer
    assert not (platform.state / "processes" / "homes" / f"prowler--{one[1]}").exists(), "its home goes with it"


def test_what_its_build_runs_is_confined_as_well_and_what_production_s_build_runs_is_not(platform: Platform, app: App) -> None:
    state, processes = platform.state, platform.state / "processes"
    cache, two = state / "workshop" / "cache", of(app, "two")[:2]
    targets = {
        "files": [database_of(app)],
        "busy": [*processes.glob(f"run/prowler--{two[1]}--*/environment"), state / DATABASE, state / KEY],
        "folders": [state, state / "run", processes / "run", state / "workshop" / "artifacts", cache, cache / "tmp"],
        "processes": [instance_of(app, *two), pid_of(platform, "mooring.server serve")],
        "sockets": [state / "run" / "controller.sock", processes / "supervisord.sock", state / "run" / "edge-certificates.sock"],
    }
    command = 'python3 prowl.py "$(cat targets.json)" > found.json'
    app.git("switch", "--quiet", "main")
    app.write("targets.json", json.dumps(targets, default=str))
    app.write("mooring.toml", f"{(app.path / 'mooring.toml').read_text()}\n[build]\ncommand = '{command}'\n")
    app.commit("looks around while it is built")
    answer = app.deploy()
    assert answer.code == 0, answer
    app.git("switch", "--quiet", "-C", "three")
    answer = app.mooring("review", "up")
    assert answer.code == 0, answer
    production, its = (json.loads(app.mooring("run", *place, "--", "cat", "found.json").out) for place in ((), of(app, "three")[:2]))
    assert set(production.values()) == {"open"}, f"nobody else is kept from it: {production}"
    assert len(its) == 7 + 3 * 5 + 6 * 2 + 2 * 8 + 3
    assert {attempt: what for attempt, what in its.items() if what not in DENIED} == {}
