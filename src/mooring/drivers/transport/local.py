"""This machine as a host. Must not: use a shell."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path, PurePosixPath

from mooring.drivers.transport.contract import MOST, PARTING, TIMEOUT, Channel, Completed, Transport
from mooring.drivers.transport.outcomes import check_argv, missing, too_long, too_much
from mooring.errors import NotFound, Unavailable

_PIECE = 65_536


class LocalTransport:
    @property
    def host(self) -> str:
        return "this machine"

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", within: float = TIMEOUT, most: int = MOST) -> Completed:
        check_argv(argv)
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
        except FileNotFoundError:
            raise missing(self.host, argv[0]) from None
        except OSError as error:
            raise Unavailable(f"{argv[0]} cannot be started: {error.strerror}", where=self.host) from error
        assert process.stdin and process.stdout and process.stderr
        try:
            async with asyncio.timeout(within):
                out, err, _ = await asyncio.gather(_read(process.stdout, most), _read(process.stderr, most), _fed(process.stdin, stdin))
                code = await process.wait()
        except TimeoutError:
            raise too_long(self.host, argv[0], within) from None
        except OverflowError:
            raise too_much(self.host, argv[0], most) from None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, 9)
                await process.wait()
        return Completed(code=code if code >= 0 else 128 - code, out=out, err=err)

    async def read(self, path: PurePosixPath, *, most: int = MOST) -> bytes:
        try:
            content = await asyncio.to_thread(_start_of, Path(path), most + 1)
        except FileNotFoundError:
            raise NotFound(f"there is no file {path}", where=self.host) from None
        except OSError as error:
            raise Unavailable(f"{path} cannot be read: {error.strerror}", where=self.host) from error
        if len(content) > most:
            raise Unavailable(f"{path} is larger than {most:,} bytes", where=self.host)
        return content

    async def write(self, path: PurePosixPath, content: bytes, *, mode: int = 0o600) -> None:
        try:
            descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=str(path.parent))
            try:
                with os.fdopen(descriptor, "wb") as file:
                    os.fchmod(descriptor, mode)
                    file.write(content)
                    file.flush()
                    os.fsync(descriptor)
                Path(beside).replace(path)
            except BaseException:
                Path(beside).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise Unavailable(f"{path} cannot be written: {error.strerror}", where=self.host) from error

    @asynccontextmanager
    async def forwarded(self, socket: PurePosixPath) -> AsyncIterator[Path]:
        if not Path(socket).is_socket():
            raise Unavailable(f"there is no socket {socket}", where=self.host)
        yield Path(socket)

    @asynccontextmanager
    async def attached(self, argv: Sequence[str]) -> AsyncIterator[Channel]:
        check_argv(argv)
        pipe, none = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=none, start_new_session=True)
        except FileNotFoundError:
            raise missing(self.host, argv[0]) from None
        except OSError as error:
            raise Unavailable(f"{argv[0]} cannot be started: {error.strerror}", where=self.host) from error
        assert process.stdin and process.stdout
        try:
            yield _Pipes(process.stdin, process.stdout)
        finally:
            await asyncio.shield(_parted(process))

    async def close(self) -> None:
        return


class _Pipes:
    def __init__(self, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader) -> None:
        self._stdin = stdin
        self._stdout = stdout

    async def read(self) -> bytes:
        return await self._stdout.read(_PIECE)

    async def write(self, chunk: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self._stdin.write(chunk)
            await self._stdin.drain()


async def _parted(process: asyncio.subprocess.Process) -> None:
    assert process.stdin and process.stdout
    process.stdin.close()
    try:
        async with asyncio.timeout(PARTING):
            while await process.stdout.read(_PIECE):
                pass
            await process.wait()
    except TimeoutError:
        os.killpg(process.pid, 9)
        await process.wait()


def _start_of(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


async def _read(stream: asyncio.StreamReader, most: int) -> bytes:
    content = bytearray()
    while piece := await stream.read(_PIECE):
        content += piece
        if len(content) > most:
            raise OverflowError
    return bytes(content)


async def _fed(stream: asyncio.StreamWriter, content: bytes) -> None:
    try:
        stream.write(content)
        await stream.drain()
        stream.close()
        await stream.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        return  # a program need not read what it is given


_: type[Transport] = LocalTransport
