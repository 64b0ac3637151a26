"""Lines of a host whose clock is wrong are told by this machine's clock."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, cast

import pytest

from mooring.drivers.runtime.clocks import HostClock
from mooring.drivers.runtime.contract import LogQuery
from mooring.drivers.runtime.systemd.runtime import SystemdRuntime, SystemdSettings
from mooring.drivers.transport.contract import Completed, Transport
from mooring.testing.runtime_contract import SHOP


class AnHourAhead:
    """A host with one line in its journal, said just now by its own clock."""

    host = "ahead"

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", **_: Any) -> Completed:
        if "ask" not in argv:
            return Completed(code=0, out=b"0\n")
        assert json.loads(stdin.splitlines()[0])["verb"] == "history"
        now = int((time.time() + 3600) * 1_000_000)
        return Completed(code=0, out=json.dumps({"done": {"lines": [[now, "web.1", 1, "stdout", "hello"]], "place": [now, []]}}).encode())


async def test_a_line_of_a_host_an_hour_ahead_was_said_now() -> None:
    runtime = SystemdRuntime(cast(Transport, AnHourAhead()), SystemdSettings(memory_budget=1))
    began = time.time()
    (line,) = [line async for line in runtime.logs(LogQuery(environment=SHOP))]
    assert began - 2 <= line.at <= time.time() + 2


@pytest.mark.parametrize(
    ("host", "told"),
    [(100.0, 500.0), (101.9, 500.0), (99.1, 500.0), (3700.4, -3100.0), (-3500.0, 4100.5)],
    ids=["right", "a second ahead", "a second behind", "an hour ahead", "an hour behind"],
)
def test_what_is_near_is_right_and_what_is_far_is_moved_by_whole_seconds(host: float, told: float) -> None:
    clock = HostClock()
    clock.heard(host, before=100.0, after=101.0)
    assert clock.ours(500.0) == pytest.approx(told, abs=0.5)
    assert clock.ours(0.0) == 0.0


def test_a_line_has_the_same_time_whenever_it_is_told() -> None:
    clock = HostClock()
    clock.heard(3700.4, before=100.0, after=101.0)
    first = clock.ours(500.25)
    clock.heard(3701.2, before=100.0, after=101.0)
    assert clock.ours(500.25) == first
    clock.heard(100.5, before=100.0, after=101.0)
    assert clock.ours(500.25) == 500.25, "its clock was set right"
