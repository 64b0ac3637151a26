"""Installs what package.json asks for: into a shared directory per lock and Node version where it can, else into the artifact.

An install can be shared when it needs nothing of the tree but package.json, its lock and .npmrc: no scripts of the project's own around
the install, no workspaces, no `file:` dependencies. Must not: run the build script.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec

from mooring.drivers.builder.contract import BuildLog, BuildRequest
from mooring.drivers.builder.dependencies import installed
from mooring.drivers.builder.node.package import Package
from mooring.drivers.builder.sandbox import Sandbox
from mooring.drivers.builder.tree import copy_tree, remove_tree, to_completion, walk

VERSION = 1  # of what is installed from the same inputs: raise it when that changes
_TOOL_CACHES = (".cache", ".vite", ".package-lock.json")
_QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--foreground-scripts")


class Modules(msgspec.Struct, frozen=True, kw_only=True):
    """One app's installs. `node` says the version and path of the Node that runs them."""

    request: BuildRequest
    package: Package
    sandbox: Sandbox
    log: BuildLog
    node: str

    async def install_for_building(self) -> Path | None:
        """All dependencies, as a copy of their own: build tools write into them, in place even (`prisma generate`).

        Where what was copied is, if it is shared."""
        if not self.package.is_shareable:
            await self._install(self.request.output, is_production=False)
            return None
        shared = await self._shared(is_production=False)
        if (shared / "node_modules").is_dir():
            await to_completion(copy_tree, shared / "node_modules", self._modules)
        return shared

    async def install_for_running(self, *, built_with: Path | None) -> tuple[str, ...]:
        """Only what production needs; the shared directories that the app then depends on.

        `built_with`: what `install_for_building` answered, if it was asked."""
        if not self.package.is_shareable or await self._was_written_into(built_with):
            await self._prune()
            return ()
        shared = await self._shared(is_production=True)
        await to_completion(remove_tree_if_there, self._modules)
        if not (shared / "node_modules").is_dir():
            return ()
        self._modules.symlink_to(shared / "node_modules")
        return (str(shared),)

    @property
    def _modules(self) -> Path:
        return self.request.output / "node_modules"

    async def _was_written_into(self, original: Path | None) -> bool:
        """Whether the build script made something in its modules that the app will look for there."""
        if original is None or not self._modules.is_dir():
            return False
        if await to_completion(_stamps, self._modules) == await to_completion(_stamps, original / "node_modules"):
            return False
        self.log("the build wrote into node_modules, so this release keeps its own")
        return True

    async def _prune(self) -> None:
        argv = ("npm", "prune", "--omit=dev", "--ignore-scripts", *_QUIET)
        await self.sandbox.run(argv, directory=self.request.output)

    async def _shared(self, *, is_production: bool) -> Path:
        async def install(place: Path) -> None:
            self._write_inputs(place)
            await self._install(place, is_production=is_production)

        wishes = self._wishes(is_production=is_production)
        return await installed("node", wishes, request=self.request, log=self.log, install=install, note=self.node)

    async def _install(self, directory: Path, *, is_production: bool) -> None:
        verb = "ci" if self.package.is_locked else "install"
        if not self.package.is_locked:
            self.log("there is no package-lock.json, so nothing is locked: run `npm install` and commit it")
        scope = ("--omit=dev",) if is_production else ("--include=dev",)
        await self.sandbox.run(("npm", verb, *scope, *_QUIET), directory=directory, writes=(directory,))

    def _wishes(self, *, is_production: bool) -> dict[str, object]:
        return {
            "version": VERSION,
            "node": self.node,
            "lock": hashlib.sha256(self.package.lock).hexdigest(),
            "settings": hashlib.sha256(self.package.settings).hexdigest(),
            "sections": _without_identity(self.package),
            "variables": self.request.settings.variables,
            "is_production": is_production,
        }

    def _write_inputs(self, place: Path) -> None:
        place.mkdir(parents=True)
        (place / "package.json").write_text(json.dumps(self.package.sections))
        if self.package.lock:
            (place / "package-lock.json").write_bytes(self.package.lock)
        if self.package.settings:
            (place / ".npmrc").write_bytes(self.package.settings)


def remove_tree_if_there(path: Path) -> None:
    if path.is_symlink() or path.exists():
        remove_tree(path)


def _without_identity(package: Package) -> dict[str, object]:
    """The app's own name and version change nothing about what it depends on."""
    return {name: section for name, section in package.sections.items() if name not in ("name", "version")}


def _stamps(modules: Path) -> set[tuple[str, int, int]]:
    """Each file's path, size and time of change, without the tools' own caches."""
    paths = ((path, path.relative_to(modules)) for path in walk(modules))
    kept = [(path, name) for path, name in paths if name.parts[0] not in _TOOL_CACHES]
    return {(str(name), path.lstat().st_size, 0 if path.is_symlink() else path.lstat().st_mtime_ns) for path, name in kept}
