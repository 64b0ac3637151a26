"""Builds Node.js apps: the tree, its modules, its build script, and the command that `npm start` stands for.

`web` is offered as the start script's own line rather than `npm start`: so a stop signal reaches Node itself, nothing sits between, and
an instance has npm's 60 MB and its start-up time less. `npm start` stays when scripts run before or after it.
Must not: read another tool's lock.
"""

from __future__ import annotations

from pathlib import Path
from shutil import which

from mooring.drivers.builder.contract import BuildLog, BuildRequest, Detection
from mooring.drivers.builder.node.modules import Modules, remove_tree_if_there
from mooring.drivers.builder.node.package import Package, read_package, refuse_foreign_lock
from mooring.drivers.builder.sandbox import Sandbox
from mooring.drivers.builder.surroundings import Surroundings
from mooring.drivers.builder.tree import copy_tree, size_of, to_completion
from mooring.drivers.builder.workbench import shell_line, workbench
from mooring.errors import BuildFailed
from mooring.model.build import BuildSettings
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact


class NodeBuilder:
    name = "node"

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    def detect(self, source: Path, settings: BuildSettings) -> Detection | None:
        return Detection(self.name, "package.json is present") if (source / "package.json").is_file() else None

    async def build(self, request: BuildRequest, log: BuildLog) -> Artifact:
        package = read_package(request.source)
        refuse_foreign_lock(package)
        await to_completion(copy_tree, request.source, request.output)
        await to_completion(remove_tree_if_there, request.output / "node_modules")
        async with workbench(request, log, surroundings=self._surroundings, variables={"NODE_ENV": "production"}) as sandbox:
            node = await self._node(sandbox, log, directory=request.output)
            modules = Modules(request=request, package=package, sandbox=sandbox, log=log, node=node)
            dependencies = await _build(modules)
            return _artifact(request, package, dependencies, path=sandbox.path)

    async def _node(self, sandbox: Sandbox, log: BuildLog, *, directory: Path) -> str:
        """The version and path of the machine's Node, which what gets installed may be compiled for."""
        path = which("node", path=sandbox.path)
        if path is None or which("npm", path=sandbox.path) is None:
            raise BuildFailed("Node.js is not on this machine", hint="install node and npm, or have them on the controller's PATH")
        version = (await sandbox.ask((path, "--version"), directory=directory))[-1]
        log(f"Node {version.removeprefix('v')}")
        return f"{path} {version}"


async def _build(modules: Modules) -> tuple[str, ...]:
    """Everything installed, the build script run, and then only what production needs."""
    request, package = modules.request, modules.package
    command = shell_line(request.settings.command) if request.settings.command else ("npm", "run", "build")
    has_step = bool(request.settings.command) or "build" in package.scripts
    shared = None
    if package.has_dependencies and (has_step or not package.is_shareable):
        shared = await modules.install_for_building()
    if has_step:
        variables = {"PATH": f"{request.output / 'node_modules' / '.bin'}:{modules.sandbox.path}"}
        await modules.sandbox.run(command, directory=request.output, variables=variables)
    return await modules.install_for_running(built_with=shared) if package.has_dependencies else ()


def _artifact(request: BuildRequest, package: Package, dependencies: tuple[str, ...], *, path: str) -> Artifact:
    line = package.start_line()
    return Artifact(
        id=ArtifactId(request.output.name),
        builder=NodeBuilder.name,
        reason="package.json is present",
        directory=str(request.output),
        size=size_of(request.output),
        environment={
            "PATH": f"{request.output / 'node_modules' / '.bin'}:{path}",
            "NODE_ENV": "production",
            "npm_package_name": package.name,
            "npm_package_version": package.version,
        },
        processes={"web": line} if line else {},
        dependencies=dependencies,
    )
