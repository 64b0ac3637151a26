"""Builds that are confined: what their commands are kept from, what they can do all the same, and who takes what they made."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import psutil
import pytest

from mooring.drivers.builder.confines import build_confines
from mooring.drivers.builder.contract import Builder, BuildRequest, Command
from mooring.drivers.builder.python.interpreter import Interpreters, Wanted
from mooring.drivers.builder.sandbox import Sandbox
from mooring.drivers.builder.surroundings import Surroundings
from mooring.drivers.runtime.process import landlock
from mooring.errors import BuildFailed
from mooring.model.build import BuildConfinement, BuildLimits, BuildSettings
from mooring.model.release import Artifact, Source
from mooring.usecases.workshop import Workshop

Request = Callable[..., BuildRequest]
Write = Callable[..., Path]

PROWL = Path(__file__).parents[2] / "apps" / "prowler" / "prowl.py"
DENIED = {"EACCES", "EPERM", "EXDEV"}  # the last is what Landlock says to a link from another place
ONE, TWO = BuildConfinement(slug="shop--one"), BuildConfinement(slug="shop--two")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The platform's own directory, with a file that gives power over it."""
    assert landlock.version() >= landlock.WHOLE, "this kernel does not confine wholly: Linux 6.12 or newer, with landlock among its `lsm=`"
    state = tmp_path / "state"
    state.mkdir()
    (state / "key").write_text("the platform's\n")
    return state


@pytest.fixture
def workshop(state: Path, builders: dict[str, Builder]) -> Workshop:
    made = list(builders.values())
    return Workshop(state / "workshop", made, confines=partial(build_confines, [state]))


@pytest.fixture
def outsider() -> Iterator[int]:
    """A process of the same account."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.kill()


async def built(
    workshop: Workshop, source: Path, confinement: BuildConfinement | None, log: list[str] | None = None, **settings: object
) -> Artifact:
    chosen = BuildSettings(**settings)  # type: ignore[arg-type]  # passed through
    return await workshop.build(
        source,
        chosen,
        Source(digest=""),
        secrets={},
        log=(log if log is not None else []).append,
        chosen=lambda *_: None,
        owner=confinement.slug if confinement is not None else "",
        confinement=confinement,
    )


async def test_the_command_of_a_build_reaches_nothing_of_the_platform_of_others_and_of_their_builds(
    workshop: Workshop, state: Path, tmp_path: Path, write_tree: Write, outsider: int
) -> None:
    database = tmp_path / "databases" / "another" / "database.sqlite3"
    database.parent.mkdir(parents=True)
    database.write_text("another's\n")
    other = await built(
        workshop, write_tree({"Procfile": "web: ./other\n"}, name="other"), TWO, command="touch $UV_CACHE_DIR-used; touch made"
    )
    cache = state / "workshop" / "cache"
    (cache / "uv").mkdir()
    targets = {
        "files": [state / "key", database, Path(other.directory) / "made", cache / "own" / TWO.slug / "downloads" / "uv-used"],
        "folders": [state, state / "workshop", cache, cache / "uv", cache / "tmp", cache / "own", database.parent, other.directory],
        "processes": [outsider],
    }
    source = write_tree({"Procfile": "web: ./serve\n", "prowl.py": PROWL.read_text(), "targets.json": json.dumps(targets, default=str)})
    found = {}
    for confinement in (None, BuildConfinement(slug=ONE.slug, hidden=(str(database.parent.parent),))):
        artifact = await built(workshop, source, confinement, command='python3 prowl.py "$(cat targets.json)" > found.json')
        found[confinement is None] = json.loads((Path(artifact.directory) / "found.json").read_text())
    assert len(found[True]) == 4 * 7 + 8 * 2 + 8
    assert set(found[True].values()) == {"open"}, "nobody else is kept from it"
    assert {attempt: what for attempt, what in found[False].items() if what not in DENIED} == {}


@pytest.mark.parametrize("kind", ["python", "node"])
async def test_what_dependencies_and_projects_run_while_they_are_installed_is_confined(
    kind: str, builders: dict[str, Builder], request_for: Request, write_tree: Write, tmp_path: Path, lines: list[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("another's\n")
    hook = f"try:\n    open({str(secret)!r})\nexcept PermissionError:\n    pass\nelse:\n    raise SystemExit('it was read')\n"
    reading = f"try {{ require('fs').readFileSync('{secret}') }} catch {{ process.exit() }}"
    script = f"node -e \"{reading}; console.log('it was read'); process.exit(1)\""
    files = {
        "python": {
            "requirements.txt": "./lib\n",
            "lib/setup.py": f"{hook}from setuptools import setup\nsetup(name='lib', version='1.0', py_modules=['lib'])\n",
            "lib/lib.py": "",
        },
        "node": {"package.json": json.dumps({"dependencies": {"lib": "file:lib"}, "scripts": {"postinstall": script}}),
                 "lib/package.json": json.dumps({"name": "lib", "version": "1.0.0"})},
    }  # fmt: skip
    source = write_tree(files[kind])
    with pytest.raises(BuildFailed, match="it was read"):
        await builders[kind].build(request_for(source), lines.append)
    artifact = await builders[kind].build(request_for(source, owner="shop--one"), lines.append)
    assert Path(artifact.directory).is_dir()


SIX = {"requirements.txt": "six==1.17.0\n", "app.py": "import six; print(six.__version__)\n"}


async def test_what_a_confined_build_installed_is_its_owners_alone_and_it_takes_what_others_installed_without_writing_to_it(
    builders: dict[str, Builder], request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    python = builders["python"]

    async def build(name: str, owner: str = "", **settings: object) -> Artifact:
        source = write_tree({**SIX, "name": f"{name}\n"}, name=name)
        artifact = await python.build(request_for(source, owner=owner, **settings), lines.append)
        program = [f"{artifact.environment['VIRTUAL_ENV']}/bin/python", "app.py"]
        assert subprocess.run(program, cwd=artifact.directory, capture_output=True, text=True, check=True).stdout == "1.17.0\n"
        return artifact

    def installs() -> int:
        return sum(line.startswith("Installed") for line in lines)

    its = await build("first", "shop--one")
    assert (await build("second", "shop--one")).dependencies == its.dependencies and installs() == 1
    others, ours = await build("third", "shop--two"), await build("fourth")
    assert len({its.dependencies, others.dependencies, ours.dependencies}) == 3 == installs()
    assert (await build("fifth", "shop--one")).dependencies == ours.dependencies and installs() == 3
    with pytest.raises(BuildFailed, match="Permission denied"):
        await build("sixth", "shop--one", command="touch $VIRTUAL_ENV/poisoned")
    await build("seventh", command="touch $VIRTUAL_ENV/poisoned")  # nobody else is kept from it


async def test_the_command_of_a_static_site_touches_nothing_that_the_builder_writes_itself(
    builders: dict[str, Builder], request_for: Request, write_tree: Write, tmp_path: Path, lines: list[str]
) -> None:
    source = write_tree({"index.html": "hello\n"})
    command = f"ln -s {tmp_path}/ours ../caddy.json; echo built > page.html"
    artifact = await builders["static"].build(request_for(source, owner="shop--one", command=command), lines.append)
    assert any("Permission denied" in line for line in lines) and not (tmp_path / "ours").exists()
    assert json.loads((Path(artifact.directory) / "caddy.json").read_text())
    assert (Path(artifact.directory) / "site" / "page.html").read_text() == "built\n"


async def test_a_variable_of_the_builds_reaches_no_program_that_is_not_confined_yet(
    builders: dict[str, Builder], request_for: Request, write_tree: Write, tmp_path: Path, lines: list[str]
) -> None:
    request = request_for(write_tree({"Procfile": "web: ./serve\n"}), owner="shop--one", command="echo $FLAVOUR; exec sleep 600")
    request = msgspec.structs.replace(request, settings=msgspec.structs.replace(request.settings, variables={"FLAVOUR": "mild"}))
    building = asyncio.ensure_future(builders["procfile"].build(request, lines.append))
    async with asyncio.timeout(60):
        while "mild" not in lines:
            await asyncio.sleep(0.02)
            assert not building.done()
    (warden,) = (each for each in psutil.Process().children() if any(word.endswith("warden.py") for word in each.cmdline()))
    names = set(warden.environ()) - {"LC_CTYPE"}  # Python's own
    assert f"{landlock.GIVEN}FLAVOUR" in names and all(name.startswith(landlock.GIVEN) for name in names)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert list((request.cache / "tmp").iterdir()) == [], "its bounds went with it"


async def test_what_a_confined_build_says_of_the_machines_python_is_believed_by_nobody_else(tmp_path: Path) -> None:
    surroundings = Surroundings.of(os.environ)
    environment = surroundings.environment(tmp_path, cache=tmp_path, variables={})
    interpreters = Interpreters("uv")

    def lie(command: Command, writes: object, reads: object) -> Command:
        return Command(("printf", r"/bin/sh\n3.0.0\nevil\n"), command.variables)

    def sandbox(**settings: object) -> Sandbox:
        return Sandbox(BuildLimits(), print, environment=environment, disk=tmp_path, reserve=0, **settings)  # type: ignore[arg-type]  # passed through

    lied = await interpreters.find(Wanted("", ""), sandbox(confine=lie), directory=tmp_path)
    assert lied.path == "/bin/sh"
    found = await interpreters.find(Wanted("", ""), sandbox(), directory=tmp_path)
    assert found.version == ".".join(map(str, sys.version_info[:3]))
    assert await interpreters.find(Wanted("", ""), sandbox(confine=lie), directory=tmp_path) == found


async def test_what_a_confined_build_downloads_stays_as_long_as_something_that_was_built_with_it(
    workshop: Workshop, state: Path, write_tree: Write, lines: list[str]
) -> None:
    downloads = state / "workshop" / "cache" / "own" / ONE.slug / "downloads"
    source = write_tree({"Procfile": "web: ./serve\n"})
    loads = "mkdir -p $UV_CACHE_DIR && echo package >> $UV_CACHE_DIR/package && cat $UV_CACHE_DIR/package"
    artifact = await built(workshop, source, ONE, lines, command=loads)
    (source / "more").touch()
    await built(workshop, source, ONE, lines, command=loads)
    assert lines == ["package", "package", "package"], "the second finds what the first left"
    building = asyncio.ensure_future(built(workshop, source, ONE, lines, command="echo here; sleep 600"))
    async with asyncio.timeout(60):
        while lines[-1] != "here":
            await asyncio.sleep(0.02)
            assert not building.done()
    workshop.prune(frozenset())
    assert downloads.is_dir(), "it is being used"
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    workshop.prune(frozenset({artifact.id}))
    assert await workshop.trim_downloads(at_most=16) == 0
    assert await workshop.trim_downloads(at_most=15) == 16
    assert downloads.is_dir() and list(downloads.iterdir()) == []
    workshop.prune(frozenset())
    assert Path(artifact.directory).is_dir(), "handed out a moment ago"
    assert list((state / "workshop" / "cache" / "own").iterdir()) == []


@pytest.mark.parametrize("version", [0, landlock.REFERS - 1])
async def test_where_the_kernel_cannot_confine_a_build_it_is_built_as_before(
    version: int, workshop: Workshop, state: Path, write_tree: Write, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: version)
    await built(workshop, write_tree({"Procfile": "web: ./serve\n"}), ONE, lines, command=f"cat {state}/key")
    assert lines == ["the platform's"]
    assert not (state / "workshop" / "cache" / "own").exists()
