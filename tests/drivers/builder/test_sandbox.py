"""Build commands that fail, hang, flood, grow, daemonise, or are cancelled."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from mooring.drivers.builder.sandbox import LINE_LENGTH, WARDEN, Sandbox
from mooring.errors import BuildFailed

Make = Callable[..., Sandbox]


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


async def test_each_line_is_told_as_it_comes(sandbox: Make, lines: list[str], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = 'echo first; while [ ! -e "$1" ]; do sleep 0.02; done; echo second'
    running = asyncio.create_task(sandbox().run(("sh", "-c", script, "sh", str(gate)), directory=tmp_path))
    await until(lambda: lines == ["first"])
    gate.touch()
    await running
    assert lines == ["first", "second"]


async def test_both_outputs_are_told_and_the_command_reads_nothing(sandbox: Make, lines: list[str], tmp_path: Path) -> None:
    await sandbox().run(("sh", "-c", "cat; echo out; echo err >&2"), directory=tmp_path)
    assert sorted(lines) == ["err", "out"]


async def test_arguments_arrive_as_they_are(sandbox: Make, lines: list[str], tmp_path: Path) -> None:
    odd = ["a b", "$(touch evil)", "; touch evil", "'\"", "*", "--", "-n"]
    await sandbox().run(("printf", "%s\n", *odd), directory=tmp_path)
    assert lines == odd
    assert not (tmp_path / "evil").exists()


async def test_a_failing_command_is_explained_by_its_last_lines(sandbox: Make, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed) as failure:
        await sandbox().run(("sh", "-c", "seq 100; echo 'npm error code ENOTFOUND'; exit 3"), directory=tmp_path)
    assert "ended with exit code 3; its last lines:\n    82\n" in failure.value.message
    assert "\n    81\n" not in failure.value.message
    assert "the package index did not answer" in failure.value.hint


async def test_a_program_that_is_not_there_is_named(sandbox: Make, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="no-such-program: No such file or directory"):
        await sandbox().run(("no-such-program",), directory=tmp_path)


async def test_a_killed_command_says_by_which_signal(sandbox: Make, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed) as failure:
        await sandbox().run(("sh", "-c", "kill -9 $$"), directory=tmp_path)
    assert "was killed by signal 9" in failure.value.message
    assert "want of memory" in failure.value.hint


async def test_a_hanging_command_is_ended_at_the_time_limit(sandbox: Make, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed) as failure:
        await sandbox(timeout=0.5).run(("sh", "-c", "echo waiting; sleep 600"), directory=tmp_path)
    assert "took longer than 0.50s" in failure.value.message
    assert "waiting" in failure.value.message
    assert "raise build.timeout" in failure.value.hint


async def test_the_time_limit_is_that_of_the_whole_build(sandbox: Make, tmp_path: Path) -> None:
    one = sandbox(timeout=3)
    await one.run(("sleep", "2"), directory=tmp_path)
    with pytest.raises(BuildFailed, match=r"took longer than 3\.0s"):
        await one.run(("sleep", "2"), directory=tmp_path)


async def test_a_command_that_ignores_the_stop_signal_is_killed(sandbox: Make, lines: list[str], tmp_path: Path) -> None:
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    with pytest.raises(BuildFailed, match="took longer"):
        await sandbox(timeout=1).run((sys.executable, "-c", script), directory=tmp_path)
    assert lines == ["deaf"]


async def test_flooding_output_is_cut_and_fails_the_build(sandbox: Make, lines: list[str], tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"wrote more than 200.0 kB of output"):
        await sandbox(output_bytes=200_000).run(("yes", "flood"), directory=tmp_path)
    assert lines[-1] == "… more than 200.0 kB of output: the build is stopped"
    assert len(lines) < 5000


async def test_a_line_without_end_is_cut(sandbox: Make, lines: list[str], tmp_path: Path) -> None:
    script = "import sys; sys.stdout.write('x' * 300_000 + chr(10) + 'after' + chr(10) + 'y' * 3000)"
    await sandbox().run((sys.executable, "-c", script), directory=tmp_path)
    assert [line[:5] for line in lines] == ["xxxxx", "after", "yyyyy"]
    assert all(len(line) <= LINE_LENGTH + 20 for line in lines)
    assert lines[0].endswith("… [line cut]")


async def test_what_is_no_text_is_made_readable(sandbox: Make, lines: list[str], tmp_path: Path) -> None:
    octal = r"bad \377 byte\n\033[31mred\033[0m \033]0;title\007end\n10%%\r55%%\r100%%\nbell \007 null \000\n"
    await sandbox().run(("printf", octal), directory=tmp_path)
    assert lines == ["bad � byte", "red end", "100%", "bell � null �"]


async def test_a_process_that_wants_too_much_memory_fails_alone(sandbox: Make, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed) as failure:
        await sandbox(memory=300_000_000).run((sys.executable, "-c", "bytearray(600_000_000)"), directory=tmp_path)
    assert "MemoryError" in failure.value.message
    assert "raise build.memory" in failure.value.hint


async def test_node_runs_under_the_memory_limit_although_it_reserves_far_more_address_space(
    sandbox: Make, lines: list[str], tmp_path: Path
) -> None:
    await sandbox(memory=500_000_000).run(("node", "-e", "console.log(6 * 7)"), directory=tmp_path)
    assert lines == ["42"]
    with pytest.raises(BuildFailed):
        await sandbox(memory=500_000_000).run(("node", "-e", "const all = []; for (;;) all.push(Buffer.alloc(1e7, 1))"), directory=tmp_path)


async def test_a_build_gives_way_to_what_serves(sandbox: Make, lines: list[str], tmp_path: Path) -> None:
    script = "import os; print(os.nice(0), open('/proc/self/oom_score_adj').read().strip())"
    await sandbox().run((sys.executable, "-c", script), directory=tmp_path)
    assert lines == [f"{min(19, os.nice(0) + 10)} 500"]


async def test_a_nearly_full_disk_stops_the_build(sandbox: Make, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"disk is nearly full: .* left, .* must stay free"):
        await sandbox(reserve=10**18).run(("sleep", "600"), directory=tmp_path)


async def test_what_a_command_leaves_running_is_ended_with_it(sandbox: Make, lines: list[str], tmp_path: Path) -> None:
    script = "setsid sh -c 'sleep 600 & echo $! >inner; sleep 600' & echo $! >outer; while [ ! -s inner ]; do sleep 0.02; done"
    await sandbox().run(("sh", "-c", script), directory=tmp_path)
    pids = [int((tmp_path / name).read_text()) for name in ("inner", "outer")]
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        open("daemon", "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
time.sleep(600)
"""


async def test_a_cancelled_build_leaves_no_process_not_even_a_daemon(sandbox: Make, tmp_path: Path) -> None:
    running = asyncio.create_task(sandbox().run((sys.executable, "-c", DAEMON), directory=tmp_path))
    await until(lambda: (tmp_path / "daemon").exists() and (tmp_path / "daemon").read_text() != "")
    daemon = int((tmp_path / "daemon").read_text())
    assert psutil.pid_exists(daemon)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not psutil.pid_exists(daemon)


async def test_a_build_dies_with_its_controller(tmp_path: Path) -> None:
    """The warden's standard input is the controller's end of a pipe: the kernel closes it, whatever the controller died of."""
    argv = (sys.executable, "-I", "-S", str(WARDEN), "1000000000", sys.executable, "-c", DAEMON)
    warden = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.PIPE, cwd=tmp_path)
    assert warden.stdin is not None
    await until(lambda: (tmp_path / "daemon").exists() and (tmp_path / "daemon").read_text() != "")
    warden.stdin.close()
    assert await asyncio.wait_for(warden.wait(), 20) == 128 + signal.SIGTERM
    assert not psutil.pid_exists(int((tmp_path / "daemon").read_text()))


SENTINEL = "sentinel-5e0c"


async def test_a_build_sees_none_of_the_controllers_variables_but_those_on_the_list(
    sandbox: Make, lines: list[str], tmp_path: Path
) -> None:
    environ = {
        **os.environ,
        "DATABASE_URL": SENTINEL,
        "AWS_SECRET_ACCESS_KEY": SENTINEL,
        "MOORING_TOKEN": SENTINEL,
        "SECRET_KEY": SENTINEL,
        "LD_PRELOAD": SENTINEL,
        "PYTHONPATH": SENTINEL,
        "UV_PYTHON": SENTINEL,
        "npm_config_prefix": SENTINEL,
        "PIP_INDEX_URL": "file:///index",
        "npm_config_registry": "file:///registry",
        "NO_PROXY": "localhost",
    }
    await sandbox(environ=environ).run(("env",), directory=tmp_path)
    assert not any(SENTINEL in line for line in lines)
    assert {"PIP_INDEX_URL=file:///index", "npm_config_registry=file:///registry", "NO_PROXY=localhost"} <= set(lines)
    assert f"HOME={tmp_path / 'home'}" in lines


async def test_the_package_clients_find_their_settings_in_the_builds_own_home(sandbox: Make, lines: list[str], tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / ".config" / "pip").mkdir(parents=True)
    (real / ".config" / "pip" / "pip.conf").write_text("[global]\n")
    (real / ".npmrc").write_text("fund=false\n")
    (real / ".netrc").write_text(SENTINEL)
    environ = {"PATH": os.environ["PATH"], "HOME": str(real)}
    await sandbox(environ=environ).run(("sh", "-c", 'cat "$HOME/.npmrc" "$HOME/.config/pip/pip.conf"; ls -A "$HOME"'), directory=tmp_path)
    assert lines == ["fund=false", "[global]", ".config", ".npmrc", "tmp"]
