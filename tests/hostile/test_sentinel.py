"""A secret planted by every way there is, through deploys that succeed, fail and go back; then looked for wherever anything can be read.

It may be in three kinds of file, each 0600: the environments of programs that run, which is how it reaches them; what the app itself
wrote to its log, which is redacted when it is read; and the database, sealed. (`/proc/PID/environ` is readable by the same user alone.)
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from e2e.platform import Answer, App, Platform, eventually
from hostile.desk import Desk
from hostile.sentinel import Sentinel

from mooring.server.authorization import TABLE

QUICK = "[deploy]\nhealthy_deadline = '4s'\nbake = '0s'\ndrain_timeout = '2s'\nkill_timeout = '2s'\n"
BUILD = "[build]\ncommand = 'env; cat app.json'\n"


def new_sentinel() -> Sentinel:
    return Sentinel(secrets.token_hex(6), secrets.token_hex(6))


@dataclass
class Round:
    """What was planted, and all that was said while it was there. `copied` stands in a file of the app, too."""

    platform: Platform
    app: App
    secret: Sentinel = field(default_factory=new_sentinel)
    copied: Sentinel = field(default_factory=new_sentinel)
    said: dict[str, bytes] = field(default_factory=dict)
    token: str = ""

    @property
    def sentinels(self) -> tuple[Sentinel, Sentinel]:
        return self.secret, self.copied

    def mooring(self, *words: str, stdin: str = "", code: int = 0) -> Answer:
        answer = self.app.mooring(*words, stdin=stdin)
        assert answer.code == code, answer
        self.said[f"{len(self.said)}: mooring {' '.join(words)}"] = (answer.out + answer.err).encode()
        return answer

    def ask(self, what: str, connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> None:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        self.said[what] = b"\n".join([*(f"{name}: {value}".encode() for name, value in answer.getheaders()), answer.read()])


@dataclass
class Arguments:
    """Every command line of every process, looked at all the time."""

    seen: set[bytes] = field(default_factory=set)
    is_over: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        while not self.is_over.wait(0.02):
            for entry in os.scandir("/proc"):
                if entry.name.isdigit():
                    try:
                        self.seen.add(Path(entry.path, "cmdline").read_bytes())
                    except OSError:
                        continue


@pytest.fixture(scope="module")
def arguments() -> Iterator[Arguments]:
    here = Arguments()
    thread = threading.Thread(target=here.look, daemon=True)
    thread.start()
    yield here
    here.is_over.set()
    thread.join()


@pytest.fixture(scope="module")
def lived(platform: Platform, arguments: Arguments) -> Round:
    """A whole life: set, deployed, redeployed, failed in four ways, rolled back, asked about."""
    here = Round(platform, platform.app("leaky"))
    plant(here)
    deploy_well_and_badly(here)
    look_around(here)
    return here


def plant(here: Round) -> None:
    here.token = here.platform.mooring("token", "create", "seer", "--role", "viewer", "--json").json["token"]
    here.app.write("mooring.toml", QUICK + BUILD)
    here.app.write("app.json", json.dumps({"env": {"COPY": here.copied.value}}))
    here.mooring("secret", "set", "SECRET", stdin=here.secret.value)
    here.mooring("secret", "set", "COPIED", stdin=here.copied.value)
    here.mooring("secret", "set", "DATABASE_URL", stdin=f"postgres://user:{here.secret.value}@db.localhost/shop")
    here.app.git("add", "--all")
    message = here.platform.directory / "message"
    message.write_text(f"Connect with {here.copied.value}")
    here.app.git("commit", "--quiet", "--file", str(message))
    message.unlink()


def deploy_well_and_badly(here: Round) -> None:
    here.mooring("deploy", "--detach")  # (to follow at once would begin with the commit's message, as the caller's own git tells it)
    here.mooring("follow")
    for mode in ("sick", "dies", "release"):
        here.app.write("mode", mode)
        here.app.commit(mode)
        here.mooring("deploy", code=1)
    here.app.write("mode", "ok")
    here.app.write("mooring.toml", QUICK + BUILD.replace("cat app.json", "cat app.json; exit 9"))
    here.app.commit("a build that fails")
    here.mooring("deploy", code=1)
    here.app.write("mooring.toml", QUICK)
    here.app.commit("well again")
    here.mooring("deploy")
    here.mooring("rollback")


def look_around(here: Round) -> None:
    for words in (
        ("logs", "-n", "1000"),
        ("logs", "-n", "1000", "--json"),
        ("ps",),
        ("ps", "--json"),
        ("status", "--json"),
        ("config", "show", "--origin"),
        ("config", "show", "--json", "--origin"),
        ("secret", "ls"),
        ("events", "--all"),
        ("events", "--all", "--json"),
        ("follow",),
        ("follow", "--json"),
        ("releases",),
        ("releases", "--json"),
        ("plan",),
        ("plan", "--json"),
        ("run", "--", "sh", "-c", "echo $SECRET; printenv; printenv >&2"),
        ("run", "--", "python3", "-c", "import os, time\nfor c in os.environ['SECRET']: print(c, end='', flush=True); time.sleep(0.01)"),
    ):
        here.mooring(*words)
    here.mooring("secret", "set", f"SECRET={here.secret.value}", code=2)
    here.mooring("config", "set", "MAINTAINED=1")
    ask_edge_and_api(here)
    here.mooring("maintenance", "on")
    here.said["the maintenance page"] = here.app.get("/")[1]
    here.mooring("maintenance", "off")


def ask_edge_and_api(here: Round) -> None:
    """A visitor's headers and query hold it; so does a caller's wrong token. What the app answers is the app's own affair."""
    percent = here.secret.patterns["percent"].decode()
    headers = {
        "Authorization": f"Bearer {here.token}-{here.secret.patterns['hexadecimal'].decode()}",
        "Cookie": f"key={percent}",
        "X-Key": percent,
    }
    edge = http.client.HTTPConnection("127.0.0.1", here.platform.port, timeout=15)
    edge.request("GET", f"/?key={percent}", headers={"Host": here.app.host, **headers})
    edge.getresponse().read()
    here.ask("an unknown name", edge, f"/?key={percent}", {"Host": "nobody.localhost", **headers})
    desk = Desk(platform=here.platform, shop=here.app, port=0, viewer="", revoked="")
    with desk.http as api:
        for path in ("/v1/nothing", "/v1/status", f"/v1/environments/{here.app.name}/production/logs"):
            here.said[f"api {path}"] = api.get(path, params={"key": here.secret.value}, headers=headers).content
        newest = api.get("/v1/deployments").json()
        for method, path in TABLE:
            if method == "GET" and not path.endswith("/run"):
                for deployment in newest if "{id}" in path else newest[:1]:
                    filled = path.replace("{app}", here.app.name).replace("{environment}", "production").replace("{id}", deployment["id"])
                    here.said[f"api {filled}"] = api.get(filled).content


def hits(sentinels: tuple[Sentinel, ...], contents: dict[str, bytes]) -> dict[str, list[str]]:
    """Where any of them is, by which encodings."""
    found = {name: [each for sentinel in sentinels for each in sentinel.found_in(content)] for name, content in contents.items()}
    return {name: encodings for name, encodings in found.items() if encodings}


def test_nothing_that_is_said_to_anybody_holds_the_secret(lived: Round) -> None:
    assert len(lived.said) > 60
    assert hits(lived.sentinels, lived.said) == {}


def test_no_process_ever_had_the_secret_in_its_arguments(lived: Round, arguments: Arguments) -> None:
    own = {line for line in arguments.seen if b"\0secret\0set\0SECRET=" in line}  # the command line that this test itself had refused
    assert len(arguments.seen) > 50
    assert hits(lived.sentinels, {line.decode("latin-1"): line for line in arguments.seen - own}) == {}


def test_no_file_but_those_that_must_hold_the_secret_holds_it(lived: Round) -> None:
    """Of what also stands in a file of the app, the app's tree and the plain variables of its releases hold a copy."""
    state = lived.platform.state
    contents = {str(path.relative_to(state)): path.read_bytes() for path in regular(state)}
    assert {"mooring.db", "edge/log/access.log", "log/controller.log"} <= contents.keys()
    found = set(hits((lived.secret,), contents))
    assert {(*Path(name).parts[:2], Path(name).name) for name in found if "logs" not in name} == {("processes", "run", "environment")}
    assert all(name.startswith("processes/logs/leaky--production/") for name in found if "logs" in name)
    copies = set(hits((lived.copied,), contents)) - found
    assert {Path(name).name for name in copies} <= {"app.json", "mooring.db", "mooring.db-wal"}
    assert [name for name in found | copies if stat.S_IMODE((state / name).stat().st_mode) != 0o600 and not name.endswith("app.json")] == []


def test_a_token_is_in_no_file_and_in_nothing_that_is_said_later(lived: Round) -> None:
    half = lived.token[-20:].encode()
    assert [path for path in regular(lived.platform.state) if half in path.read_bytes()] == []
    assert [what for what, said in lived.said.items() if half in said] == []


def test_nothing_is_left_outside_the_state(lived: Round) -> None:
    outside = [path for path in regular(lived.platform.directory) if not path.is_relative_to(lived.platform.state)]
    left = {str(path): path.read_bytes() for path in outside if not path.is_relative_to(lived.app.path)}
    left |= {str(path): path.read_bytes() for path in Path(tempfile.gettempdir()).glob("mooring-*") if path.is_file()}
    assert hits(lived.sentinels, left) == {}


def test_no_file_of_the_state_is_readable_by_others_after_a_whole_life(lived: Round) -> None:
    """The trees of apps' code have modes of their own, below a directory that only its owner may enter."""
    state = lived.platform.state
    places = [state, *(path for path in state.rglob("*") if not path.is_relative_to(state / "workshop")), state / "workshop"]
    open_to_others = [path for path in places if not path.is_symlink() and path.lstat().st_mode & 0o077]
    assert open_to_others == []
    assert len(places) > 50


def test_the_search_finds_what_is_planted_without_redaction(lived: Round, arguments: Arguments) -> None:
    """The control: the same functions, on an answer, a file and an argument list that do hold it."""
    for name, pattern in lived.secret.patterns.items():
        assert name in lived.secret.found_in(b"before " + pattern + b" after"), name
    logs = b"".join(path.read_bytes() for path in regular(lived.platform.state / "processes" / "logs"))
    assert set(lived.secret.found_in(logs)) == set(lived.secret.patterns) - {"base64 behind one byte"}
    planted = [sys.executable, "-c", "import time; time.sleep(60)", lived.secret.first]
    with subprocess.Popen(planted) as process:
        try:
            assert eventually(lambda: hits((lived.secret,), {str(number): line for number, line in enumerate(arguments.seen)}))
        finally:
            process.kill()
            arguments.seen -= {line for line in arguments.seen if lived.secret.first.encode() in line}


def regular(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if stat.S_ISREG(path.lstat().st_mode)]
