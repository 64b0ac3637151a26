"""What every runtime that runs interactively does: a subclass gives the fixture `rig`, and pytest runs all of it.

Where the commands run there is a POSIX shell, with cat, sleep, stty and setsid. Must not: look inside a runtime.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import msgspec
import pytest

from mooring.drivers.runtime.contract import Interactive, Terminal
from mooring.errors import Unavailable
from mooring.model.secret import Secret, SecretFile
from mooring.testing.runtime_contract import Kind, RuntimeRig, a_key, a_mark, started, view_of

_PATIENCE = 60.0
_BYTES = bytes(range(256)) * 2_000
_WAITING = "setsid sleep {0} & sleep {0} & trap '' HUP TERM; echo ready; while :; do sleep {0}; done"
_AT_A_TERMINAL = """
trap 'echo interrupted >/dev/tty; exit 9' INT
until [ "$(stty size)" = '24 80' ]; do sleep 0.1; done
test -t 0 && test -t 1 && test -t 2 && echo sized
until [ "$(stty size)" = '50 132' ]; do sleep 0.1; done
echo resized
read -r line
echo heard "$line"
while :; do sleep 0.1; done
"""
COUNT = """
count=0
for place in /proc/[0-9]*; do
  { read -r line <"$place/cmdline"; } 2>/dev/null
  case "$line" in sleep"$1") count=$((count + 1));; esac
  line=
done
echo $count
"""


class Said(msgspec.Struct, frozen=True):
    out: bytes
    err: bytes
    code: int


class EnterContract:
    """Commands where an instance runs."""

    async def test_its_variables_its_directory_and_its_user_are_found(self, rig: RuntimeRig) -> None:
        variables: dict[str, str | Secret] = {"COLOUR": "dark 'blue'\nand more", "KEY": Secret("k3y"), "TLS": SecretFile("\0\udcff\n")}
        view = await started(rig, rig.instance(a_key()), variables)
        said = await _said_in(rig, "sh", "-c", 'printf "%s|%s|" "$COLOUR" "$KEY"; cat "$TLS_FILE"')
        assert said == Said(b"dark 'blue'\nand more|k3y|\0\xff\n", b"", 0)
        assert (await _said_in(rig, "sh", "-c", "echo $(($PORT))")).code == 0
        where = f"/proc/{view.pid}"
        same = 'test "$(readlink "$0/cwd")" = "$(pwd -P)" && test "$(stat -c %u "$0")" = "$(id -u)"'
        if (await _said_in(rig, "test", "-e", f"{where}/cwd")).code == 0:  # where it is not in a namespace of its own
            assert (await _said_in(rig, "sh", "-c", same, where)).code == 0

    async def test_input_both_outputs_and_the_exit_code_are_told_apart(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key()))
        async with _entered(rig, "sh", "-c", "cat; echo complaint >&2; exit 7") as session:
            said, _ = await asyncio.gather(_all_of(session), _fed(session, _BYTES))
        assert said == Said(_BYTES, b"complaint\n", 7)

    async def test_an_input_that_ends_at_once_is_empty(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key()))
        async with _entered(rig, "sh", "-c", "cat; echo end") as session:
            await session.close_input()
            assert await _all_of(session) == Said(b"end\n", b"", 0)

    async def test_each_word_arrives_as_one_word(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key()))
        odd = ("a b", "'", '"', "$(touch /tmp/x)", ";", "*", "\\", "two\nlines", "--", "é", "%s", "")
        said = await _said_in(rig, "sh", "-c", 'for word; do printf "%s|" "$word"; done', "sh", *odd)
        assert said.out.decode() == "".join(f"{word}|" for word in odd)

    async def test_a_program_that_is_not_there_ends_with_127(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key()))
        said = await _said_in(rig, "no-such-program-here")
        assert said.code == 127
        assert b"no-such-program-here" in said.out + said.err

    async def test_a_terminal_has_a_size_that_changes_and_an_interrupt_that_is_typed(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key()))
        async with _entered(rig, "sh", "-c", _AT_A_TERMINAL, terminal=True) as session:
            output = session.output()
            await _until(output, b"sized")  # soon, if not at once: an engine sets it when the command runs
            await session.resize(rows=50, columns=132)
            await _until(output, b"resized")
            await session.write(b"a line\n")
            await _until(output, b"heard a line")
            await session.write(b"\x03")
            await _until(output, b"interrupted")
            async with asyncio.timeout(_PATIENCE):
                async for _ in output:
                    pass
                assert await session.wait() == 9

    @pytest.mark.parametrize("terminal", [False, True], ids=["pipes", "terminal"])
    async def test_hanging_up_ends_it_with_all_that_it_started_and_nothing_of_the_instance(self, rig: RuntimeRig, terminal: bool) -> None:
        before = await started(rig, rig.instance(a_key()))
        seconds = str(10_000 + secrets.randbelow(80_000))
        async with _entered(rig, "sh", "-c", _WAITING.format(seconds), terminal=terminal) as session:
            await _until(session.output(), b"ready")
            assert int((await _said_in(rig, "sh", "-c", COUNT, "sh", seconds)).out) >= 2
        assert (await _said_in(rig, "sh", "-c", COUNT, "sh", seconds)).out == b"0\n"
        after = await view_of(rig, a_key())
        assert after is not None
        assert (after.pid, after.restarts) == (before.pid, 0)

    async def test_what_does_not_run_cannot_be_entered(self, rig: RuntimeRig) -> None:
        with pytest.raises(Unavailable, match="does not run now"):
            await _said_in(rig, "true")
        await started(rig, rig.instance(a_key()))
        await rig.runtime.stop(a_mark(), a_key(), grace=5)
        with pytest.raises(Unavailable, match="does not run now"):
            await _said_in(rig, "true")


class AttachContract:
    """Commands in a fresh place."""

    async def test_a_fresh_command_has_its_variables_input_outputs_and_code(self, rig: RuntimeRig) -> None:
        async with _attached(rig, 'cat; cat "$TLS_FILE"; echo "$KEY" >&2; exit 7', KEY=Secret("k3y"), TLS=SecretFile("x\n")) as session:
            said, _ = await asyncio.gather(_all_of(session), _fed(session, _BYTES))
        assert said == Said(_BYTES + b"x\n", b"k3y\n", 7)

    async def test_a_fresh_command_on_a_terminal_has_its_size_and_ends_when_its_owner_hangs_up(self, rig: RuntimeRig) -> None:
        seconds = str(10_000 + secrets.randbelow(80_000))
        command = f"until [ \"$(stty size)\" = '40 120' ]; do sleep 0.1; done; {_WAITING.format(seconds)}"
        async with _attached(rig, command, terminal=True) as session:
            await session.resize(rows=40, columns=120)
            await _until(session.output(), b"ready")
        await started(rig, rig.instance(a_key()))
        assert (await _said_in(rig, "sh", "-c", COUNT, "sh", seconds)).out == b"0\n"


class InteractiveContract(EnterContract, AttachContract):
    """All of it."""


@asynccontextmanager
async def _entered(rig: RuntimeRig, *argv: str, terminal: bool = False) -> AsyncIterator[Terminal]:
    session = await cast(Interactive, rig.runtime).enter(a_key(), argv, terminal=terminal)
    try:
        yield session
    finally:
        await session.close()


@asynccontextmanager
async def _attached(rig: RuntimeRig, command: str, *, terminal: bool = False, **variables: Secret) -> AsyncIterator[Terminal]:
    spec = msgspec.structs.replace(rig.task("run.1", Kind.SUCCEEDING), command=command)
    session = await cast(Interactive, rig.runtime).attach(spec, variables, terminal=terminal)
    try:
        yield session
    finally:
        await session.close()


async def _said_in(rig: RuntimeRig, *argv: str) -> Said:
    async with _entered(rig, *argv) as session:
        return await _all_of(session)


async def _all_of(session: Terminal) -> Said:
    said = {"stdout": b"", "stderr": b""}
    async with asyncio.timeout(_PATIENCE):
        async for stream, chunk in session.output():
            said[stream] += chunk
        return Said(said["stdout"], said["stderr"], await session.wait())


async def _fed(session: Terminal, content: bytes) -> None:
    await session.write(content)
    await session.close_input()


async def _until(output: AsyncIterator[tuple[str, bytes]], expected: bytes) -> None:
    """Read until it was said."""
    seen = b""
    async with asyncio.timeout(_PATIENCE):
        while expected not in seen:
            seen += (await anext(output))[1]
