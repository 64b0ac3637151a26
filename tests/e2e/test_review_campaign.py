"""Branches pushed, pushed again and deleted at random, the controller killed at random: nothing is left, and nobody else is touched.

A repository of this machine is looked at as a forge; every branch has a database of its own on a real PostgreSQL. The seed is printed, and
`REVIEW_SEED=…` plays it again (what is pushed when; not how far the platform had come). `--long` takes 200 branches.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psycopg
import pytest
from e2e.branches import Branches, databases_and_roles, files_of, left_of, rows_in
from e2e.platform import App, Platform
from e2e.test_crashes import pid_of
from services.postgres import postgres

MANIFEST = r"""app = "shop"
release = "psql -q $DATABASE_URL -c 'CREATE TABLE IF NOT EXISTS written (line text)'"

[deploy]
bake = "0s"

[services.db]
type = "postgres"

[review]
branches = ["*"]
access = "open"
limit = 1000
seed = "psql -q $DATABASE_URL -c \"INSERT INTO written VALUES ('seeded')\""
"""
FEW, MANY = 12, 200  # branches
AT_ONCE = 8
KILLED = 0.12  # of what is done, before it
PAUSE = 0.4  # seconds between two things that are done, as a mean
SETTLED = 150  # seconds until the platform has done all that was asked of it


@dataclass
class Stranger:
    """What lies beside the platform and is not its own: a database, a role, a process, a file, and two environments of the app."""

    root: str
    directory: Path
    app: App
    process: subprocess.Popen[bytes]

    def all(self) -> object:
        """Everything about it that somebody could have changed."""
        instances = [row for name in ("production", "mine") for row in self.app.mooring("ps", "-e", name, "--json").json["instances"]]
        with psycopg.connect(psycopg.conninfo.make_conninfo(self.root, dbname="m_shop_payroll")) as connection:
            payroll = connection.execute("SELECT * FROM payroll").fetchall()
        named = {name: comment for name, comment in databases_and_roles(self.root).items() if not name.partition(" m_")[2]}
        return (
            sorted((row["key"]["release"], row["pid"]) for row in instances),
            payroll,
            named | {"role": databases_and_roles(self.root)["role m_shop_clerk"]},
            self.process.poll(),
            [(path.name, path.stat().st_mtime_ns, path.read_text()) for path in sorted(self.directory.iterdir())],
            self.app.version(),
        )


@pytest.fixture(scope="module")
def root(platform: Platform) -> Iterator[str]:
    """A PostgreSQL that the platform makes databases on, as its superuser reaches it."""
    with postgres() as (port, _):
        address = f"postgresql://maker:maker@127.0.0.1:{port}/postgres\n"
        answer = platform.mooring("service", "add-server", "main", "--type", "postgres", stdin=address)
        assert answer.code == 0, answer
        yield f"postgresql://postgres:root@127.0.0.1:{port}/postgres"


@pytest.fixture(scope="module")
def app(platform: Platform, root: str) -> App:
    app = platform.app("static-site", "shop")
    app.write("mooring.toml", MANIFEST)
    app.release(1)
    for environment in ("production", "mine"):
        answer = app.deploy("-e", environment)
        assert answer.code == 0, answer
    return app


@pytest.fixture
def stranger(app: App, root: str) -> Iterator[Stranger]:
    with psycopg.connect(root, autocommit=True) as connection:
        connection.execute("CREATE ROLE m_shop_clerk")
        connection.execute("CREATE DATABASE m_shop_payroll OWNER m_shop_clerk")
        connection.execute("REVOKE CONNECT ON DATABASE m_shop_payroll FROM PUBLIC")
    with psycopg.connect(psycopg.conninfo.make_conninfo(root, dbname="m_shop_payroll")) as connection:
        connection.execute("CREATE TABLE payroll AS SELECT 'somebody' AS name, 1000 AS wage")
    directory = app.platform.directory / "shop--topic-0"
    directory.mkdir()
    (directory / "web.1").write_text("not the platform's")
    with subprocess.Popen(["sleep", "3600"], cwd=directory) as process:
        yield Stranger(root, directory, app, process)
        process.kill()


@pytest.mark.timeout(3600)
def test_whatever_is_pushed_and_deleted_every_branch_has_its_newest_commit_and_nothing_is_left_of_the_others(
    platform: Platform, app: App, root: str, stranger: Stranger, is_long: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("REVIEW_SEED") or secrets.randbelow(2**32))
    with capsys.disabled():
        print(f"\nREVIEW_SEED={seed}")
    origin = platform.directory / "origin.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(app.path), str(origin)], check=True)
    answer = app.mooring("forge", "add", "git", "--repo", f"file://{origin}", "--every", "5s", stdin="\n")
    assert answer.code == 0, answer
    before, files, kept = stranger.all(), files_of(platform.state), databases_and_roles(root)
    branches, began = Branches(app, origin), time.monotonic()

    kills, removals = played(platform, branches, Random(seed), MANY if is_long else FEW)
    settled(lambda: unsettled(platform, branches))
    assert seeds(root, kept) == {("seeded",): len(branches.live)}
    assert stranger.all() == before
    for name in list(branches.live):
        branches.remove(name)
    settled(lambda: unsettled(platform, branches))

    assert left_over(platform, files, "edge", "processes", "uploads", "forges") == []
    assert databases_and_roles(root) == kept
    assert stranger.all() == before
    os.kill(pid_of(platform, "mooring.server serve"), signal.SIGKILL)  # who has built something keeps it for a moment
    settled(lambda: [] if app.mooring("restart", "-e", "mine").code == 0 else ["there is no controller"])
    settled(lambda: left_over(platform, files, "workshop"))
    took = time.monotonic() - began
    with capsys.disabled():
        pushes = sum(len(each) for each in branches.pushed.values())
        print(f"{len(branches.pushed)} branches, {pushes} pushes, {removals} removals, {kills} kills in {took:.0f} s: 0 leftovers")


def played(platform: Platform, branches: Branches, random: Random, wanted: int) -> tuple[int, int]:
    """Until each of so many branches has been there; how often the controller was killed, and a branch removed."""
    kills, removals = 0, 0
    waiting = branches.names(wanted)
    random.shuffle(waiting)
    while waiting:
        if random.random() < KILLED:
            kills += killed(platform)
        possible = [name for name in [*waiting, *branches.gone] if branches.may_be_made(name)]
        deed = random.random()
        if branches.live and (deed < 0.35 or len(branches.live) >= AT_ONCE or not possible):
            branches.remove(random.choice(sorted(branches.live)))
            removals += 1
        elif branches.live and deed < 0.6:
            branches.push(random.choice(sorted(branches.live)))
        else:
            name = random.choice(possible[: max(1, len(possible) - len(branches.gone)) + 2])
            branches.push(name)
            waiting = [each for each in waiting if each != name]
        time.sleep(min(random.expovariate(1 / PAUSE), 5 * PAUSE))
        asked = random.choice(sorted(branches.pushed))
        status, version = branches.answer(asked)
        assert status != 200 or version in branches.pushed[asked], f"at the address of {asked} answers version {version}"
    return kills, removals


def settled(wrong: Callable[[], list[str]]) -> None:
    """Until nothing is; fails with what is wrong to the last."""
    deadline = time.monotonic() + SETTLED
    while found := wrong():
        assert time.monotonic() < deadline, "\n".join(found)
        time.sleep(0.5)


def killed(platform: Platform) -> int:
    """How many controllers: none while the one before is not back."""
    try:
        os.kill(pid_of(platform, "mooring.server serve"), signal.SIGKILL)
    except (AssertionError, ProcessLookupError, FileNotFoundError):
        return 0
    return 1


def unsettled(platform: Platform, branches: Branches) -> list[str]:
    """What is not as the branches are."""
    wrong = [
        f"{name} is at {version}, and answers {answer}"
        for name, version in branches.live.items()
        if (answer := branches.answer(name)) != (200, version)
    ]
    wrong += [f"{name} is gone, and answers" for name in branches.gone if branches.answer(name)[0] != 404]
    listed = branches.app.mooring("review", "ls", "--json")
    if listed.code:
        return ["nobody says which there are"]
    named = sorted(each["branch"] for each in listed.json["reviews"])
    if named != sorted(branches.live):
        return [*wrong, f"{named} are listed"]
    return wrong or left_of(platform, [branches.environment(name) for name in branches.gone])


def left_over(platform: Platform, files: set[str], *places: str) -> list[str]:
    """Files there that were not before; the repository in which forges' commits lie has been made meanwhile, and is to have no branch."""
    made = (name for name in files_of(platform.state) - files if name.startswith(places))
    return sorted(name for name in made if not name.startswith(("forges/shop.git/", "processes/run/controller/")) or "/refs/" in name)


def seeds(root: str, kept: dict[str, str]) -> dict[tuple[str, ...], int]:
    """Of the branches' databases: what stands in how many."""
    names = [name.removeprefix("database ") for name in databases_and_roles(root).keys() - kept.keys() if name.startswith("database ")]
    found = [tuple(rows_in(root, name)) for name in names]
    return {each: found.count(each) for each in found}
