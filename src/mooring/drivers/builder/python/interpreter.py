"""Which Python of this machine an app gets. Nothing is downloaded: an interpreter is the machine's owner's to install.

Must not: choose silently another version than the one asked for.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from mooring.drivers.builder.python.pyproject import read_table, required_python
from mooring.drivers.builder.sandbox import Sandbox
from mooring.errors import BuildFailed

_DESCRIBE = "import sys, sysconfig; print(sys.executable); print('.'.join(map(str, sys.version_info[:3]))); print(sysconfig.get_platform())"


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    version: str
    platform: str

    @property
    def key(self) -> str:
        """What makes an environment made for it unfit for another."""
        return f"{self.path} {self.version} {self.platform}"


class Wanted(msgspec.Struct, frozen=True):
    """A version or a range, and who asks for it (empty: nobody asks)."""

    version: str
    by: str


def wanted_python(source: Path, setting: str) -> Wanted:
    """The manifest's word, else `.python-version` (its first line that is no comment), else `requires-python`."""
    if setting:
        return Wanted(setting, "python_version")
    file = source / ".python-version"
    lines = file.read_text("utf-8", "replace").splitlines() if file.is_file() else []
    versions = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if versions:
        return Wanted(versions[0], ".python-version")
    required = required_python(read_table(source / "pyproject.toml"))
    return Wanted(required, "requires-python in pyproject.toml") if required else Wanted("", "")


class Interpreters:
    """Finds them with uv, and remembers what it found for as long as it is there."""

    def __init__(self, uv: str) -> None:
        self._uv = uv
        self._found: dict[tuple[str, str], Interpreter] = {}

    async def find(self, wanted: Wanted, sandbox: Sandbox, *, directory: Path) -> Interpreter:
        """Raises BuildFailed listing what is on the machine when the one wanted is not."""
        key = (wanted.version, sandbox.path)
        known = self._found.get(key)
        if known is None or not Path(known.path).exists():
            path = await self._search(wanted, sandbox, directory=directory) if wanted.version else _own_python()
            known = await _describe(path, sandbox, directory=directory)
            if not sandbox.is_confined:  # what is may have been made to say anything
                self._found[key] = known
        return known

    async def _search(self, wanted: Wanted, sandbox: Sandbox, *, directory: Path) -> str:
        if not _looks_like_a_version(wanted.version):
            raise BuildFailed(f"{wanted.by} asks for {wanted.version!r}, which is no version of Python", hint='write it like "3.12"')
        variables = {"PATH": _search_path(sandbox.path)}
        try:
            argv = (self._uv, "python", "find", "--system", "--no-project", "--no-config", wanted.version)
            lines = await sandbox.ask(argv, directory=directory, variables=variables)
        except BuildFailed as failure:
            listing = (self._uv, "python", "list", "--only-installed", "--no-config")
            found = _versions(await sandbox.ask(listing, directory=directory, variables=variables))
            raise BuildFailed(
                f"Python {wanted.version} (asked for by {wanted.by}) is not on this machine; there is {', '.join(found) or 'none'}",
                hint="ask for one of those, or install it on the machine",
            ) from failure
        return lines[-1]


async def _describe(path: str, sandbox: Sandbox, *, directory: Path) -> Interpreter:
    executable, version, platform = (await sandbox.ask((path, "-I", "-c", _DESCRIBE), directory=directory))[-3:]
    return Interpreter(path=executable, version=version, platform=platform)


def _own_python() -> str:
    """The interpreter Mooring itself runs on, but not Mooring's virtual environment."""
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")


def _search_path(path: str) -> str:
    """Mooring's own Python first, so that a range that it fits means it; and pyenv's versions themselves instead of its shims."""
    parts = [str(Path(sys.base_prefix) / "bin")]
    for part in path.split(os.pathsep):
        versions = Path(part).parent / "versions"
        if Path(part).name == "shims" and versions.is_dir():
            parts += [str(version / "bin") for version in sorted(versions.iterdir(), reverse=True)]
        else:
            parts.append(part)
    return os.pathsep.join(parts)


def _looks_like_a_version(text: str) -> bool:
    return len(text) < 100 and text[:1] in "0123456789<>=!~" and all(sign in "0123456789.<>=!~, *abrc" for sign in text)


def _versions(lines: list[str]) -> list[str]:
    """Of lines like `cpython-3.11.2-linux-x86_64-gnu    /usr/bin/python3.11`, each version once, oldest first."""
    versions = {line.split("-")[1] for line in lines if line.count("-") > 1}
    return sorted(versions, key=lambda version: [int(part) if part.isdigit() else -1 for part in version.split(".")])
