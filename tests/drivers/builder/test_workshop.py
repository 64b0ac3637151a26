"""From an archive to an artifact and back to free disk space, with whatever may happen in between."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tarfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from mooring.drivers.builder.contract import Builder, BuildLog, BuildRequest, Detection
from mooring.drivers.builder.surroundings import DOWNLOADS, Surroundings
from mooring.drivers.builder.tree import tree_digest
from mooring.engine.contract import Workshop as Contract
from mooring.errors import BuildFailed, CapacityExceeded, ManifestInvalid, NotFound, SourceInvalid
from mooring.model.build import BuildLimits, BuildSettings
from mooring.model.environment import EnvironmentId
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact, Source
from mooring.model.review import strangers_branch
from mooring.model.secret import Secret
from mooring.usecases.workshop import Workshop

Write = Callable[..., Path]

SHOP = EnvironmentId.parse("shop")
UNKNOWN = Source(digest="")
COUNTED = "echo built >> ../../builds.txt"


@pytest.fixture
def make(tmp_path: Path, builders: dict[str, Builder]) -> Callable[..., Workshop]:
    def workshop(**settings: object) -> Workshop:
        return Workshop(tmp_path / "workshop", list(builders.values()), **{"handed_out": 0.0, **settings})  # type: ignore[arg-type]  # passed through

    return workshop


@pytest.fixture
def build(lines: list[str]) -> Callable[..., object]:
    async def run(
        workshop: Workshop,
        source: Path,
        origin: Source = UNKNOWN,
        given: Mapping[str, Secret] | None = None,
        *,
        owner: str = "",
        **settings: object,
    ) -> Artifact:
        told: list[tuple[str, str]] = []
        chosen = BuildSettings(**settings)  # type: ignore[arg-type]  # passed through
        artifact = await workshop.build(
            source, chosen, origin, secrets=given or {}, log=lines.append, chosen=lambda *words: told.append(words), owner=owner
        )
        assert told == [(artifact.builder, artifact.reason)]
        return artifact

    return run


Build = Callable[..., asyncio.Future[Artifact]]


@pytest.fixture
def app(write_tree: Write) -> Path:
    return write_tree({"Procfile": "web: ./serve\n", "serve": "#!/bin/sh\n"})


def builds(tmp_path: Path) -> int:
    """How often the command COUNTED has run."""
    file = tmp_path / "workshop" / "builds.txt"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_an_archive_is_unpacked_and_discarded(make: Callable[..., Contract], app: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "up.tar", "w") as tar:
        tar.add(app, arcname=".")
    workshop = make()
    source = workshop.unpack(tmp_path / "up.tar")
    assert tree_digest(source) == tree_digest(app)
    workshop.discard(source)
    assert not source.exists()
    workshop.discard(app)
    assert app.exists(), "only what was unpacked here is ours to remove"


def test_an_archive_is_unpacked_once_until_it_is_discarded_or_dropped(make: Callable[..., Contract], app: Path, tmp_path: Path) -> None:
    archive = tmp_path / "up.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(app, arcname=".")
    workshop = make()
    first = workshop.unpack(archive)
    assert workshop.unpack(archive) == first
    workshop.discard(first)
    second = workshop.unpack(archive)
    assert second != first
    assert tree_digest(second) == tree_digest(app)
    workshop.drop(archive)
    workshop.drop(archive)
    assert not second.exists()
    assert archive.exists()


def test_a_plan_says_what_the_tree_asks_to_run(make: Callable[..., Contract], app: Path) -> None:
    plan = make().plan(app, SHOP, UNKNOWN)
    assert [(process.name, process.command) for process in plan.template.processes] == [("web", "./serve")]
    assert (plan.counts, plan.is_complete) == ({"web": 1}, True)


def test_a_plan_is_completed_by_what_the_builder_offers(make: Callable[..., Contract], apps: Path) -> None:
    workshop = make()
    assert not workshop.plan(apps / "node-hello", SHOP, UNKNOWN).is_complete
    complete = workshop.plan(apps / "node-hello", SHOP, UNKNOWN, offered={"web": "node server.js"})
    assert complete.template.processes[0].command == "node server.js"


def test_a_folder_of_the_source_may_describe_the_app(make: Callable[..., Contract], write_tree: Write) -> None:
    files = {"mooring.toml": '[build]\nroot = "services/shop"\n', "services/shop/Procfile": "web: ./shop\n", "Procfile": "web: ./other\n"}
    plan = make().plan(write_tree(files), SHOP, UNKNOWN)
    assert plan.template.processes[0].command == "./shop"


def test_a_huge_describing_file_is_a_problem_and_not_a_memory_hog(make: Callable[..., Contract], app: Path) -> None:
    with (app / "mooring.toml").open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(ManifestInvalid) as refusal:
        make().plan(app, SHOP, UNKNOWN)
    assert "mooring.toml: the file has 50.0 MB" in str(refusal.value)


async def test_whoever_has_what_is_built_alone_has_it_built_once_and_nobody_else_gets_it(
    make: Callable[..., Workshop], build: Build, app: Path, tmp_path: Path
) -> None:
    owners = ("", "shop--one", "shop--one", "shop--two", "")
    artifacts = [await build(make(), app, command=COUNTED, owner=owner) for owner in owners]
    assert len({artifact.directory for artifact in artifacts}) == 3 == builds(tmp_path)
    assert artifacts[1] == artifacts[2] and artifacts[0] == artifacts[4]


async def test_the_same_source_is_not_built_twice(
    make: Callable[..., Workshop], build: Build, app: Path, lines: list[str], tmp_path: Path
) -> None:
    workshop = make()
    first = await build(workshop, app, command=COUNTED)
    second = await build(make(), app, command=COUNTED)
    assert (second, builds(tmp_path)) == (first, 1)
    assert lines == [f"this source is built already ({first.id[:12]}): nothing to do"]


async def test_other_code_other_settings_and_other_limits(make: Callable[..., Workshop], build: Build, app: Path, tmp_path: Path) -> None:
    workshop = make()
    first = await build(workshop, app, command=COUNTED)
    assert (await build(workshop, app, command=COUNTED, limits=BuildLimits(timeout=50))).id == first.id
    assert (await build(workshop, app, command=COUNTED, variables={"A": "1"})).id != first.id
    (app / "serve").chmod(0o755)
    assert (await build(workshop, app, command=COUNTED)).id != first.id
    assert builds(tmp_path) == 3


async def test_the_same_source_asked_for_twice_at_once_is_built_once(
    make: Callable[..., Workshop], build: Build, app: Path, tmp_path: Path
) -> None:
    workshop = make()
    both = await asyncio.gather(*(build(workshop, app, command=f"{COUNTED}; sleep 0.3") for _ in range(2)))
    assert (both[0].id, builds(tmp_path)) == (both[1].id, 1)


async def test_a_failed_build_is_not_remembered(make: Callable[..., Workshop], build: Build, app: Path, tmp_path: Path) -> None:
    workshop = make()
    for _ in range(2):
        with pytest.raises(BuildFailed, match="no luck"):
            await build(workshop, app, command=f"{COUNTED}; echo no luck; false")
    assert builds(tmp_path) == 2
    assert [path.name for path in (tmp_path / "workshop" / "artifacts").iterdir()] == [".locks"]


async def test_a_hanging_build_ends_at_its_limit_of_two_seconds(make: Callable[..., Workshop], build: Build, app: Path) -> None:
    with pytest.raises(BuildFailed, match=r"took longer than 2\.0s"):
        await build(make(), app, command="sleep 600", limits=BuildLimits(timeout=2))


async def test_a_cancelled_build_leaves_nothing(make: Callable[..., Workshop], build: Build, app: Path, tmp_path: Path) -> None:
    building = asyncio.ensure_future(build(make(), app, command=f"{COUNTED}; sleep 600"))
    while builds(tmp_path) == 0:
        await asyncio.sleep(0.02)
        assert not building.done()
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert [path.name for path in (tmp_path / "workshop" / "artifacts").iterdir()] == [".locks"]
    assert list((tmp_path / "workshop" / "cache" / "tmp").iterdir()) == []


async def test_an_artifact_whose_dependencies_are_gone_is_built_again(
    make: Callable[..., Workshop], build: Build, apps: Path, tmp_path: Path
) -> None:
    workshop = make()
    artifact = await build(workshop, apps / "static-site")
    Path(artifact.dependencies[0]).rename(tmp_path / "elsewhere")
    again = await build(workshop, apps / "static-site")
    assert (Path(again.dependencies[0]) / "caddy").exists()


async def test_what_a_dead_controller_left_is_removed_and_what_is_finished_stays(
    make: Callable[..., Workshop], build: Build, app: Path, tmp_path: Path
) -> None:
    kept = await build(make(), app)
    home = tmp_path / "workshop"
    for leftover in ("sources/1f/deep", "artifacts/abc/deep", "cache/tmp/home-x/deep", "cache/python/def/bin"):
        (home / leftover).mkdir(parents=True)
    (home / "cache" / "python" / ".locks").mkdir()
    make().tidy()
    assert Path(kept.directory).is_dir()
    for leftover in ("sources/1f", "artifacts/abc", "cache/tmp/home-x", "cache/python/def"):
        assert not (home / leftover).exists(), leftover


async def test_pruning_removes_what_is_not_kept_with_the_dependencies_that_nobody_else_needs(
    make: Callable[..., Workshop], build: Build, app: Path, apps: Path, tmp_path: Path
) -> None:
    workshop = make()
    kept, gone = await build(workshop, app), await build(workshop, apps / "static-site")
    freed = workshop.prune(frozenset({kept.id}))
    assert Path(kept.directory).is_dir()
    assert not Path(gone.directory).exists()
    assert not Path(gone.dependencies[0]).exists()
    assert freed > gone.size


class Forgetful:
    """A builder that keeps what it makes elsewhere, from where somebody may take it."""

    name = "forgetful"

    def __init__(self) -> None:
        self.made: set[str] = set()
        self.builds = 0

    def detect(self, source: Path, settings: BuildSettings) -> Detection | None:
        return Detection(self.name, "it is asked")

    async def build(self, request: BuildRequest, log: BuildLog) -> Artifact:
        request.output.mkdir()
        self.builds += 1
        self.made.add(request.output.name)
        return Artifact(id=ArtifactId(request.output.name), builder=self.name, reason="", directory=str(request.output), size=1)

    def has(self, artifact: Artifact) -> bool:
        return artifact.id in self.made

    def names(self) -> frozenset[str]:
        return frozenset(self.made)

    def prune(self, keep: frozenset[str]) -> int:
        gone = self.made - keep
        self.made -= gone
        return 1000 * len(gone)


async def test_what_a_builder_keeps_elsewhere_is_built_anew_when_it_is_gone_and_pruned_with_the_rest(
    build: Build, app: Path, tmp_path: Path
) -> None:
    builder = Forgetful()
    workshop = Workshop(tmp_path / "workshop", [builder], handed_out=0.0)
    for _ in range(2):
        artifact = await build(workshop, app)
    assert builder.builds == 1
    builder.made.clear()
    await build(workshop, app)
    assert builder.builds == 2
    assert workshop.prune(frozenset({artifact.id})) == 0
    assert (workshop.images(), workshop.spares(artifact.id)) == ({artifact.id}, False)
    assert workshop.prune(frozenset()) >= 1000
    assert (builder.made, workshop.images()) == (set(), frozenset())


async def test_what_was_built_of_this_source_is_reused_without_a_builder(build: Build, app: Path, tmp_path: Path) -> None:
    builder = Forgetful()
    workshop = Workshop(tmp_path / "workshop", [builder])
    artifact = await build(workshop, app)
    origin = Source(digest=tree_digest(app))
    assert await workshop.reused(app, origin, artifact) == artifact
    (app / "Procfile").write_text("web: ./other\n")
    with pytest.raises(SourceInvalid, match="not the one that was built"):
        await workshop.reused(app, origin, artifact)
    with pytest.raises(SourceInvalid):
        await workshop.reused(app, UNKNOWN, artifact)
    assert builder.builds == 1


async def test_what_is_gone_or_not_whole_is_not_reused(build: Build, app: Path, tmp_path: Path) -> None:
    builder = Forgetful()
    workshop = Workshop(tmp_path / "workshop", [builder], handed_out=0.0)
    artifact = await build(workshop, app)
    origin = Source(digest=tree_digest(app))
    builder.made.clear()
    with pytest.raises(NotFound, match="was pruned"):
        await workshop.reused(app, origin, artifact)
    builder.made.add(artifact.id)
    assert await workshop.reused(app, origin, artifact) == artifact
    workshop.prune(frozenset())
    with pytest.raises(NotFound, match="was pruned"):
        await workshop.reused(app, origin, artifact)
    assert builder.builds == 1


async def test_what_is_reused_is_not_pruned_before_a_release_names_it(build: Build, app: Path, tmp_path: Path) -> None:
    artifact = await build(Workshop(tmp_path / "workshop", [Forgetful()]), app)
    builder = Forgetful()
    builder.made.add(artifact.id)
    later = Workshop(tmp_path / "workshop", [builder])
    await later.reused(app, Source(digest=tree_digest(app)), artifact)
    later.prune(frozenset())
    assert later.artifacts() == {artifact.id}


async def test_a_builder_is_told_that_a_source_is_a_strangers(build: Build, app: Path, tmp_path: Path) -> None:
    told: list[bool] = []

    class Asked(Forgetful):
        async def build(self, request: BuildRequest, log: BuildLog) -> Artifact:
            told.append(request.is_strangers)
            return await super().build(request, log)

    for number, branch in enumerate(("feature/pull-12", strangers_branch(12, "feature"))):
        await build(
            Workshop(tmp_path / f"workshop{number}", [Asked()], handed_out=0.0, takes_strangers=True), app, Source(digest="", branch=branch)
        )
    assert told == [False, True]


async def test_a_build_that_would_run_a_strangers_code_as_ours_is_refused_before_it_runs_anything(
    build: Build, app: Path, tmp_path: Path
) -> None:
    class Contained(Forgetful):
        def is_apart(self, settings: BuildSettings) -> bool:
            return not settings.command

    bare, contained = Forgetful(), Contained()
    theirs = Source(digest="", branch=strangers_branch(12, "feature"))
    with pytest.raises(BuildFailed, match=r"a stranger's code, and the builder \w+ would run it as the user who runs the platform"):
        await build(Workshop(tmp_path / "bare", [bare]), app, theirs)
    workshop = Workshop(tmp_path / "contained", [contained])
    with pytest.raises(BuildFailed, match="a stranger's code"):
        await build(workshop, app, theirs, command="make")
    await build(workshop, app, theirs)
    assert (bare.builds, contained.builds) == (0, 1)


async def test_an_artifact_just_given_away_is_not_pruned_before_its_release_is_known(
    make: Callable[..., Workshop], build: Build, app: Path
) -> None:
    workshop = make(handed_out=600.0)
    artifact = await build(workshop, app)
    assert workshop.prune(frozenset()) == 0
    assert Path(artifact.directory).is_dir()


async def test_too_little_disk_is_refused_with_numbers_before_anything_is_built(
    make: Callable[..., Workshop], build: Build, app: Path, tmp_path: Path
) -> None:
    with pytest.raises(CapacityExceeded, match=r"building needs about 200\.0 MB of disk, and 12\.3 MB are free"):
        await build(make(free=lambda _: 12_300_000), app, command=COUNTED)
    assert builds(tmp_path) == 0


async def test_a_source_that_is_not_what_was_sent_is_refused(make: Callable[..., Workshop], build: Build, app: Path) -> None:
    with pytest.raises(SourceInvalid, match="not the one that was sent"):
        await build(make(), app, Source(digest="0" * 64))


async def test_an_app_in_a_folder_is_built_from_that_folder_alone(make: Callable[..., Workshop], build: Build, write_tree: Write) -> None:
    source = write_tree({"services/shop/Procfile": "web: ./shop\n", "services/other/secret": "x"})
    workshop = make()
    artifact = await build(workshop, source, root="services/shop")
    assert [path.name for path in Path(artifact.directory).iterdir()] == ["Procfile"]
    (source / "services" / "other" / "secret").write_text("changed")
    assert (await build(workshop, source, root="services/shop")).id == artifact.id
    for root in ("services/none", "../..", "/etc"):
        with pytest.raises(BuildFailed, match="no folder of the source"):
            await build(workshop, source, root=root)


SENTINEL = "sentinel-91ab"


async def test_no_secret_of_the_controller_reaches_a_build(
    make: Callable[..., Workshop], build: Build, app: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", SENTINEL)
    artifact = await build(make(), app, command='env; env > seen.txt; ls -A "$HOME"', variables={"FLAVOUR": "mild"})
    assert SENTINEL not in (Path(artifact.directory) / "seen.txt").read_text()
    assert "FLAVOUR=mild" in lines
    assert not any(SENTINEL in line for line in lines)
    assert os.environ["DATABASE_URL"] == SENTINEL


def downloads(tmp_path: Path, **sizes: int) -> dict[str, Path]:
    """The package clients' caches, filled."""
    cache = tmp_path / "workshop" / "cache"
    for name, size in sizes.items():
        (cache / name / "deep").mkdir(parents=True)
        (cache / name / "deep" / "package").write_bytes(b"x" * size)
    return {name: cache / name for name in sizes}


async def test_download_caches_that_grew_too_large_are_emptied_the_largest_first(make: Callable[..., Workshop], tmp_path: Path) -> None:
    workshop = make()
    places = downloads(tmp_path, uv=3_000, npm=2_000, pip=500)
    assert await workshop.trim_downloads(at_most=5_500) == 0
    assert await workshop.trim_downloads(at_most=2_600) == 3_000
    assert {name for name, place in places.items() if place.exists()} == {"npm", "pip"}
    assert await workshop.trim_downloads(at_most=0) == 2_500
    assert list((tmp_path / "workshop" / "cache" / "tmp").iterdir()) == []
    assert await make().trim_downloads(at_most=0) == 0


async def test_download_caches_stay_while_something_is_built_and_a_build_makes_them_anew(
    make: Callable[..., Workshop], build: Build, write_tree: Write, tmp_path: Path
) -> None:
    places = downloads(tmp_path, uv=1_000)
    waiting = "sleep 60"
    app = write_tree({"Procfile": "web: ./serve\n"})
    workshop = make()
    building = asyncio.ensure_future(build(workshop, app, command=waiting))
    async with asyncio.timeout(20):
        while not list((tmp_path / "workshop" / "cache" / "tmp").glob("home-*")):
            await asyncio.sleep(0.02)
    assert await workshop.trim_downloads(at_most=0) == 0
    assert places["uv"].exists()
    building.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await building
    assert await workshop.trim_downloads(at_most=0) == 1_000
    await build(workshop, app, command="mkdir -p $UV_CACHE_DIR && touch $UV_CACHE_DIR/used")
    assert (places["uv"] / "used").exists()


def test_every_client_downloads_to_a_folder_that_is_trimmed(tmp_path: Path) -> None:
    made = Surroundings.of({}).environment(tmp_path / "home", cache=tmp_path / "cache", variables={})
    folders = {Path(made[name]).name for name in ("UV_CACHE_DIR", "npm_config_cache", "PIP_CACHE_DIR")}
    assert folders == set(DOWNLOADS)


async def test_a_builder_that_could_not_keep_secrets_out_of_what_it_makes_gets_none(
    make: Callable[..., Workshop], build: Callable[..., Awaitable[Artifact]], write_tree: Write
) -> None:
    source = write_tree({"Procfile": "web: run\n"})
    with pytest.raises(BuildFailed, match="the builder procfile gives no secrets to a build"):
        await build(make(), source, given={"NPM_TOKEN": Secret("s3ntinel")}, builder="procfile", secrets=("NPM_TOKEN",))
