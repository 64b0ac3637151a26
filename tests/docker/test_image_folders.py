"""Folders of images, taken out by the real program docker on a real engine: what is there comes, what is not is told, nothing stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from docker.engine import ContainerEngine

from mooring.drivers.builder.archive import ArchiveLimits
from mooring.drivers.builder.container.dockerfile import DockerfileBuilder
from mooring.drivers.builder.container.image import ImageBuilder
from mooring.drivers.builder.container.program import Program
from mooring.drivers.builder.surroundings import Surroundings
from mooring.errors import CapacityExceeded, InvalidInput, Unavailable
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact
from mooring.usecases.workshop import Workshop

pytestmark = pytest.mark.docker

BUILT = """\
FROM base:1
WORKDIR /app
COPY app.js public/app.js
COPY site.css public/css/site.css
COPY app.js /srv/www/page.js
COPY app.js /volume/kept.js
VOLUME /volume
RUN b=/bin/busybox && $b mkdir links hard names && touch "names/$(printf 'two\\nlines')" && $b ln -s ../../etc/passwd links/password && \
    $b ln -s public elsewhere && $b ln -s /etc absolute && touch hard/one && $b ln hard/one hard/two
"""
FILES = {"app.js": b"one", "site.css": b""}
FOUND = {
    "public": {"app.js": b"one", "css/site.css": b""},
    "./public/css": {"site.css": b""},
    "/app/public/css": {"site.css": b""},
    "/srv/www": {"page.js": b"one"},
    "/volume": {"kept.js": b"one"},
}
REFUSED = {
    "absent": "absent cannot be taken out of the image: ",
    "/absent/deep": "/absent/deep cannot be taken out of the image: ",
    "/": "/ cannot be taken out of the image",
    "public/app.js": "public/app.js is no folder of the image",
    "elsewhere": "elsewhere is no folder of the image",
    "absolute": "it points to the absolute path '/etc'",
    "links": "it points out of the tree",
    "hard": "it is a hard link",
    "names": "an asset's name cannot be part of an address",
}
DYING = """
import os, sys
from pathlib import Path
from mooring.drivers.builder.container.dockerfile import DockerfileBuilder
from mooring.drivers.builder.container.program import Program
from mooring.drivers.builder.surroundings import Surroundings
from mooring.model.release import Artifact

path, socket, repository, image = sys.argv[1:]
program = Program(path=path, socket=Path(socket), repository=repository)
artifact = Artifact(id="a1", builder="dockerfile", reason="", directory="", size=1, image=image)
with DockerfileBuilder(Surroundings.of(os.environ), program=program).folder(artifact, "public"):
    os._exit(9)
"""


Shop = Callable[..., Workshop]


def containers(engine: ContainerEngine) -> list[str]:
    return [name for each in engine.ask("GET", "/containers/json?all=1") for name in each["Names"]]


def is_clean(engine: ContainerEngine, tmp_path: Path) -> bool:
    """No container, no volume, nothing half written."""
    volumes = engine.ask("GET", "/volumes")["Volumes"] or []
    return (containers(engine), volumes, list((tmp_path / "workshop" / "cache" / "tmp").glob("*"))) == ([], [], [])


class TestFoldersOfImages:
    found: ClassVar = FOUND
    refused: ClassVar = REFUSED

    @pytest.fixture
    def engine(self, own_engine: ContainerEngine) -> ContainerEngine:
        return own_engine

    @pytest.fixture
    def program(self, engine: ContainerEngine) -> Program:
        engine.make_base("base:1")
        docker = shutil.which("docker")
        assert docker, "there is no program docker (Debian: apt-get install docker.io; from 13 on docker-cli too)"
        return Program(path=docker, socket=engine.socket, repository="mooring-tests")

    @pytest.fixture
    def shop(self, program: Program, tmp_path: Path) -> Shop:
        def make(*, limits: ArchiveLimits | None = None, free: int = 10**12) -> Workshop:
            surroundings = Surroundings.of(os.environ)
            builders = (DockerfileBuilder(surroundings, program=program), ImageBuilder(surroundings, program=program))
            return Workshop(tmp_path / "workshop", builders, limits=limits, free=lambda _: free)

        return make

    @pytest.fixture
    def artifact(self, program: Program, engine: ContainerEngine, tmp_path: Path) -> Artifact:
        image = engine.build("built:1", BUILT, **FILES)
        directory = tmp_path / "built"
        directory.mkdir()
        return Artifact(id=ArtifactId("a1"), builder="dockerfile", reason="", directory=str(directory), size=1, image=image)

    def test_its_files_are_told_from_where_the_image_works_or_from_its_top(
        self, shop: Shop, artifact: Artifact, engine: ContainerEngine, tmp_path: Path
    ) -> None:
        workshop = shop()
        for path, files in self.found.items():
            found = workshop.assets(artifact, path)
            assert {each.path: each.size for each in found} == {name: len(content) for name, content in files.items()}, path
            for name, content in files.items():
                with workshop.opened(artifact, path, name) as file:
                    assert file.read() == content
        assert is_clean(engine, tmp_path)

    def test_they_are_taken_out_once_and_then_need_no_engine(self, shop: Shop, artifact: Artifact, engine: ContainerEngine) -> None:
        before = shop().assets(artifact, "public")
        engine.ask("DELETE", f"/images/{artifact.image}?force=1")
        assert shop().assets(artifact, "public") == before
        with pytest.raises(Unavailable, match="the image of artifact a1 is not in the container engine here"):
            shop().assets(artifact, "/srv/www")

    def test_what_cannot_be_pushed_is_refused_in_words_and_nothing_stays(
        self, shop: Shop, artifact: Artifact, engine: ContainerEngine, tmp_path: Path
    ) -> None:
        for path, said in self.refused.items():
            with pytest.raises(InvalidInput) as refused:
                shop().assets(artifact, path)
            assert said in refused.value.message and refused.value.hint and refused.value.where, path
        assert is_clean(engine, tmp_path)

    def test_more_than_a_source_may_have_is_refused(self, shop: Shop, artifact: Artifact, engine: ContainerEngine, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="more than 2 entries"):
            shop(limits=ArchiveLimits(entries=2)).assets(artifact, "public")
        with pytest.raises(CapacityExceeded, match="taking assets out of an image needs about"):
            shop(free=1000).assets(artifact, "public")
        assert is_clean(engine, tmp_path)

    def test_what_a_crash_left_is_removed_and_what_is_open_or_somebody_elses_is_not(
        self, program: Program, shop: Shop, artifact: Artifact, engine: ContainerEngine
    ) -> None:
        words = [program.path, str(program.socket), program.repository, artifact.image]
        assert subprocess.run([sys.executable, "-c", DYING, *words], timeout=60).returncode == 9
        engine.ask("POST", "/containers/create?name=foreign", {"Image": artifact.image, "Cmd": ["-"]})
        (left,) = [name for name in containers(engine) if name != "/foreign"]
        builder = DockerfileBuilder(Surroundings.of(os.environ), program=program)
        other = ImageBuilder(Surroundings.of(os.environ), program=program)
        with builder.folder(artifact, "public"), other.folder(artifact, "public"):
            builder.prune(frozenset())
            assert left not in containers(engine)
            assert len(containers(engine)) == 3
        assert containers(engine) == ["/foreign"]

    @pytest.mark.parametrize("kept", [512, 700], ids=["after an entry", "within one"])
    def test_an_engine_that_breaks_off_is_not_taken_for_the_end(
        self, kept: int, program: Program, artifact: Artifact, tmp_path: Path
    ) -> None:
        """The program then ends with an error. At the end of an entry its archive looks whole."""
        cutting = tmp_path / "docker"
        cutting.write_text(f'#!/bin/sh\n[ "$2" = cp ] || exec {program.path} "$@"\n{program.path} "$@" | head -c {kept}\nexit 1\n')
        cutting.chmod(0o755)
        cut = Program(path=str(cutting), socket=program.socket, repository=program.repository)
        workshop = Workshop(tmp_path / "workshop", (DockerfileBuilder(Surroundings.of(os.environ), program=cut),))
        with pytest.raises(Unavailable, match="broke off in public of the image"):
            workshop.assets(artifact, "public")
