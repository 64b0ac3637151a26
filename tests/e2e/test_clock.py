"""The machine's clock is set an hour ahead, and back again, in the middle of deploys under traffic: nothing comes of it.

Every program of the platform reads its wall clock through a preloaded library that adds what a file says (`clock.c`): for them it is as
if somebody had set the machine's. What asks the requests is not told.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.journal import Journal
from e2e.platform import App, Platform, Traffic, receipt_of, running
from e2e.test_crashes import pid_of, supervisor_of

HOUR = 3600
SOURCE = Path(__file__).with_name("clock.c")


def compiled(to: Path, *options: str) -> None:
    """The library that is preloaded."""
    compiler = shutil.which("cc")
    assert compiler, "a compiler is needed: apt-get install build-essential"
    subprocess.run([compiler, "-shared", "-fPIC", *options, "-o", str(to), str(SOURCE), "-ldl"], check=True, timeout=60)


class MachineClock:
    """Of all programs that are started with `python`: another way to this environment, which the programs started by it take too."""

    def __init__(self, directory: Path) -> None:
        self.library, self._file, self.python = directory / "clock.so", directory / "clock", directory / "bin/python"
        compiled(self.library)
        self._file.write_bytes(struct.pack("l", 0))
        self.python.parent.mkdir()
        for each in Path(sys.prefix, "bin").iterdir():
            if not each.name.startswith("python"):
                (self.python.parent / each.name).symlink_to(each)
        (directory / "lib").symlink_to(Path(sys.prefix) / "lib")
        shutil.copy(Path(sys.prefix) / "pyvenv.cfg", directory)
        preloaded = f"LD_PRELOAD={self.library} TEST_CLOCK={self._file}"
        self.python.write_text(f'#!/bin/bash\n{preloaded} exec -a "$0" {Path(sys.executable).resolve()} "$@"\n')
        self.python.chmod(0o755)

    def set_ahead(self, seconds: int) -> None:
        with self._file.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            memory[:] = struct.pack("l", seconds)


@pytest.fixture(scope="module")
def clock() -> Iterator[MachineClock]:
    directory = Path(tempfile.mkdtemp(prefix="c-", dir="/tmp"))
    yield MachineClock(directory)
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def platform(directory: Path, clock: MachineClock) -> Iterator[Platform]:
    here = Platform(directory)
    here.program = [str(clock.python), *here.program]
    with running(here):
        yield here


def deployed_while(app: App, clock: MachineClock, ahead: int) -> str:
    """What the command said; the clock is set when the first of the new release was started."""
    following, _ = Journal(app.platform).redeploy(app, 3)
    clock.set_ahead(ahead)
    out, err = following.communicate(timeout=120)
    assert following.returncode == 0, out + err
    return out


def test_the_programs_of_the_platform_live_by_this_clock(platform: Platform, clock: MachineClock) -> None:
    for pid in (supervisor_of(platform), pid_of(platform, "mooring.server serve")):
        assert str(clock.library) in Path(f"/proc/{pid}/maps").read_text()


def test_a_clock_that_jumps_an_hour_in_the_middle_of_a_deploy_and_back_in_the_next_fails_no_request(
    platform: Platform, clock: MachineClock
) -> None:
    app = platform.app("procfile-only", "hourly")
    app.write("mooring.toml", "[deploy]\nbake = 1\n\n[processes.web]\ncount = 2\n")
    app.write("public/version", "1\n")
    app.commit("version 1")
    assert app.deploy().code == 0
    with Traffic(app, paths=("/version",)) as traffic:
        for number, ahead in ((2, HOUR), (3, 0)):
            app.write("public/version", f"{number}\n")
            app.commit(f"version {number}")
            began = time.monotonic()
            deployed_while(app, clock, ahead)
            took = time.monotonic() - began
            assert app.version() == number
            receipt = receipt_of(app)
            assert sum(phase["seconds"] for phase in receipt["phases"]) <= took, "durations are not read from the clock that was set"
            assert last_event(app) - time.time() == pytest.approx(ahead, abs=took + 60), "the controller has seen the clock jump"
            assert receipt["probes"]["failed"] == receipt["traffic"]["edge_errors"] == receipt["traffic"]["resets"] == 0
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
    assert traffic.report["sent"] > 100


def last_event(app: App) -> float:
    return float(app.mooring("follow", "--json").lines[-1]["at"])
