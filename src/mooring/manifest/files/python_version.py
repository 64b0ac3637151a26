"""From the text of .python-version to a version. Must not: choose an interpreter."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mooring.manifest.files.text import text_of
from mooring.manifest.keys.build import PYTHON_VERSION
from mooring.manifest.problems import Problems
from mooring.manifest.wording import shown


def read_python_version(files: Mapping[str, bytes], name: str, *, problems: Problems) -> tuple[str, int] | None:
    """The version and its line: the first one counts, as for pyenv; None without one."""
    text = text_of(files, name, problems=problems)
    for number, line in enumerate((text or "").split("\n"), start=1):
        version = line.strip()
        if not version or version.startswith("#"):
            continue
        bare = version.removeprefix("cpython-").removeprefix("python-")
        if re.search(PYTHON_VERSION, bare):
            return bare, number
        message = f"{shown(version)} is not a version of Python"
        problems.add(name, number, key="build.python_version", message=message, hint="write a version like 3.12 or 3.12.4")
        return None
    return None
