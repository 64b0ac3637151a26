"""A command with somebody attached: its input, its output, its terminal, and its end with everything it started."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mooring.drivers.runtime.contract import Terminal
from mooring.drivers.runtime.process import kernel
from mooring.drivers.runtime.process.runtime import ProcessRuntime
from mooring.drivers.runtime.process.supervisor import Supervisor
from mooring.errors import Unavailable
from mooring.model.instance import TaskSpec
from mooring.model.secret import Secret, SecretFile
from mooring.testing.runtime_contract import SHOP

Attach = Callable[..., Awaitable[Terminal]]


@pytest.fixture
async def attach(runtime: ProcessRuntime, tmp_path: Path) -> AsyncIterator[Attach]:
    async with AsyncExitStack() as stack:

        async def opened(command: str, *, terminal: bool = False, directory: str = "", **variables: str | Secret) -> Terminal:
            spec = TaskSpec(environment=SHOP, name="run", command=command, directory=directory or str(tmp_path), timeout=0.0, release=1)
            session = await runtime.attach(spec, variables, terminal=terminal)
            stack.push_async_callback(session.close)
            return session

        yield opened


async def told(session: Terminal) -> dict[str, bytes]:
    """All of its output, by stream."""
    found: dict[str, bytes] = {}
    async with asyncio.timeout(20):
        async for stream, chunk in session.output():
            found[stream] = found.get(stream, b"") + chunk
    return found


async def test_output_comes_by_stream_and_the_exit_code_at_the_end(attach: Attach, tmp_path: Path) -> None:
    session = await attach('pwd; echo "$COLOUR" >&2; exit 7', COLOUR=Secret("dark blue"))
    assert await told(session) == {"stdout": f"{tmp_path}\n".encode(), "stderr": b"dark blue\n"}
    assert await session.wait() == 7


async def test_input_reaches_it_until_it_is_closed(attach: Attach) -> None:
    session = await attach("cat")
    await session.write(b"one\n")
    await session.write(b"two\n")
    await session.close_input()
    await session.write(b"too late\n")
    assert await told(session) == {"stdout": b"one\ntwo\n"}
    assert await session.wait() == 0


async def test_much_goes_through_it_unchanged_both_ways(attach: Attach) -> None:
    content = bytes(range(256)) * 20_000
    session = await attach("cat")

    async def fill() -> None:
        await session.write(content)
        await session.close_input()

    found, _ = await asyncio.gather(told(session), fill())
    assert found["stdout"] == content


async def test_a_terminal_is_one_with_its_size_and_is_the_sessions_own(attach: Attach) -> None:
    session = await attach("test -t 0 && test -t 1 && stty size && echo in > /dev/tty", terminal=True)
    assert (await told(session))["stdout"].split() == [b"24", b"80", b"in"]
    assert await session.wait() == 0


async def test_a_terminal_can_change_its_size(attach: Attach) -> None:
    session = await attach("read line; stty size", terminal=True)
    await session.resize(rows=50, columns=132)
    await session.write(b"\n")
    assert (await told(session))["stdout"].split() == [b"50", b"132"]


async def test_an_interrupt_typed_at_the_terminal_ends_what_runs(attach: Attach) -> None:
    session = await attach("echo ready; exec sleep 3600", terminal=True)
    output = session.output()
    async with asyncio.timeout(20):
        assert b"ready" in (await anext(output))[1]
        await session.write(b"\x03")
        assert await session.wait() == 130


async def test_the_end_of_input_can_be_typed(attach: Attach) -> None:
    session = await attach("cat > /dev/null; echo ended", terminal=True)
    await session.close_input()
    assert b"ended" in (await told(session))["stdout"]


@pytest.mark.parametrize("terminal", [False, True])
async def test_hanging_up_ends_it_with_all_that_it_started(attach: Attach, tmp_path: Path, *, terminal: bool) -> None:
    session = await attach(
        "setsid sleep 3600 & echo $! > child; trap '' HUP TERM; echo ready; while :; do sleep 1; done", terminal=terminal
    )
    output = session.output()
    async with asyncio.timeout(20):
        await anext(output)
        child = int((tmp_path / "child").read_text())
        await session.close()
        assert kernel.process(child) is None
        assert await asyncio.wait_for(told_rest(output), 5) == b""


async def told_rest(output: AsyncIterator[tuple[str, bytes]]) -> bytes:
    return b"".join([chunk async for _, chunk in output])


async def test_what_it_left_behind_does_not_hold_up_its_end(attach: Attach) -> None:
    session = await attach("sleep 3600 & echo done")
    assert (await told(session))["stdout"] == b"done\n"


async def test_a_directory_that_is_gone_is_told(attach: Attach) -> None:
    with pytest.raises(Unavailable, match="No such file or directory"):
        await attach("true", directory="/nonexistent")


async def test_a_secret_comes_as_a_file_that_goes_with_the_session(attach: Attach, supervisor: Supervisor) -> None:
    session = await attach('cat "$TLS_KEY_FILE"; echo "${TLS_KEY-unset}" >&2', TLS_KEY=SecretFile("a\0b\udcff\n"))
    assert list((supervisor.directory / "run").glob("session-*/secrets/TLS_KEY"))
    assert await told(session) == {"stdout": b"a\0b\xff\n", "stderr": b"unset\n"}
    await session.close()
    assert not list((supervisor.directory / "run").glob("session-*"))


async def test_what_sessions_of_a_controller_that_died_left_is_ended_and_removed_by_the_next(supervisor: Supervisor) -> None:
    left = supervisor.directory / "run" / "session-1-1"
    (left / "secrets").mkdir(parents=True)
    (left / "secrets" / "TLS_KEY").write_text("k3y")
    deaf = ["sh", "-c", "trap '' HUP TERM; echo ready; while :; do sleep 1; done"]
    with subprocess.Popen(deaf, env={**os.environ, kernel.MARKER: str(left)}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        ProcessRuntime(supervisor)
        assert process.wait(20) == -signal.SIGKILL
    assert not left.exists()
