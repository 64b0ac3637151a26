"""A platform on another machine, spoken to through a real sshd: deployed to, asked, and never mistaken for this machine's."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.platform import MOORING, Answer, App, Platform
from e2e.sshd import Sshd


class Laptop:
    """A person's machine: no platform of its own, a home with contexts, and ssh."""

    def __init__(self, directory: Path, sshd: Sshd) -> None:
        self.directory = directory
        self.variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MOORING", "XDG", "SSH"))},
            "HOME": str(directory),
            "XDG_RUNTIME_DIR": str(directory),  # where ssh's shared connections are
            "PATH": f"{sshd.programs}:{os.environ['PATH']}",
            "NO_COLOR": "1",
        }

    @property
    def file(self) -> Path:
        return self.directory / ".config" / "mooring" / "contexts.json"

    def mooring(self, *words: str, cwd: Path | None = None, stdin: str = "") -> Answer:
        command = [*MOORING, *words]
        where = cwd or self.directory
        done = subprocess.run(command, cwd=where, env=self.variables, input=stdin, capture_output=True, text=True, timeout=150)
        return Answer(done)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    sshd = Sshd(tmp_path)
    sshd.start()
    yield sshd
    sshd.stop()


@pytest.fixture
def laptop(platform: Platform, sshd: Sshd) -> Laptop:
    home = platform.directory / f"laptop-{sshd.port}"  # short: ssh's sockets are below it
    home.mkdir(mode=0o700)
    return Laptop(home, sshd)


def address(platform: Platform, sshd: Sshd) -> str:
    return f"ssh://{sshd.user}@127.0.0.1:{sshd.port}{platform.state}"


def added(laptop: Laptop, platform: Platform, sshd: Sshd) -> None:
    sshd.trust()
    answer = laptop.mooring("context", "add", "prod", address(platform, sshd), "--program", MOORING[0])
    assert answer.code == 0, answer
    assert f"prod is {address(platform, sshd)}, Mooring " in answer.out


def test_an_app_is_deployed_and_looked_after_on_another_machine(platform: Platform, sshd: Sshd, laptop: Laptop) -> None:
    added(laptop, platform, sshd)
    assert stat.S_IMODE(laptop.file.stat().st_mode) == 0o600
    app = App(platform, Path(__file__).parents[1] / "apps" / "flask-hello", "distant")
    app.release(1)
    answer = laptop.mooring("deploy", cwd=app.path)
    assert answer.code == 0, answer
    assert app.version() == 1
    assert laptop.mooring("ps", "--json", cwd=app.path).json["instances"][0]["key"]["process"] == "web"
    assert laptop.mooring("secret", "set", "KEY", cwd=app.path, stdin="s3cr3t").code == 0
    ran = laptop.mooring("run", "--", "sh", "-c", "printf $KEY | wc -c", cwd=app.path)
    assert (ran.code, ran.out.strip()) == (0, "6"), ran
    inside = laptop.mooring("exec", "distant.web.1", "--", "sh", "-c", "cat; echo oh >&2; exit 3", stdin="typed")
    assert (inside.code, inside.out, inside.err) == (3, "typed", "oh\n"), inside
    assert laptop.mooring("cp", f"distant.web:{app.path}/VERSION", "came").code == 0
    assert (laptop.directory / "came").read_text() == "1\n"
    assert "distant/production" in laptop.mooring("status").out
    assert laptop.mooring("destroy", "--confirm", "distant", cwd=app.path).code == 0
    assert app.get("/version")[0] == 404


def test_a_context_is_chosen_by_the_file_a_variable_or_an_option(platform: Platform, sshd: Sshd, laptop: Laptop) -> None:
    added(laptop, platform, sshd)
    assert laptop.mooring("context", "ls").out.splitlines()[2].split()[:2] == ["prod", "current"]
    assert str(platform.state) in laptop.mooring("status").out
    here = laptop.mooring("status", "--context", "local")
    assert (here.code, "no platform answers" in here.err) == (2, True), here
    assert laptop.mooring("context", "use", "local").code == 0
    assert laptop.mooring("status").code == 2
    laptop.variables["MOORING_CONTEXT"] = "prod"
    assert str(platform.state) in laptop.mooring("status").out
    unknown = laptop.mooring("status", "--context", "nowhere")
    assert (unknown.code, "there is no context 'nowhere'" in unknown.err) == (2, True), unknown
    del laptop.variables["MOORING_CONTEXT"]
    assert laptop.mooring("context", "rm", "prod").code == 0
    assert json.loads(laptop.file.read_text()) == {"current": "local", "targets": {}}


@pytest.mark.parametrize("words", [("up",), ("down",), ("trust", "--yes"), ("state", "restore", "x")])
def test_what_is_done_to_a_machine_is_never_done_to_the_wrong_one(
    platform: Platform, sshd: Sshd, laptop: Laptop, words: tuple[str, ...]
) -> None:
    added(laptop, platform, sshd)
    answer = laptop.mooring(*words)
    assert answer.code == 2
    said = " ".join(answer.err.split())
    assert "works on the machine where it is typed, and the context 'prod' is another" in said
    assert platform.mooring("status").code == 0


def test_an_unknown_host_key_is_not_accepted_and_nothing_is_kept(platform: Platform, sshd: Sshd, laptop: Laptop) -> None:
    answer = laptop.mooring("context", "add", "prod", address(platform, sshd), "--program", MOORING[0])
    assert answer.code == 2
    assert "its host key is not known here" in " ".join(answer.err.split())
    assert not laptop.file.exists()
    assert not sshd.known_hosts.exists()


def test_a_changed_host_key_is_refused(platform: Platform, sshd: Sshd, laptop: Laptop) -> None:
    added(laptop, platform, sshd)
    sshd.stop()
    sshd.make_key("another_key")
    sshd.start(host_key="another_key")
    laptop.variables["XDG_RUNTIME_DIR"] = str(sshd.programs)  # nothing of the earlier connection is left
    before = sshd.known_hosts.read_text()
    answer = laptop.mooring("status")
    assert answer.code == 2
    assert "its host key is another than before" in " ".join(answer.err.split())
    assert sshd.known_hosts.read_text() == before


def test_what_is_missing_on_the_other_side_is_told(platform: Platform, sshd: Sshd, laptop: Laptop) -> None:
    sshd.trust()
    place = address(platform, sshd)
    said = " ".join(laptop.mooring("context", "add", "prod", place, "--program", "no-such-mooring").err.split())
    assert "127.0.0.1 has no program 'no-such-mooring' for that user" in said
    assert "--program /path/to/mooring" in said
    said = " ".join(laptop.mooring("context", "add", "prod", f"{place}-elsewhere", "--program", MOORING[0]).err.split())
    assert f"no platform answers at {place}-elsewhere" in said
    assert "start it there with `mooring up`" in said
    sshd.stop()
    laptop.variables["XDG_RUNTIME_DIR"] = str(sshd.programs)  # nothing of the earlier connections is left
    said = " ".join(laptop.mooring("context", "add", "prod", place, "--program", MOORING[0]).err.split())
    assert "ssh did not reach" in said and "Connection refused" in said
    assert not laptop.file.exists()
