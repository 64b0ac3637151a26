"""HAProxy's command sockets: commands in, their answers out. Must not: know what the answers mean to a table.

Source: haproxy.org, management guide 2.6, 9.3 "Unix Socket commands" and 9.4 "Master CLI".
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mooring.errors import OutcomeUnknown, Unavailable

ANSWER_WITHIN = 5.0  # seconds
LONGEST = 8_000  # bytes of commands in one line; HAProxy takes 16 kB
HINT = "the supervisor starts it again within seconds; `mooring status` says whether it runs"


class Commands:
    """Each call opens its own connection. Raises Unavailable when nobody answers at all, OutcomeUnknown when the answer breaks off."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def ask(self, command: str, payload: str = "") -> str:
        """The answer to one command, or to several with `;` between them. `payload` is what the command takes as its text."""
        line = f"{command} <<\n{payload.strip()}\n\n" if payload else f"{command}\n"
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await self._exchange(line)
        except TimeoutError as error:
            raise OutcomeUnknown(f"the edge did not answer within {ANSWER_WITHIN:.0f} seconds", hint=HINT) from error

    async def ask_all(self, commands: Sequence[str]) -> str:
        """In their order, as many at a time as HAProxy takes; their answers one after the other."""
        return "".join([await self.ask("; ".join(each)) for each in _lines(commands)])

    async def _exchange(self, line: str) -> str:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
        except OSError as error:
            raise Unavailable("the edge (HAProxy) does not run", hint=HINT) from error
        try:
            writer.write(line.encode())
            writer.write_eof()  # the master answers further commands until then
            return (await reader.read(-1)).decode(errors="replace")
        except OSError as error:
            raise OutcomeUnknown("the edge (HAProxy) closed its command socket in the middle", hint=HINT) from error
        finally:
            writer.close()


def escaped(word: str) -> str:
    """So that it is one word of a command, whatever is in it."""
    return "".join(f"\\{each}" if each in " ;\\" else each for each in word)


def _lines(commands: Iterable[str]) -> Iterator[list[str]]:
    line: list[str] = []
    for command in commands:
        if line and sum(map(len, line)) + len(command) > LONGEST:
            yield line
            line = []
        line.append(command)
    if line:
        yield line
