"""Answers DNS challenges by a program of the operator's: it sets or removes one TXT record. Must not: go through a shell.

It gets the word `present` or `cleanup` as its last argument, and MOORING_DNS_NAME and MOORING_DNS_VALUE in its environment. It ends with 0
when every server of the zone answers with the record; what it writes last is shown when it does not.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping

from mooring.drivers.issuer.contract import Answering, Challenge
from mooring.errors import Unavailable

_WITHIN = 180.0  # seconds: name servers take their time
_LONGEST = 300
_KEPT = 4096  # bytes of its output


class DnsHook:
    """`argv` is the program and its first arguments; `variables` is the environment it gets besides the challenge's own."""

    def __init__(self, argv: tuple[str, ...], variables: Mapping[str, str], *, within: float = _WITHIN) -> None:
        self._argv = argv
        self._variables = dict(variables)
        self._within = within

    async def present(self, challenge: Challenge) -> None:
        await self._run("present", challenge)

    async def withdraw(self, challenge: Challenge) -> None:
        await self._run("cleanup", challenge)

    async def _run(self, verb: str, challenge: Challenge) -> None:
        named = {"MOORING_DNS_NAME": challenge.place, "MOORING_DNS_VALUE": challenge.content}
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv,
                verb,
                env={**self._variables, **named},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise Unavailable(f"the DNS hook {self._argv[0]} cannot be run: {error}", hint="look at its path and its mode") from error
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._within):
                said = await _tail(process.stdout)
                code = await process.wait()
        except TimeoutError as error:
            raise Unavailable(f"the DNS hook did not end within {self._within:.0f} seconds ({verb} {challenge.place})") from error
        finally:
            if process.returncode is None or not process.stdout.at_eof():
                _end(process)
        if code:
            lines = said.decode(errors="replace").strip().splitlines()
            last = lines[-1][:_LONGEST] if lines else "it wrote nothing"
            raise Unavailable(f"the DNS hook ended with {code} ({verb} {challenge.place}): {last}")


async def _tail(stream: asyncio.StreamReader) -> bytes:
    """What comes last, however much is written."""
    kept = b""
    while chunk := await stream.read(65_536):
        kept = (kept + chunk)[-_KEPT:]
    return kept


def _end(process: asyncio.subprocess.Process) -> None:
    """With all that it has started: what still holds its output keeps its group, so the number is nobody else's."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


_: type[Answering] = DnsHook
