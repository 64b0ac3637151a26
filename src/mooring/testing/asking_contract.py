"""What every runtime that starts programs does with the command of a check: a subclass gives the fixture `rig`, and pytest runs all of it.

Where the commands run there is a POSIX shell, with cat, head, setsid, sleep and tr. Must not: look inside a runtime.
"""

from __future__ import annotations

import asyncio
import secrets

import pytest

from mooring.drivers.runtime.contract import Heard
from mooring.errors import Unavailable
from mooring.model.secret import Secret, SecretFile
from mooring.testing.interactive_contract import COUNT
from mooring.testing.runtime_contract import RuntimeRig, a_key, a_mark, started, view_of

_PATIENCE = 60.0  # seconds
_TIMES = (2.0, 10.0, 50.0)  # seconds for a command that goes on: the first in which it has begun tells


class AskingContract:
    async def test_its_variables_its_secrets_and_its_port_are_found(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key()), {"COLOUR": "dark 'blue'", "KEY": Secret("k3y"), "TLS": SecretFile("l0ck")})
        command = 'test "$PORT" -gt 0 && echo "$COLOUR|$KEY|$(cat "$TLS_FILE")"'
        assert await _asked(rig, command) == Heard(code=0, said="dark 'blue'|k3y|l0ck")

    async def test_it_runs_as_whoever_the_instance_is_and_where(self, rig: RuntimeRig) -> None:
        """Where both see the same processes."""
        view = await started(rig, rig.instance(a_key()))
        place = f"/proc/{view.pid}"
        same = f'test "$(readlink {place}/cwd)" = "$(pwd -P)" && test "$(stat -c %u {place})" = "$(id -u)"'
        assert (await _asked(rig, f"test ! -e {place}/cwd || {{ {same}; }}")).code == 0

    async def test_a_command_that_fails_tells_its_code_and_the_last_line_of_both_outputs(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key()))
        assert await _asked(rig, "echo looking; echo queue is stuck >&2; exit 3") == Heard(code=3, said="queue is stuck")
        assert await _asked(rig, "kill -KILL $$") == Heard(code=137)

    async def test_it_has_no_input(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key()))
        assert await _asked(rig, "cat; echo end") == Heard(code=0, said="end")

    async def test_a_flood_is_heard_to_its_end(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key()))
        assert await _asked(rig, "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end") == Heard(code=0, said="end")

    async def test_past_its_time_it_is_ended_there_with_its_children_and_the_instance_goes_on(self, rig: RuntimeRig) -> None:
        before = await started(rig, rig.instance(a_key()))
        seconds = str(10_000 + secrets.randbelow(80_000))
        has_begun = False
        for within in _TIMES:
            late = asyncio.create_task(rig.runtime.ask(a_key(), f"sleep {seconds} & sleep {seconds}", within=within))
            while not late.done() and not has_begun:
                has_begun = await _count(rig, seconds) == 2
            assert await late == Heard(code=None)
            if has_begun:
                break
        assert has_begun
        await rig.until(lambda: _none_runs(rig, seconds))
        after = await view_of(rig, a_key())
        assert after is not None
        assert (after.pid, after.restarts) == (before.pid, 0)

    async def test_what_does_not_run_cannot_be_asked(self, rig: RuntimeRig) -> None:
        with pytest.raises(Unavailable, match="does not run now"):
            await _asked(rig, "true")
        await started(rig, rig.instance(a_key()))
        await rig.runtime.stop(a_mark(), a_key(), grace=5)
        with pytest.raises(Unavailable, match="does not run now"):
            await _asked(rig, "true")


async def _asked(rig: RuntimeRig, command: str) -> Heard:
    return await rig.runtime.ask(a_key(), command, within=_PATIENCE)


async def _count(rig: RuntimeRig, seconds: str) -> int:
    """Of programs `sleep` for so long, as they are seen from there."""
    return int((await _asked(rig, f"set -- {seconds}\n{COUNT}")).said)


async def _none_runs(rig: RuntimeRig, seconds: str) -> bool:
    return await _count(rig, seconds) == 0
