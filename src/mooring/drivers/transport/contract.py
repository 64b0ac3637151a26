"""What a transport must do: run programs and keep files on one host, and say truthfully whether it happened.

Promises, tested by `mooring.testing.transport_contract` on every driver:
  - A program gets its arguments byte for byte, whatever they hold; no shell reads anything into them.
  - Every outcome is one of three. Done: the program's exit code is given. Not done: Unavailable. Unknown: OutcomeUnknown, when the
    connection broke, or the time was over, after the program may have begun.
  - A lost connection is made anew by the next call; calls do not wait for one another.
  - `write` puts a whole file in the old one's place, or changes nothing.
  - What a program says beyond `most` bytes is an error and not memory.
  - A program that is `attached` is told by the end of its input that nobody listens any more, whatever broke the line; what it is slow
    to read or to be read keeps the other side waiting, and takes no memory.
Raises Unavailable, OutcomeUnknown, NotFound, NeedsPerson (another host key than the pinned one), never a foreign error.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path, PurePosixPath
from typing import Protocol

import msgspec

MOST = 10_000_000  # bytes of standard output and of standard error
TIMEOUT = 60.0  # seconds
PARTING = 20.0  # seconds that an attached program may take to end when its input has ended


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """How a program ended: `code` is 128 + the signal's number when a signal ended it, as a shell would say."""

    code: int
    out: bytes = b""
    err: bytes = b""


class Channel(Protocol):
    """A program on the host that is spoken with while it runs."""

    async def read(self) -> bytes:
        """What it says on standard output, as it comes; nothing: it has ended. Raises OutcomeUnknown where the line broke."""

    async def write(self, chunk: bytes) -> None:
        """Waits while it does not read. What comes after its end is dropped."""


class Transport(Protocol):
    """The way to one host."""

    @property
    def host(self) -> str:
        """Its name, for messages."""

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", within: float = TIMEOUT, most: int = MOST) -> Completed:
        """Run a program to its end. Raises InvalidInput when an argument holds a NUL."""

    async def read(self, path: PurePosixPath, *, most: int = MOST) -> bytes:
        """Raises NotFound, Unavailable."""

    async def write(self, path: PurePosixPath, content: bytes, *, mode: int = 0o600) -> None:
        """Its directory has to exist."""

    def forwarded(self, socket: PurePosixPath) -> AbstractAsyncContextManager[Path]:
        """A Unix socket of this machine that leads to one of the host's, as long as the context lasts."""

    def attached(self, argv: Sequence[str]) -> AbstractAsyncContextManager[Channel]:
        """A program with its input and standard output. When the context ends so does its input, and `PARTING` seconds later the program.

        It keeps no other call waiting."""

    async def close(self) -> None: ...
