"""A command in the container of an instance (`mooring exec`, a check): as its user, in its directory, with its variables and bounds.

The engine lets such a command go on when whoever attached to it has gone; so each carries a mark in its environment, and what carries it
is ended in the container itself, by a shell's own words alone. Must not: touch a process without the mark and what it started.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from mooring.drivers.runtime.contract import Heard
from mooring.drivers.runtime.docker import carried
from mooring.drivers.runtime.docker.engine import DETACH_KEYS, Conflict, Engine
from mooring.drivers.runtime.docker.session import Session, ended_with
from mooring.drivers.runtime.hearing import kept, told
from mooring.drivers.runtime.shell import SHELL, not_running, words
from mooring.errors import MooringError, Unavailable
from mooring.model.instance import InstanceKey

_MARK = "MOORING_SESSION"
_BOTH_AS_ONE = f'exec {SHELL} -c "$1" 2>&1'  # an engine carries two outputs by two ways, and not in the order in which they were said
_NOT_FOUND = (126, 127)  # as engines say that there was no such program
_END_WITHIN = 10.0  # seconds that an engine gets to end a command whose time is over
_END = """
mark=$1
find() {
  found=" "
  more=1
  while [ "$more" ]; do
    more=
    for place in /proc/[0-9]*; do
      pid=${place#/proc/}
      case "$found" in *" $pid "*) continue;; esac
      [ "$pid" != $$ ] && { read -r line <"$place/stat"; } 2>/dev/null || continue
      set -- ${line##*) }
      case $1 in Z|X) continue;; esac
      case "$found" in *" $2 "*|*" $4 "*) found="$found$pid "; more=1; continue;; esac
      { while read -r line || [ "$line" ]; do
        case "$line" in *"$mark"*) found="$found$pid "; more=1; break;; esac
      done <"$place/environ"; } 2>/dev/null
    done
  done
}
find
[ "$found" = " " ] && exit 0
kill -HUP $found 2>/dev/null
kill -TERM $found 2>/dev/null
find
[ "$found" = " " ] && exit 0
sleep 1
find
tries=0
while [ "$found" != " " ] && [ $tries -lt 500 ]; do
  kill -KILL $found 2>/dev/null
  tries=$((tries + 1))
  find
done
exit 0
"""


async def entered(
    engine: Engine, key: InstanceKey, container: dict[str, Any], argv: Sequence[str], *, terminal: bool, rows: int, columns: int
) -> Session:
    """`container` as the engine shows it. Raises Unavailable where it does not run."""
    mark = f"{_MARK}={secrets.token_hex(16)}"
    environment = [mark, *(["TERM=xterm-256color"] if terminal else [])]
    command = carried.entered_by(tuple(argv), tuple(container["Config"].get("Entrypoint") or ()))
    if not carried.needs_shell(command) and await engine.has_file(container["Id"], SHELL):
        command = words(argv)
    try:
        made = await _made(engine, container["Id"], command, environment=environment, terminal=terminal, is_heard=True)
    except Conflict:
        raise not_running(str(key)) from None
    stream = await engine.executing(made, terminal=terminal)

    async def end() -> None:
        await _ended(engine, container["Id"], mark)

    session = Session(engine, f"exec/{made}", stream, is_terminal=terminal, end=end)
    try:
        await session.begin(rows=rows, columns=columns)
    except BaseException:
        await session.close()
        raise
    return session


async def asked(engine: Engine, key: InstanceKey, container: dict[str, Any], command: str) -> Heard:
    """The command of a check, without input. What it leaves when it ends is the container's; cancelled, nothing of it is left.

    Raises Unavailable where the container does not run, or has no shell.
    """
    identity = str(container["Id"])
    mark = f"{_MARK}={secrets.token_hex(16)}"
    argv = carried.entered_by((SHELL, "-c", _BOTH_AS_ONE, SHELL, command), tuple(container["Config"].get("Entrypoint") or ()))
    try:
        made = await _made(engine, identity, argv, environment=(mark,), terminal=False, is_heard=False)
        code, heard = await _heard(engine, made)
    except Conflict:
        raise not_running(str(key)) from None
    except asyncio.CancelledError:
        await asyncio.shield(_ended_soon(engine, identity, mark))
        raise
    if code in _NOT_FOUND and not await engine.has_file(identity, SHELL):
        raise Unavailable(f"the image of {key} has no {SHELL} to run a command", hint="have it asked by `health.path` or `health.tcp`")
    return told(code, heard)


async def _heard(engine: Engine, made: str) -> tuple[int, bytes]:
    stream = await engine.executing(made, terminal=False)
    await engine.open(stream)
    heard = b""
    try:
        while (message := await stream.read_out()) is not None:
            heard = kept(heard, message.data)
    finally:
        await stream.close()
    return await ended_with(engine, made), heard


async def _ended_soon(engine: Engine, container: str, mark: str) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_WITHIN):
            await _ended(engine, container, mark)


async def _made(engine: Engine, container: str, argv: Sequence[str], *, environment: Sequence[str], terminal: bool, is_heard: bool) -> str:
    body = {
        "AttachStdin": is_heard,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": terminal,
        "Cmd": list(argv),
        "Env": list(environment),
        "DetachKeys": DETACH_KEYS,
    }
    return str((await engine.post(f"containers/{container}/exec", body=body))["Id"])


async def _ended(engine: Engine, container: str, mark: str) -> None:
    """Returns when nothing with the mark is left; a container that does not run any more has nothing left either."""
    try:
        made = await _made(engine, container, (SHELL, "-c", _END, SHELL, mark), environment=(), terminal=False, is_heard=False)
        stream = await engine.executing(made, terminal=False)
        await engine.open(stream)
    except MooringError:
        return
    try:
        while await stream.read_out() is not None:
            pass
    finally:
        await stream.close()
