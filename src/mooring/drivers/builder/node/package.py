"""What package.json and its lock say that concerns a build. Must not: run npm."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from mooring.errors import BuildFailed

_SECTIONS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "overrides", "bundleDependencies",
             "bundledDependencies", "workspaces", "engines", "os", "cpu", "name", "version")  # fmt: skip
_INSTALL_SCRIPTS = ("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare")
_PLAIN_COMMAND = re.compile(r"\A[\w./@-]+(?: [\w./@:,+=$%{}'\"-]+)*\Z")
_OTHER_LOCKS = {"yarn.lock": "Yarn", "pnpm-lock.yaml": "pnpm", "bun.lock": "Bun", "bun.lockb": "Bun"}


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """`locked`: there is an npm lock. `is_shareable`: an install needs no file of the tree but these, so others may use it too."""

    scripts: dict[str, str]
    name: str
    version: str
    sections: dict[str, Any]
    lock: bytes
    settings: bytes  # the project's own .npmrc
    is_shareable: bool
    foreign_lock: str
    has_server_file: bool

    @property
    def is_locked(self) -> bool:
        return bool(self.lock)

    @property
    def has_dependencies(self) -> bool:
        return any(self.sections.get(section) for section in _SECTIONS[:3]) or "workspaces" in self.sections

    @property
    def has_development_dependencies(self) -> bool:
        return bool(self.sections.get("devDependencies")) or "workspaces" in self.sections

    def start_line(self) -> str:
        """What `npm start` would run, without npm in between; npm itself when the script has others before or after it.

        A line that is one plain command takes the shell's place (`exec`), so that nothing stands between a stop signal and Node.
        """
        if any(name in self.scripts for name in ("prestart", "poststart")) and "start" in self.scripts:
            return "exec npm start"
        line = self.scripts.get("start", "node server.js" if self.has_server_file else "")
        return f"exec {line}" if _PLAIN_COMMAND.match(line) else line


def read_package(source: Path) -> Package:
    """Raises BuildFailed naming the file when it does not parse."""
    content = _read_object(source / "package.json")
    lock_file = next((source / name for name in ("npm-shrinkwrap.json", "package-lock.json") if (source / name).is_file()), None)
    scripts = content.get("scripts")
    scripts = {str(name): str(line) for name, line in scripts.items()} if isinstance(scripts, dict) else {}
    return Package(
        scripts=scripts,
        name=str(content.get("name", "")),
        version=str(content.get("version", "")),
        sections={name: content[name] for name in _SECTIONS if name in content},
        lock=lock_file.read_bytes() if lock_file else b"",
        settings=(source / ".npmrc").read_bytes() if (source / ".npmrc").is_file() else b"",
        is_shareable=not any(name in scripts for name in _INSTALL_SCRIPTS) and not _needs_tree(content, lock_file),
        foreign_lock=next((name for name in _OTHER_LOCKS if (source / name).is_file()), ""),
        has_server_file=(source / "server.js").is_file(),
    )


def refuse_foreign_lock(package: Package) -> None:
    """Another tool's lock, and no npm lock: installing would silently ignore what was locked."""
    if package.foreign_lock and not package.is_locked:
        raise BuildFailed(
            f"{package.foreign_lock} is {_OTHER_LOCKS[package.foreign_lock]}'s; only npm's lock file is read",
            hint="run `npm install`, and commit package-lock.json; or set build.builder to procfile and build by build.command",
            where=package.foreign_lock,
        )


def _needs_tree(content: dict[str, Any], lock_file: Path | None) -> bool:
    """Workspaces and `file:` dependencies are installed from the tree, as links into it."""
    if "workspaces" in content or b'"link": true' in (lock_file.read_bytes() if lock_file else b""):
        return True
    sections = (content.get(section) for section in _SECTIONS[:3])
    wishes = (wish for section in sections if isinstance(section, dict) for wish in section.values())
    return any(isinstance(wish, str) and wish.startswith(("file:", "link:", ".", "/", "~")) and not _is_range(wish) for wish in wishes)


def _is_range(wish: str) -> bool:
    return wish.startswith("~") and wish[1:2].isdigit()


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as failure:
        raise BuildFailed(f"{path.name} does not parse: {failure}", hint="correct it, and commit", where=path.name) from failure
    if not isinstance(content, dict):
        raise BuildFailed(f"{path.name} is not an object", hint="correct it, and commit", where=path.name)
    return content
