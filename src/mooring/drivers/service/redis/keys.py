"""Keys of a piece: found, measured, copied, written to a file and brought back. Must not: hold in memory what is in all of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from mooring.drivers.service.redis.session import Connection, Words
from mooring.errors import Unavailable

_BATCH = 500
_BEGINNING = b"mooring redis 1\n"
_LARGEST = 600 * 1024 * 1024  # bytes of one key in a dump: Redis itself holds no string over 512 MB
_STEP = 2_000  # keys that are looked at while nobody else is served: some milliseconds
_WALK = """
local found, total = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2] .. '*', 'COUNT', ARGV[3]), 0
for _, key in ipairs(found[2]) do total = total + (%s) end
return {found[1], total}
"""
_COUNTED = "1"
_MEASURED = "redis.call('MEMORY', 'USAGE', key) or 0"
_REMOVED = "redis.call('UNLINK', key)"
_COPIED = "redis.call('COPY', key, ARGV[4] .. string.sub(key, string.len(ARGV[2]) + 1), 'REPLACE')"
_TOGETHER = 8 * 1024 * 1024  # bytes of a dump that go to the server at once
_TRIAL = 3600  # seconds after which what a crash left of a dump that was brought back is gone
_Entry = tuple[bytes, int, bytes]
"""The key without its prefix, milliseconds until it expires or 0, and what DUMP says of it."""


async def batches(connection: Connection, prefix: str) -> AsyncIterator[list[bytes]]:
    """Every key that is there all the while, once or more often."""
    cursor = b"0"
    while True:
        cursor, found = await connection.ask("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", _BATCH)
        if found:
            yield list(found)
        if cursor == b"0":
            return


async def are_there(connection: Connection, prefix: str) -> bool:
    return bool(await _walked(connection, _COUNTED, prefix))


async def size(connection: Connection, prefix: str) -> int:
    """Bytes of memory, about: while the server's table grows a key may be met twice."""
    return await _walked(connection, _MEASURED, prefix)


async def remove(connection: Connection, prefix: str) -> None:
    await _walked(connection, _REMOVED, prefix)


async def copy(connection: Connection, source: str, target: str) -> None:
    await _walked(connection, _COPIED, source, target)


async def _walked(connection: Connection, act: str, prefix: str, *words: str) -> int:
    """Something is done with each key by the server itself, many in one round trip; the sum of what it gives for each."""
    cursor, total = b"0", 0
    while True:
        cursor, found = await connection.ask("EVAL", _WALK % act, 0, cursor, prefix, _STEP, *words)
        total += int(found)
        if cursor == b"0":
            return total


async def dump(connection: Connection, prefix: str, into: Path) -> None:
    """Each key as it is in its moment. Raises Unavailable; then no file is left."""
    digest = hashlib.sha256(_BEGINNING)
    written: set[bytes] = set()
    descriptor = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_BEGINNING)
            async for found in batches(connection, prefix):
                keys = [key for key in dict.fromkeys(found) if key not in written]
                written.update(keys)
                for content in await _entries(connection, prefix, keys):
                    digest.update(content)
                    file.write(len(content).to_bytes(4, "big") + content)
            file.write(bytes(4) + digest.digest())
    except BaseException:
        into.unlink(missing_ok=True)
        raise


def read(dump: Path) -> Iterator[_Entry]:
    """All that a dump holds. Raises Unavailable for what is none, or not whole; the last thing that is known is that it is whole."""
    digest = hashlib.sha256(_BEGINNING)
    with dump.open("rb") as file:
        if file.read(len(_BEGINNING)) != _BEGINNING:
            raise Unavailable("that is no dump of a Redis service")
        while length := int.from_bytes(file.read(4), "big"):
            content = file.read(length) if length <= _LARGEST else b""
            digest.update(content)
            try:
                yield msgspec.msgpack.decode(content, type=_Entry)
            except msgspec.MsgspecError:
                raise Unavailable("that dump is damaged") from None
        if file.read(33) != digest.digest():
            raise Unavailable("that dump is damaged, or not all of it is there")


async def restore(restorer: Connection, administrator: Connection, prefix: str, dump: Path) -> None:
    """Brought in under other names first, then renamed together: all of it, or nothing."""
    trial = f"{prefix}mooring-restore:"
    await remove(administrator, trial)
    renamed: list[Words] = []
    try:
        waiting: list[Words] = []
        length = 0
        for number, (key, expiry, content) in enumerate(read(dump)):
            name, final = f"{trial}{number}".encode(), prefix.encode() + key
            renamed += [("RENAME", name, final), ("PEXPIRE", final, expiry) if expiry else ("PERSIST", final)]
            waiting.append(("RESTORE", name, _TRIAL * 1000, content))
            length += len(content)
            if len(waiting) >= _BATCH or length >= _TOGETHER:
                await restorer.each(waiting)
                waiting, length = [], 0
        await restorer.each(waiting)
        await administrator.whole(renamed)
    finally:
        await remove(administrator, trial)


async def _entries(connection: Connection, prefix: str, keys: list[bytes]) -> list[bytes]:
    """One that is gone meanwhile is left out."""
    contents = await connection.each([("DUMP", key) for key in keys])
    expiries = await connection.each([("PTTL", key) for key in keys])
    return [
        msgspec.msgpack.encode((key.removeprefix(prefix.encode()), max(expiry, 0), content))
        for key, expiry, content in zip(keys, expiries, contents, strict=True)
        if content is not None and expiry != -2
    ]
