"""Real servers, started where nothing else is, as the accounts that their packages made. Nothing of them is left."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ADMIN_PASSWORD = "the administrator's"
_WAIT = 60.0  # seconds until a server answers


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def found(program: str, package: str) -> str:
    """Where it is. Raises what to do."""
    places = sorted(str(place) for place in Path("/usr/lib/postgresql").glob("*/bin"))[::-1]
    path = shutil.which(program, path=os.pathsep.join([*places, os.environ["PATH"], "/usr/sbin", "/sbin"]))
    assert path, f"{program} is not there: apt-get install {package}"
    return path


@contextmanager
def place_of(account: str) -> Iterator[tuple[Path, str]]:
    """A directory of its own, and as whom to run: a server refuses root, and only root can become another."""
    with tempfile.TemporaryDirectory(prefix="m-services-", dir="/tmp") as directory:
        who = pwd.getpwnam(account) if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        os.chown(directory, who.pw_uid, who.pw_gid)
        yield Path(directory), who.pw_name


def run_as(who: str, argv: list[str], *, directory: Path) -> None:
    subprocess.run(argv, cwd=directory, check=True, stdout=subprocess.DEVNULL, **_account(who))


@contextmanager
def server(who: str, argv: list[str], *, directory: Path, answers: Callable[[], bool], at_once: bool = False) -> Iterator[None]:
    """Running, and answering. `at_once`: it is ended without being asked, since it takes half a minute to say goodbye."""
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **_account(who))
    try:
        until = time.monotonic() + _WAIT
        while not answers():
            assert process.poll() is None and time.monotonic() < until, (directory / "log").read_text()[-3000:]
            time.sleep(0.02)
        yield
    finally:
        (process.kill if at_once else process.terminate)()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _account(who: str) -> Mapping[str, object]:
    return {"user": who, "group": pwd.getpwnam(who).pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
