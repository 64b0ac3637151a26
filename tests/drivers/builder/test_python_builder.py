"""Python apps built by the real uv, with real packages: small ones."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uv

from mooring.drivers.builder.contract import Builder, BuildRequest
from mooring.drivers.builder.shelf import Shelf
from mooring.drivers.builder.tree import tree_digest
from mooring.errors import BuildFailed
from mooring.model.release import Artifact

Request = Callable[..., BuildRequest]
Write = Callable[..., Path]

SIX = {"requirements.txt": "six==1.17.0\n", "app.py": "import six; print(six.__version__)\n", "Procfile": "web: python app.py\n"}


@pytest.fixture
def python(builders: dict[str, Builder]) -> Builder:
    return builders["python"]


def run(artifact: Artifact, *argv: str) -> str:
    """Run as an instance would: in the artifact's directory, in its environment alone."""
    environment = {**artifact.environment, "HOME": "/nonexistent"}
    answer = subprocess.run(["sh", "-c", 'exec "$@"', "sh", *argv], cwd=artifact.directory, env=environment, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


async def test_requirements_are_installed_and_the_app_finds_them(
    python: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    artifact = await python.build(request_for(write_tree(SIX)), lines.append)
    assert run(artifact, "python", "app.py") == "1.17.0"
    assert any("six==1.17.0" in line for line in lines)
    assert artifact.environment["VIRTUAL_ENV"] in artifact.dependencies


@pytest.mark.parametrize(("app", "package"), [("flask-hello", "flask"), ("pyproject-uv", "waitress"), ("pyproject-poetry", "waitress")])
async def test_each_kind_of_project_is_installed(
    app: str, package: str, python: Builder, request_for: Request, apps: Path, tmp_path: Path, lines: list[str]
) -> None:
    source = shutil.copytree(apps / app, tmp_path / app)
    if app == "pyproject-uv":  # locked here: a lock names the index that it was made from
        subprocess.run([uv.find_uv_bin(), "lock", "--quiet"], cwd=source, check=True, timeout=60)
    artifact = await python.build(request_for(source), lines.append)
    script = f"import importlib.metadata, {package}; print(importlib.metadata.version({package!r}))"
    assert f" + {package}=={run(artifact, 'python', '-c', script)}" in lines


async def test_other_code_with_the_same_requirements_installs_nothing(
    python: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    first = await python.build(request_for(write_tree(SIX, name="one")), lines.append)
    assert any(line.startswith("Resolved") for line in lines)
    lines.clear()
    second = await python.build(request_for(write_tree({**SIX, "app.py": "print('other')\n"}, name="two")), lines.append)
    assert lines[1:] == ["dependencies are as they were: nothing to install"]
    assert second.dependencies == first.dependencies
    assert (run(first, "python", "app.py"), run(second, "python", "app.py")) == ("1.17.0", "other")


async def test_two_builds_at_once_install_once(python: Builder, request_for: Request, write_tree: Write, lines: list[str]) -> None:
    sources = [write_tree({**SIX, "app.py": f"print({number})\n"}, name=f"s{number}") for number in range(2)]
    built = await asyncio.gather(*(python.build(request_for(source), lines.append) for source in sources))
    assert sum(line.startswith("Installed") for line in lines) == 1
    assert [run(artifact, "python", "app.py") for artifact in built] == ["0", "1"]


async def test_the_environment_is_made_again_when_a_crash_left_half_of_it(
    python: Builder, request_for: Request, write_tree: Write, cache: Path, lines: list[str]
) -> None:
    source = write_tree(SIX)
    first = await python.build(request_for(source), lines.append)
    environment = Path(first.environment["VIRTUAL_ENV"])
    (cache / "python" / f"{environment.name}.json").unlink()
    (environment / "bin" / "python").unlink()
    again = await python.build(request_for(source), lines.append)
    assert run(again, "python", "app.py") == "1.17.0"


async def test_neither_a_failed_nor_a_cancelled_install_looks_finished(
    python: Builder, request_for: Request, write_tree: Write, cache: Path, lines: list[str]
) -> None:
    with pytest.raises(BuildFailed) as failure:
        await python.build(request_for(write_tree({"requirements.txt": "six==0.0.0.999\n"})), lines.append)
    assert "no version of six==0.0.0.999" in failure.value.message
    installing = asyncio.create_task(python.build(request_for(write_tree(SIX, name="two")), lines.append))
    while not list((cache / "python").glob("*/pyvenv.cfg")):
        await asyncio.sleep(0.005)
        assert not installing.done()
    installing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await installing
    assert Shelf(cache / "python").names() == frozenset()
    assert [path.name for path in (cache / "python").iterdir()] == [".locks"]
    assert list((cache / "tmp").iterdir()) == []


async def test_a_hash_in_a_poetry_lock_is_checked(python: Builder, request_for: Request, write_tree: Write, lines: list[str]) -> None:
    lock = f'[[package]]\nname = "six"\nversion = "1.17.0"\nfiles = [{{file = "six.whl", hash = "sha256:{"0" * 64}"}}]\n'
    project = '[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\npython = "^3.11"\nsix = "*"\n'
    with pytest.raises(BuildFailed) as failure:
        await python.build(request_for(write_tree({"poetry.lock": lock, "pyproject.toml": project})), lines.append)
    assert "not what was locked" in failure.value.hint


PACKAGE = {
    "pyproject.toml": '[project]\nname = "greeter"\nversion = "1.2.3"\ndependencies = []\n[project.scripts]\ngreet = "greeter:greet"\n'
    '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
    "src/greeter/__init__.py": "def greet() -> None:\n    print('good day')\n",
}


async def test_a_project_that_is_a_package_is_installed_beside_its_code_and_not_into_what_is_shared(
    python: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    artifact = await python.build(request_for(write_tree(PACKAGE)), lines.append)
    assert run(artifact, "greet") == "good day"
    assert run(artifact, "python", "-c", "import importlib.metadata as m; print(m.version('greeter'))") == "1.2.3"
    assert not list(Path(artifact.environment["VIRTUAL_ENV"]).rglob("*greeter*"))


async def test_a_local_requirement_is_installed_from_the_tree_and_shared_with_nobody(
    python: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    files = {f"lib/{name}": content for name, content in PACKAGE.items()}
    one = await python.build(request_for(write_tree({**files, "requirements.txt": "-e ./lib\n"}, name="one")), lines.append)
    other = {**files, "lib/src/greeter/__init__.py": "def greet() -> None:\n    print('good night')\n"}
    two = await python.build(request_for(write_tree({**other, "requirements.txt": "-e ./lib\n"}, name="two")), lines.append)
    assert (run(one, "greet"), run(two, "greet")) == ("good day", "good night")
    assert one.dependencies != two.dependencies


async def test_nothing_locked_is_said(python: Builder, request_for: Request, write_tree: Write, lines: list[str]) -> None:
    source = write_tree({"pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["six"]\n', "Procfile": "web: x\n"})
    artifact = await python.build(request_for(source), lines.append)
    assert lines[0].startswith("nothing is locked")
    assert run(artifact, "python", "-c", "import six; print('there')") == "there"


async def test_a_python_that_is_not_here_is_told_with_those_that_are(
    python: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    source = write_tree({**SIX, ".python-version": "# which one\n3.99\n"})
    with pytest.raises(BuildFailed) as failure:
        await python.build(request_for(source), lines.append)
    assert "Python 3.99 (asked for by .python-version) is not on this machine; there is " in failure.value.message
    assert ".".join(map(str, sys.version_info[:3])) in failure.value.message
    assert failure.value.hint == "ask for one of those, or install it on the machine"


@pytest.mark.parametrize("hostile", ["../../bin/sh", "--help", "3.12; touch evil", "/bin/sh", "cpython@evil"])
async def test_a_python_version_that_is_none_is_refused_before_it_reaches_a_program(
    hostile: str, python: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    with pytest.raises(BuildFailed, match="which is no version of Python"):
        await python.build(request_for(write_tree({**SIX, ".python-version": hostile})), lines.append)


async def test_the_manifests_command_takes_the_place_of_the_builders_own_step(
    python: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    command = "python -c 'import six; print(six.__version__)' > built.txt && echo \"$FLAVOUR\" >> built.txt"
    artifact = await python.build(request_for(write_tree(SIX), command=command, variables={"FLAVOUR": "mild"}), lines.append)
    assert (Path(artifact.directory) / "built.txt").read_text() == "1.17.0\nmild\n"


async def test_the_source_is_left_as_it_was(python: Builder, request_for: Request, write_tree: Write, lines: list[str]) -> None:
    source = write_tree({**SIX, "broken.py": "this is no Python\n"})
    before = tree_digest(source)
    artifact = await python.build(request_for(source), lines.append)
    assert tree_digest(source) == before
    assert list((Path(artifact.directory) / "__pycache__").glob("app.*.pyc"))


async def test_what_cannot_be_read_is_said_with_its_name(
    python: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    trees = {
        "pyproject.toml does not parse": {"pyproject.toml": "[project\n"},
        "uv.lock does not parse": {"pyproject.toml": "[project]\nname = 'x'\n", "uv.lock": "= = ="},
        "more.txt, named in requirements.txt, cannot be read": {"requirements.txt": "-r more.txt\n"},
        "outside the source": {"requirements.txt": "-r ../../etc/passwd\n"},
        "poetry.lock is missing": {"pyproject.toml": "[tool.poetry.dependencies]\nsix = '*'\n"},
    }
    for number, (expected, files) in enumerate(trees.items()):
        with pytest.raises(BuildFailed, match=expected):
            await python.build(request_for(write_tree(files, name=f"s{number}")), lines.append)
