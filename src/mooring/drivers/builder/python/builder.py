"""Builds Python apps: the tree, an environment shared by everybody with the same lock and interpreter, and the project if it is a package.

The environment is made by uv at its final path in the cache; the artifact refers to it and holds no copy. A project that declares how
it is built is installed beside its code (`.mooring/python`), never into what others share. Must not: put the app's files into the cache.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from mooring.drivers.builder.contract import BuildLog, BuildRequest, Detection
from mooring.drivers.builder.dependencies import installed
from mooring.drivers.builder.python.interpreter import Interpreter, Interpreters, wanted_python
from mooring.drivers.builder.python.pyproject import is_package, read_table
from mooring.drivers.builder.python.recipe import Recipe, detect_recipe, read_recipe
from mooring.drivers.builder.sandbox import Sandbox
from mooring.drivers.builder.surroundings import Surroundings
from mooring.drivers.builder.tree import copy_tree, size_of, to_completion
from mooring.drivers.builder.workbench import shell_line, workbench
from mooring.errors import BuildFailed
from mooring.model.build import BuildSettings
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact

VERSION = 1  # of what is installed from the same inputs: raise it when that changes
PROJECT = Path(".mooring") / "python"
_SKIPPED = r"/(node_modules|\.mooring|\.git|\.venv|venv)/"


class PythonBuilder:
    name = "python"

    def __init__(self, surroundings: Surroundings, *, uv: str) -> None:
        self._surroundings = surroundings
        self._uv = uv
        self._interpreters = Interpreters(uv)

    def detect(self, source: Path, settings: BuildSettings) -> Detection | None:
        file = detect_recipe(source)
        return Detection(self.name, f"{file} is present") if file else None

    async def build(self, request: BuildRequest, log: BuildLog) -> Artifact:
        recipe = read_recipe(request.source)
        if recipe.note:
            log(recipe.note)
        await to_completion(copy_tree, request.source, request.output)
        async with workbench(request, log, surroundings=self._surroundings) as sandbox:
            wanted = wanted_python(request.source, request.settings.python_version)
            interpreter = await self._interpreters.find(wanted, sandbox, directory=request.output)
            log(f"Python {interpreter.version}" + (f", as {wanted.by} asks" if wanted.by else ""))
            environment = await self._environment(request, recipe, interpreter, sandbox=sandbox, log=log)
            await self._finish(request, recipe, environment, sandbox=sandbox)
            variables = _run_variables(environment, request.output, path=sandbox.path)
        return _artifact(request, recipe, environment, variables=variables)

    async def _environment(
        self, request: BuildRequest, recipe: Recipe, interpreter: Interpreter, *, sandbox: Sandbox, log: BuildLog
    ) -> Path:
        async def install(place: Path) -> None:
            await self._install(request, recipe, place, interpreter=interpreter, sandbox=sandbox)

        return await installed(
            "python",
            _wishes(request, recipe, interpreter),
            request=request,
            log=log,
            install=install,
            note=interpreter.key,
            is_whole=lambda place: (place / "bin" / "python").exists(),
        )

    async def _install(self, request: BuildRequest, recipe: Recipe, place: Path, *, interpreter: Interpreter, sandbox: Sandbox) -> None:
        place.mkdir(parents=True)
        venv = (self._uv, "venv", "--quiet", "--no-project", "--no-config", "--python", interpreter.path, str(place))
        await sandbox.run(venv, directory=request.output, writes=(place,))
        if not recipe.arguments:
            return
        files = place / "mooring"
        files.mkdir()
        for name, text in recipe.written.items():
            (files / name).write_text(text)
        arguments = [argument.replace("{files}", str(files)) for argument in recipe.arguments]
        python = str(place / "bin" / "python")
        argv = (self._uv, *arguments, "--python", python)
        await sandbox.run(argv, directory=request.output, variables=_pointing_at(place), writes=(place,))

    async def _finish(self, request: BuildRequest, recipe: Recipe, environment: Path, *, sandbox: Sandbox) -> None:
        """The builder's own step, or the manifest's command instead of it; then bytecode, so that no instance compiles while it starts."""
        python = str(environment / "bin" / "python")
        if request.settings.command:
            variables = _run_variables(environment, request.output, path=sandbox.path)
            command = shell_line(request.settings.command)
            await sandbox.run(command, directory=request.output, variables=variables, reads=(environment,))
        elif recipe.installs_project and is_package(read_table(request.source / "pyproject.toml")):
            target = ("--target", str(request.output / PROJECT))
            argv = (self._uv, "pip", "install", "--no-deps", "--compile-bytecode", "--python", python, *target, ".")
            await sandbox.run(argv, directory=request.output, reads=(environment,))
        compiling = (python, "-I", "-m", "compileall", "-qq", "-x", _SKIPPED, ".")
        try:
            await sandbox.run(compiling, directory=request.output, reads=(environment,))
        except BuildFailed:
            return  # a file that does not compile may be one that is never imported


def _wishes(request: BuildRequest, recipe: Recipe, interpreter: Interpreter) -> dict[str, object]:
    return {
        "version": VERSION,
        "interpreter": interpreter.key,
        "arguments": recipe.arguments,
        "inputs": {name: hashlib.sha256(content).hexdigest() for name, content in recipe.inputs.items()},
        "variables": request.settings.variables,
        "source": request.digest if recipe.is_local else "",
    }


def _pointing_at(environment: Path) -> dict[str, str]:
    return {"VIRTUAL_ENV": str(environment), "UV_PROJECT_ENVIRONMENT": str(environment)}


def _run_variables(environment: Path, output: Path, *, path: str) -> dict[str, str]:
    """What the app needs to find its environment, and the project where that is installed beside its code."""
    project = output / PROJECT
    places = [str(project / "bin")] if project.is_dir() else []
    variables = {
        "PATH": ":".join([*places, str(environment / "bin"), path]),
        "VIRTUAL_ENV": str(environment),
        "PYTHONUNBUFFERED": "1",
    }
    return {**variables, "PYTHONPATH": str(project)} if places else variables


def _artifact(request: BuildRequest, recipe: Recipe, environment: Path, *, variables: dict[str, str]) -> Artifact:
    return Artifact(
        id=ArtifactId(request.output.name),
        builder=PythonBuilder.name,
        reason=recipe.reason,
        directory=str(request.output),
        size=size_of(request.output),
        environment=variables,
        dependencies=(str(environment),),
    )
