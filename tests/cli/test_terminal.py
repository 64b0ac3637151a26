"""A terminal with colours, one without, one that is dumb, one without Unicode, and no terminal at all."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from console import Stream, mooring
from fake_platform import SHOP, FakePlatform
from recordings import recording

from mooring.cli.draining import in_flight_on_draining
from mooring.cli.follow import follow_to_the_end
from mooring.cli.live import LiveLines
from mooring.cli.render.progress import Progress
from mooring.cli.render.story import moving
from mooring.cli.render.styled import Span, Style, line, plain
from mooring.cli.session import Session
from mooring.cli.terminal import Terminal
from mooring.model.deployment import Deployment
from mooring.model.events import Event, EventKind
from mooring.model.instance import InstanceKey
from mooring.model.routing import Endpoint, EndpointState, PathRoute, RouteTable, RouteView


def test_a_file_gets_plain_text_of_any_length() -> None:
    stream = Stream()
    terminal = Terminal(stream, {"TERM": "xterm-256color"})
    terminal.write([line(Span("x" * 300, Style.GOOD))])
    assert (terminal.width, terminal.is_live) == (None, False)
    assert stream.text == "x" * 300 + "\n"


@pytest.mark.parametrize(
    ("variables", "is_live", "has_colour"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, False, False),
        ({}, False, False),
    ],
)
def test_what_a_terminal_can_show_depends_on_its_variables(variables: dict[str, str], is_live: bool, has_colour: bool) -> None:
    stream = Stream(is_terminal=True)
    terminal = Terminal(stream, variables)
    terminal.write([line(Span("ok", Style.GOOD))])
    assert (terminal.is_live, terminal.has_colour) == (is_live, has_colour)
    assert stream.text == ("\x1b[32mok\x1b[0m\n" if has_colour else "ok\n")


def test_without_unicode_symbols_have_stand_ins_of_the_same_width_and_the_rest_is_written_out() -> None:
    stream = Stream(encoding="ascii")
    Terminal(stream, {}).write([line("✓ v6 → v7 · naïve 漢…")])
    assert stream.text == "+ v6 > v7 - na\\xefve \\u6f22~\n"


def test_a_command_answers_in_ascii_where_nothing_else_can_be_shown(platform: FakePlatform) -> None:
    answer = mooring("status", platform=platform, encoding="ascii", is_terminal=True)
    assert answer.code == 0
    assert "x down: it does not answer" in answer.out


def test_the_moving_part_shows_phase_steps_probes_and_the_last_output_within_the_width() -> None:
    progress = Progress(100.0)

    def feed(at: float, kind: EventKind, **fields: object) -> None:
        progress.apply(Event(at=at, kind=kind, fields=fields))

    feed(100.0, EventKind.PHASE_STARTED, phase="build")
    for number in range(9):
        feed(101.0, EventKind.BUILD_OUTPUT, line=f"line {number} " + "x" * 100)
    rows = [plain(row) for row in moving(progress, moment=103.0, width=80, spinner="*", gutter="build")]
    assert rows[0] == "build     * building" + " " * 56 + "3.0s"
    assert [row.split()[2] for row in rows[1:]] == ["4", "5", "6", "7", "8"]
    feed(104.0, EventKind.PHASE_STARTED, phase="prepare")
    feed(104.0, EventKind.STEP_STARTED, step="start-instance", summary="start v1 web.1", reason="")
    feed(105.0, EventKind.PROBE_FAILED, instance="v1 web.1", path="/up", status=503, said="database is locked")
    rows = [plain(row) for row in moving(progress, moment=106.0, width=80, spinner="*", gutter="")]
    assert rows[1].split() == ["*", "start", "v1", "web.1", "2.0s"]
    assert rows[2].strip() == "· v1 web.1 is not ready yet: GET /up: 503: database is locked"
    assert all(len(row) <= 80 for row in rows)


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        ((), "release command succeeded"),
        (("release",), "release command succeeded"),
        (("seed",), "seed command succeeded"),
        (("release", "seed"), "release and seed commands succeeded"),
    ],
)
def test_which_commands_have_succeeded_is_said(commands: tuple[str, ...], said: str) -> None:
    progress = Progress(100.0)
    progress.apply(Event(at=100.0, kind=EventKind.PHASE_STARTED, fields={"phase": "release"}))
    for each in commands:
        fields = {"step": "run-release", "summary": f"run {each} command: true"}
        progress.apply(Event(at=101.0, kind=EventKind.STEP_ENDED, fields=fields))
    progress.apply(Event(at=102.0, kind=EventKind.PHASE_ENDED, fields={"phase": "release", "seconds": 2.0}))
    told = progress.apply(Event(at=102.0, kind=EventKind.PHASE_STARTED, fields={"phase": "prepare"}))
    assert told[0].text == said


class Player:
    """Answers like a client, from a recording."""

    def __init__(self, name: str) -> None:
        self.told = recording(name)

    def deployment_events(self, _: str) -> Iterator[Event]:
        yield from self.told.events

    def deployment(self, _: str) -> Deployment:
        return self.told.ended


def followed(name: str, variables: dict[str, str], **stream: object) -> tuple[int, str]:
    out = Stream(is_terminal=True, **stream)
    player = Player(name)
    session = Session(stdin=Stream(), stdout=out, stderr=out, variables=variables, directory=None, connect=lambda: player)
    return follow_to_the_end(session, player.told.requested), out.text


def test_a_live_terminal_folds_the_build_and_keeps_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, shown = followed("redeploy", {"TERM": "xterm"})
    assert code == 0
    assert "\x1b[?25h" in shown  # the cursor is shown again
    assert "v7 web.2 is ready" in shown
    assert "What it printed" not in shown


def test_a_live_terminal_shows_the_whole_output_of_a_build_that_failed_and_nothing_hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, shown = followed("build-fails", {"TERM": "xterm"})
    assert code == 1
    assert "What it printed:" in shown
    assert "\\x1b]0;owned\\x07" in shown
    assert "\x1b]0;" not in shown


def test_no_colour_means_no_colour_codes_even_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, shown = followed("redeploy", {"TERM": "xterm", "NO_COLOR": "1"})
    assert "m✓" not in shown
    assert "\x1b[32m" not in shown


def test_a_live_terminal_without_unicode_gets_ascii_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, shown = followed("hostile-words", {"TERM": "xterm"}, encoding="ascii")
    assert code == 4
    assert shown.isascii()


def test_the_moving_part_is_gone_when_following_breaks_off() -> None:
    stream = Stream(is_terminal=True)
    terminal = Terminal(stream, {"TERM": "xterm"})
    with pytest.raises(KeyboardInterrupt), LiveLines(terminal, lambda width, height: [line("moving")]) as live:
        live.settle([line("settled")])
        time.sleep(0.2)
        raise KeyboardInterrupt
    assert stream.text.rstrip().endswith("\x1b[?25h") or "\x1b[?25h" in stream.text
    assert "settled" in stream.text


def test_requests_in_flight_on_draining_instances_are_counted_and_shown() -> None:
    old, new = (InstanceKey(environment=SHOP, process="web", slot=1, release=number) for number in (6, 7))
    endpoints = (
        Endpoint(instance=old, address="127.0.0.1", port=1, state=EndpointState.DRAINING),
        Endpoint(instance=new, address="127.0.0.1", port=2),
    )
    table = RouteTable(environment=SHOP, hostnames=("shop.localhost",), routes=(PathRoute(path="/", process="web", endpoints=endpoints),))
    counted = in_flight_on_draining(RouteView(table=table, in_flight={old.slug: 3, new.slug: 9}))
    assert counted == {"v6 web.1": 3}
    progress = Progress(100.0)
    progress.apply(Event(at=100.0, kind=EventKind.PHASE_STARTED, fields={"phase": "drain"}))
    progress.in_flight = counted
    rows = [plain(row).strip() for row in moving(progress, moment=100.0, width=80, spinner="*", gutter="drain")]
    assert rows == ["drain     * letting requests in flight finish", "· v6 web.1 finishes 3 requests"]
