"""Confined programs of a real runtime: what they are kept from however they are started, and who is known as one at a socket."""

from __future__ import annotations

import asyncio
import os
import pty
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from mooring.drivers.peers import is_confined
from mooring.drivers.runtime.contract import LogQuery, Terminal
from mooring.drivers.runtime.process import landlock
from mooring.drivers.runtime.process.asking import asked
from mooring.drivers.runtime.process.bounds import Bounds, pairs
from mooring.drivers.runtime.process.program import Program, read_program, write_program
from mooring.drivers.runtime.process.runtime import ProcessRuntime
from mooring.drivers.runtime.process.supervisor import Supervisor
from mooring.model.instance import Confinement, InstanceSpec, TaskSpec
from mooring.model.secret import SecretFile
from mooring.testing.runtime_contract import SHOP, a_key, a_mark

LANDLOCK = Path(landlock.__file__)
PYTHON = (sys.executable, "-I", "-S", "-E")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Of another environment, in a directory for such."""
    assert landlock.version(), "this kernel confines nothing: Linux 5.13 or newer, with landlock among its `lsm=`"
    path = tmp_path / "databases" / "another" / "file"
    path.parent.mkdir(parents=True)
    path.write_text("another's\n")
    (path.parent.parent / "own").mkdir()
    return path


@pytest.fixture
def confinement(secret: Path) -> Confinement:
    databases = secret.parent.parent
    return Confinement(hidden=(str(databases),), own=(str(databases / "own"),))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where its code is: below what is the platform's."""
    place = tmp_path / "state" / "code"
    place.mkdir(parents=True)
    return place


async def said(session: Terminal) -> str:
    async with asyncio.timeout(20):
        found = b"".join([chunk async for _, chunk in session.output()])
    await session.close()
    return found.decode()


async def told(runtime: ProcessRuntime, wanted: int) -> list[str]:
    """What it has logged, once it is so many lines."""
    async with asyncio.timeout(20):
        while len(found := [line.text async for line in runtime.logs(LogQuery(environment=SHOP))]) < wanted:
            await asyncio.sleep(0.02)
    return found


async def test_an_instance_stays_confined_when_it_is_started_anew_and_who_enters_it_is_too(
    runtime: ProcessRuntime, confinement: Confinement, secret: Path, place: Path
) -> None:
    command = f"cat {secret}; echo mine > {secret.parent.parent}/own/file && cat $KEY_FILE && echo; exec sleep 3600"
    spec = InstanceSpec(key=a_key(), command=command, directory=str(place), is_routed=False, confinement=confinement)
    await runtime.start(a_mark(), spec, {"KEY": SecretFile("its own key")})
    once = [f"cat: {secret}: Permission denied", "its own key"]
    assert sorted(await told(runtime, 2)) == once
    await runtime.restart(a_mark(), spec.key, grace=1.0)
    assert sorted(await told(runtime, 4)) == sorted(2 * once)
    for terminal in (False, True):
        session = await runtime.enter(spec.key, ["sh", "-c", f"cat {secret}; cat $KEY_FILE; touch $HOME/here"], terminal=terminal)
        assert (await said(session)).split("\n")[0].strip() == once[0]
    (home,) = (runtime._volumes.parent / "homes").iterdir()
    assert (home / "here").exists()
    assert f"homes/{home.name}" in (await runtime.holdings(SHOP)).volumes
    await runtime.stop(a_mark(), spec.key, grace=1.0)
    await runtime.forget(a_mark(), SHOP, releases=None)
    assert not home.exists() and (await runtime.holdings(SHOP)).volumes == ()


async def test_a_one_off_is_confined_and_one_of_another_environment_is_not(
    runtime: ProcessRuntime, confinement: Confinement, secret: Path, place: Path
) -> None:
    for name, bounds in (("release.v1", confinement), ("release.v2", None)):
        spec = TaskSpec(
            environment=SHOP, name=name, command=f"cat {secret}", directory=str(place), timeout=20, release=1, confinement=bounds
        )
        await runtime.run_task(a_mark(), spec, {})
    assert sorted(await told(runtime, 2)) == ["another's", f"cat: {secret}: Permission denied"]


async def test_where_the_kernel_has_no_landlock_it_runs_as_before(
    runtime: ProcessRuntime, confinement: Confinement, secret: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = TaskSpec(
        environment=SHOP,
        name="run",
        command=f"cat {secret}; echo $HOME",
        directory=str(place),
        timeout=20,
        release=1,
        confinement=confinement,
    )
    monkeypatch.setattr(landlock, "version", lambda: 0)
    assert await said(await runtime.attach(spec, {}, terminal=False)) == f"another's\n{os.environ['HOME']}\n"


PRELOADED = """
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void in_every_program(void)
{
    const char *mark = getenv("PRELOADED_MARK");
    int descriptor = open(mark ? mark : "/nowhere", O_WRONLY | O_CREAT, 0600);

    write(2, descriptor < 0 ? "kept out\\n" : "escaped\\n", descriptor < 0 ? 9 : 8);
}
"""


@pytest.fixture
def preloaded(tmp_path: Path) -> Path:
    """A library of a branch's, which tries to write where it may not, in every program that loads it."""
    compiler = shutil.which("cc")
    assert compiler, "a compiler is needed: apt-get install build-essential"
    library = tmp_path / "preloaded.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-x", "c", "-o", str(library), "-"], input=PRELOADED, text=True, check=True, timeout=60)
    return library


@pytest.mark.parametrize("terminal", [False, True])
async def test_no_variable_of_its_own_reaches_a_program_before_it_is_confined(
    runtime: ProcessRuntime, confinement: Confinement, secret: Path, place: Path, preloaded: Path, terminal: bool
) -> None:
    spec = TaskSpec(
        environment=SHOP, name="run", command='echo "ran as $NAME"', directory=str(place), timeout=20, release=1, confinement=confinement
    )
    mark = secret.parent / "escaped"
    variables = {"LD_PRELOAD": str(preloaded), "PRELOADED_MARK": str(mark), "NAME": "itself"}
    answer = await said(await runtime.attach(spec, variables, terminal=terminal))
    assert "ran as itself" in answer and "kept out" in answer, "the command itself has them"
    assert "escaped" not in answer and not mark.exists()


async def test_the_command_of_a_check_runs_in_the_bounds_of_its_instance_and_without_them_not_at_all(
    runtime: ProcessRuntime, supervisor: Supervisor, confinement: Confinement, secret: Path, place: Path
) -> None:
    spec = InstanceSpec(key=a_key(), command="echo up; exec sleep 3600", directory=str(place), is_routed=False, confinement=confinement)
    await runtime.start(a_mark(), spec, {"NAME": "its own"})
    await told(runtime, 1)
    heard = await runtime.ask(spec.key, f'test "$NAME" = "its own" && ! cat {secret}', within=20)
    assert heard.code == 0 and "Permission denied" in heard.said
    free = msgspec.structs.replace(spec, key=a_key(2), confinement=None)
    await runtime.start(a_mark(), free, {})
    await told(runtime, 2)
    assert (await runtime.ask(free.key, f"cat {secret}", within=20)).said == "another's", "nobody else is kept from it"
    directory = supervisor.run_directory(spec.key.slug)
    program = read_program(directory)
    assert program is not None
    (directory / "launch").rename(directory / "elsewhere")
    heard = await asked(directory, program, {}, "echo began")
    (directory / "elsewhere").rename(directory / "launch")
    assert heard.code == 127 and "No such file" in heard.said


async def test_it_opens_its_own_terminal_and_no_other(runtime: ProcessRuntime, confinement: Confinement, place: Path) -> None:
    ours, theirs = pty.openpty()
    command = f"echo output >/dev/stdout; echo error >/dev/stderr; echo terminal >$(tty); echo another >{os.ttyname(theirs)}"
    spec = TaskSpec(environment=SHOP, name="run", command=command, directory=str(place), timeout=20, release=1, confinement=confinement)
    try:
        answer = await said(await runtime.attach(spec, {}, terminal=True))
    finally:
        os.close(ours)
        os.close(theirs)
    assert answer.splitlines()[:3] == ["output", "error", "terminal"]
    assert "Permission denied" in answer.splitlines()[3]


def test_what_cannot_be_confined_does_not_start(tmp_path: Path) -> None:
    """Here: bounds that are not to be read."""
    done = subprocess.run([*PYTHON, str(LANDLOCK), str(tmp_path / "bounds"), "echo", "started"], capture_output=True, text=True)
    assert done.returncode == 127 and done.stdout == "" and "No such file or directory" in done.stderr


def test_what_is_beside_a_hidden_directory_is_allowed_entry_by_entry_and_links_are_not_followed(tmp_path: Path) -> None:
    hidden = tmp_path / "up" / "hidden"
    hidden.mkdir(parents=True)
    for name in ("up/beside", "beside"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(hidden)
    bounds = Bounds(hidden=(str(tmp_path / "link"),), shared=(str(tmp_path),), own=(str(hidden),))
    here = [path.decode() for path, _ in landlock.rules(pairs(bounds)) if path.startswith(os.fsencode(tmp_path))]
    assert sorted(here[:2]) == sorted(here[2:4]) == [str(tmp_path / "beside"), str(tmp_path / "up" / "beside")], "to read, to write"
    assert here[4:] == [str(hidden)]


def test_bounds_are_on_record_with_the_program(tmp_path: Path) -> None:
    bounds = Bounds(hidden=("/a", "/b"), shared=("/tmp",), own=("/a/own",), shown=("/b/shown",))
    program = Program(argv=("true",), directory="/", stdout="/dev/null", stderr="/dev/null", bounds=bounds)
    write_program(tmp_path, program, {})
    assert read_program(tmp_path) == program


CONNECT = """
import ctypes, os, socket, sys
if sys.argv[2] == "confined":
    ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    if sys.argv[2] == "gone":
        child = os.fork()
        if child:
            os._exit(0)
    sys.stdin.read()
"""


@pytest.mark.parametrize(("kind", "expected"), [("confined", True), ("free", False), ("gone", True)])
def test_who_connects_is_known_as_confined_and_nobody_vouches_for_who_has_gone(tmp_path: Path, kind: str, expected: bool) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()
        listening.settimeout(20)
        with subprocess.Popen([*PYTHON, "-c", CONNECT, str(tmp_path / "socket"), kind], stdin=subprocess.PIPE) as peer:
            connection, _ = listening.accept()
            if kind == "gone":
                peer.wait()
            with connection:
                assert is_confined(connection) is expected
            assert peer.stdin is not None
            peer.stdin.close()


PLATFORM = """
import ctypes, sys
from pathlib import Path

from mooring.drivers.runtime.process.runtime import ProcessRuntime
from mooring.drivers.runtime.process.supervisor import Supervisor

if sys.argv[2] == "confined":
    ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
print(ProcessRuntime(Supervisor(Path(sys.argv[1]))).capabilities.unconfined)
"""


@pytest.mark.parametrize(("kind", "expected"), [("confined", True), ("free", False)])
def test_a_platform_that_may_gain_no_privileges_itself_says_that_it_tells_nobody_apart(tmp_path: Path, kind: str, expected: bool) -> None:
    done = subprocess.run([sys.executable, "-c", PLATFORM, str(tmp_path), kind], capture_output=True, text=True, check=True, timeout=60)
    assert ("no_new_privs" in done.stdout) is expected
