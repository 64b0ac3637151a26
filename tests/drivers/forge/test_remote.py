"""A repository elsewhere, asked and fetched with git itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from mooring.drivers.forge.remote import GitRemote, check_url
from mooring.errors import InvalidInput, NotFound, Unavailable
from mooring.model.forge import ForgeKind, ForgeLink, Pull
from mooring.model.names import AppName
from mooring.model.secret import Secret


def git(place: Path, *words: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@t", "-c", "protocol.file.allow=always"]
    return subprocess.run(["git", *identity, *words], cwd=place, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    place = tmp_path / "origin"
    place.mkdir()
    git(place, "init", "-q", "--initial-branch=main")
    for number in (1, 2, 3):
        (place / "VERSION").write_text(f"{number}\n")
        git(place, "add", "-A")
        git(place, "commit", "-qm", f"version {number}")
    git(place, "branch", "team/next", "HEAD~1")
    git(place, "tag", "v1")
    return place


def remote(url: str, token: str = "") -> GitRemote:
    return GitRemote(ForgeLink(app=AppName("shop"), kind=ForgeKind.GIT, repository=url, url=url), Secret(token))


async def test_branches_are_listed_and_nothing_else(origin: Path) -> None:
    found = await remote(f"file://{origin}").heads()
    assert found == {"main": git(origin, "rev-parse", "main"), "team/next": git(origin, "rev-parse", "team/next")}


async def test_a_branch_is_fetched_without_its_history_and_again_when_it_was_rewritten(origin: Path, tmp_path: Path) -> None:
    mine, repository = remote(f"file://{origin}"), tmp_path / "kept" / "shop.git"
    commit = await mine.fetch("main", repository)
    assert commit == git(origin, "rev-parse", "main")
    assert git(repository, "rev-list", "--count", commit) == "1"
    assert git(repository, "cat-file", "blob", f"{commit}:VERSION") == "3"
    git(origin, "reset", "-q", "--hard", "HEAD~2")
    assert await mine.fetch("main", repository) == git(origin, "rev-parse", "main")
    assert await mine.fetch("team/next", repository) == git(origin, "rev-parse", "team/next")
    with pytest.raises(NotFound, match="no branch gone"):
        await mine.fetch("gone", repository)


async def test_hooks_submodules_and_other_protocols_are_not_run(origin: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    git(other, "commit", "-q", "--allow-empty", "-m", "first")
    git(origin, "submodule", "add", "-q", f"file://{other}", "vendored")
    git(origin, "commit", "-qam", "a submodule")
    repository = tmp_path / "shop.git"
    mine = remote(f"file://{origin}")
    await mine.fetch("main", repository)
    hooks = repository / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("reference-transaction", "post-update", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {canary}\n")
        (hooks / name).chmod(0o755)
    git(origin, "commit", "-q", "--allow-empty", "-m", "once more")
    await mine.fetch("main", repository)
    assert not canary.exists()
    assert not (repository / "modules").exists()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/git/shop.git",
        "git@example.com:shop.git",
        "ext::sh -c id",
        "https://",
        "https://user:pw@example.com/shop.git",
        "ssh://-oProxyCommand=id/shop",
        "ssh://-oProxyCommand=id@example.com/shop",
        "git://example.com/shop.git",
        "https://example.com/a b",
        "https://example.com/shop.git?x=1",
        "--upload-pack=id",
        "https://example.com/\n",
    ],
)
def test_an_address_that_git_should_not_fetch_from_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        check_url(url)


async def test_what_git_cannot_read_is_an_error_in_its_words_and_the_token_is_in_none(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="git could not read") as absent:
        await remote(f"file://{tmp_path}/nothing").heads()
    with pytest.raises(Unavailable) as closed:
        await remote("http://127.0.0.1:9/shop.git", "s3cr3t-token").heads()
    assert "s3cr3t-token" not in str(absent.value) + str(closed.value)


async def test_the_token_goes_to_its_own_host_in_a_header_and_into_no_argument(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A `git` of the test's own writes down what it was given."""
    program = tmp_path / "git"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/words\nenv > {tmp_path}/environment\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_DIR", "/somewhere/else")
    await remote("https://forge.example/acme/shop.git", "s3cr3t-token").heads()
    words, environment = (tmp_path / "words").read_text(), (tmp_path / "environment").read_text()
    assert words.splitlines()[-2:] == ["--", "https://forge.example/acme/shop.git"]
    assert "s3cr3t" not in words
    assert "http.https://forge.example/.extraHeader" in environment
    assert "GIT_ALLOW_PROTOCOL=https\n" in environment
    assert "GIT_DIR" not in environment


def aged(repository: Path, *, by: float) -> None:
    """As if all that lies in it had come earlier."""
    for each in (repository / "objects").rglob("*"):
        if each.is_file():
            os.utime(each, (each.stat().st_mtime - by,) * 2)


def size(repository: Path) -> int:
    return sum(each.stat().st_size for each in repository.rglob("*") if each.is_file())


async def test_what_fifty_deleted_branches_and_closed_pull_requests_held_is_given_back(origin: Path, tmp_path: Path) -> None:
    mine, repository = remote(f"file://{origin}"), tmp_path / "kept" / "shop.git"
    kept = [await mine.fetch("main", repository), await mine.fetch("team/next", repository)]
    git(origin, "update-ref", "refs/pull/4/head", "main")
    kept.append(await mine.fetch_pull(pull(4), repository))
    small = size(repository)
    for number in range(50):
        git(origin, "switch", "-qC", f"feature-{number}", "main")
        (origin / "payload").write_bytes(os.urandom(50_000))
        git(origin, "add", "-A")
        git(origin, "commit", "-qm", "a large one")
        if number % 2:
            await mine.fetch(f"feature-{number}", repository)
            await mine.forget(f"feature-{number}", repository)
        else:
            git(origin, "update-ref", f"refs/pull/{100 + number}/head", "HEAD")
            await mine.fetch_pull(pull(100 + number), repository)
    assert size(repository) > small + 2_000_000
    await mine.tidy(repository, pulls={4}, older=3600.0)
    assert size(repository) > small + 2_000_000, "what has just come stays"
    aged(repository, by=7200.0)
    await mine.tidy(repository, pulls={4}, older=3600.0)
    assert size(repository) < small + 100_000
    for commit in kept:
        assert git(repository, "cat-file", "-t", commit) == "commit"
    git(repository, "fsck", "--connectivity-only")
    await mine.tidy(tmp_path / "none.git", pulls=(), older=0.0)


async def test_a_fetch_and_a_tidying_beside_it_lose_nothing(origin: Path, tmp_path: Path) -> None:
    """Git has them wait for each other, or one of them fail: then it is tried again."""
    mine, repository = remote(f"file://{origin}"), tmp_path / "kept" / "shop.git"
    await mine.fetch("main", repository)
    is_over = asyncio.Event()

    async def tidied() -> None:
        while not is_over.is_set():
            with contextlib.suppress(Unavailable):
                await mine.tidy(repository, pulls=(), older=60.0)

    async def fetched(branch: str) -> str:
        while True:
            with contextlib.suppress(Unavailable):
                return await mine.fetch(branch, repository)

    tidying = asyncio.create_task(tidied())
    commits = []
    for number in range(20):
        git(origin, "switch", "-qC", f"feature-{number}", "main")
        (origin / "payload").write_bytes(os.urandom(10_000))
        git(origin, "add", "-A")
        git(origin, "commit", "-qm", "one more")
        async with asyncio.timeout(60):
            commits.append(await fetched(f"feature-{number}"))
    is_over.set()
    await tidying
    git(repository, "fsck", "--connectivity-only")
    for commit in commits:
        assert git(repository, "ls-tree", "--name-only", commit).split() == ["VERSION", "payload"]
    await mine.tidy(repository, pulls=(), older=60.0)


def pull(number: int) -> Pull:
    return Pull(number=number, branch="b", base="main", head="", ref=f"refs/pull/{number}/head", is_from_fork=True, is_open=True)
