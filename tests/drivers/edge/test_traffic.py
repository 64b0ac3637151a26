"""The access log is judged line by line: whose failure it was, if any; and found again in large and rotated files."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mooring.drivers.edge.contract import PROBE_AGENT
from mooring.drivers.edge.envoy.access_log import Line, decode
from mooring.drivers.edge.envoy.judgement import fate_of, judged
from mooring.drivers.edge.log_reader import read_lines
from mooring.drivers.edge.pages import BUSY, PAGES
from mooring.drivers.edge.rotation import rotate, segments
from mooring.drivers.edge.traffic import Fate, summarize
from mooring.model.routing import Broken, Page

APP = "shop--production--web.1.v3.0"
AFTER = "upstream_reset_after_response_started{connection_termination}"
BEFORE = "upstream_reset_before_response_started{connection_termination}"


def _line(at: float = 100.0, **fields: object) -> Line:
    defaults = {"ms": 10, "us": 10_000, "route": "shop--production/web", "path": "/x", "method": "GET", "status": 200}
    return msgspec.convert({"at": f"{at:.6f}", **defaults, "instance": APP, **fields}, Line)


@pytest.mark.parametrize(
    ("fields", "fate"),
    [
        ({}, Fate.SERVED),
        ({"status": 404}, Fate.SERVED),
        ({"status": 500}, Fate.APP_ERROR),
        ({"status": 503, "details": "via_upstream"}, Fate.APP_ERROR),
        ({"status": 503, "flags": "UF,URX", "details": "upstream_reset_before_response_started{connection_failure}"}, Fate.EDGE_ERROR),
        ({"status": 503, "flags": "UC", "details": "upstream_reset_before_response_started{connection_termination}"}, Fate.EDGE_ERROR),
        ({"status": 200, "flags": "UC", "details": "upstream_reset_after_response_started{connection_termination}"}, Fate.RESET),
        ({"status": 504, "flags": "SI", "details": "stream_idle_timeout"}, Fate.EDGE_ERROR),
        ({"status": 503, "flags": "UH", "instance": None, "details": "no_healthy_upstream"}, Fate.EDGE_ERROR),
        ({"status": 503, "instance": "waiting-room", "details": "via_upstream"}, Fate.EDGE_ERROR),
        *(
            ({"status": 503, "instance": "waiting-room", "details": "via_upstream", "again": str(message.retry_after)}, fate)
            for message, fate in [
                (PAGES[Page.WAKING], Fate.SERVED),
                (PAGES[Page.NO_ROOM], Fate.SERVED),
                (PAGES[Page.MAINTENANCE], Fate.SERVED),
                (PAGES[Page.STARTING], Fate.EDGE_ERROR),
                (PAGES[Page.CRASHED], Fate.EDGE_ERROR),
                (BUSY, Fate.EDGE_ERROR),
            ]
        ),
        ({"status": 503, "details": "via_upstream", "again": str(PAGES[Page.WAKING].retry_after)}, Fate.APP_ERROR),
        ({"status": 503, "instance": None, "details": "direct_response"}, Fate.SERVED),
        ({"status": 413, "instance": None, "details": "direct_response"}, Fate.SERVED),
        ({"status": 0, "flags": "DC"}, Fate.CANCELLED),
        ({"status": 200, "flags": "DC", "details": "downstream_remote_disconnect"}, Fate.CANCELLED),
        ({"status": 0, "flags": "DC", "instance": "waiting-room"}, Fate.CANCELLED),
        ({"status": 101, "cluster": "streams-03"}, Fate.SERVED),
        ({"status": 101, "cluster": "streams-03", "flags": "UC", "details": AFTER}, Fate.STREAM_ENDED),
        ({"status": 200, "cluster": "streams-03", "flags": "UC", "details": AFTER}, Fate.STREAM_ENDED),
        ({"status": 503, "cluster": "streams-03", "flags": "UC", "details": BEFORE}, Fate.EDGE_ERROR),
        ({"status": 200, "cluster": "apps-03", "flags": "UC", "details": AFTER}, Fate.RESET),
    ],
)
def test_each_line_is_put_down_to_whose_doing_it_was(fields: dict[str, object], fate: Fate) -> None:
    assert fate_of(_line(**fields)) is fate


def test_a_summary_counts_measures_and_tells() -> None:
    lines = [_line(us=micro, path=f"/{micro}") for micro in (1_000, 2_000, 3_000)]
    lines.append(_line(status=503, flags="UF", us=500, sent=7))
    lines.append(_line(status=101, us=9_000_000, path="/socket", cluster="streams-03"))
    traffic = summarize([judged(line) for line in lines])
    assert (traffic.requests, traffic.edge_errors, traffic.failed, traffic.bytes_sent) == (5, 1, 1, 7)
    assert (traffic.slowest, traffic.slowest_path, traffic.p50, traffic.p99) == (0.003, "/3000", 0.002, 0.003)
    assert traffic.failures == (f"GET /x: 503 after 0.00s: the instance did not accept the connection ({APP})",)


def test_what_an_instance_broke_off_is_counted_by_instance_and_nothing_else_is() -> None:
    other = APP.replace("web.1", "web.2")
    lines = [
        _line(100.0, ms=500, status=503, flags="UC", details="upstream_reset_before_response_started{connection_termination}"),
        _line(101.0, ms=500, status=200, flags="UC", details="upstream_reset_after_response_started{connection_termination}"),
        _line(102.0, status=503, flags="UR", instance=other, details="upstream_reset_before_response_started{remote_reset}"),
        _line(103.0, status=503, flags="UF,URX", details="upstream_reset_before_response_started{connection_failure}"),
        _line(104.0, status=504, flags="SI", details="stream_idle_timeout"),
        _line(105.0, status=503, instance="waiting-room", details="via_upstream"),
        _line(106.0),
    ]
    assert summarize([judged(line) for line in lines]).broken == {APP: Broken(2, 101.5), other: Broken(1, 102.01)}


def test_no_traffic_is_all_zeros() -> None:
    assert summarize([]).requests == 0
    assert summarize([]).p99 == 0.0


def test_only_the_first_failures_are_told() -> None:
    assert len(summarize([judged(_line(status=503, flags="UF"))] * 50).failures) == 10


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def _write(path: Path, lines: list[Line], *, junk: bytes = b"") -> None:
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines) + junk)


def test_the_window_is_found_in_a_long_file(log: Path) -> None:
    _write(log, [_line(1000 + number / 10) for number in range(20_000)])
    found = read_lines(log, "shop--production", decode, since=2000.0, until=2001.0)
    assert [round(line.start, 1) for line in found] == [round(2000 + number / 10, 1) for number in range(11)]


def test_a_long_request_that_began_before_the_window_and_ended_in_it_counts(log: Path) -> None:
    _write(log, [_line(1000.0, ms=50), _line(900.0, ms=105_000), _line(1010.0)])
    found = read_lines(log, "shop--production", decode, since=1004.0, until=1006.0)
    assert [line.start for line in found] == [900.0]


def test_rotated_files_are_read_as_far_back_as_needed(log: Path) -> None:
    _write(log.with_name("access.log.2"), [_line(float(number)) for number in range(100, 200)])
    _write(log.with_name("access.log.1"), [_line(float(number)) for number in range(200, 300)])
    _write(log, [_line(float(number)) for number in range(300, 400)])
    found = read_lines(log, "shop--production", decode, since=150.0, until=350.0)
    assert [line.start for line in found] == [float(number) for number in range(150, 351)]


def test_other_environments_probes_and_half_lines_are_left_out(log: Path) -> None:
    other = _line(route="shop--staging/web", path="/shop--production/")
    _write(
        log,
        [_line(), other, _line(agent=f"{PROBE_AGENT}/1")],
        junk=b'not json "shop--production/\n{"at": "1", "route": "shop--production/w',
    )
    assert read_lines(log, "shop--production", decode, since=0.0, until=200.0) == [_line()]


def test_without_a_log_there_was_no_traffic(log: Path) -> None:
    assert read_lines(log, "shop--production", decode, since=0.0, until=1.0) == []


def test_a_full_log_moves_on_and_the_oldest_is_dropped(log: Path) -> None:
    for number in range(5):
        log.write_text(f"full file number {number}")
        assert rotate(log, largest=10, kept=2)
        assert not log.exists()
    assert [path.read_text()[-1] for path in segments(log)] == ["4", "3"]


def test_a_log_that_is_not_full_stays(log: Path) -> None:
    log.write_text("short")
    assert not rotate(log, largest=10, kept=2)
    assert log.read_text() == "short"


@pytest.mark.parametrize("instance", ["shop--production--web.1.v12.0", "shop--production--web.1.v12.3@eu-1"])
def test_a_release_is_known_by_the_name_of_its_instance_on_whatever_host(instance: str) -> None:
    assert summarize([judged(_line(instance=instance))]).by_release == {"12": 1}
