"""HAProxy's command sockets: commands in, their answers out. Must not: know what the answers mean to a table.

Source: haproxy.org, management guide 2.6, 9.3 "Unix Socket commands" and 9.4 "Master CLI".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from mooring.errors import OutcomeUnknown, Unavailable

ANSWER_WITHIN = 5.0  # seconds
LONGEST = 8_000  # bytes of commands in one line; HAProxy takes 16 kB
HINT = "the supervisor starts it again within seconds; `mooring status` says whether it runs"


class Commands:
    """Each call opens its own connection, to the socket that `way` leads to.

    Raises Unavailable when nobody answers at all, OutcomeUnknown when the answer breaks off; `silence` when there is none. Through a
    forwarded socket nobody who listens cannot be told from nobody who answers: for questions, which change nothing, that is Unavailable.
    """

    def __init__(
        self, way: Callable[[], AbstractAsyncContextManager[Path]], *, silence: type[Unavailable | OutcomeUnknown] = OutcomeUnknown
    ) -> None:
        self._way = way
        self._silence = silence

    async def ask(self, command: str, payload: str = "") -> str:
        """The answer to one command, or to several with `;` between them. `payload` is what the command takes as its text."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN), self._way() as socket:
                answer = await _exchange(socket, line_of(command, payload))
        except TimeoutError as error:
            raise OutcomeUnknown(f"the edge did not answer within {ANSWER_WITHIN:.0f} seconds", hint=HINT) from error
        if not answer:  # the least that HAProxy says is an empty line
            raise self._silence("the edge (HAProxy) says nothing", hint=HINT)
        return answer

    async def ask_all(self, commands: Sequence[str]) -> str:
        """In their order, as many at a time as HAProxy takes; their answers one after the other."""
        return "".join([await self.ask("; ".join(each)) for each in lines_of(commands)])


async def _exchange(socket: Path, line: str) -> str:
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
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


def line_of(command: str, payload: str = "") -> str:
    """What goes over the socket. `payload` is what the command takes as its text."""
    return f"{command} <<\n{payload.strip()}\n\n" if payload else f"{command}\n"


def escaped(word: str) -> str:
    """So that it is one word of a command, whatever is in it."""
    return "".join(f"\\{each}" if each in " ;\\" else each for each in word)


def lines_of(commands: Iterable[str]) -> Iterator[list[str]]:
    """As many at a time as HAProxy takes."""
    line: list[str] = []
    for command in commands:
        if line and sum(map(len, line)) + len(command) > LONGEST:
            yield line
            line = []
        line.append(command)
    if line:
        yield line
