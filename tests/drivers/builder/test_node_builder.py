"""Node apps built by the real npm, with real packages: small ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mooring.drivers.builder.contract import Builder, BuildRequest
from mooring.drivers.builder.node.builder import NodeBuilder
from mooring.drivers.builder.surroundings import Surroundings
from mooring.errors import BuildFailed
from mooring.model.release import Artifact

Request = Callable[..., BuildRequest]
Write = Callable[..., Path]

LOCK_FILE = Path(__file__).with_name("package-lock.json")
"""Made once by `npm install --package-lock-only` for the package below: ms to run with, mri to build with."""

PACKAGE = {
    "name": "tides",
    "version": "1.2.3",
    "dependencies": {"ms": "2.1.3"},
    "devDependencies": {"mri": "1.2.0"},
    "scripts": {"start": "node server.js"},
}
BUILD = "node -e \"require('mri'); require('ms'); require('fs').writeFileSync('built.txt', process.env.NODE_ENV)\""


def package(**changes: object) -> str:
    return json.dumps({**PACKAGE, **changes})


def sources(**changes: object) -> dict[str, str]:
    server = "console.log(require('ms')('2 days'), process.env.npm_package_version)\n"
    return {"package.json": package(**changes), "package-lock.json": LOCK_FILE.read_text(), "server.js": server}


@pytest.fixture
def node(builders: dict[str, Builder]) -> Builder:
    return builders["node"]


def started(artifact: Artifact) -> str:
    """What the offered web command says, run as an instance would run it."""
    environment = {**artifact.environment, "HOME": "/nonexistent"}
    argv = ["sh", "-c", artifact.processes["web"]]
    return subprocess.run(argv, cwd=artifact.directory, env=environment, capture_output=True, text=True, check=True).stdout.strip()


async def test_a_build_script_has_the_tools_and_production_has_not(
    node: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    source = write_tree(sources(scripts={**PACKAGE["scripts"], "build": BUILD}))  # type: ignore[dict-item]  # scripts are a dict
    artifact = await node.build(request_for(source), lines.append)
    assert (Path(artifact.directory) / "built.txt").read_text() == "production"
    assert started(artifact) == "172800000 1.2.3"
    assert not (Path(artifact.directory) / "node_modules" / "mri").exists()
    assert (Path(artifact.directory) / "node_modules").resolve().is_relative_to(artifact.dependencies[0])


async def test_other_code_with_the_same_lock_installs_nothing(
    node: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    one = await node.build(request_for(write_tree(sources(), name="one")), lines.append)
    lines.clear()
    two = await node.build(request_for(write_tree(sources(version="2.0.0"), name="two")), lines.append)
    assert lines[1:] == ["dependencies are as they were: nothing to install"]
    assert (started(one), started(two)) == ("172800000 1.2.3", "172800000 2.0.0")
    assert one.dependencies == two.dependencies


async def test_an_app_without_dependencies_runs_no_npm(node: Builder, request_for: Request, apps: Path, lines: list[str]) -> None:
    artifact = await node.build(request_for(apps / "node-hello"), lines.append)
    assert [line.split()[0] for line in lines] == ["Node"]
    assert artifact.processes == {"web": "exec node server.js"}


async def test_a_project_with_install_scripts_of_its_own_gets_modules_of_its_own(
    node: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    postinstall = "node -e \"require('fs').copyFileSync('server.js', 'copied.js')\""
    source = write_tree(sources(scripts={**PACKAGE["scripts"], "postinstall": postinstall}))  # type: ignore[dict-item]  # scripts are a dict
    artifact = await node.build(request_for(source), lines.append)
    assert (Path(artifact.directory) / "copied.js").exists()
    assert not (Path(artifact.directory) / "node_modules").is_symlink()
    assert not (Path(artifact.directory) / "node_modules" / "mri").exists()
    assert (started(artifact), artifact.dependencies) == ("172800000 1.2.3", ())


async def test_what_a_build_writes_into_its_modules_stays_with_the_app_and_out_of_the_shared_ones(
    node: Builder, request_for: Request, write_tree: Write, lines: list[str], cache: Path
) -> None:
    script = "node -e \"require('fs').writeFileSync('node_modules/ms/index.js', 'module.exports = () => 42')\""
    source = write_tree(sources(scripts={**PACKAGE["scripts"], "build": script}))  # type: ignore[dict-item]  # scripts are a dict
    artifact = await node.build(request_for(source), lines.append)
    assert (started(artifact), artifact.dependencies) == ("42 1.2.3", ())
    assert "the build wrote into node_modules, so this release keeps its own" in lines
    assert not (Path(artifact.directory) / "node_modules" / "mri").exists()
    assert all("42" not in path.read_text() for path in cache.glob("node/*/node_modules/ms/index.js"))


async def test_workspaces_are_installed_from_the_tree(node: Builder, request_for: Request, write_tree: Write, lines: list[str]) -> None:
    files = {
        "package.json": json.dumps({"name": "top", "workspaces": ["lib"], "scripts": {"start": "node -p \"require('lib')\""}}),
        "lib/package.json": json.dumps({"name": "lib", "version": "1.0.0", "main": "index.js"}),
        "lib/index.js": "module.exports = 'from the tree'\n",
    }
    artifact = await node.build(request_for(write_tree(files)), lines.append)
    assert started(artifact) == "from the tree"
    assert any("nothing is locked" in line for line in lines)


async def test_a_lock_that_does_not_fit_is_explained(node: Builder, request_for: Request, write_tree: Write, lines: list[str]) -> None:
    with pytest.raises(BuildFailed) as failure:
        await node.build(request_for(write_tree(sources(dependencies={"ms": "1.0.0"}))), lines.append)
    assert failure.value.hint == "run `npm install`, and commit package-lock.json"


async def test_a_failing_build_script_leaves_its_output_in_the_error(
    node: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    script = "node -e \"throw new Error('the tide is out')\""
    with pytest.raises(BuildFailed, match="the tide is out") as failure:
        await node.build(request_for(write_tree({"package.json": json.dumps({"scripts": {"build": script}})})), lines.append)
    assert failure.value.message.startswith("`npm run build` ended with exit code 1")


@pytest.mark.parametrize(("file", "tool"), [("yarn.lock", "Yarn"), ("pnpm-lock.yaml", "pnpm"), ("bun.lock", "Bun")])
async def test_another_tools_lock_is_refused_with_the_fix(
    file: str, tool: str, node: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    with pytest.raises(BuildFailed, match=f"{tool}'s; only npm's lock file is read") as failure:
        await node.build(request_for(write_tree({"package.json": "{}", file: ""})), lines.append)
    assert "npm install" in failure.value.hint


@pytest.mark.parametrize("content", ["{", "[]", '"x"', "[" * 100_000])
async def test_a_package_json_that_is_none_is_refused(
    content: str, node: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    with pytest.raises(BuildFailed, match=r"package\.json"):
        await node.build(request_for(write_tree({"package.json": content})), lines.append)


async def test_a_machine_without_node_is_told(request_for: Request, write_tree: Write, lines: list[str], tmp_path: Path) -> None:
    surroundings = Surroundings(variables={"PATH": str(tmp_path)})
    with pytest.raises(BuildFailed, match=r"Node\.js is not on this machine"):
        await NodeBuilder(surroundings).build(request_for(write_tree(sources())), lines.append)


async def test_the_command_is_npm_start_only_when_scripts_surround_it(
    node: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    offers = {
        "exec npm start": {"start": "node a.js", "prestart": "node b.js"},
        "exec node a.js --port $PORT": {"start": "node a.js --port $PORT"},
        "node a.js && node b.js": {"start": "node a.js && node b.js"},
        "MODE=x node a.js": {"start": "MODE=x node a.js"},
    }
    for number, (expected, scripts) in enumerate(offers.items()):
        source = write_tree({"package.json": json.dumps({"scripts": scripts})}, name=f"s{number}")
        assert (await node.build(request_for(source), lines.append)).processes == {"web": expected}
    assert (await node.build(request_for(write_tree({"package.json": "{}"}, name="bare")), lines.append)).processes == {}


async def test_a_stop_signal_to_the_offered_command_reaches_node(
    node: Builder, request_for: Request, write_tree: Write, lines: list[str], tmp_path: Path
) -> None:
    server = "process.on('SIGTERM', () => { console.log('finishing'); process.exit(0) }); console.log('up'); setInterval(() => {}, 1000)\n"
    artifact = await node.build(request_for(write_tree({"package.json": package(dependencies={}), "server.js": server})), lines.append)
    argv = ["sh", "-c", artifact.processes["web"]]
    process = subprocess.Popen(argv, cwd=artifact.directory, env=artifact.environment, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.stdout.read() == b"finishing\n"
        process.wait(20)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
