"""A repository in which every scalar is a canary, deployed on a real platform and put through every feature.

What cannot be a value is refused, all at once. What can is stored, and every later use of it - processes, health checks, restarts,
rollbacks, pages, logs, backups - carries it byte for byte and runs none of it.
"""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Iterator

import pytest
from e2e.platform import App, Platform, eventually
from hostile.conftest import Canary
from hostile.desk import Desk
from hostile.rows import Row, rows_of
from hostile.test_entries import check_shown

from mooring.manifest.keys.table import KEYS
from mooring.server.authorization import TABLE
from mooring.server.endpoints import ENDPOINTS

NAMES = ["$(touch touched)", ";touch touched;", "`touch touched`", "-rf", "--upload-pack=touch touched", "new\nline", "%s{0}", "ünï"]
BRANCH = "$(touch${IFS}touched)"
MESSAGE = "`touch touched`; $(touch touched) %s {0} <b>"


def payloads(canary: Canary) -> list[str]:
    """Each does something in a shell or in a template; none holds a single quote."""
    touch = f"touch {canary.path}"
    return [
        f"$({touch})",
        f"`{touch}`",
        f"; {touch} ;",
        f"| {touch}",
        f"&& {touch}",
        f"--upload-pack={touch}",
        f"ext::sh -c {touch}",
        "%(x)s {0} ${x}",
    ]


@pytest.fixture(scope="module")
def app(platform: Platform, canary: Canary) -> Iterator[App]:
    """Deployed, with a canary in every value that may be one."""
    here = platform.app("witness")
    write_repository(here, canary)
    answer = here.deploy()
    check_shown(answer)
    assert answer.code == 0, answer
    yield here
    answer = here.mooring("destroy", "--confirm", here.name)
    assert answer.code == 0, answer
    assert list(platform.directory.rglob("touched")) == []


def write_repository(app: App, canary: Canary) -> None:
    words = " ".join(f"'{each}'" for each in payloads(canary))
    command = f"python3 server.py {words}"
    values = {f"V{number}": each for number, each in enumerate(payloads(canary))}
    many = "\n".join([*payloads(canary), "LD_PRELOAD=/nowhere"])
    manifest = {
        "release": f"{command} release",
        "build": {"command": f"echo {words}", "variables": {"BUILD": many}},
        "env": {**values, "LINES": many},
        "processes": {
            "web": {"command": command, "health": {"path": f"/$(touch${{IFS}}{canary.path})"}},
            "worker": {"command": f"{command} --stay", "health": {"command": f"test -n '{payloads(canary)[0]}'"}},
        },
    }
    app.write("mooring.toml", toml(manifest) + "[deploy]\nbake = '0s'\ndrain_timeout = '2s'\nkill_timeout = '2s'\n")
    app.write("Procfile", f"web: python3 server.py\nclock: {command} --stay\n")
    document = {
        "name": payloads(canary)[0],
        "env": {"APP_JSON": {"value": many, "description": payloads(canary)[1]}},
        "scripts": {"postdeploy": f"touch {canary.path}", "dokku": {"postdeploy": f"touch {canary.path}"}},
        "addons": [payloads(canary)[0]],
        "cron": [{"command": f"touch {canary.path}", "schedule": "* * * * *"}],
    }
    app.write("app.json", json.dumps(document))
    for name in NAMES:
        (app.path / name).write_text(payloads(canary)[0])
    (app.path / "lines").write_bytes(b"".join(printed(row, canary) for row in rows_of("log")))
    app.git("checkout", "--quiet", "-b", BRANCH)
    app.commit(MESSAGE)


def toml(values: dict[str, object], path: str = "") -> str:
    """Tables as dotted keys, and basic strings."""
    found = ""
    for name, value in values.items():
        key = f"{path}.{name}".lstrip(".")
        found += toml(value, key) if isinstance(value, dict) else f"{key} = {json.dumps(value)}\n"
    return found


def printed(row: Row, canary: Canary) -> bytes:
    """The line that the app prints for a row, found again by its name."""
    return f"[{row.id}]".encode() + row.bytes(**canary.places) + b"\n"


def witnessed(app: App, process: str) -> dict[str, object]:
    """What a process was given: asked, or read where it left it."""
    if process == "web":
        return json.loads(app.get("/")[1])
    place = next(iter((app.platform.state / "workshop" / "artifacts").glob(f"*/seen-{process}.1")), None)
    return json.loads(place.read_text()) if place else {}


def test_every_value_arrives_in_every_process_byte_for_byte(app: App, canary: Canary) -> None:
    for process in ("web", "worker", "clock"):
        seen = eventually(lambda process=process: witnessed(app, process))
        argv = [bytes.fromhex(word).decode() for word in seen["argv"]]
        environment = {bytes.fromhex(name).decode(): bytes.fromhex(value).decode() for name, value in seen["environment"].items()}
        assert argv[: len(payloads(canary))] == payloads(canary)
        assert {f"V{number}": each for number, each in enumerate(payloads(canary))}.items() <= environment.items()
        assert environment["LINES"] == environment["APP_JSON"] == "\n".join([*payloads(canary), "LD_PRELOAD=/nowhere"])
        assert "LD_PRELOAD" not in environment
        assert {bytes.fromhex(name).decode() for name in seen["files"]} >= set(NAMES)
    canary.check()


def test_the_source_is_told_as_it_is(app: App) -> None:
    release = app.mooring("releases", "--json").json["releases"][0]
    assert (release["source"]["branch"], release["source"]["message"]) == (BRANCH, MESSAGE)


FEATURES = (
    ("ps",),
    ("status",),
    ("logs", "-n", "1000"),
    ("config", "show", "--origin"),
    ("plan",),
    ("plan", "--dirty"),
    ("releases",),
    ("events",),
    ("events", "--all"),
    ("follow",),
    ("scale", "worker=2"),
    ("restart",),
    ("run", "--", "true"),
    ("lock", "--reason", "$(touch touched)"),
    ("status",),
    ("unlock",),
    ("maintenance", "on"),
    ("maintenance", "off"),
    ("config", "set", "LATER=$(touch touched)\n`touch touched`"),
    ("deploy",),
    ("rollback",),
    ("secret", "ls"),
    ("secret", "rotate"),
    ("state", "backup", "$(touch touched).backup"),
    ("open",),
    ("init",),
)


def test_every_feature_works_on_what_was_stored_and_runs_none_of_it(app: App, canary: Canary) -> None:
    for words in FEATURES:
        for also in ((), ("--json",)):
            if also and words[0] in ("state", "init", "config", "rollback"):
                continue
            answer = app.mooring(*words, *also) if words[:2] != ("run", "--") else app.mooring("run", *also, *words[1:])
            check_shown(answer)
            assert answer.code == 0 or words == ("init",), answer
            assert also or answer.out.replace("\n", "").isprintable(), f"{words} steers a terminal"
            canary.check()


def test_every_answer_of_the_api_is_one_document_and_no_error(app: App) -> None:
    desk = Desk(platform=app.platform, shop=app, port=0, viewer="", revoked="")
    incomplete = {endpoint.route for endpoint in ENDPOINTS if any(parameter.is_required for parameter in endpoint.query)}
    with desk.http as http:
        newest = http.get("/v1/deployments").json()[0]["id"]
        for method, path in TABLE:
            if method == "GET" and not path.endswith(("/run", "/exec", "/copy")):
                filled = {"{app}": app.name, "{environment}": "production", "{id}": newest, "{name}": "nothing"}
                answer = http.get(functools.reduce(lambda text, each: text.replace(*each), filled.items(), path))
                expected = 404 if "{name}" in path else 400 if (method, path) in incomplete else 200  # nothing of that name is there
                assert answer.status_code == expected, answer.text
                assert b"\x1b" not in answer.content
    assert desk.server_errors() == []
    assert "Traceback" not in desk.logged()


@pytest.mark.parametrize("row", rows_of("log"), ids=lambda row: row.id)
def test_what_an_app_prints_is_carried_in_json_and_harmless_on_a_terminal(app: App, canary: Canary, row: Row) -> None:
    mark = f"[{row.id}]"
    shown = [line for line in eventually(lambda: app.mooring("logs", "-n", "1000", "web")).out.splitlines() if mark in line]
    told = [line["text"] for line in app.mooring("logs", "-n", "1000", "web", "--json").lines if mark in line["text"]]
    assert shown
    assert len(shown) == len(told)
    assert all(line.isprintable() for line in shown)
    expected = row.bytes(**canary.places).decode("utf-8", "replace")
    if row.expected == "cut":
        assert told[0].endswith("[line cut]")
        assert len(told[0]) < 70_000
    else:
        assert {text.removeprefix(mark) for text in told} == {expected}
    if row.expected == "carried":
        assert shown[0].endswith(mark + expected)
    canary.check()


def test_a_manifest_in_which_every_value_is_a_canary_is_refused_with_every_key_named(app: App, canary: Canary) -> None:
    kept = (app.path / "mooring.toml").read_text()
    text = f"$(touch {canary.path})\n; touch {canary.path}"
    paths = [key.replace("NAME", "web").replace("VARIABLE", "X").replace("CHECK", "startup") for key in KEYS]
    app.write("mooring.toml", "".join(f"{path} = {json.dumps(text)}\n" for path in paths))
    assert tomllib.loads((app.path / "mooring.toml").read_text())
    app.commit("every value")
    answer = app.mooring("deploy", "-a", app.name)
    app.write("mooring.toml", kept)
    app.commit("as before")
    check_shown(answer)
    assert answer.code == 2, answer
    free = {path for path in paths if path.rpartition(".")[2] in ("command", "release", "seed", "mask", "mask_command", "X")}
    assert [path for path in paths if path not in free and f"mooring.toml:{paths.index(path) + 1}  {path}" not in answer.err] == []
    canary.check()
