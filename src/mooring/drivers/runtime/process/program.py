"""What is to run under the supervisor, and its record on disk. Must not: start it."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from mooring.drivers.runtime.process import record, secret_files
from mooring.drivers.runtime.process.bounds import Bounds, pairs, read_bounds
from mooring.drivers.runtime.process.launcher import UMASK
from mooring.drivers.runtime.shell import signal_name
from mooring.errors import InvalidInput, InvalidName
from mooring.model.secret import Secret

_NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.@-]{0,199}\Z")
_CHECKSUM = "environment_checksum"


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """`argv` is executed as it is, in `directory`. Output goes to the two files, which must lie in directories that exist.

    `priority`: lower ones start first when the supervisor starts. `is_kept`: started again whenever it ends, and with the
    supervisor. `timeout` (seconds) is for those that are not. `umask` is what its new files do not allow.
    `memory` (bytes; 0: as much as there is) is watched by the memory keeper, which gives the program `grace` seconds to end.
    `bounds`: what it reaches; None: what its account does.
    """

    argv: tuple[str, ...]
    directory: str
    stdout: str
    stderr: str
    stop_signal: str = "TERM"
    priority: int = 500
    is_kept: bool = True
    timeout: float = 0.0
    memory: int = 0
    grace: float = 0.0
    umask: int = int(UMASK, 8)
    bounds: Bounds | None = None


def program_name(text: str) -> str:
    """1-200 characters: letters, digits, _ . @ and -, a letter or digit first."""
    if not _NAME.match(text):
        raise InvalidName(f"the program name {text!r} is not allowed", hint="use letters, digits, _ . @ and -")
    return text


def write_program(directory: Path, program: Program, variables: Mapping[str, str | Secret]) -> None:
    """The environment first: a program whose `launch` is there is complete. Secrets go into files 0600 and nowhere else."""
    try:
        environment = secret_files.laid_out(directory, variables)
        record.write(str(directory / "environment"), [_variable(name, value) for name, value in environment.items()])
        write_launch(directory, program)
    except ValueError as error:
        raise InvalidInput("a variable with an empty name, an = in its name, or a NUL in its value cannot be handed on") from error


def write_launch(directory: Path, program: Program) -> None:
    """The record alone, without the environment; it holds that one's checksum."""
    fields = [*_fields(program), (_CHECKSUM, _checksum(directory))]
    bounds = pairs(program.bounds) if program.bounds is not None else []
    record.write(str(directory / "launch"), [*((key.encode(), os.fsencode(value)) for key, value in fields), *bounds])


def read_program(directory: Path) -> Program | None:
    """None when nothing is registered there, or nothing that can be read whole: a program is not started with half its environment."""
    found = record.read(str(directory / "launch"))
    try:
        program = _decoded(found)
    except (KeyError, ValueError):
        return None
    expected = dict(found).get(_CHECKSUM.encode(), b"").decode(errors="replace")
    is_whole = not program.is_kept or not expected or expected == _checksum(directory)  # a one-off's environment goes when it has ended
    return program if is_whole else None


def _checksum(directory: Path) -> str:
    """Of its environment. Against damage, not against people."""
    try:
        content = (directory / "environment").read_bytes()
    except FileNotFoundError:
        content = b""
    return f"{zlib.crc32(content):08x}"


def _decoded(found: record.Pairs) -> Program:
    texts = {os.fsdecode(key): os.fsdecode(value) for key, value in found}
    return Program(
        argv=tuple(os.fsdecode(value) for key, value in found if key == b"argv"),
        directory=texts["directory"],
        stdout=texts["stdout"],
        stderr=texts["stderr"],
        stop_signal=texts["stop_signal"],
        priority=int(texts["priority"]),
        is_kept=texts["is_kept"] == "yes",
        timeout=float(texts["timeout"]),
        memory=int(texts.get("memory", "0")),
        grace=float(texts.get("grace", "0")),
        umask=int(texts.get("umask", UMASK), 8),
        bounds=read_bounds(found),
    )


def _fields(program: Program) -> list[tuple[str, str]]:
    return [
        *(("argv", argument) for argument in program.argv),
        ("directory", program.directory),
        ("stdout", program.stdout),
        ("stderr", program.stderr),
        ("stop_signal", signal_name(program.stop_signal)),
        ("priority", str(program.priority)),
        ("is_kept", "yes" if program.is_kept else "no"),
        ("timeout", str(program.timeout)),
        ("memory", str(program.memory)),
        ("grace", str(program.grace)),
        ("umask", f"{program.umask:03o}"),
    ]


def _variable(name: str, value: str | Secret) -> tuple[bytes, bytes]:
    text = value.reveal() if isinstance(value, Secret) else value
    return name.encode(), text.encode("utf-8", "surrogateescape")
