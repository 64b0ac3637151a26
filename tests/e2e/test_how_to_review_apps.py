"""docs/how-to/review-apps.md, followed from first to last: files are written and commands typed as they stand there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from e2e.platform import MOORING, ROOT, Answer, App, Platform
from services.postgres import postgres

from mooring.model.names import AppName
from mooring.model.review import review_environment

PAGE = ROOT / "docs" / "how-to" / "review-apps.md"
BRANCH = "feature/checkout"
MANAGE = """import os, sys
print("loaded", sys.argv[2])
with open(os.environ["SEEDS"], "a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
"""


class Typed(NamedTuple):
    """A command, and the lines that the page shows below it."""

    command: str
    shown: tuple[str, ...] = ()


def blocks() -> list[str]:
    """What the page indents, in its order."""
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", PAGE.read_text(), re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip("\n") for block in found]


def typed(block: str) -> list[Typed]:
    """A block that shows what is printed marks its commands with `$ `; in another every line is one."""
    if not block.startswith("$ "):
        return [Typed(line) for line in block.splitlines()]
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [Typed(first, tuple(shown)) for first, *shown in (part.splitlines() for part in parts)]


class Reader:
    """Somebody who has the app's repository before them, and does what the page says."""

    def __init__(self, app: App) -> None:
        self.app = app
        path = f"{Path(MOORING[0]).parent}{os.pathsep}{os.environ['PATH']}"
        self.variables = {**app.platform.variables, "PATH": path, "KEY": "a key of the sandbox"}

    def types(self, command: str) -> Answer:
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.app.path, env=self.variables, capture_output=True, text=True, timeout=150, check=False
        )
        answer = Answer(done)
        assert answer.code == 0, f"{command}: {answer}"
        return answer

    def follows(self, command: str, *, until: str) -> None:
        """One that goes on until Ctrl-C."""
        with subprocess.Popen(
            ["sh", "-c", f"exec {command}"], cwd=self.app.path, env=self.variables, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert any(until in line for line in process.stdout), f"{command}: {until} is not said"
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)

    @property
    def review(self) -> dict:
        """The only review app."""
        (found,) = self.app.mooring("review", "ls", "--json").json["reviews"]
        return found

    @property
    def environment(self) -> str:
        return str(self.review["summary"]["environment"]["environment"])

    def has(self, name: str) -> str:
        """The value of a variable in the review app."""
        return self.app.mooring("run", "-e", self.environment, "--", "printenv", name).out.strip()


@pytest.fixture
def reader(platform: Platform) -> Iterator[Reader]:
    app = platform.app("flask-hello", "shop")
    app.write("manage.py", MANAGE)
    app.release(1)
    assert app.mooring("config", "set", "-e", "review", f"SEEDS={platform.directory / 'kept' / 'seeds'}").code == 0
    app.git("switch", "--quiet", "--create", BRANCH)
    app.release(2)
    with postgres() as (port, _):
        address = f"postgresql://maker:maker@127.0.0.1:{port}/postgres\n"
        answer = app.mooring("service", "add-server", "main", "--type", "postgres", stdin=address)
        assert answer.code == 0, answer
        yield Reader(app)
        app.mooring("review", "down", BRANCH)


@pytest.mark.timeout(300)
def test_the_page_on_review_apps_can_be_followed_to_the_letter(platform: Platform, reader: Reader) -> None:
    up, manifest, settings, pulls, looking, down, held_up = blocks()
    seeds = platform.directory / "kept" / "seeds"
    seeds.parent.mkdir()

    (brought_up,) = typed(up)
    told = reader.types(brought_up.command).out.splitlines()
    assert told[-1] == brought_up.shown[-1].replace("8080", str(platform.port)), "the address that the page shows"
    assert not seeds.exists(), "nothing says yet with what"

    manifest = manifest.replace("[review]", pulls, 1)  # what stands below the same heading
    manifest += '\n[services.db]\ntype = "postgres"\n'  # the reader's own: what is taken down names a database
    reader.app.write("mooring.toml", manifest)
    reader.app.release(3)
    for command in settings.splitlines():
        reader.types(command)
    reader.types(brought_up.command)
    said = tomllib.loads(manifest)["review"]
    assert reader.review["summary"]["urls"] == [f"http://{said['hostname'].format(branch=reader.environment)}:{platform.port}"]
    assert seeds.read_text() == said["seed"].removeprefix("python manage.py ") + "\n"
    assert reader.has("MAIL") == said["env"]["MAIL"]
    host = f"{said['hostname'].format(branch=reader.environment)}:{platform.port}"
    assert reader.app.get("/version", headers={"Host": host})[0] == 401, "whoever knows the password gets in"
    login = reader.types(f"mooring review access {BRANCH}").out
    assert "review" in login and len(reader.app.mooring("review", "access", BRANCH, "--json").json["password"]) >= 16

    listed, logged, extended, reseeded, locked = (command.partition("#")[0].strip() for command, _ in typed(looking))
    heads = reader.types(listed).out.splitlines()[0].split()
    assert heads == ["branch", "commit", "state", "age", "goes", "in", "url"], looking.splitlines()[0]
    reader.follows(logged, until="loaded demo")
    before = reader.review["expires_at"]
    reader.types(extended)
    assert reader.review["expires_at"] > before
    reader.types(reseeded)
    assert seeds.read_text() == "loaddata demo\nloaddata demo\n"
    reader.types(locked.replace("NAME", reader.environment))
    assert reader.app.mooring("review", "reseed", BRANCH).code != 0, "nobody does anything to it"
    reader.types(f"mooring unlock -e {reader.environment}")

    (gone,) = typed(down)
    told = reader.types(gone.command).out.splitlines()
    assert reader.app.mooring("review", "ls", "--json").json["reviews"] == []
    for line in gone.shown[1:]:
        mark, kind = line.split()[:2]
        assert any(each.split()[:2] == [mark, kind] for each in told), f"{line}: {told}"
    kinds = {line.split()[1] for line in told if line.startswith(("✓ ", "· "))}
    assert {line.split()[1] for line in held_up.splitlines()} <= kinds, "what is named when it is held up is named when it is not"

    reader.types(brought_up.command)  # anew: it begins with what is set for all of them
    assert reader.has("PAYMENT") == "sandbox"
    asked = ("sh", "-c", f'test "$PAYMENT_KEY" = "{reader.variables["KEY"]}"')
    assert reader.app.mooring("run", "-e", reader.environment, "--", *asked).code == 0


def test_the_page_shows_the_name_that_its_branch_has() -> None:
    shown = re.search(r"http://(shop--[a-z0-9-]+)\.localhost", PAGE.read_text())
    assert shown is not None and shown[1] == review_environment(AppName("shop"), BRANCH).label
