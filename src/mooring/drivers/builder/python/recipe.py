"""What says which dependencies a Python app has, and the arguments of uv that install exactly those. Must not: run uv.

Asked in this order, locks before wishes: uv.lock, poetry.lock, requirements.txt, pyproject.toml.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from mooring.drivers.builder.python.poetry import read_poetry
from mooring.drivers.builder.python.pyproject import Table, declares_dependencies, read_table, table
from mooring.drivers.builder.python.requirements import read_requirements
from mooring.errors import BuildFailed

FILES = ("uv.lock", "poetry.lock", "requirements.txt", "pyproject.toml")


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """`inputs` is all that decides what gets installed, by name; `written` are the files that uv reads and the source has not.

    `is_local`: part of it comes from the source tree, so it cannot be shared with other sources. `{files}` in an argument stands for
    the directory that `written` goes to.
    """

    reason: str
    arguments: tuple[str, ...]
    inputs: dict[str, bytes]
    written: dict[str, str] = {}
    is_local: bool = False
    note: str = ""
    installs_project: bool = True  # whether a project that is a package is installed too: not when requirements.txt says it all


_PIP = ("pip", "install", "--no-editable", "--compile-bytecode", "--strict")


def detect_recipe(source: Path) -> str:
    """The name of the file that decides; empty when this is no Python app."""
    pyproject = source / "pyproject.toml"
    present = [name for name in FILES if (source / name).is_file()]
    if present == ["pyproject.toml"]:
        return "pyproject.toml" if declares_dependencies(_lenient(pyproject)) else ""
    return next((name for name in present if name == "requirements.txt" or pyproject.is_file()), "")


def read_recipe(source: Path) -> Recipe:
    """Raises BuildFailed when what decides cannot be followed."""
    match detect_recipe(source):
        case "uv.lock":
            return _uv_lock(source)
        case "poetry.lock":
            return _poetry_lock(source)
        case "requirements.txt":
            return _requirements(source)
        case "pyproject.toml":
            return _pyproject(source)
        case _:
            return Recipe(reason="no dependencies are declared", arguments=(), inputs={})


def _uv_lock(source: Path) -> Recipe:
    lock = read_table(source / "uv.lock")
    packages = [package for package in lock.get("package", []) if isinstance(package, dict)]
    return Recipe(
        reason="uv.lock is present",
        arguments=("sync", "--frozen", "--no-dev", "--no-install-project", "--no-editable", "--compile-bytecode"),
        inputs=_inputs(source, "uv.lock", "pyproject.toml"),
        is_local=any(_is_in_tree(table(package, "source")) for package in packages),
    )


def _poetry_lock(source: Path) -> Recipe:
    plan = read_poetry(source)
    return Recipe(
        reason="poetry.lock is present",
        arguments=(*_PIP, "-r", "{files}/main.txt", "-c", "{files}/locked.txt"),
        inputs={"main.txt": plan.requirements.encode(), "locked.txt": plan.constraints.encode()},
        written={"main.txt": plan.requirements, "locked.txt": plan.constraints},
        is_local=plan.is_local,
    )


def _requirements(source: Path) -> Recipe:
    found = read_requirements(source)
    return Recipe(
        reason="requirements.txt is present",
        arguments=(*_PIP, "-r", "requirements.txt"),
        inputs=dict(found.files),
        is_local=found.is_local,
        installs_project=False,
    )


def _pyproject(source: Path) -> Recipe:
    pyproject = read_table(source / "pyproject.toml")
    if not table(pyproject, "project") or "dependencies" in table(pyproject, "tool", "poetry"):
        raise BuildFailed("poetry.lock is missing", hint="run `poetry lock`, and commit poetry.lock", where="pyproject.toml")
    return Recipe(
        reason="pyproject.toml is present",
        arguments=(*_PIP, "-r", "pyproject.toml"),
        inputs=_inputs(source, "pyproject.toml"),
        is_local="sources" in table(pyproject, "tool", "uv"),
        note="nothing is locked: the next build may get other versions; `uv lock` and a committed uv.lock prevent that",
    )


def _inputs(source: Path, *names: str) -> dict[str, bytes]:
    return {name: (source / name).read_bytes() for name in names if (source / name).is_file()}


def _is_in_tree(origin: Table) -> bool:
    return any(origin.get(kind, ".") != "." for kind in ("editable", "virtual", "directory", "path"))


def _lenient(path: Path) -> Table:
    """Whoever detects must not fail: a file that does not parse is found again, and told, when it is built."""
    try:
        return read_table(path)
    except BuildFailed:
        return {"project": {"name": "unreadable"}}
