"""Asks instances over the network of this host, or by the app's own command. Must not: raise for a bad answer, or remember one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import assert_never

from mooring.drivers.probe.asking import Answer, Connection, NotHttp, reason
from mooring.drivers.probe.contract import Prober
from mooring.drivers.runtime.process import landlock
from mooring.drivers.runtime.process.confining import confined_argv, confined_environment
from mooring.model.health import Check, CheckKind, ProbeResult, ProbeTarget

_SAID = 200  # characters kept of what a check command says
_HEARD = 64 * 1024  # bytes read of it


Finding = tuple[str, int, str, bool]  # path, status, what it said, whether it passed


class NetworkProber:
    """Holds nothing: one connection per question, as a fresh client has it.

    `launch` tells where it is on record how an instance is started, its bounds among it, by its slug; None where none is confined."""

    def __init__(self, launch: Callable[[str], Path] | None = None) -> None:
        self._launch = launch

    async def probe(self, target: ProbeTarget, check: Check) -> ProbeResult:
        at, began = time.time(), time.monotonic()
        try:
            async with asyncio.timeout(check.timeout):
                path, status, said, passed = await self._ask(target, check)
        except TimeoutError:
            path, status, said, passed = _first(check), 0, f"no answer within {check.timeout:g} s", False
        except (OSError, asyncio.IncompleteReadError, NotHttp) as error:
            path, status, said, passed = _first(check), 0, reason(error), False
        return ProbeResult(passed=passed, at=at, latency=time.monotonic() - began, path=path, status=status, said=said)

    async def _ask(self, target: ProbeTarget, check: Check) -> Finding:
        match check.kind:
            case CheckKind.HTTP:
                return await _ask_http(target, check)
            case CheckKind.TCP:
                (await Connection.to(target.address, target.port)).close()
                return "", 0, "it accepts connections", True
            case CheckKind.COMMAND:
                bounds = self._launch(target.confined) if self._launch and target.confined and landlock.version() else None
                return await _ask_command(target, check, bounds)
            case CheckKind.ALIVE:
                lives = _is_alive(target.pid)
                return "", 0, "the process runs" if lives else "the process does not run", lives
            case _:
                assert_never(check.kind)


async def _ask_http(target: ProbeTarget, check: Check) -> Finding:
    """The first path that does not answer 404, or the last."""
    paths = check.paths or ("/",)
    for path in paths:
        status = (await _get(target, path, host=check.host or target.hostname)).status
        if status != HTTPStatus.NOT_FOUND:
            break
    return path, status, f"answered {status}{_phrase(status)}", 200 <= status < 400


async def _get(target: ProbeTarget, path: str, *, host: str) -> Answer:
    connection = await Connection.to(target.address, target.port)
    try:
        return await connection.get(path, host=host, keep=False)
    finally:
        connection.close()


async def _ask_command(target: ProbeTarget, check: Check, bounds: Path | None) -> Finding:
    """In the instance's directory and with its environment, within the bounds on record there; 0 passes."""
    argv: tuple[str, ...] = ("/bin/sh", "-c", check.command)
    environment = _environment(target)
    if bounds is not None:
        argv, environment = confined_argv(bounds, argv), confined_environment(str(bounds.parent), environment)
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=target.directory or None,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        heard = await _heard(process)
        code = await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    lines = heard.decode("utf-8", "replace").strip().splitlines()
    said = lines[-1][:_SAID] if lines else f"ended with code {code}"
    return "", code if code >= 0 else 128 - code, said, code == 0


async def _heard(process: asyncio.subprocess.Process) -> bytes:
    """The end of what it says."""
    if process.stdout is None:
        return b""
    heard = b""
    while part := await process.stdout.read(_HEARD):
        heard = (heard + part)[-_HEARD:]
    return heard


def _environment(target: ProbeTarget) -> dict[str, str]:
    """That of the instance itself, where the kernel shows it: its PATH and its variables are what the command needs."""
    try:
        content = Path(f"/proc/{target.pid}/environ").read_bytes() if target.pid else b""
    except OSError:
        content = b""
    pairs = (os.fsdecode(entry).partition("=") for entry in content.split(b"\0") if b"=" in entry)
    own = {name: value for name, _, value in pairs if name}
    return {"PATH": os.defpath, "LANG": "C.UTF-8", **own, "PORT": str(target.port)}


def _is_alive(pid: int) -> bool:
    """A zombie is not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes() if pid else b""
    except OSError:
        return False
    return bool(stat) and stat[stat.rindex(b")") + 2 : stat.rindex(b")") + 3] not in (b"Z", b"X")


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _first(check: Check) -> str:
    return (check.paths or ("/",))[0] if check.kind is CheckKind.HTTP else ""


_: type[Prober] = NetworkProber
