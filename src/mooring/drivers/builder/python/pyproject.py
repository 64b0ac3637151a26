"""What a pyproject.toml says that concerns a build. Must not: judge it beyond being readable."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from mooring.errors import BuildFailed

Table = dict[str, Any]


def read_table(path: Path) -> Table:
    """A TOML file as a table; empty when it is absent. Raises BuildFailed naming the file and line when it does not parse."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise BuildFailed(f"{path.name} does not parse: {failure}", hint="correct it, and commit", where=path.name) from failure


def table(parent: Table, *names: str) -> Table:
    """The table at that path; empty when it, or anything on the way, is absent or no table."""
    for name in names:
        inner = parent.get(name)
        parent = inner if isinstance(inner, dict) else {}
    return parent


def is_package(pyproject: Table) -> bool:
    """Whether the project itself is to be installed: as uv and Poetry see it, when it declares how it is built."""
    declared = table(pyproject, "tool", "uv").get("package", "build-system" in pyproject)
    return bool(declared) and table(pyproject, "tool", "poetry").get("package-mode", True) is not False


def declares_dependencies(pyproject: Table) -> bool:
    """Whether it describes an app, rather than only the settings of some tools."""
    return bool(table(pyproject, "project")) or "dependencies" in table(pyproject, "tool", "poetry")


def required_python(pyproject: Table) -> str:
    """`requires-python` as it stands, or empty."""
    wanted = table(pyproject, "project").get("requires-python", "")
    return wanted if isinstance(wanted, str) else ""
