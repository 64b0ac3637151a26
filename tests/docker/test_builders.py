"""The builders of images, with the real program docker on a real engine: with BuildKit where the program has it inside, and without."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from docker.engine import ContainerEngine

from mooring.drivers.builder.container.dockerfile import DockerfileBuilder
from mooring.drivers.builder.container.image import ImageBuilder
from mooring.drivers.builder.container.program import Program, has_buildkit_inside
from mooring.drivers.builder.contract import BuildRequest
from mooring.drivers.builder.surroundings import Surroundings
from mooring.drivers.builder.tree import tree_digest
from mooring.errors import BuildFailed, NotFound
from mooring.model.build import BuildLimits, BuildSettings
from mooring.model.release import Source
from mooring.model.secret import Secret
from mooring.usecases.workshop import Workshop

pytestmark = pytest.mark.docker

Request = Callable[..., BuildRequest]


def programs() -> list[str]:
    """Every program docker that stands on this machine's path: of different ages, they build in different ways."""
    found = [Path(place) / "docker" for place in os.environ["PATH"].split(os.pathsep)]
    return sorted({str(path.resolve()) for path in found if path.is_file()}) or ["docker"]


@pytest.fixture(params=programs())
def program(request: pytest.FixtureRequest, own_engine: ContainerEngine) -> Program:
    own_engine.make_base("base:1")
    assert shutil.which(request.param), "there is no program docker (Debian: apt-get install docker.io; from 13 on docker-cli too)"
    return Program(path=request.param, socket=own_engine.socket, repository="mooring-tests")


@pytest.fixture
def builder(program: Program) -> DockerfileBuilder:
    return DockerfileBuilder(Surroundings.of(os.environ), program=program)


@pytest.fixture
def has_buildkit(program: Program) -> bool:
    said = subprocess.run([program.path, "version", "--format", "{{.Client.Version}}"], capture_output=True, text=True)
    has_component = subprocess.run([program.path, "buildx", "version"], capture_output=True).returncode == 0
    return has_buildkit_inside(int(said.stdout.partition(".")[0])) or has_component


@pytest.fixture
def kit(own_engine: ContainerEngine) -> DockerfileBuilder:
    """With a program docker that has BuildKit."""
    own_engine.make_base("base:1")
    docker = "/usr/bin/docker"
    assert Path(docker).exists(), "there is no program docker (Debian: apt-get install docker.io)"
    return DockerfileBuilder(
        Surroundings.of(os.environ), program=Program(path=docker, socket=own_engine.socket, repository="mooring-tests")
    )


@pytest.fixture
def request_for(tmp_path: Path) -> Request:
    def make(files: dict[str, str], *, name: str = "a1", secrets: dict[str, Secret] | None = None, **settings: object) -> BuildRequest:
        source = tmp_path / f"source-{name}"
        for path, content in files.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(content)
        source.mkdir(exist_ok=True)
        cache = tmp_path / "cache"
        cache.mkdir(exist_ok=True)
        wishes = BuildSettings(**settings)  # type: ignore[arg-type]
        return BuildRequest(source=source, output=tmp_path / name, cache=cache, digest="d", settings=wishes, secrets=secrets or {})

    return make


class TestDockerfile:
    async def test_what_it_describes_becomes_an_image_with_its_own_command(
        self, builder: DockerfileBuilder, request_for: Request, own_engine: ContainerEngine
    ) -> None:
        lines: list[str] = []
        dockerfile = (
            'FROM base:1 AS first\nARG COLOUR\nENV COLOUR=$COLOUR\nRUN echo told-in-the-build\nCMD ["sh", "-c", "echo a b"]\nFROM base:1\n'
        )
        request = request_for(
            {"deploy/Dockerfile": dockerfile}, dockerfile="deploy/Dockerfile", target="first", variables={"COLOUR": "blue sky"}
        )
        artifact = await builder.build(request, lines.append)
        assert artifact.processes == {"web": "sh -c 'echo a b'"}
        shown = own_engine.ask("GET", f"/images/{artifact.image}/json")
        assert shown["Id"] == artifact.image
        assert "COLOUR=blue sky" in shown["Config"]["Env"]
        assert any("told-in-the-build" in line for line in lines)
        assert builder.has(artifact)

    async def test_a_build_that_fails_says_where(self, builder: DockerfileBuilder, request_for: Request) -> None:
        with pytest.raises(BuildFailed, match="exit 3"):
            await builder.build(request_for({"Dockerfile": "FROM base:1\nRUN exit 3\n"}), lambda _: None)

    async def test_a_build_past_its_time_is_ended_and_leaves_nothing_running(
        self, builder: DockerfileBuilder, request_for: Request, own_engine: ContainerEngine
    ) -> None:
        request = request_for({"Dockerfile": "FROM base:1\nRUN sleep 1001\n"}, limits=BuildLimits(timeout=6))
        with pytest.raises(BuildFailed, match="took longer than"):
            await builder.build(request, lambda _: None)
        await nothing_sleeps("1001")

    async def test_a_cancelled_build_leaves_nothing_running(self, builder: DockerfileBuilder, request_for: Request) -> None:
        begun = asyncio.Event()
        request = request_for({"Dockerfile": "FROM base:1\nRUN echo has-begun; sleep 1002\n"})

        def log(line: str) -> None:
            if re.search(r"has-begun$", line) and "RUN" not in line:
                begun.set()

        building = asyncio.create_task(builder.build(request, log))
        async with asyncio.timeout(60):
            await begun.wait()
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building
        await nothing_sleeps("1002")

    async def test_hosts_of_another_kind_are_told_before_anything_is_built(self, builder: DockerfileBuilder, request_for: Request) -> None:
        lines: list[str] = []
        with pytest.raises(BuildFailed, match="the hosts are linux/riscv64, and the container engine here builds for linux/"):
            await builder.build(request_for({"Dockerfile": "FROM base:1\n"}, platform="linux/riscv64"), lines.append)
        assert lines == []

    async def test_what_is_no_longer_kept_is_removed_and_noticed(
        self, builder: DockerfileBuilder, request_for: Request, own_engine: ContainerEngine
    ) -> None:
        own_engine.build("foreign:1", "FROM base:1\nLABEL a=b\n")
        one, two = [
            await builder.build(request_for({"Dockerfile": f"FROM base:1\nCOPY {name} /{name}\n", name: name}, name=name), lambda _: None)
            for name in ("one", "two")
        ]
        assert builder.prune(frozenset({two.id})) > 0
        assert (builder.has(one), builder.has(two)) == (False, True)
        assert own_engine.ask("GET", "/images/foreign:1/json")["RepoTags"] == ["foreign:1"]

    async def test_what_is_promoted_is_the_image_itself_for_as_long_as_the_engine_has_it(
        self, kit: DockerfileBuilder, request_for: Request, tmp_path: Path
    ) -> None:
        source = request_for({"Dockerfile": 'FROM base:1\nCMD ["true"]\n'}).source
        workshop, origin = Workshop(tmp_path / "workshop", [kit]), Source(digest=tree_digest(source))
        artifact = await workshop.build(source, BuildSettings(), origin, secrets={}, log=lambda _: None, chosen=lambda *_: None)
        assert await workshop.reused(source, origin, artifact) == artifact
        kit.prune(frozenset())
        with pytest.raises(NotFound, match="was pruned"):
            await workshop.reused(source, origin, artifact)

    async def test_a_source_without_it_is_told(self, builder: DockerfileBuilder, request_for: Request) -> None:
        with pytest.raises(BuildFailed, match="there is no Dockerfile in the source"):
            await builder.build(request_for({}), lambda _: None)

    async def test_without_an_engine_it_is_said_what_to_do(self, builder: DockerfileBuilder, request_for: Request, tmp_path: Path) -> None:
        nowhere = DockerfileBuilder(
            Surroundings.of(os.environ), program=Program(path="docker", socket=tmp_path / "none", repository="mooring-tests")
        )
        with pytest.raises(BuildFailed, match="no container engine listens"):
            await nowhere.build(request_for({"Dockerfile": "FROM base:1\n"}), lambda _: None)


class TestBuildSecrets:
    TAKES = (
        "FROM base:1\nRUN --mount=type=secret,id=NPM_TOKEN "
        '[ "$(head -c 4 /run/secrets/NPM_TOKEN)" = npm_ ] && echo has-arrived\nRUN [ ! -s /run/secrets/NPM_TOKEN ]\n'
    )

    async def test_one_reaches_the_step_that_mounts_it_and_nothing_that_stays(
        self, kit: DockerfileBuilder, request_for: Request, own_engine: ContainerEngine, tmp_path: Path
    ) -> None:
        sentinel, lines = secrets.token_hex(24), list[str]()
        request = request_for({"Dockerfile": self.TAKES}, secrets={"NPM_TOKEN": Secret(f"npm_{sentinel}")})
        artifact = await kit.build(request, lines.append)
        assert any(line.endswith("has-arrived") for line in lines), "the step had it"
        told = json.dumps([lines, own_engine.ask("GET", f"/images/{artifact.image}/json"), repr(artifact)])
        history = json.dumps(own_engine.ask("GET", f"/images/{artifact.image}/history"))
        saved: bytes = own_engine.ask("GET", f"/images/{artifact.image}/get", kind="application/x-tar")
        files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
        assert len(saved) > 1_000_000, "its layers are in it"
        everything = b"\n".join([told.encode(), history.encode(), saved, *files])
        for form in (sentinel.encode(), base64.b64encode(f"npm_{sentinel}".encode()), f"npm_{sentinel}".encode().hex().encode()):
            assert form not in everything

    async def test_a_build_that_fails_says_nothing_of_it(self, kit: DockerfileBuilder, request_for: Request, tmp_path: Path) -> None:
        sentinel, lines = secrets.token_hex(24), list[str]()
        dockerfile = f"{self.TAKES}RUN exit 3\n"
        with pytest.raises(BuildFailed) as failure:
            await kit.build(request_for({"Dockerfile": dockerfile}, secrets={"NPM_TOKEN": Secret(f"npm_{sentinel}")}), lines.append)
        left = [path for path in tmp_path.rglob("*") if path.is_file() and sentinel.encode() in path.read_bytes()]
        assert (sentinel in f"{failure.value}{lines}", left) == (False, [])

    async def test_without_buildkit_it_is_refused_before_anything_is_built(
        self, builder: DockerfileBuilder, has_buildkit: bool, request_for: Request
    ) -> None:
        request = request_for({"Dockerfile": "FROM base:1\n"}, secrets={"NPM_TOKEN": Secret("x")})
        if has_buildkit:
            assert (await builder.build(request, lambda _: None)).image
        else:
            with pytest.raises(BuildFailed, match=r"build\.secrets need BuildKit"):
                await builder.build(request, lambda _: None)

    async def test_what_a_step_keeps_in_buildkits_cache_the_next_build_finds(self, kit: DockerfileBuilder, request_for: Request) -> None:
        lines: list[str] = []
        for name in ("one", "two"):
            step = (
                f"RUN --mount=type=cache,target=/cache,id=mooring-{os.getpid()} [ -e /cache/kept ] && echo found-{name}; touch /cache/kept"
            )
            await kit.build(request_for({"Dockerfile": f"FROM base:1\n{step}\n"}, name=name), lines.append)
        assert any(line.endswith("found-two") for line in lines)
        assert not any(line.endswith("found-one") for line in lines)


class TestImage:
    async def test_one_that_is_here_is_taken_by_its_digest(
        self, program: Program, request_for: Request, own_engine: ContainerEngine
    ) -> None:
        image = own_engine.build("elsewhere:1", 'FROM base:1\nENTRYPOINT ["httpd"]\nCMD ["-f"]\n')
        builder = ImageBuilder(Surroundings.of(os.environ), program=program)
        artifact = await builder.build(request_for({}, image=image), lambda _: None)
        assert (artifact.image, artifact.processes) == (image, {"web": "httpd -f"})
        assert builder.has(artifact)

    async def test_one_that_cannot_be_fetched_is_told(self, program: Program, request_for: Request) -> None:
        builder = ImageBuilder(Surroundings.of(os.environ), program=program)
        with pytest.raises(BuildFailed, match="docker pull"):
            await builder.build(request_for({}, image=f"127.0.0.1:1/none@sha256:{'0' * 64}"), lambda _: None)

    async def test_one_for_another_kind_of_machine_is_refused(
        self, program: Program, request_for: Request, own_engine: ContainerEngine
    ) -> None:
        image = own_engine.make_foreign("strange:1")
        with pytest.raises(BuildFailed, match="linux/riscv64"):
            await ImageBuilder(Surroundings.of(os.environ), program=program).build(request_for({}, image=image), lambda _: None)


async def nothing_sleeps(seconds: str) -> None:
    """The engine ends what a build that broke off left running; this waits for it."""
    async with asyncio.timeout(60):
        while any(_words(path)[:2] == [b"sleep", seconds.encode()] for path in Path("/proc").glob("[0-9]*/cmdline")):
            await asyncio.sleep(0.1)


def _words(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\0")
    except OSError:
        return []
