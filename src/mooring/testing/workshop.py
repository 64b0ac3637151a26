"""A workshop in memory: source trees are scripts that say what they ask to run and how their build goes.

`pack` gives the path under which a tree may be deployed. Nothing is read or written but the directories' names.
Must not: build anything, or read another clock than its own.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec

from mooring.drivers.builder.contract import BuildLog
from mooring.engine.contract import Clock, ReleasePlan, Workshop
from mooring.errors import MooringError, NotFound, SourceInvalid
from mooring.model.accessory import Accessory
from mooring.model.assets import AssetFile, AssetSettings
from mooring.model.build import BuildConfinement, BuildSettings
from mooring.model.edge import Access, EdgeSettings
from mooring.model.environment import EnvironmentId
from mooring.model.health import Check, CheckKind, Checks
from mooring.model.host import HostRuntime
from mooring.model.names import ArtifactId, Hostname, ProcessName, VariableName
from mooring.model.placement import Region
from mooring.model.policy import Policy
from mooring.model.release import Artifact, ProcessType, Release, Source
from mooring.model.review import REVIEW_PASSWORD, REVIEW_USER, ReviewAccess, ReviewSettings, is_review_of
from mooring.model.secret import Secret
from mooring.model.service import ServiceWish

_ASKED = Check(kind=CheckKind.HTTP, paths=("/up",), interval=0.1)
WEB_CHECKS = Checks(startup=_ASKED, readiness=msgspec.structs.replace(_ASKED, interval=0.5))
ALIVE_CHECKS = Checks(startup=Check(interval=0.1), readiness=Check(interval=0.5))


def process(
    name: str, *, count: int = 1, is_single: bool = False, memory: int = 0, path: str = "/", checks: Checks | None = None
) -> ProcessType:
    """A process type; `web` and `api` are routed and asked by HTTP, all others need only live."""
    is_routed = name in ("web", "api")
    return ProcessType(
        name=ProcessName(name),
        command=f"run {name}",
        count=count,
        is_routed=is_routed,
        is_single=is_single,
        checks=checks or (WEB_CHECKS if is_routed else ALIVE_CHECKS),
        memory=memory,
        path=path,
    )


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """A source tree. `hostnames` empty: the environment's label below localhost. Errors are raised where they say."""

    processes: tuple[ProcessType, ...] = (process("web", count=2),)
    policy: Policy = Policy(bake=0.5)
    hostnames: tuple[str, ...] = ()
    release_command: str = ""
    review: ReviewSettings = ReviewSettings()
    variables: dict[str, str] = {}
    edge: EdgeSettings = EdgeSettings()
    builder: str = "procfile"
    build_seconds: float = 0.0
    build_lines: tuple[str, ...] = ("building",)
    offered: tuple[ProcessType, ...] = ()  # process types known only once it is built
    notes: tuple[str, ...] = ()
    required_variables: tuple[str, ...] = ()
    generated_variables: tuple[str, ...] = ()
    secret_files: tuple[str, ...] = ()
    build_secrets: tuple[str, ...] = ()
    build_commands: dict[str, str] = {}  # by environment
    services: tuple[ServiceWish, ...] = ()
    assets: AssetSettings | None = None
    files: dict[str, bytes] = {}  # by path, below the folder of assets
    regions: tuple[Region, ...] = ()
    runtime: HostRuntime | None = None
    accessories: tuple[Accessory, ...] = ()
    size: int = 1_000  # bytes of what is built
    unpack_error: MooringError | None = None
    plan_error: MooringError | None = None
    build_error: MooringError | None = None


class FakeWorkshop:
    """`unpacked` are the directories not yet discarded; `builds` counts finished ones by digest, `cancelled` those given up."""

    def __init__(self, clock: Clock, *, directory: str = "/") -> None:
        self.unpacked: set[Path] = set()
        self.builds: dict[str, int] = {}
        self.cancelled = 0
        self.kept: frozenset[str] = frozenset()
        self.secrets: dict[str, Secret] = {}  # what the last build was given
        self.confinements: list[BuildConfinement | None] = []  # of its builds, in order
        self.elsewhere: set[str] = set()  # artifacts of which an engine here has the image
        self.spared: set[str] = set()  # artifacts that are not pruned for now
        self.stuck: set[str] = set()  # artifacts whose image the engine does not let go of
        self._made: set[str] = set()
        self._files: dict[str, dict[str, bytes]] = {}  # by artifact
        self._clock = clock
        self._directory = directory
        self._trees: dict[Path, Tree] = {}
        self._sources: dict[Path, Tree] = {}
        self._unpacked: dict[Path, Path] = {}
        self._count = 0

    def pack(self, tree: Tree, archive: Path | None = None) -> Path:
        """Where an upload of this tree lies."""
        place = archive or Path(f"/absent/uploads/{len(self._trees) + 1}.tar")
        self._trees[place] = tree
        return place

    def unpack(self, archive: Path) -> Path:
        known = self._unpacked.get(archive)
        if known is not None:
            return known
        tree = self._trees.get(archive)
        if tree is None:
            raise SourceInvalid(f"{archive} is no archive")
        if tree.unpack_error is not None:
            raise tree.unpack_error
        self._count += 1
        source = Path(f"/absent/sources/{self._count}")
        self._sources[source] = tree
        self.unpacked.add(source)
        self._unpacked[archive] = source
        return source

    def blank(self) -> Path:
        self._count += 1
        source = Path(f"/absent/sources/{self._count}")
        self._sources[source] = Tree()
        self.unpacked.add(source)
        return source

    def plan(self, source: Path, environment: EnvironmentId, origin: Source, *, offered: Mapping[str, str] | None = None) -> ReleasePlan:
        tree = self._sources[source]
        if tree.plan_error is not None:
            raise tree.plan_error
        is_review = is_review_of(environment, origin.branch)
        is_guarded = is_review and tree.review.access is ReviewAccess.BASIC
        access = Access(user=REVIEW_USER if is_guarded else "", is_indexed=False, networks=tree.review.networks)
        template = Release(
            environment=environment,
            number=0,
            artifact=Artifact(id=ArtifactId(""), builder="", reason="", directory="", size=0),
            source=origin,
            config_version=0,
            processes=tree.processes + tuple(each for each in tree.offered if each.name in (offered or {})),
            hostnames=tuple(Hostname(name) for name in tree.hostnames or (f"{environment.label}.localhost",)),
            policy=tree.policy,
            edge=msgspec.structs.replace(tree.edge, access=access) if is_review else tree.edge,
            release_command=tree.release_command,
            seed_command=tree.review.seed if is_review else "",
            variables=tree.variables,
            secret_files=tuple(VariableName(name) for name in tree.secret_files),
            build_secrets=tuple(VariableName(name) for name in tree.build_secrets),
            services=tree.services,
            assets=tree.assets,
            regions=tree.regions,
            runtime=tree.runtime,
            accessories=tree.accessories,
        )
        return ReleasePlan(
            template=template,
            counts={},
            build=BuildSettings(secrets=tree.build_secrets, command=tree.build_commands.get(environment.environment, "")),
            is_complete=not tree.offered or offered is not None,
            review=tree.review,
            notes=tree.notes,
            required_variables=tree.required_variables,
            generated_variables=(*tree.generated_variables, *([REVIEW_PASSWORD] if is_guarded else [])),
        )

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
        tree = self._sources[source]
        chosen(tree.builder, "the test says so")
        self.secrets = dict(secrets)
        self.confinements.append(confinement)
        try:
            await self._work(tree, log)
        except BaseException:
            self.cancelled += 1
            raise
        self.builds[origin.digest] = self.builds.get(origin.digest, 0) + 1
        name = "-".join(filter(None, ("artifact", origin.digest, owner)))
        self._made.add(name)
        self._files[name] = tree.files
        image = f"image of {origin.digest}" if tree.builder == "dockerfile" else ""
        if image:
            self.elsewhere.add(name)
        return Artifact(
            id=ArtifactId(name),
            image=image,
            builder=tree.builder,
            reason="the test says so",
            directory=self._directory,
            size=tree.size,
            processes={str(each.name): each.command for each in tree.offered},
        )

    async def reused(self, source: Path, origin: Source, artifact: Artifact) -> Artifact:
        if artifact.id not in self._made:
            raise NotFound(f"the artifact {artifact.id} was pruned")
        return artifact

    def assets(self, artifact: Artifact, path: str) -> tuple[AssetFile, ...]:
        return tuple(
            AssetFile(path=name, digest=hashlib.sha256(content).hexdigest(), size=len(content))
            for name, content in sorted(self._files[artifact.id].items())
        )

    def opened(self, artifact: Artifact, path: str, name: str) -> BinaryIO:
        return io.BytesIO(self._files[artifact.id][name])

    def discard(self, source: Path) -> None:
        self.unpacked.discard(source)
        self._unpacked = {archive: place for archive, place in self._unpacked.items() if place != source}

    def drop(self, archive: Path) -> None:
        if archive in self._unpacked:
            self.discard(self._unpacked[archive])

    def artifacts(self) -> frozenset[str]:
        return frozenset(self._made)

    def images(self) -> frozenset[str]:
        return frozenset(self.elsewhere)

    def spares(self, artifact: str) -> bool:
        return artifact in self.spared

    def prune(self, keep: frozenset[str]) -> int:
        self.kept = keep
        self._made &= keep | self.spared
        self.elsewhere &= keep | self.spared | self.stuck
        return 0

    async def _work(self, tree: Tree, log: BuildLog) -> None:
        for line in tree.build_lines:
            log(line)
            if tree.build_seconds:
                await self._clock.sleep(tree.build_seconds / len(tree.build_lines))
        if tree.build_error is not None:
            raise tree.build_error


_: type[Workshop] = FakeWorkshop
