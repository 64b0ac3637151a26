"""Builds static sites: the files to serve in `site/`, and the configuration of the Caddy that serves them as an instance like any other.

Only the site itself is copied: no dot file but `.well-known`, and of a site at the top of the source none of what describes the app.
Caddy's own program is kept in the cache too, so that an old release still runs after Mooring and its Caddy were upgraded.
Must not: serve a listing, or let Caddy keep files, certificates or an admin interface of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from mooring.drivers.builder.contract import BuildLog, BuildRequest, Detection
from mooring.drivers.builder.shelf import Shelf
from mooring.drivers.builder.surroundings import Surroundings
from mooring.drivers.builder.tree import copy_tree, remove_tree, size_of, to_completion
from mooring.drivers.builder.workbench import shell_line, workbench
from mooring.errors import BuildFailed
from mooring.model.build import BuildSettings
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact

COMMAND = "exec caddy run --config caddy.json"  # without exec a shell would stay above it, and die before it has finished
SITE = "site"
_USUAL = ("", "public", "dist", "site", "_site")
_DESCRIPTIONS = frozenset({"mooring.toml", "Procfile", "app.json"})


class StaticBuilder:
    name = "static"

    def __init__(self, surroundings: Surroundings, *, caddy: Path) -> None:
        self._surroundings = surroundings
        self._caddy = caddy

    def detect(self, source: Path, settings: BuildSettings) -> Detection | None:
        """A Procfile says how to run the app, so a page beside it does not make it a static site; a setting does."""
        if settings.static_directory:
            return Detection(self.name, f"static_directory is {settings.static_directory}")
        if (source / "Procfile").is_file():
            return None
        found = _directory_with_index(source)
        return None if found is None else Detection(self.name, f"{Path(found) / 'index.html'} is present")

    def is_apart(self, settings: BuildSettings) -> bool:
        return not settings.command

    async def build(self, request: BuildRequest, log: BuildLog) -> Artifact:
        work = request.output / "work"
        if request.settings.command:
            await to_completion(copy_tree, request.source, work)
            async with workbench(request, log, surroundings=self._surroundings, place=work) as sandbox:
                await sandbox.run(shell_line(request.settings.command), directory=work)
        tree = work if request.settings.command else request.source
        served = _served_directory(tree, request.settings)
        log(f"serving {served.relative_to(tree)}" if served != tree else "serving the whole source")
        await to_completion(copy_tree, served, request.output / SITE, leaving_out=lambda path: _is_left_out(path, is_top=served == tree))
        if request.settings.command:
            await to_completion(remove_tree, work)
        (request.output / "caddy.json").write_text(json.dumps(_configuration(), indent=2) + "\n")
        server = await self._server(request)
        return Artifact(
            id=ArtifactId(request.output.name),
            builder=self.name,
            reason="it is a directory of files",
            directory=str(request.output),
            size=size_of(request.output),
            environment={"PATH": f"{server}:{self._surroundings.path}", "XDG_DATA_HOME": os.devnull, "XDG_CONFIG_HOME": os.devnull},
            processes={"web": COMMAND},
            dependencies=(str(server),),
        )

    async def _server(self, request: BuildRequest) -> Path:
        """The directory in the cache that holds this very Caddy, put there once."""
        if not self._caddy.is_file():
            raise BuildFailed("the static server Caddy is not installed", hint="install Mooring again: it comes with it")
        status = self._caddy.stat()
        name = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:40]
        shelf = Shelf(request.cache / "static")
        place = shelf.place(name)
        async with shelf.hold(name):
            if shelf.record(name) is None:
                await shelf.clear(name)
                await to_completion(_keep, self._caddy, place / "caddy")
                await shelf.finish(name, b"caddy")
        return place


def _served_directory(tree: Path, settings: BuildSettings) -> Path:
    name = settings.static_directory or _directory_with_index(tree)
    if name is None:
        raise BuildFailed("there is no index.html to serve", hint="set build.static_directory to the folder that holds it")
    served = (tree / name).resolve()
    if not served.is_relative_to(tree.resolve()) or not served.is_dir():
        raise BuildFailed(
            f"static_directory is {name!r}, which is no folder of the source", hint="name a folder that is there after the build"
        )
    return tree if served == tree.resolve() else tree / name


def _directory_with_index(tree: Path) -> str | None:
    return next((name for name in _USUAL if (tree / name / "index.html").is_file()), None)


def _is_left_out(path: Path, *, is_top: bool) -> bool:
    is_hidden = path.name.startswith(".") and path.name != ".well-known"
    return is_hidden or (is_top and str(path) in _DESCRIPTIONS)


def _keep(program: Path, target: Path) -> None:
    target.parent.mkdir(parents=True)
    try:
        os.link(program, target)
    except OSError:
        shutil.copy2(program, target)


def _configuration() -> dict[str, object]:
    """Caddy's own JSON. A 404.html at the top of the site is what is answered where there is nothing. Source: Caddy's JSON reference."""
    files = {
        "handler": "file_server",
        "root": SITE,
        "precompressed": {"br": {}, "zstd": {}, "gzip": {}},
        "precompressed_order": ["br", "zstd", "gzip"],
    }
    missing = {
        "match": [{"expression": "{http.error.status_code} == 404", "file": {"root": SITE, "try_files": ["/404.html"]}}],
        "handle": [{"handler": "rewrite", "uri": "/404.html"}, {"handler": "file_server", "root": SITE, "status_code": "404"}],
    }
    server = {
        "listen": ["127.0.0.1:{env.PORT}"],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "routes": [{"handle": [files]}],
        "errors": {"routes": [missing]},
    }
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN", "exclude": ["admin"]}}},
        "apps": {
            "http": {"servers": {"site": server}},
            "tls": {"disable_storage_check": True, "disable_storage_clean": True},
        },
    }
