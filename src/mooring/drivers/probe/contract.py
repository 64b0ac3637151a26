"""What a prober must do: ask one question of one instance once, and report the answer as it came. It never raises for a bad answer."""

from __future__ import annotations

from typing import Protocol

from mooring.model.health import Check, ProbeResult, ProbeTarget
from mooring.model.receipt import ProbeStream


class Prober(Protocol):
    async def probe(self, target: ProbeTarget, check: Check) -> ProbeResult:
        """Ask once, within `check.timeout` seconds. HTTP: 2xx and 3xx pass; paths are tried in order past a 404.

        Not by a command: that is run by the instance's runtime (`Runtime.ask`). ALIVE: of a process of this machine alone.
        """


class Stream(Protocol):
    """Requests through the edge at a constant rate, from `open` until `close`, whatever the answers are."""

    async def close(self) -> ProbeStream: ...


class StreamOpener(Protocol):
    async def open(self, *, hostname: str, path: str, rate: float) -> Stream:
        """Start asking the edge for `hostname` + `path`, `rate` times a second, on kept-alive connections, without retries."""
