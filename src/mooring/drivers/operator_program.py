"""Runs a program of the operator's and hears it out: words as they are, no shell, an end in time, nothing left running.

Must not: pass on more of the environment than it is given.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence

from mooring.errors import Unavailable

_LONGEST = 300  # characters of its last words
_KEPT = 4096  # bytes of what it complains of


class OperatorProgram:
    """`name` says in errors which it is; `argv` is the program and its first arguments, `variables` all of its environment.

    `kept`: bytes of its output that are heard, the last ones. `redact` takes secrets out of what is told of it.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        variables: Mapping[str, str],
        *,
        within: float,
        kept: int = _KEPT,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._name = name
        self._argv = tuple(argv)
        self._variables = dict(variables)
        self._within = within
        self._kept = kept
        self._redact = redact

    async def run(self, verb: str, variables: Mapping[str, str], *, about: str) -> bytes:
        """What it wrote. `about`: what it was asked, in errors. Raises Unavailable with its last words where it did not end with 0."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv,
                verb,
                env={**self._variables, **variables},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._name} {self._argv[0]} cannot be run: {error}", hint="look at its path and its mode") from error
        assert process.stdout is not None and process.stderr is not None
        try:
            async with asyncio.timeout(self._within):
                out, complaint = await asyncio.gather(_tail(process.stdout, self._kept), _tail(process.stderr, _KEPT))
                code = await process.wait()
        except TimeoutError as error:
            raise Unavailable(f"{self._name} did not end within {self._within:.0f} seconds ({about})") from error
        finally:
            if process.returncode is None or not (process.stdout.at_eof() and process.stderr.at_eof()):
                _end(process)
                await process.wait()
        if code:
            said = self._last_words(complaint) or self._last_words(out) or "it wrote nothing"
            raise Unavailable(f"{self._name} ended with {code} ({about}): {said}")
        return out

    def _last_words(self, said: bytes) -> str:
        lines = self._redact(said.decode(errors="replace")).strip().splitlines()
        return lines[-1][:_LONGEST] if lines else ""


async def _tail(stream: asyncio.StreamReader, kept: int) -> bytes:
    """What comes last, however much is written."""
    found = b""
    while chunk := await stream.read(65_536):
        found = (found + chunk)[-kept:]
    return found


def _end(process: asyncio.subprocess.Process) -> None:
    """With all that it has started: what still holds its output keeps its group, so the number is nobody else's."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
