"""A command with somebody attached (`mooring run`, `mooring exec`): a session of its own, ended as a whole when its owner hangs up.

It lives as long as whoever attached to it, and is not under the supervisor. Its variables go to it directly, not through a file,
but for the secrets that it is to find as files.
Must not: outlive `close`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec

from mooring.drivers.runtime.contract import Terminal
from mooring.drivers.runtime.process import kernel, record, secret_files
from mooring.drivers.runtime.process.bounds import Bounds, pairs
from mooring.drivers.runtime.process.confining import confined_argv, confined_environment
from mooring.drivers.runtime.process.ending import end
from mooring.drivers.runtime.process.launcher import UMASK
from mooring.model.secret import Secret

_PYTHON = (sys.executable, "-I", "-S", "-E")
_CONTROLLING = Path(__file__).resolve().with_name("controlling.py")
_PREFIX = "session-"
_BOUNDS = "bounds"
_CHUNK = 64 * 1024
_UMASK = int(UMASK, 8)  # as programs of an app have it
_LAST_WORDS = 0.3  # seconds in which output may still come after the process has ended
_numbers = itertools.count(1)

Chunks = asyncio.Queue[tuple[str, bytes] | None]


def sweep(run: Path) -> None:
    """What the sessions of a controller that died left: files of secrets, and processes that heed no signal. Before any is opened."""
    for left in run.glob(f"{_PREFIX}*"):
        for process in kernel.members(str(left)):
            kernel.send(process, signal.SIGKILL)
        shutil.rmtree(left, ignore_errors=True)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What a session is to run. `size` in rows and columns: with a terminal of its own; None: with three pipes.

    `bounds` as of a Program."""

    argv: tuple[str, ...]
    directory: str
    variables: Mapping[str, str | Secret]
    size: tuple[int, int] | None
    bounds: Bounds | None = None


def open_session(run: Path, command: Command) -> Session:
    """Begun below `run`. Raises OSError."""
    directory = run / f"{_PREFIX}{os.getpid()}-{next(_numbers)}"
    marker = str(directory)
    record.make_directory(marker)
    placed = secret_files.laid_out(directory, command.variables)
    environment = {name: value.reveal() if isinstance(value, Secret) else value for name, value in placed.items()}
    if command.size is not None:
        environment = {"TERM": "xterm-256color", **environment}
    environment[kernel.MARKER] = marker
    if command.bounds is not None:
        environment = confined_environment(marker, environment)
    try:
        command = _confined(directory, command)
        if command.size is None:
            return _with_pipes(marker, command, environment)
        return _with_terminal(marker, command, environment, command.size)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _confined(directory: Path, command: Command) -> Command:
    """By a step of its own before the command."""
    if command.bounds is None:
        return command
    bounds = msgspec.structs.replace(command.bounds, shown=(*command.bounds.shown, str(directory / secret_files.FOLDER)))
    record.write(str(directory / _BOUNDS), pairs(bounds))
    return msgspec.structs.replace(command, argv=confined_argv(directory / _BOUNDS, command.argv))


def _with_pipes(marker: str, command: Command, environment: dict[str, str]) -> Session:
    process = subprocess.Popen(  # noqa: S603 - the app's own command, as its owner asked
        command.argv,
        cwd=command.directory,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        umask=_UMASK,
        bufsize=0,
    )
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RuntimeError("a pipe was asked for and not made")
    outputs = {"stdout": os.dup(process.stdout.fileno()), "stderr": os.dup(process.stderr.fileno())}
    source = os.dup(process.stdin.fileno())
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()
    return Session(marker, process, source=source, outputs=outputs, is_terminal=False)


def _with_terminal(marker: str, command: Command, environment: dict[str, str], size: tuple[int, int]) -> Session:
    ours, theirs = pty.openpty()
    try:
        _resize(ours, *size)
        process = subprocess.Popen(  # noqa: S603 - likewise
            [*_PYTHON, str(_CONTROLLING), os.ttyname(theirs), *command.argv],
            cwd=command.directory,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            umask=_UMASK,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return Session(marker, process, source=ours, outputs={"stdout": ours}, is_terminal=True)


class Session:
    """Fulfils Terminal."""

    def __init__(self, marker: str, process: subprocess.Popen[bytes], *, source: int, outputs: dict[str, int], is_terminal: bool) -> None:
        self._marker = marker
        self._process = process
        self._source = source
        self._outputs = outputs
        self._is_terminal = is_terminal
        self._open = {source, *outputs.values()}
        self._pidfd = os.pidfd_open(process.pid)
        self._reading: set[asyncio.Task[None]] = set()
        self._chunks: Chunks = asyncio.Queue(maxsize=16)
        self._told = 0
        for descriptor in self._open:
            os.set_blocking(descriptor, False)

    async def write(self, chunk: bytes) -> None:
        """What comes after its end is dropped."""
        while chunk and self._source in self._open:
            try:
                chunk = chunk[os.write(self._source, chunk) :]
            except BlockingIOError:
                await _ready(self._source, to_write=True)
            except OSError:
                return

    async def close_input(self) -> None:
        if self._is_terminal:
            await self.write(b"\x04")
        else:
            self._close(self._source)

    async def resize(self, *, rows: int, columns: int) -> None:
        if self._is_terminal and self._source in self._open:
            _resize(self._source, rows, columns)

    async def output(self) -> AsyncIterator[tuple[str, bytes]]:
        chunks = self._chunks
        pumps = {asyncio.create_task(self._pump(name, descriptor, chunks)) for name, descriptor in self._outputs.items()}
        self._reading = {*pumps, asyncio.create_task(self._finish(pumps, chunks))}
        try:
            while (chunk := await chunks.get()) is not None:
                yield chunk
        finally:
            await self._stop_reading()

    async def wait(self) -> int:
        await _ready(self._pidfd)
        code = await asyncio.to_thread(self._process.wait)
        return code if code >= 0 else 128 - code

    async def close(self) -> None:
        if self._pidfd < 0:
            return
        await self._stop_reading()  # before a descriptor is closed: its number may soon be another's
        if self._chunks.full():
            self._chunks.get_nowait()
        self._chunks.put_nowait(None)  # whoever still reads has come to the end
        for descriptor in list(self._open):
            self._close(descriptor)
        main = kernel.process(self._process.pid) if self._process.poll() is None else None
        for process in await asyncio.to_thread(kernel.members, self._marker, leader=main.pid if main else 0):
            kernel.send(process, signal.SIGHUP)
        await end(self._marker, stop_signal=signal.SIGTERM, grace=2.0)
        await asyncio.to_thread(self._process.wait)
        await asyncio.to_thread(shutil.rmtree, self._marker, ignore_errors=True)  # its files of secrets
        os.close(self._pidfd)
        self._pidfd = -1

    async def _pump(self, name: str, descriptor: int, chunks: Chunks) -> None:
        while True:
            try:
                chunk = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                await _ready(descriptor)
                continue
            except OSError:  # a terminal whose last process has gone
                return
            if not chunk:
                return
            await chunks.put((name, chunk))
            self._told += 1

    async def _finish(self, pumps: set[asyncio.Task[None]], chunks: Chunks) -> None:
        """The end of the process ends the output, even if something that it left behind holds it open."""
        ended = asyncio.create_task(_ready(self._pidfd))
        try:
            await ended
            told = -1
            while any(not pump.done() for pump in pumps) and (chunks.full() or told != self._told):
                told = self._told
                await asyncio.wait(pumps, timeout=_LAST_WORDS)
        finally:
            ended.cancel()
        await chunks.put(None)

    async def _stop_reading(self) -> None:
        tasks, self._reading = self._reading, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.discard(descriptor)
            os.close(descriptor)


async def _ready(descriptor: int, *, to_write: bool = False) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    add, remove = (loop.add_writer, loop.remove_writer) if to_write else (loop.add_reader, loop.remove_reader)
    add(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        remove(descriptor)


def _resize(descriptor: int, rows: int, columns: int) -> None:
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


_: type[Terminal] = Session
