"""From an uploaded archive to an artifact: unpack, plan, choose a builder, build once per content, forget what nobody runs any more.

Everything lies below one directory: `sources/` (unpacked, until discarded), `artifacts/` (a shelf) and `cache/` (the builders': shelves
of shared dependencies, download caches, and `tmp/`; in `own/` the download caches of builds that are confined, by whose they are). Must
not: know a concrete builder, or hand one a secret that the manifest does not name.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from mooring.drivers.builder.archive import ArchiveLimits, extract
from mooring.drivers.builder.catalogue import Catalogue, Choice
from mooring.drivers.builder.contract import (
    Builder,
    BuildLog,
    BuildRequest,
    BuildsApart,
    Confined,
    Confines,
    KeepsSecrets,
    KeptElsewhere,
    OpensFolders,
)
from mooring.drivers.builder.folders import lay_out, place_of
from mooring.drivers.builder.sandbox import DISK_RESERVE, free_bytes
from mooring.drivers.builder.shelf import Shelf
from mooring.drivers.builder.surroundings import DOWNLOADS
from mooring.drivers.builder.tree import remove_tree, size_of, to_completion, tree_digest
from mooring.drivers.builder.workbench import TEMPORARY
from mooring.engine import contract
from mooring.engine.contract import ReleasePlan
from mooring.errors import BuildFailed, CapacityExceeded, InvalidInput, NotFound, SourceInvalid, Unavailable
from mooring.model.assets import AssetFile
from mooring.model.build import BuildConfinement, BuildLimits, BuildSettings
from mooring.model.environment import EnvironmentId
from mooring.model.quantity import format_size
from mooring.model.release import Artifact, Source
from mooring.model.review import is_strangers
from mooring.model.secret import Secret
from mooring.usecases.asset_files import MANIFEST, asset_files, built_folder, opened_asset
from mooring.usecases.source_reading import release_plan

VERSION = 1  # of what a build makes from the same source and settings: raise it when that changes
HANDED_OUT = 600.0  # seconds in which an artifact just given away is not pruned, though no release names it yet
_OWN, _DOWNLOADED, _BUILT = "own", "downloads", "built"  # folders of the cache; the last has a file for each artifact
_ROOM = 3  # times the source's size that a build is expected to take


class Workshop:
    def __init__(
        self,
        directory: Path,
        builders: Sequence[Builder],
        *,
        limits: ArchiveLimits | None = None,
        free: Callable[[Path], int] = free_bytes,
        handed_out: float = HANDED_OUT,
        takes_strangers: bool = False,
        confines: Callable[[BuildConfinement], Confines | None] = lambda _: None,
    ) -> None:
        """`takes_strangers`: their code may run as the user who runs the platform. `confines`: who confines a build, where anybody can."""
        self._sources = directory / "sources"
        self._cache = directory / "cache"
        for place in (directory, self._sources, self._cache):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._artifacts = Shelf(directory / "artifacts")
        self._catalogue = Catalogue(builders)
        self._elsewhere = tuple(each for each in builders if isinstance(each, KeptElsewhere))
        self._openers = {each.name: each for each in builders if isinstance(each, OpensFolders)}
        self._limits = limits or ArchiveLimits()
        self._free = free
        self._protection = handed_out
        self._takes_strangers = takes_strangers
        self._confines = confines
        self._handed_out: dict[str, float] = {}
        self._building: list[str] = []  # a name for each build that goes on: whose downloads it uses, empty for everybody's
        self._unpacked: dict[Path, Path] = {}  # by archive
        self._listed: tuple[Path | None, tuple[AssetFile, ...]] = None, ()

    def tidy(self) -> None:
        """Remove what a controller that died left behind. Once, before anything else is asked of this workshop."""
        for leftover in (*self._sources.iterdir(), *(self._cache / TEMPORARY).glob("*")):
            remove_tree(leftover)
        for shelf in (self._artifacts, *self._shared()):
            shelf.sweep()

    def unpack(self, archive: Path) -> Path:
        known = self._unpacked.get(archive)
        if known is not None and known.is_dir():
            return known
        source = self._sources / secrets.token_hex(8)
        extract(archive, source, limits=self._limits)
        self._unpacked[archive] = source
        return source

    def blank(self) -> Path:
        source = self._sources / secrets.token_hex(8)
        source.mkdir(mode=0o700)
        return source

    def plan(self, source: Path, environment: EnvironmentId, origin: Source, *, offered: Mapping[str, str] | None = None) -> ReleasePlan:
        return release_plan(source, environment, origin, offered=offered)

    async def build(
        self,
        source: Path,
        settings: BuildSettings,
        origin: Source,
        *,
        secrets: Mapping[str, Secret],
        log: BuildLog,
        chosen: Callable[[str, str], None],
        owner: str = "",
        confinement: BuildConfinement | None = None,
    ) -> Artifact:
        app, digest = await to_completion(_app_of, source, settings, origin)
        choice = self._catalogue.choose(app, settings)
        chosen(choice.builder.name, choice.reason)
        is_foreign = is_strangers(origin.branch)
        if is_foreign and not self._takes_strangers:
            _check_apart(choice.builder, settings)
        if settings.secrets:
            place = _secret_place(choice.builder)
            log(f"steps that mount them find {', '.join(settings.secrets)} in {place}")
        if choice.note:
            log(choice.note)
        whose = confinement.slug if confinement is not None else ""
        self._building.append(whose)
        try:
            name = _artifact_name(digest, settings, builder=choice.builder.name, owner=owner)
            artifact = await self._once(
                name, app, digest, settings, secrets=secrets, choice=choice, is_foreign=is_foreign, confinement=confinement, log=log
            )
        finally:
            self._building.remove(whose)
        self._handed_out[artifact.id] = time.monotonic()
        return artifact

    async def reused(self, source: Path, origin: Source, artifact: Artifact) -> Artifact:
        if not origin.digest or await to_completion(tree_digest, source) != origin.digest:
            raise SourceInvalid("the source that arrived is not the one that was built", where=origin.digest[:12])
        async with self._artifacts.hold(artifact.id):
            present = self._present(artifact.id)
            if present is None or not await _is_kept(self._catalogue.named(artifact.builder), present):
                raise NotFound(f"the artifact {artifact.id[:12]} was pruned", hint="`mooring deploy` builds it again")
            self._handed_out[artifact.id] = time.monotonic()
        return artifact

    def assets(self, artifact: Artifact, path: str) -> tuple[AssetFile, ...]:
        """Those of the folder that was asked for last are not read again: an artifact never changes."""
        folder = self._folder(artifact, path)
        asked, files = self._listed
        if asked != folder:
            files = asset_files(folder, path)
            self._listed = folder, files
        return files

    def opened(self, artifact: Artifact, path: str, name: str) -> BinaryIO:
        return opened_asset(self._folder(artifact, path), name)

    def discard(self, source: Path) -> None:
        if source.parent == self._sources:
            self._unpacked = {archive: place for archive, place in self._unpacked.items() if place != source}
            remove_tree(source)

    def drop(self, archive: Path) -> None:
        source = self._unpacked.get(archive)
        if source is not None:
            self.discard(source)

    def artifacts(self) -> frozenset[str]:
        return self._artifacts.names()

    def images(self) -> frozenset[str]:
        return frozenset[str]().union(*(each.names() for each in self._elsewhere))

    def spares(self, artifact: str) -> bool:
        return bool(self._building) or artifact in self._recent()

    def prune(self, keep: frozenset[str]) -> int:
        recent = self._recent()
        freed = self._artifacts.prune(keep | recent) + self._prune_own(keep)
        if not self._building:
            freed += sum(each.prune(keep | recent) for each in self._elsewhere)
        return freed if self._building else freed + self._prune_shared()

    async def trim_downloads(self, *, at_most: int) -> int:
        """Empty the package clients' download caches, the largest first, until they take no more than that together; bytes freed.

        Each as a whole: its files refer to each other in ways that are its client's own. Never while something is built, since a build
        may be reading it; artifacts do not need it.
        """
        caches = [self._cache, *(self._cache / _OWN).glob(f"*/{_DOWNLOADED}")]
        places = [place for cache in caches for name in DOWNLOADS if (place := cache / name).is_dir()]
        sizes = {place: await to_completion(size_of, place) for place in places}
        aside: list[Path] = []
        freed = 0
        for place, size in sorted(sizes.items(), key=lambda each: -each[1]):
            if self._building or sum(sizes.values()) - freed <= at_most:
                break
            aside.append(self._set_aside(place))
            freed += size
        for leftover in aside:
            await to_completion(remove_tree, leftover)
        return freed

    def _recent(self) -> frozenset[str]:
        now = time.monotonic()
        return frozenset(name for name, at in self._handed_out.items() if now - at < self._protection)

    def _set_aside(self, place: Path) -> Path:
        """At once, and before a build could begin; `tidy` finds it where the controller dies before it is removed."""
        shelf = self._cache / TEMPORARY
        shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place.rename(shelf / f"{place.name}-{secrets.token_hex(4)}")

    async def _once(
        self,
        name: str,
        app: Path,
        digest: str,
        settings: BuildSettings,
        *,
        secrets: Mapping[str, Secret],
        choice: Choice,
        is_foreign: bool,
        confinement: BuildConfinement | None,
        log: BuildLog,
    ) -> Artifact:
        """Build it, unless it is there; whoever asks for the same meanwhile waits and finds it."""
        async with self._artifacts.hold(name):
            present = self._present(name)
            if present is not None and await _is_kept(choice.builder, present):
                log(f"this source is built already ({name[:12]}): nothing to do")
                return present
            await self._artifacts.clear(name)
            await self._check_disk(app)
            place = self._artifacts.place(name)
            request = BuildRequest(
                source=app,
                output=place,
                cache=self._cache,
                digest=digest,
                settings=settings,
                secrets=dict(secrets),
                is_strangers=is_foreign,
                confined=self._confined(confinement, name),
            )
            try:
                artifact = await choice.builder.build(request, log)
                artifact = msgspec.structs.replace(artifact, reason=choice.reason)
                await self._artifacts.finish(name, msgspec.json.encode(artifact))
            except BaseException as failure:
                await self._artifacts.clear(name)
                if isinstance(failure, OSError):
                    raise Unavailable(f"the build could not be written: {failure}", hint="see whether the disk is full") from failure
                raise
        return artifact

    def _confined(self, confinement: BuildConfinement | None, name: str) -> Confined | None:
        """With downloads of its own, which stay as long as an artifact is kept that was built with them: `name` will be one."""
        confines = self._confines(confinement) if confinement is not None else None
        if confinement is None or confines is None:
            return None
        own = self._cache / _OWN / confinement.slug
        for folder in (own / _DOWNLOADED, own / _BUILT):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (own / _BUILT / name).touch()
        return Confined(owner=confinement.slug, downloads=own / _DOWNLOADED, by=confines)

    def _present(self, name: str) -> Artifact | None:
        """A finished artifact whose directory, dependencies and interpreter are all still there."""
        record = self._artifacts.record(name)
        if record is None:
            return None
        try:
            artifact = msgspec.json.decode(record, type=Artifact)
        except msgspec.DecodeError:
            return None
        environment = artifact.environment.get("VIRTUAL_ENV")
        needed = [*artifact.dependencies, *([f"{environment}/bin/python"] if environment else [])]
        return artifact if all(Path(path).exists() for path in needed) else None

    def _folder(self, artifact: Artifact, path: str) -> Path:
        """Of an image as files of this machine, from the first time that it is asked for. Raises InvalidInput, Unavailable."""
        if not artifact.image:
            return built_folder(artifact, path)
        place = place_of(artifact, path)
        if not place.is_dir():
            opener = self._openers.get(artifact.builder)
            if opener is None:
                hint = "leave [assets] out and let the image serve them"
                raise InvalidInput(f"nothing here reads a folder of an image of the builder {artifact.builder}", hint=hint, where=MANIFEST)
            self._check_room(DISK_RESERVE, "taking assets out of an image")
            lay_out(artifact, path, opener=opener, temporary=self._cache / TEMPORARY, limits=self._limits)
        return place

    async def _check_disk(self, app: Path) -> None:
        self._check_room(DISK_RESERVE + _ROOM * await to_completion(size_of, app), "building")

    def _check_room(self, needed: int, what: str) -> None:
        free = self._free(self._cache)
        if free < needed:
            raise CapacityExceeded(
                f"{what} needs about {format_size(needed)} of disk, and {format_size(free)} are free",
                hint="free some space; fewer kept releases (deploy.keep_releases) take less",
                where=str(self._cache.parent),
            )

    def _prune_shared(self) -> int:
        artifacts = [artifact for name in self._artifacts.names() if (artifact := self._present(name)) is not None]
        needed = frozenset(Path(path).name for artifact in artifacts for path in artifact.dependencies)
        return sum(shelf.prune(needed) for shelf in self._shared())

    def _prune_own(self, keep: frozenset[str]) -> int:
        """What confined builds downloaded, of whose artifacts none is kept: also where one stays for a while because it is new."""
        freed = 0
        for own in [own for own in (self._cache / _OWN).glob("*") if own.name not in self._building]:
            built = {mark.name for mark in (own / _BUILT).glob("*")}
            for gone in built - self._artifacts.names():
                (own / _BUILT / gone).unlink(missing_ok=True)
            if built.isdisjoint(keep):
                freed += size_of(own)
                remove_tree(self._set_aside(own))
        return freed

    def _shared(self) -> list[Shelf]:
        """The builders' shelves in the cache."""
        return [Shelf(place.parent) for place in self._cache.glob("*/.locks")]


def _app_of(source: Path, settings: BuildSettings, origin: Source) -> tuple[Path, str]:
    """The app's directory in the source, and the digest of what is in it; after checking that the source is what was sent."""
    digest = tree_digest(source)
    if origin.digest and origin.digest != digest:
        raise SourceInvalid("the source that arrived is not the one that was sent", hint="deploy again", where=origin.digest[:12])
    if not settings.root:
        return source, digest
    app = (source / settings.root).resolve()
    if not app.is_relative_to(source.resolve()) or not app.is_dir():
        raise BuildFailed(f"build.root is {settings.root!r}, which is no folder of the source", hint="name the folder that holds the app")
    return app, tree_digest(app)


def _check_apart(builder: Builder, settings: BuildSettings) -> None:
    """Raises BuildFailed where a stranger's code would be run by the build itself."""
    if isinstance(builder, BuildsApart) and builder.is_apart(settings):
        return
    raise BuildFailed(
        f"this is a stranger's code, and the builder {builder.name} would run it as the user who runs the platform",
        hint="have review apps built from a Dockerfile (`[review.build]` with `builder`); or allow it, for all strangers: "
        "`mooring up --unconfined-strangers`",
    )


def _secret_place(builder: Builder) -> str:
    """Raises BuildFailed where nothing could keep secrets out of what is made."""
    if isinstance(builder, KeepsSecrets):
        return builder.secret_place
    hint = "write a Dockerfile whose steps mount them, and set build.builder to dockerfile; or leave build.secrets out"
    raise BuildFailed(f"the builder {builder.name} gives no secrets to a build", hint=hint)


async def _is_kept(builder: Builder, artifact: Artifact) -> bool:
    """What a builder keeps elsewhere may have been taken away there."""
    return not isinstance(builder, KeptElsewhere) or await to_completion(builder.has, artifact)


def _artifact_name(digest: str, settings: BuildSettings, *, builder: str, owner: str) -> str:
    """The same content and wishes have one name, but for each owner; the limits of a build change nothing about what it makes."""
    wishes = msgspec.json.encode(msgspec.structs.replace(settings, limits=BuildLimits()), order="sorted")
    parts = [str(VERSION).encode(), builder.encode(), digest.encode(), wishes, *([owner.encode()] if owner else [])]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:40]


_: type[contract.Workshop] = Workshop
