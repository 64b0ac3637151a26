"""Asks instances over the network of this host. Must not: raise for a bad answer, or remember one."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from pathlib import Path
from typing import assert_never

from mooring.drivers.probe.asking import Answer, Connection, NotHttp, reason
from mooring.drivers.probe.contract import Prober
from mooring.model.health import Check, CheckKind, ProbeResult, ProbeTarget

Finding = tuple[str, int, str, bool]  # path, status, what it said, whether it passed


class NetworkProber:
    """Holds nothing: one connection per question, as a fresh client has it."""

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
                raise ValueError("a command is asked where the instance runs: Runtime.ask")
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
