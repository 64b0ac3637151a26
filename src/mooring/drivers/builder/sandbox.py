"""Runs the commands of one build within its limits, telling each line as it comes. Must not: leave a process behind, or use a shell.

The limits are those of the whole build, not of each command: seconds, bytes of output, memory per process, and the disk space that
must stay free. A build runs as the controller's own user: it is kept from waste and from secrets, from malice only where it is confined.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from shutil import disk_usage

from mooring.drivers.builder.causes import likely_cause
from mooring.drivers.builder.contract import BuildLog, Command
from mooring.errors import BuildFailed, MooringError
from mooring.model.build import BuildLimits
from mooring.model.instance import CUT
from mooring.model.quantity import format_duration, format_size

WARDEN = Path(__file__).with_name("warden.py")
LAST_LINES = 20  # shown in an error
REMEMBERED_LINES = 200  # looked at for the likely cause: npm tells it first, and then how npm is used
LINE_LENGTH = 2000
LINE_COST = 50  # bytes that each line counts on top of its own: keeping a line costs more than its text
DISK_RESERVE = 200_000_000
_PATIENCE = 10.0  # seconds the warden has to end everything, before it is killed itself

Confine = Callable[[Command, Sequence[Path], Sequence[Path]], Command]
"""What a command is begun by, with the places that it writes to and that it reads, besides those of every command of the build."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def free_bytes(directory: Path) -> int:
    """Bytes that are free for us on the disk that holds `directory`."""
    return disk_usage(directory).free


class Sandbox:
    """One build's limits, spent by its commands one after the other."""

    def __init__(
        self,
        limits: BuildLimits,
        log: BuildLog,
        *,
        environment: Mapping[str, str],
        disk: Path,
        reserve: int = DISK_RESERVE,
        free: Callable[[Path], int] = free_bytes,
        confine: Confine | None = None,
    ) -> None:
        self._limits = limits
        self._log = log
        self._environment = dict(environment)
        self._disk = disk
        self._reserve = reserve
        self._free = free
        self._confine = confine
        self._deadline = time.monotonic() + limits.timeout
        self._output_left = limits.output_bytes

    @property
    def path(self) -> str:
        return self._environment["PATH"]

    @property
    def home(self) -> Path:
        """The build's own, which goes with it."""
        return Path(self._environment["HOME"])

    @property
    def is_confined(self) -> bool:
        return self._confine is not None

    async def run(
        self,
        argv: Sequence[str],
        *,
        directory: Path,
        variables: Mapping[str, str] | None = None,
        writes: Sequence[Path] = (),
        reads: Sequence[Path] = (),
    ) -> None:
        """Run to its end, output to the log. Raises BuildFailed; when cancelled, first ends every process it started.

        `writes` and `reads`: places of the cache that it needs, where it is confined."""
        command = self._command(argv, variables or {}, writes=writes, reads=reads)
        await self._run(argv, command, directory=directory, tell=self._log, errors=asyncio.subprocess.STDOUT)

    async def ask(self, argv: Sequence[str], *, directory: Path, variables: Mapping[str, str] | None = None) -> list[str]:
        """Run a command for its answer: its lines, kept out of the log; what it says on stderr is dropped."""
        answer: list[str] = []
        command = self._command(argv, variables or {})
        await self._run(argv, command, directory=directory, tell=answer.append, errors=asyncio.subprocess.DEVNULL)
        return answer

    def _command(
        self, argv: Sequence[str], variables: Mapping[str, str], *, writes: Sequence[Path] = (), reads: Sequence[Path] = ()
    ) -> Command:
        command = Command(tuple(argv), {**self._environment, **variables})
        return command if self._confine is None else self._confine(command, writes, reads)

    async def _run(self, argv: Sequence[str], command: Command, *, directory: Path, tell: BuildLog, errors: int) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", str(WARDEN), str(self._limits.memory), *command.argv),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            cwd=directory,
            env=command.variables,
            start_new_session=True,
        )
        last: deque[str] = deque(maxlen=REMEMBERED_LINES)
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                exit_code = await self._follow(process, last, tell=tell)
        except TimeoutError:
            raise self._out_of_time(argv, last) from None
        finally:
            await _ended(process)
        if exit_code != 0:
            raise _failed(argv, last, exit_code=exit_code)

    async def _follow(self, process: asyncio.subprocess.Process, last: deque[str], *, tell: BuildLog) -> int:
        watch = asyncio.create_task(self._watch_disk())
        reading = asyncio.create_task(self._read(process, last, tell=tell))
        try:
            await asyncio.wait([watch, reading], return_when=asyncio.FIRST_COMPLETED)
            if watch.done():
                watch.result()
            await reading
            return await process.wait()
        finally:
            for task in (watch, reading):
                task.cancel()
            await asyncio.gather(watch, reading, return_exceptions=True)

    async def _read(self, process: asyncio.subprocess.Process, last: deque[str], *, tell: BuildLog) -> None:
        assert process.stdout is not None
        async for line in _lines(self._counted(process.stdout)):
            last.append(line)
            tell(line)

    async def _counted(self, stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
        while chunk := await stream.read(1 << 16):
            self._output_left -= len(chunk) + LINE_COST * chunk.count(b"\n")
            if self._output_left < 0:
                limit = format_size(self._limits.output_bytes)
                self._log(f"… more than {limit} of output: the build is stopped")
                raise BuildFailed(
                    f"the build wrote more than {limit} of output", hint="make it less talkative, or raise build.output_bytes"
                )
            yield chunk

    async def _watch_disk(self) -> None:
        while True:
            free = self._free(self._disk)
            if free < self._reserve:
                raise _disk_nearly_full(free, self._reserve)
            await asyncio.sleep(1)

    def _out_of_time(self, argv: Sequence[str], last: deque[str]) -> MooringError:
        limit = format_duration(self._limits.timeout)
        return BuildFailed(
            f"the build took longer than {limit} and was stopped in `{_shown(argv)}`{_quoted(last)}",
            hint="see whether it waits for something, or raise build.timeout",
        )


def _disk_nearly_full(free: int, reserve: int) -> MooringError:
    return BuildFailed(
        f"the build was stopped because the disk is nearly full: {format_size(free)} left, {format_size(reserve)} must stay free",
        hint="free some space, or find out what the build writes",
    )


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Whole lines as printable text; a line longer than LINE_LENGTH is cut, and says so."""
    rest = b""
    is_cut = False
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if not is_cut:
                yield _readable(line)
            is_cut = False
        if len(rest) > LINE_LENGTH * 4:
            if not is_cut:
                yield _readable(rest)
            rest, is_cut = b"", True
    if rest and not is_cut:
        yield _readable(rest)


def _readable(line: bytes) -> str:
    """Invalid UTF-8 replaced, terminal commands removed, and of a line that overwrote itself only the last state."""
    text = line.decode("utf-8", "replace").rstrip("\r\n").rpartition("\r")[2]
    text = _CONTROL.sub("�", _ESCAPE.sub("", text))
    return text if len(text) <= LINE_LENGTH else f"{text[:LINE_LENGTH]}{CUT}"


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Tell the warden to stop, and wait until it has ended everything: even while this task is being cancelled."""
    ending = asyncio.ensure_future(_end(process))
    try:
        await asyncio.shield(ending)
    except asyncio.CancelledError:
        await asyncio.wait([ending])
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_PATIENCE):
            while await process.stdout.read(1 << 16):
                pass
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _failed(argv: Sequence[str], last: deque[str], *, exit_code: int) -> MooringError:
    ended = f"was killed by signal {exit_code - 128}" if exit_code > 128 else f"ended with exit code {exit_code}"
    return BuildFailed(f"`{_shown(argv)}` {ended}{_quoted(last)}", hint=likely_cause(last, exit_code=exit_code))


def _shown(argv: Sequence[str]) -> str:
    words = [Path(argv[0]).name, *argv[1:]]
    if words[:2] == ["sh", "-c"]:
        words = words[2:]
    text = " ".join(words)
    return text if len(text) <= 200 else f"{text[:200]}{CUT}"


def _quoted(last: Sequence[str]) -> str:
    shown = list(last)[-LAST_LINES:]
    return "; its last lines:\n" + "\n".join(f"    {line}" for line in shown) if shown else ""
