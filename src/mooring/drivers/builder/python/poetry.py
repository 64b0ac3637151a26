"""Reads poetry.lock as constraints for uv: every version and hash is the lock's, uv only finds which of them are needed here.

Poetry itself is not installed for this: its export would bring some thirty packages into every build that nobody locked. The lock
alone cannot say what a plain install needs in its older format (it holds no groups), so the main dependencies come from pyproject.toml
as bare names, and each package of the lock becomes a constraint `name==version` with its hashes, which uv verifies.
Must not: run anything.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from mooring.drivers.builder.python.pyproject import Table, read_table, table
from mooring.errors import BuildFailed

_HASH = re.compile(r"\A(?:sha256|sha384|sha512):[0-9a-f]{64,128}\Z")
_NAME = re.compile(r"\A\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_VERSION = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9.+!_-]*\Z")
_PART = re.compile(r"\A(\^|~|>=|<=|==|!=|>|<)?\s*(\d+)(?:\.(\d+))?(?:\.(?:\d+|\*))?\Z")
_RELOCK = "run `poetry lock` with Poetry 2 or later, and commit poetry.lock"


class PoetryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Two requirement files as text; `is_local`: a dependency lies in the source tree itself."""

    requirements: str
    constraints: str
    is_local: bool


def read_poetry(source: Path) -> PoetryPlan:
    """Raises BuildFailed when the lock does not hold what pyproject.toml asks for, or cannot be followed."""
    pyproject, lock = read_table(source / "pyproject.toml"), read_table(source / "poetry.lock")
    packages = [package for package in lock.get("package", []) if isinstance(package, dict)]
    wanted = list(_wanted(pyproject))
    held = {_normal(str(package.get("name", ""))) for package in packages}
    for line in wanted:
        name = _name_of(line)
        if _normal(name) not in held:
            raise BuildFailed(f"poetry.lock does not hold {name}, which pyproject.toml asks for", hint=_RELOCK, where="poetry.lock")
    times = Counter(str(package.get("name")) for package in packages)
    constraints = [_constraint(package, is_alone=times[str(package.get("name"))] == 1) for package in packages]
    indexes = sorted({index for package in packages if (index := _index(package))})
    return PoetryPlan(
        requirements="".join(f"{line}\n" for line in [*(f"--extra-index-url {index}" for index in indexes), *wanted]),
        constraints="".join(f"{line}\n" for line in constraints),
        is_local=any(table(package, "source").get("type") in ("directory", "file") for package in packages),
    )


def _wanted(pyproject: Table) -> Iterator[str]:
    for line in table(pyproject, "project").get("dependencies", []):
        yield str(line)
    for name, wish in table(pyproject, "tool", "poetry", "dependencies").items():
        for one in wish if isinstance(wish, list) else [wish]:
            if name.lower() != "python" and not (isinstance(one, dict) and one.get("optional")):
                yield _requirement(name, one)


def _requirement(name: str, wish: Any) -> str:
    """`name[extras] ; markers`: the version is the lock's to say."""
    if not isinstance(wish, dict):
        return name
    extras = ",".join(str(extra) for extra in wish.get("extras", []))
    markers = [f"({wish['markers']})"] if wish.get("markers") else []
    markers += [f"sys_platform == '{wish['platform']}'"] if wish.get("platform") else []
    markers += _python_markers(str(wish["python"])) if wish.get("python") else []
    return name + (f"[{extras}]" if extras else "") + (f" ; {' and '.join(markers)}" if markers else "")


def _python_markers(constraint: str) -> list[str]:
    """`^3.8`, `~3.8`, `>=3.8,<3.12` as markers; what is written otherwise asks for nothing less than always."""
    markers: list[str] = []
    for part in constraint.split(","):
        match = _PART.match(part.strip())
        if match is None:
            return []
        sign, major, minor = match[1] or "==", int(match[2]), int(match[3] or 0)
        if sign in ("^", "~"):
            end = f"{major + 1}.0" if sign == "^" or match[3] is None else f"{major}.{minor + 1}"
            markers += [f"python_version >= '{major}.{minor}'", f"python_version < '{end}'"]
        else:
            markers.append(f"python_version {sign} '{major}.{minor}'")
    return markers


def _constraint(package: Table, *, is_alone: bool) -> str:
    name, version = str(package.get("name", "")), str(package.get("version", ""))
    if not _NAME.fullmatch(name) or not _VERSION.match(version):
        raise BuildFailed(f"poetry.lock names a package {name!r} in version {version!r}", hint=_RELOCK, where="poetry.lock")
    marker = _marker(package)
    if not is_alone and not marker:
        raise BuildFailed(
            f"poetry.lock holds {name} more than once, without saying when which one is meant", hint=_RELOCK, where="poetry.lock"
        )
    pinned = _pinned(name, version, table(package, "source"))
    hashes = "" if " @ " in pinned else "".join(f" --hash={text}" for text in _hashes(package))
    return pinned + (f" ; {marker}" if marker and not is_alone else "") + hashes


def _pinned(name: str, version: str, source: Table) -> str:
    url, reference = str(source.get("url", "")), str(source.get("resolved_reference", ""))
    match source.get("type"):
        case "git":
            return f"{name} @ git+{url}@{reference}"
        case "url":
            return f"{name} @ {url}"
        case "directory" | "file":
            return f"{name} @ ./{url}"
        case _:
            return f"{name}=={version}"


def _marker(package: Table) -> str:
    """A text, or a table of one text per group (of which the main group's counts)."""
    markers = package.get("markers", "")
    text = markers.get("main", "") if isinstance(markers, dict) else markers
    return str(text).replace("\n", " ")


def _hashes(package: Table) -> list[str]:
    files = package.get("files", [])
    return sorted({text for file in files if isinstance(file, dict) and _HASH.match(text := str(file.get("hash", "")))})


def _index(package: Table) -> str:
    source = table(package, "source")
    return str(source.get("url", "")) if source.get("type") == "legacy" else ""


def _name_of(requirement: str) -> str:
    match = _NAME.match(requirement)
    return match[1] if match else requirement


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
