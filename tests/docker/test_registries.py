"""Images of a real registry that wants to know who asks: fetched for builds and by hosts, and what is built here brought through it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from docker.engine import ContainerEngine
from docker.registry import PASSWORD, USERNAME, Registry

from mooring.drivers.builder.container.bench import configuration
from mooring.drivers.builder.container.dockerfile import DockerfileBuilder
from mooring.drivers.builder.container.image import ImageBuilder
from mooring.drivers.builder.container.program import Program
from mooring.drivers.builder.contract import BuildRequest
from mooring.drivers.builder.surroundings import Surroundings
from mooring.drivers.runtime.docker.engine import Engine
from mooring.drivers.runtime.docker.registry import push
from mooring.drivers.runtime.docker.runtime import DockerRuntime
from mooring.drivers.runtime.docker.settings import DockerSettings
from mooring.drivers.transport.local import LocalTransport
from mooring.errors import BuildFailed, Unavailable
from mooring.model.build import BuildSettings
from mooring.model.names import ArtifactId
from mooring.model.registry import Registry as Known
from mooring.model.registry import RegistryLogin
from mooring.model.release import Artifact
from mooring.model.secret import Secret
from mooring.testing.runtime_contract import a_mark

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    registry = Registry(tmp_path_factory.mktemp("registry") / "kept")
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()


def login(registry: Registry, *, password: str = PASSWORD, images: str = "") -> RegistryLogin:
    return RegistryLogin(registry=Known(host=registry.host, username=USERNAME, images=images), password=Secret(password))


@pytest.fixture
async def published(registry: Registry, own_engine: ContainerEngine) -> str:
    """An image that only the registry has, by its digest."""
    own_engine.make_base("base:1")
    image = own_engine.build("elsewhere:1", f'FROM base:1\nLABEL made={os.urandom(8).hex()}\nCMD ["httpd", "-f"]\n')
    engine = Engine(LocalTransport(), own_engine.socket)  # type: ignore[arg-type]  # a path of this machine is one of its host
    try:
        reference = await push(engine, image, login(registry, images="team/shop"), tag="first")
    finally:
        await engine.close()
    own_engine.clear()
    return reference


@pytest.fixture
def program(own_engine: ContainerEngine) -> Program:
    docker = shutil.which("docker")
    assert docker, "there is no program docker (Debian: apt-get install docker.io)"
    return Program(path=docker, socket=own_engine.socket, repository="mooring-tests")


def asking(tmp_path: Path, files: dict[str, str] | None = None, **settings: str) -> BuildRequest:
    for place in ("source", "cache"):
        (tmp_path / place).mkdir(exist_ok=True)
    for name, content in (files or {}).items():
        (tmp_path / "source" / name).write_text(content)
    wishes = BuildSettings(**settings)  # type: ignore[arg-type]  # passed through
    return BuildRequest(source=tmp_path / "source", output=tmp_path / "a1", cache=tmp_path / "cache", digest="d", settings=wishes)


def artifact(image: str, name: str = "a1") -> Artifact:
    return Artifact(id=ArtifactId(name), builder="image", reason="", directory="", size=1, image=image)


def files_with(text: str, directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


class TestBuilds:
    async def test_an_image_that_only_the_registry_has_is_fetched_as_who_is_known_there(
        self, registry: Registry, published: str, program: Program, tmp_path: Path
    ) -> None:
        lines: list[str] = []
        builder = ImageBuilder(Surroundings.of(os.environ), program=program, logins=lambda: (login(registry),))
        made = await builder.build(asking(tmp_path, image=published), lines.append)
        assert (made.image, made.processes) == (published, {"web": "httpd -f"})
        assert (PASSWORD in "".join(lines), files_with("auths", tmp_path)) == (False, [])

    async def test_what_a_dockerfile_begins_with_is_fetched_too(
        self, registry: Registry, published: str, program: Program, tmp_path: Path, own_engine: ContainerEngine
    ) -> None:
        builder = DockerfileBuilder(Surroundings.of(os.environ), program=program, logins=lambda: (login(registry),))
        request = asking(tmp_path, {"Dockerfile": f"FROM {published}\nRUN [ ! -e /root/.docker ] && echo ran\n"})
        made = await builder.build(request, lambda _: None)
        told = json.dumps([own_engine.ask("GET", f"/images/{made.image}/{what}") for what in ("json", "history")])
        saved: bytes = own_engine.ask("GET", f"/images/{made.image}/get", kind="application/x-tar")
        assert (PASSWORD in told, PASSWORD.encode() in saved) == (False, False)

    async def test_a_strangers_dockerfile_begins_with_nothing_that_is_fetched_as_who_is_known_there(
        self, registry: Registry, published: str, program: Program, tmp_path: Path
    ) -> None:
        builder = DockerfileBuilder(Surroundings.of(os.environ), program=program, logins=lambda: (login(registry),))
        request = asking(tmp_path, {"Dockerfile": f"FROM {published}\n"})
        with pytest.raises(BuildFailed, match="docker"):
            await builder.build(msgspec.structs.replace(request, is_strangers=True), lambda _: None)
        for place in tmp_path.glob("a1*"):
            shutil.rmtree(place)
        assert (await builder.build(request, lambda _: None)).image

    @pytest.mark.parametrize("password", [None, "wrong"])
    async def test_who_is_not_known_there_gets_nothing(
        self, registry: Registry, published: str, program: Program, tmp_path: Path, password: str | None
    ) -> None:
        logins = (login(registry, password=password),) if password else ()
        builder = ImageBuilder(Surroundings.of(os.environ), program=program, logins=lambda: logins)
        with pytest.raises(BuildFailed, match="docker pull"):
            await builder.build(asking(tmp_path, image=published), lambda _: None)

    def test_docker_hub_has_the_name_there_that_the_program_has_always_given_it(self) -> None:
        hub = RegistryLogin(registry=Known(host="docker.io", username="anna"), password=Secret("x"))
        assert json.loads(configuration([hub])) == {"auths": {"https://index.docker.io/v1/": {"auth": "YW5uYTp4"}}}


class TestHosts:
    @pytest.fixture
    async def runtime(self, settings: DockerSettings, registry: Registry) -> AsyncIterator[DockerRuntime]:
        self.logins: tuple[RegistryLogin, ...] = (login(registry),)
        runtime = DockerRuntime(LocalTransport(), settings, logins=lambda: self.logins)
        yield runtime
        await runtime.close()

    async def test_a_host_fetches_as_who_is_known_there_and_gives_it_back_whole(
        self, runtime: DockerRuntime, published: str, host_engine: ContainerEngine
    ) -> None:
        delivered = await runtime.deliver(a_mark(), artifact(published))
        assert delivered.total > 0
        assert (await runtime.deliver(a_mark(), artifact(published))).sent == 0
        assert await runtime.reclaim(a_mark(), keep=frozenset({ArtifactId("a1")})) == 0
        await runtime.reclaim(a_mark(), keep=frozenset())
        names = [each["RepoDigests"] for each in host_engine.ask("GET", "/images/json") if published in (each["RepoDigests"] or ())]
        assert names == []

    async def test_without_the_right_password_it_says_what_the_registry_said_and_not_the_password(
        self, runtime: DockerRuntime, published: str, registry: Registry
    ) -> None:
        self.logins = (login(registry, password="wrong-s3ntinel"),)
        with pytest.raises(Unavailable) as refused:
            await runtime.deliver(a_mark(), artifact(published))
        assert "s3ntinel" not in str(refused.value)
        self.logins = (login(registry),)
        assert (await runtime.deliver(a_mark(), artifact(published))).total > 0, "the password of now counts"

    async def test_what_was_built_here_reaches_a_host_through_the_registry_and_only_once(
        self, runtime: DockerRuntime, registry: Registry, own_engine: ContainerEngine, host_engine: ContainerEngine
    ) -> None:
        self.logins = (login(registry, images="team/apps"),)
        own_engine.make_base("base:1")
        image = own_engine.build("mine:1", f"FROM base:1\nLABEL made={os.urandom(8).hex()}\n")
        delivered = await runtime.deliver(a_mark(), artifact(image, "b1"))
        assert delivered.total > 0
        (found,) = [each for each in host_engine.ask("GET", "/images/json") if each["Id"] == image]
        assert any(name.startswith(f"{registry.host}/team/apps@sha256:") for name in found["RepoDigests"])
        assert (await runtime.deliver(a_mark(), artifact(image, "b1"))).sent == 0
        assert own_engine.ask("GET", f"/images/{image}/json")["RepoTags"] == ["mine:1"], "its name in the registry is no name here"
        await runtime.reclaim(a_mark(), keep=frozenset())
        assert image not in [each["Id"] for each in host_engine.ask("GET", "/images/json")]
