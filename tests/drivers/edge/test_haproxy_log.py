"""HAProxy's access log is judged line by line: whose failure it was, if any; and only what stands for a request of its own counts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mooring.drivers.edge.haproxy.access_log import Line, decode, judged
from mooring.drivers.edge.log_reader import read_lines
from mooring.drivers.edge.traffic import Fate, summarize
from mooring.model.routing import Broken

APP = "shop--production--web.1.v3.0"


def _fields(**fields: object) -> dict[str, object]:
    usual = {"at": "100000000", "end": 100_010_000, "route": "shop--production/web", "method": "GET", "path": "/x", "status": 200}
    return {**usual, "state": "--", "server": "0.0", "instance": f"{APP}|3", "edge": "-", "stream": "-", "waited": "-", **fields}


def _line(**fields: object) -> Line:
    return decode(msgspec.json.encode(_fields(**fields)))


@pytest.mark.parametrize(
    ("fields", "fate"),
    [
        ({}, Fate.SERVED),
        ({"status": 404}, Fate.SERVED),
        ({"status": 500}, Fate.APP_ERROR),
        ({"status": 503}, Fate.APP_ERROR),
        ({"status": 503, "state": "SC", "edge": "instance-failed"}, Fate.EDGE_ERROR),
        ({"status": 503, "state": "SH", "edge": "instance-failed"}, Fate.EDGE_ERROR),
        ({"status": 503, "state": "PH", "edge": "instance-failed"}, Fate.EDGE_ERROR),
        ({"status": 504, "state": "sH", "edge": "timeout"}, Fate.EDGE_ERROR),
        ({"status": 200, "state": "SD"}, Fate.RESET),
        ({"status": 200, "state": "sD"}, Fate.RESET),
        ({"status": 503, "state": "LR", "server": "<NOSRV>", "instance": "-", "edge": "starting"}, Fate.EDGE_ERROR),
        ({"status": 503, "state": "LR", "server": "<NOSRV>", "instance": "-", "edge": "too-many-waiting"}, Fate.EDGE_ERROR),
        ({"status": 503, "state": "LR", "server": "<NOSRV>", "instance": "-", "edge": "maintenance"}, Fate.SERVED),
        ({"status": 413, "state": "PH", "edge": "too-large"}, Fate.SERVED),
        ({"status": 308, "state": "LR", "server": "<NOSRV>", "instance": "-"}, Fate.SERVED),
        ({"status": 503, "state": "LR", "server": "<NOSRV>", "instance": "-", "edge": "left"}, Fate.CANCELLED),
        ({"status": -1, "state": "CH"}, Fate.CANCELLED),
        ({"status": 200, "state": "CD"}, Fate.CANCELLED),
        ({"status": 101, "stream": "1"}, Fate.SERVED),
        ({"status": 101, "stream": "1", "state": "SD"}, Fate.STREAM_ENDED),
        ({"status": 503, "stream": "1", "state": "SH", "edge": "instance-failed"}, Fate.EDGE_ERROR),
    ],
)
def test_each_line_is_put_down_to_whose_doing_it_was(fields: dict[str, object], fate: Fate) -> None:
    assert judged(_line(**fields)).fate is fate


@pytest.mark.parametrize("server", ["waiting", "counting"])
def test_the_line_of_a_door_counts_only_when_the_room_behind_it_was_not_reached(server: str) -> None:
    with pytest.raises(ValueError, match="door"):
        _line(server=server, instance="-", state="CH")
    assert judged(_line(server=server, instance="-", state="SC", status=503, edge="instance-failed")).fate is Fate.EDGE_ERROR


def test_a_summary_counts_measures_and_tells() -> None:
    lines = [
        _line(end=100_001_000, sent=7),
        _line(end=100_300_000, waited="280"),
        _line(status=503, state="SH", edge="instance-failed", end=101_000_000),
        _line(status=101, stream="1", end=900_000_000),
    ]
    traffic = summarize([judged(line) for line in lines])
    assert (traffic.requests, traffic.held, traffic.edge_errors, traffic.bytes_sent) == (4, 1, 1, 7)
    assert (traffic.p50, traffic.slowest, traffic.by_release) == (0.3, 1.0, {"3": 4})
    assert traffic.broken == {APP: Broken(1, 101.0)}
    assert traffic.failures == (f"GET /x: 503 after 1.00s: the instance closed the connection before it answered ({APP})",)


def test_what_has_been_cut_out_and_what_is_no_line_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    lines = [msgspec.json.encode(_fields(at=str(100_000_000 + number))) + b"\n" for number in range(3000)]
    bad_request = b'{"at":"-","end":100,"route":"-","method":"<BADREQ>"}\n'
    with log.open("wb") as file:
        file.seek(50_000_000)
        file.write(b"a half line\n" + bad_request + b"Server b0/0.0 is DOWN\n" + b"".join(lines))
    found = read_lines(log, "shop--production", decode, since=100.0, until=101.0)
    assert len(found) == 3000
