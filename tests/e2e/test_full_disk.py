"""A disk that is full, for real: the state of a platform on a file system of its own, which shrinks to what is in it.

Visitors notice nothing; what is asked is refused in words or waits; and with space again all goes on, with nothing lost.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from e2e.journal import QUICK, Journal, deployed
from e2e.platform import App, Platform, Traffic, eventually

MEGABYTE = 1_000_000
ROOMY = 2_000 * MEGABYTE  # of memory, but only what is written takes any
RESERVE = 200 * MEGABYTE  # what every build leaves free
FULL_FOR = 2.0  # seconds
SPREAD = 8  # how many moments lie between two that are tried, where not all are


class Disk:
    """A file system in memory, mounted on a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def free(self) -> int:
        return os.statvfs(self.directory).f_bavail * os.statvfs(self.directory).f_frsize

    def mount(self) -> None:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOMY},mode=700", "mooring", str(self.directory)], capture_output=True)
        if done.returncode:
            pytest.fail(f"this test mounts a small disk of its own: run it as root ({done.stderr.decode().strip()})")

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.directory)], check=True)

    def leave(self, free: int) -> None:
        """So much is free from now on. Whatever is written in the middle of this makes the kernel refuse; then again."""
        for _ in range(1000):
            found = os.statvfs(self.directory)
            size = (found.f_blocks - found.f_bfree) * found.f_frsize + free
            words = ["mount", "-o", f"remount,size={size}", str(self.directory)]
            if subprocess.run(words, capture_output=True).returncode == 0:
                return
        raise AssertionError("the disk does not shrink")


@pytest.fixture(scope="module", autouse=True)
def disk(directory: Path) -> Iterator[Disk]:
    """Under the platform's state, before there is one."""
    (directory / "state").mkdir(mode=0o700)
    disk = Disk(directory / "state")
    disk.mount()
    yield disk
    disk.unmount()


@pytest.fixture(autouse=True)
def space(disk: Disk) -> Iterator[None]:
    """Before and after each test."""
    yield
    disk.leave(ROOMY)


@pytest.fixture(scope="module")
def app(platform: Platform, disk: Disk) -> Iterator[App]:
    here = deployed(platform, "disk")
    yield here
    disk.leave(ROOMY)
    here.mooring("destroy", "--confirm", here.name)


@pytest.fixture(scope="module")
def journal(platform: Platform, app: App) -> Journal:
    return Journal(platform)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("while :; do head -c 10000000 /dev/zero >> filler; sleep 0.1; done", ["disk is nearly full", "200.0 MB must stay free"]),
        ("head -c 600000000 /dev/zero > filler", ["disk", "free some space"]),
    ],
    ids=["slowly", "at once"],
)
def test_a_build_that_fills_the_disk_is_ended_with_the_reason_and_its_files_are_gone(
    app: App, disk: Disk, command: str, told: list[str]
) -> None:
    served = app.version()
    disk.leave(RESERVE + 60 * MEGABYTE)
    room = disk.free
    app.write("mooring.toml", f"{QUICK}[build]\ncommand = '{command}'\n")
    app.release(served + 1)
    with Traffic(app, paths=("/version",), rate=50) as traffic:
        answer = app.deploy()
    app.write("mooring.toml", QUICK)
    app.release(served)
    said = answer.out + answer.err
    assert answer.code == 1, answer
    assert [words for words in told if words not in said] == [], said
    assert "Traceback" not in said
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:2])
    assert app.version() == served
    assert list(app.platform.state.rglob("filler")) == []
    assert disk.free > room - 20 * MEGABYTE, (disk.free, room)


def test_what_is_asked_of_a_full_disk_is_refused_in_words_and_done_when_there_is_space(app: App, disk: Disk) -> None:
    served = app.version()
    app.release(served + 1)
    disk.leave(0)
    with Traffic(app, paths=("/version",), rate=50) as traffic:
        answers = [app.deploy(), app.mooring("secret", "set", "LARGE", stdin="x" * 100_000)]
    for answer in answers:
        assert answer.code not in (0, 130), answer
        assert "disk" in answer.out + answer.err, answer
        assert "Traceback" not in answer.out + answer.err
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:2])
    assert app.version() == served
    disk.leave(ROOMY)
    assert app.mooring("secret", "set", "LARGE", stdin="x" * 100_000).code == 0
    assert app.get("/environment?name=LARGE")[1] == b"x" * 100_000
    assert app.deploy().code == 0
    assert app.version() == served + 1


def test_a_review_app_waits_for_disk_with_the_figures_and_starts_when_there_is_some(app: App, disk: Disk) -> None:
    """Built already, so that no build asks for space."""
    app.git("switch", "--quiet", "-C", "preview")
    disk.leave(RESERVE + 300 * MEGABYTE)
    with ThreadPoolExecutor(1) as background:
        coming_up = background.submit(app.mooring, "review", "up", "preview")
        said = eventually(lambda: [each["waiting"] for each in reviews(app) if each["waiting"]], within=30)
        disk.leave(ROOMY)
        assert coming_up.result().code == 0, coming_up.result()
    assert said[0].startswith("disk does not do on this host: ") and "1.0 GB have to be" in said[0]
    assert [each["waiting"] for each in reviews(app)] == [""]
    assert app.mooring("review", "down", "preview").code == 0
    app.git("switch", "--quiet", "-")


def reviews(app: App) -> list[dict[str, Any]]:
    return list(app.mooring("review", "ls", "--json").json.get("reviews", []))


@pytest.mark.timeout(900)
def test_a_disk_that_is_full_from_any_write_of_the_journal_on_delays_a_deploy_or_takes_it_back_whole(
    app: App, disk: Disk, journal: Journal, is_long: bool
) -> None:
    serving = app.version()
    app.release(serving + 1)
    assert app.deploy().code == 0
    serving += 1
    moments = journal.moments(journal.newest())
    assert moments >= 20
    with Traffic(app, paths=("/version",), rate=50) as traffic:
        for moment in range(1, moments + 1, 1 if is_long else SPREAD):
            app.release(serving + 1)
            following, deployment = journal.redeploy(app, moment)
            disk.leave(0)
            time.sleep(FULL_FOR)
            disk.leave(ROOMY)
            try:
                serving = journal.check_end(app, following, deployment, old=serving, new=serving + 1)
            except BaseException as error:
                error.add_note(f"the disk was full from moment {moment} on")
                raise
            eventually(lambda: all(part["is_up"] for part in app.mooring("status", "--json").json["parts"]), within=30)
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:2])
    assert traffic.report["ok"] > 500
