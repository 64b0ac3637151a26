"""One daemon keeps every program, and each program does without it for a while."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mooring.drivers.runtime.process import kernel, record
from mooring.drivers.runtime.process.launcher import LONG_LIFE, count_lives
from mooring.drivers.runtime.process.program import Program
from mooring.drivers.runtime.process.status import Exit, Status
from mooring.drivers.runtime.process.supervisor import ProgramView, Supervisor
from mooring.errors import InvalidInput, InvalidName, NotFound, Unavailable
from mooring.model.instance import ProcessState
from mooring.model.secret import Secret

from .conftest import content

PYTHON = f"{sys.executable} -S -c"


def a_program(directory: Path, command: str = "exec sleep 3600", **fields: object) -> Program:
    out, err = str(directory / "out"), str(directory / "err")
    return Program(argv=("/bin/sh", "-c", command), directory=str(directory), stdout=out, stderr=err, **fields)  # type: ignore[arg-type]  # plain fields


async def until(condition: Callable[[], bool]) -> None:
    """What it reads may not be there yet."""

    def holds() -> bool:
        try:
            return condition()
        except FileNotFoundError:
            return False

    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def seen(supervisor: Supervisor, name: str = "one") -> ProgramView:
    return next(view for view in supervisor.programs() if view.name == name)


def is_running(supervisor: Supervisor, name: str = "one") -> bool:
    return seen(supervisor, name).state is ProcessState.RUNNING


async def started(supervisor: Supervisor, program: Program, name: str = "one") -> ProgramView:
    await supervisor.put_program(name, program, {"PATH": os.defpath})
    await until(lambda: is_running(supervisor, name))
    return seen(supervisor, name)


def daemon_pid(supervisor: Supervisor) -> int:
    """Its file is there a moment after it listens."""
    file, deadline = supervisor.directory / "supervisord.pid", time.monotonic() + 10
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline, "the daemon has written no pid"
        time.sleep(0.005)
    return int(file.read_text())


def kill_daemon(supervisor: Supervisor) -> None:
    pid = daemon_pid(supervisor)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("declared", "expected"), [({}, "0022"), ({"umask": 0o077}, "0077")])
async def test_a_program_makes_its_files_with_the_umask_it_declares(
    supervisor: Supervisor, tmp_path: Path, declared: dict[str, int], expected: str
) -> None:
    await started(supervisor, a_program(tmp_path, "umask; exec sleep 3600", **declared))
    await until(lambda: (tmp_path / "out").read_text() == f"{expected}\n")


async def test_a_record_that_an_earlier_version_wrote_without_umask_still_starts(supervisor: Supervisor, tmp_path: Path) -> None:
    await started(supervisor, a_program(tmp_path, "umask; exec sleep 3600"))
    await until(lambda: (tmp_path / "out").read_text() == "0022\n")
    launch = supervisor.run_directory("one") / "launch"
    record.write(str(launch), [(key, value) for key, value in record.read(str(launch)) if key != b"umask"])
    await supervisor.restart_program("one", grace=5.0)
    await until(lambda: (tmp_path / "out").read_text() == "0022\n0022\n")


async def test_starting_the_daemon_twice_at_once_gives_one(supervisor: Supervisor) -> None:
    other = Supervisor(supervisor.directory)
    await asyncio.gather(supervisor.ensure_running(), other.ensure_running())
    pid = daemon_pid(supervisor)
    await other.ensure_running()
    assert daemon_pid(supervisor) == pid


async def test_the_daemon_is_in_a_session_of_its_own_with_a_clean_environment(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_CONTROLLER", "s3cr3t")
    await supervisor.ensure_running()
    pid = daemon_pid(supervisor)
    process = kernel.process(pid)
    assert process is not None
    assert process.session == pid
    assert b"s3cr3t" not in Path(f"/proc/{pid}/environ").read_bytes()


async def test_what_lies_in_its_directory_is_its_owners_alone(supervisor: Supervisor, tmp_path: Path) -> None:
    await started(supervisor, a_program(tmp_path))
    assert supervisor.directory.stat().st_mode & 0o777 == 0o700
    open_to_others = [path for path in supervisor.directory.rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == []


async def test_a_directory_with_any_name_will_do(tmp_path: Path) -> None:
    from .conftest import end_everything

    supervisor = Supervisor(tmp_path / ("a %(here)s 'b' \"c\" ; # $HOME " + "long" * 20) / "state")
    try:
        view = await started(supervisor, a_program(tmp_path))
        assert view.pid > 0
    finally:
        await end_everything(supervisor)


async def test_putting_a_program_again_leaves_its_process_alone(supervisor: Supervisor, tmp_path: Path) -> None:
    before = await started(supervisor, a_program(tmp_path))
    after = await started(supervisor, a_program(tmp_path, "exec sleep 7200"))
    assert (after.pid, after.restarts) == (before.pid, 0)


async def test_a_changed_program_counts_from_its_restart(supervisor: Supervisor, tmp_path: Path) -> None:
    await started(supervisor, a_program(tmp_path))
    await supervisor.put_program("one", a_program(tmp_path, "echo changed; exec sleep 3600"), {"PATH": os.defpath})
    await supervisor.restart_program("one", grace=5)
    await until(lambda: (tmp_path / "out").read_text() == "changed\n")


async def test_a_program_that_is_not_registered_cannot_be_started(supervisor: Supervisor) -> None:
    with pytest.raises(NotFound):
        await supervisor.restart_program("nobody", grace=1)
    await supervisor.remove_program("nobody", grace=1)


async def test_shutting_down_ends_everything_and_the_next_daemon_brings_it_back(supervisor: Supervisor, tmp_path: Path) -> None:
    for name in ("one", "two"):
        await started(supervisor, a_program(tmp_path), name)
    pid = daemon_pid(supervisor)
    await supervisor.shutdown(grace=5)
    assert kernel.process(pid) is None
    assert {view.state for view in supervisor.programs()} == {ProcessState.UNKNOWN}
    await supervisor.ensure_running()
    await until(lambda: is_running(supervisor, "one") and is_running(supervisor, "two"))
    assert seen(supervisor).exit_code is None  # it was asked to stop: that is no crash
    assert seen(supervisor).signal == ""


async def test_shutting_down_when_nothing_runs_is_fine(supervisor: Supervisor) -> None:
    await supervisor.shutdown()
    assert not supervisor.is_running()


async def test_a_removed_program_does_not_come_back_with_the_next_daemon(supervisor: Supervisor, tmp_path: Path) -> None:
    await started(supervisor, a_program(tmp_path))
    await supervisor.remove_program("one", grace=5)
    await supervisor.shutdown()
    await supervisor.ensure_running()
    assert supervisor.programs() == ()


async def test_a_program_outlives_its_daemon_and_is_adopted_by_the_next(supervisor: Supervisor, tmp_path: Path) -> None:
    before = await started(supervisor, a_program(tmp_path, "while :; do echo said; sleep 0.05; done"))
    kill_daemon(supervisor)
    await until(lambda: not supervisor.is_running())
    assert is_running(supervisor)
    size = (tmp_path / "out").stat().st_size
    await until(lambda: (tmp_path / "out").stat().st_size > size)  # it still writes, with nobody behind it
    await supervisor.ensure_running()
    await until(lambda: len(launchers(supervisor)) == 1)
    after = seen(supervisor)
    assert (after.pid, after.restarts, after.state) == (before.pid, 0, ProcessState.RUNNING)
    await supervisor.remove_program("one", grace=5)
    assert kernel.process(before.pid) is None
    await until(lambda: not launchers(supervisor))


async def test_an_adopted_program_that_dies_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    before = await started(supervisor, a_program(tmp_path))
    kill_daemon(supervisor)
    await until(lambda: not supervisor.is_running())
    await supervisor.ensure_running()
    await until(lambda: len(launchers(supervisor)) == 1)
    os.kill(before.pid, signal.SIGKILL)
    await until(lambda: seen(supervisor).pid not in (0, before.pid))
    assert seen(supervisor).restarts == 1


async def test_an_orphan_can_be_stopped_while_there_is_no_daemon(supervisor: Supervisor, tmp_path: Path) -> None:
    before = await started(supervisor, a_program(tmp_path))
    kill_daemon(supervisor)
    await until(lambda: not supervisor.is_running())
    await supervisor.remove_program("one", grace=5)
    assert kernel.process(before.pid) is None
    assert supervisor.programs() == ()


async def test_a_program_that_was_paused_hears_that_it_is_to_end(supervisor: Supervisor, tmp_path: Path) -> None:
    command = "trap 'echo goodbye; exit 0' TERM; echo listening; while :; do sleep 0.02; done"
    view = await started(supervisor, a_program(tmp_path, command))
    await until((tmp_path / "out").exists)
    await until(lambda: (tmp_path / "out").read_text() == "listening\n")
    os.kill(view.pid, signal.SIGSTOP)
    await supervisor.stop_program("one", grace=20)
    assert (tmp_path / "out").read_text() == "listening\ngoodbye\n"


async def test_a_dead_program_is_started_again_at_once_and_what_it_left_is_ended(supervisor: Supervisor, tmp_path: Path) -> None:
    before = await started(supervisor, a_program(tmp_path, f"setsid sleep 3600 & exec {PYTHON} 'import time; time.sleep(3600)'"))
    directory = str(supervisor.run_directory("one"))
    await until(lambda: len(kernel.members(directory)) == 2)
    left = {process.pid for process in kernel.members(directory)} - {before.pid}
    os.kill(before.pid, signal.SIGKILL)
    await until(lambda: seen(supervisor).pid not in (0, before.pid))
    assert all(kernel.process(pid) is None for pid in left)


async def test_no_zombie_stays_of_what_programs_leave_behind(supervisor: Supervisor, tmp_path: Path) -> None:
    await started(supervisor, a_program(tmp_path, "(sleep 0.1 & echo $! > orphan); exec sleep 3600"))
    await until(lambda: (tmp_path / "orphan").exists() and (tmp_path / "orphan").read_text().strip() != "")
    orphan = int((tmp_path / "orphan").read_text())
    await until(lambda: not Path(f"/proc/{orphan}").exists())


async def test_lives_get_longer_breaks_between_them_and_a_long_life_ends_that(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.put_program("one", a_program(tmp_path, "exit 7"), {"PATH": os.defpath})
    await until(lambda: seen(supervisor).state is ProcessState.BACKOFF)
    first = seen(supervisor)
    assert (first.restarts, first.exit_code) == (2, 7)
    await until(lambda: seen(supervisor).state is ProcessState.BACKOFF and seen(supervisor).restarts == 3)
    second = seen(supervisor)
    assert second.retry_at - second.started_at > first.retry_at - first.started_at


def test_a_long_life_or_a_stop_that_was_asked_for_ends_the_count_of_short_lives() -> None:
    before = Status()
    before.boot, before.pid, before.short_lives, before.began = kernel.boot(), 77, 4, time.monotonic() - 1
    assert counted(before) == 5
    before.began -= LONG_LIFE
    assert counted(before) == 0
    before.began += LONG_LIFE
    asked = Exit(pid=77, code=None, signal=15, at=0.0, was_asked=True, is_out_of_memory=False)
    assert counted(before, asked) == 0
    before.boot = "another boot of the machine"
    assert counted(before) == 0


def counted(before: Status, exit: Exit | None = None) -> int:
    now = Status()
    now.boot = kernel.boot()
    count_lives(now, before, exit)
    return now.short_lives


async def test_a_command_that_does_not_exist_ends_with_127_and_says_so(supervisor: Supervisor, tmp_path: Path) -> None:
    program = Program(argv=("no-such-program",), directory=str(tmp_path), stdout=str(tmp_path / "out"), stderr=str(tmp_path / "err"))
    await supervisor.put_program("one", program, {"PATH": os.defpath})
    await until(lambda: seen(supervisor).exit_code == 127)
    assert "no-such-program: No such file or directory" in (tmp_path / "err").read_text()


async def test_a_record_that_cannot_be_read_costs_that_program_only(supervisor: Supervisor, tmp_path: Path) -> None:
    await started(supervisor, a_program(tmp_path))
    await supervisor.shutdown()
    broken = supervisor.run_directory("broken")
    broken.mkdir()
    (broken / "launch").write_bytes(b"\xff\0argv=x\0priority=many\0")
    await supervisor.ensure_running()
    await until(lambda: is_running(supervisor, "one"))


async def test_secrets_are_in_a_file_of_their_own_and_in_no_argument_list(supervisor: Supervisor, tmp_path: Path) -> None:
    secret = "s3cr3t-sentinel"
    await supervisor.put_program("one", a_program(tmp_path), {"PATH": os.defpath, "TOKEN": Secret(secret)})
    await until(lambda: is_running(supervisor))
    holding = [path for path in supervisor.directory.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert holding == [supervisor.run_directory("one") / "environment"]
    assert holding[0].stat().st_mode & 0o777 == 0o600
    assert all(secret.encode() not in content(f"/proc/{pid}/cmdline") for pid in kernel.processes())


async def test_what_cannot_be_carried_is_refused_before_anything_is_started(supervisor: Supervisor, tmp_path: Path) -> None:
    for variables in ({"A": "nul\0within"}, {"A=B": "x"}, {"": "x"}):
        with pytest.raises(InvalidInput):
            await supervisor.put_program("one", a_program(tmp_path), variables)
    with pytest.raises(InvalidName):
        await supervisor.put_program("../one", a_program(tmp_path), {})
    with pytest.raises(InvalidInput, match="no stop signal"):
        await supervisor.put_program("one", a_program(tmp_path, stop_signal="NONSENSE"), {})
    assert not supervisor.is_running()


async def test_a_daemon_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "supervisord.conf").mkdir()
    with pytest.raises(Unavailable, match=r"supervisor did not start: .*supervisord\.conf"):
        await Supervisor(tmp_path / "state").ensure_running()


def launchers(supervisor: Supervisor) -> list[int]:
    """Processes that stand in for others."""
    mark = str(supervisor.run_directory("one")).encode()
    return [pid for pid in kernel.processes() if mark in arguments(pid) and b"launcher.py" in arguments(pid)]


def arguments(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def test_the_daemon_sleeps_while_nothing_happens(supervisor: Supervisor, tmp_path: Path) -> None:
    view = await started(supervisor, a_program(tmp_path))
    os.kill(view.pid, signal.SIGKILL)
    directory = str(supervisor.run_directory("one"))
    await until(lambda: Status.read(directory).starts == 2)
    await asyncio.sleep(0.2)
    before = switches(daemon_pid(supervisor))
    await asyncio.sleep(1)
    assert switches(daemon_pid(supervisor)) - before < 20


def switches(pid: int) -> int:
    """How often it has slept or been interrupted."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line) + int(Path(f"/proc/{pid}/stat").read_text().split()[13])


async def test_a_launcher_that_cannot_run_does_not_keep_the_processor_busy(supervisor: Supervisor, tmp_path: Path) -> None:
    directory = supervisor.run_directory("one")
    (directory / "lock").mkdir(parents=True)  # which no launcher can lock
    await supervisor.put_program("one", a_program(tmp_path), {"PATH": os.defpath})
    await asyncio.sleep(1.5)
    assert 2 <= spawned(supervisor) <= 7
    (directory / "lock").rmdir()
    await until(lambda: is_running(supervisor))


def spawned(supervisor: Supervisor) -> int:
    return (supervisor.directory / "supervisord.log").read_text().count("spawned: 'one'")


async def test_a_program_whose_stop_was_abandoned_is_kept_again_once_it_is_put(supervisor: Supervisor, tmp_path: Path) -> None:
    before = await started(supervisor, a_program(tmp_path))
    assert await supervisor._withdraw("one") == before.pid  # and the controller dies here
    await supervisor.put_program("one", a_program(tmp_path), {"PATH": os.defpath})
    os.kill(before.pid, signal.SIGKILL)
    await until(lambda: seen(supervisor).pid not in (0, before.pid))


async def test_the_daemon_wakes_for_a_death_rather_than_at_its_next_look(supervisor: Supervisor, tmp_path: Path) -> None:
    """By itself it looks once a second and restarts at the look after that: five deaths would take five seconds at least."""
    names = ["one", "two", "three", "four", "five"]
    for name in names:
        await started(supervisor, a_program(tmp_path), name)
    began = time.monotonic()
    for name in names:
        directory = str(supervisor.run_directory(name))
        os.kill(Status.read(directory).pid, signal.SIGKILL)
        await until(lambda directory=directory: Status.read(directory).starts == 2)  # type: ignore[misc]  # a default binds it
    assert time.monotonic() - began < 4.5
