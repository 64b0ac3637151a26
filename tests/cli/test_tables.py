"""Tables of what runs and what was: truth about states and ages first."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from fake_platform import NOW, SHOP, FakePlatform, review

from mooring.cli.render.accessories import accessory_lines
from mooring.cli.render.diagnosis import probe_words
from mooring.cli.render.happenings import happening_words
from mooring.cli.render.instances import age_words, instance_lines, state_words
from mooring.cli.render.moments import ago, clock_time
from mooring.cli.render.plan import plan_lines, step_words
from mooring.cli.render.reviews import review_lines, trace_lines, until
from mooring.cli.render.status import state_words as environment_words
from mooring.cli.render.status import status_lines
from mooring.cli.render.styled import Style, joined, plain
from mooring.engine.orders import Preview, Snapshot
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.health import Health, ProbeResult
from mooring.model.instance import InstanceKey, InstanceView, ProcessState
from mooring.model.names import ServiceName, accessory_name
from mooring.model.steps import Conclude, GoBack, RemoveRoutes, RestartInstance, RunMask, RunRelease, StopInstance
from mooring.model.trace import Trace, alarming, listing
from mooring.planner.accessories import Condition
from mooring.usecases.answers import AccessoryStatus, EnvironmentSummary, PlatformStatus

KEY = InstanceKey(environment=SHOP, process="web", slot=1, release=2)


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (InstanceView(key=KEY, state=ProcessState.RUNNING, health=Health.READY), "ready"),
        (InstanceView(key=KEY, state=ProcessState.RUNNING), "running"),
        (InstanceView(key=KEY, state=ProcessState.RUNNING, health=Health.SICK), "sick"),
        (InstanceView(key=KEY, state=ProcessState.BACKOFF, exit_code=1, retry_at=NOW + 8), "crashed (code 1), again in 8.0s"),
        (InstanceView(key=KEY, state=ProcessState.BACKOFF, signal="KILL"), "crashed (signal KILL)"),
        (InstanceView(key=KEY, state=ProcessState.EXITED, exit_code=0), "ended (code 0)"),
        (InstanceView(key=KEY, state=ProcessState.EXITED), "ended (code ?)"),
        (InstanceView(key=KEY, state=ProcessState.STOPPING), "stopping"),
    ],
)
def test_an_instance_is_called_what_it_is(view: InstanceView, words: str) -> None:
    assert state_words(view, now=NOW).text == words


@pytest.mark.parametrize(
    ("summary", "words", "style"),
    [
        ({"release": 2, "ready": 2, "desired": 2, "is_serving": True}, "serving", Style.GOOD),
        ({"release": 2, "ready": 1, "desired": 2, "is_serving": True}, "serving", Style.WARN),
        ({"release": 2, "desired": 2}, "not serving", Style.FAILURE),
        ({"release": 0}, "runs nothing", Style.DIM),
        ({"release": 2, "is_maintenance": True, "is_locked": True}, "maintenance page, locked", Style.WARN),
        ({"release": 2, "deployment": "d-1"}, "not serving, deploying", Style.FAILURE),
    ],
)
def test_an_environment_is_called_what_it_is(summary: dict, words: str, style: Style) -> None:
    span = environment_words(EnvironmentSummary(environment=SHOP, **summary))
    assert (span.text, span.style) == (words, style)


@pytest.mark.parametrize(
    ("condition", "is_asleep", "words"),
    [
        (Condition.AS_DECLARED, True, "asleep"),
        (Condition.AS_DECLARED, False, "not there"),
        (Condition.MISSING, False, "not there"),
        (Condition.STOPPED, False, "stopped"),
    ],
)
def test_an_accessory_that_does_not_run_is_called_what_it_is(condition: Condition, is_asleep: bool, words: str) -> None:
    status = AccessoryStatus(name=accessory_name("redis"), condition=condition, said="", is_asleep=is_asleep)
    row = plain(accessory_lines([status], now=NOW, width=None)[1])
    assert row.removeprefix("redis").strip() == words


def test_old_knowledge_is_called_old() -> None:
    assert age_words(0.2) == "(seen just now)"
    assert age_words(4.0) == "(seen 4.0s ago)"
    assert age_words(90.0) == "(seen 1m30s ago: this may have changed)"
    nothing = Snapshot(environment=SHOP, age=90.0, instances=(), routes=None)
    assert joined(instance_lines(nothing, now=NOW, width=80)) == "shop/production runs nothing. (seen 1m30s ago: this may have changed)\n"


def test_ps_shows_restarts_and_only_columns_that_say_something(platform: FakePlatform) -> None:
    snapshot = platform.environment(SHOP).snapshot
    crashed = msgspec.structs.replace(snapshot.instances[0], restarts=4, state=ProcessState.BACKOFF, exit_code=3, port=0, memory=0)
    shown = joined(instance_lines(msgspec.structs.replace(snapshot, instances=(crashed,)), now=NOW, width=80))
    assert shown == "instance  release  state             restarts\nweb.1     v2       crashed (code 3)         4\n(seen just now)\n"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (7200, "2h"), (86400 * 3, "3d"), (86400 * 800, "2y")]
)
def test_ages_have_one_unit(seconds: float, words: str) -> None:
    assert ago(NOW - seconds, now=NOW) == words


def test_times_that_no_calendar_has_are_dashes() -> None:
    assert clock_time(NOW, offset=timedelta(hours=1)) == "2027-01-15 09:00:00"
    assert clock_time(0.0, offset=timedelta()) == "-"
    assert clock_time(1e300, offset=timedelta()) == "-"
    assert ago(0.0, now=NOW) == ""


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (RunRelease(release=2, command="./migrate", reason=""), "run the release command of v2: ./migrate"),
        (
            RunMask(release=2, service=ServiceName("db"), command="./mask", task="mask.db.1", reason=""),
            "run mask command of db: ./mask",
        ),
        (StopInstance(instance=KEY, grace=10.0, reason=""), "stop v2 web.1 (SIGKILL after 10.0s)"),
        (RestartInstance(instance=KEY, grace=10.0, reason=""), "restart v2 web.1"),
        (RemoveRoutes(reason=""), "remove all routes"),
        (Conclude(outcome=Outcome.SUCCEEDED, reason=""), "end: succeeded"),
        (GoBack(reason="", code=""), "go back"),
    ],
)
def test_every_step_of_a_plan_is_said_in_words(step, words: str) -> None:
    assert step_words(step) == words


def test_an_empty_plan_says_that_nothing_is_to_do() -> None:
    shown = joined(plan_lines(Preview(environment=SHOP, description="restart", steps=()), width=80))
    assert "Nothing to do: what runs is what is desired." in shown


def test_a_long_reason_in_a_plan_goes_on_its_own_line() -> None:
    step = RemoveRoutes(reason="because " * 12)
    rows = [plain(row) for row in plan_lines(Preview(environment=SHOP, description="destroy", steps=(step,)), width=80)]
    assert rows[2] == "  1  remove all routes"
    assert all(row.startswith("     because") for row in rows[3:5])
    assert max(map(len, rows)) <= 80


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_kind_of_event_has_words_whatever_its_fields_are(kind: EventKind) -> None:
    assert isinstance(happening_words(Event(at=NOW, kind=kind)), str)
    odd = {"message": 3, "reason": None, "line": ["x"], "seconds": "soon", "status": True, "instance": {}}
    assert isinstance(happening_words(Event(at=NOW, kind=kind, fields=odd)), str)


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        ({"path": "/up", "status": 503, "latency": 0.012, "said": "database is locked"}, "GET /up → 503 in 12 ms: database is locked"),
        ({"path": "/up", "latency": 3.0, "said": "no answer within 3s"}, "GET /up → no answer in 3.0s: no answer within 3s"),
        ({"path": "", "latency": 0.0, "said": "the process is starting"}, "the process is starting"),
        ({"path": "./check", "status": 2, "latency": 0.2}, "./check → 2 in 200 ms"),
    ],
)
def test_a_probe_is_said_with_what_it_asked_and_what_came_back(probe: dict, words: str) -> None:
    assert probe_words(ProbeResult(passed=False, at=NOW, **probe)) == words


def test_the_address_of_an_app_is_never_cut_however_narrow_the_terminal() -> None:
    shop = EnvironmentSummary(
        environment=SHOP, release=1, ready=1, desired=1, is_serving=True, urls=("http://shop.staging.example.com:8080",)
    )
    idle = EnvironmentSummary(environment=EnvironmentId.parse("a-blog-of-somebody"))
    status = PlatformStatus(
        version="1", state_directory="/s", environments=(shop, idle), parts=(), http_port=8080, https_port=0, started_at=NOW
    )
    wide, narrow = ([plain(row) for row in status_lines(status, now=NOW, width=width)] for width in (120, 72))
    assert wide[-2].endswith("1/1   now  http://shop.staging.example.com:8080")
    assert [row.split() for row in narrow[-3:]] == [
        ["shop/production", "v1", "serving", "1/1", "now"],
        ["http://shop.staging.example.com:8080"],
        ["a-blog-of-somebody/production", "-", "runs", "nothing", "0/0", "now"],
    ]


def test_the_address_of_a_review_app_is_never_cut_however_narrow_the_terminal() -> None:
    listed = [review("feature-checkout-of-somebody"), review("fix")]
    wide = [plain(row) for row in review_lines("shop", listed, now=NOW, width=120)]
    assert wide[1].endswith("http://shop--feature-checkout-of-somebody.localhost:8080")
    assert len(wide) == 3
    narrow = [plain(row) for row in review_lines("shop", listed, now=NOW, width=80)]
    assert "url" not in narrow[0]
    assert narrow[2] == "  http://shop--feature-checkout-of-somebody.localhost:8080"
    assert narrow[3].split() == ["fix", "3f2a91c", "serving", "20s", "3d"]
    assert narrow[4] == "  http://shop--fix.localhost:8080"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(72 * 3600, "3d"), (72 * 3600 - 31, "2d 23h"), (7261, "2h 1m"), (300, "5m"), (20, "0m"), (-60, "0m")],
)
def test_how_long_a_review_app_stays_is_told_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert until(review("fix", expires_at=NOW + seconds), now=NOW) == words


def test_a_review_app_that_will_be_gone_soon_says_so_and_what_keeps_it() -> None:
    rows = [plain(row) for row in review_lines("shop", [review("fix", is_warned=True, expires_at=NOW + 360)], now=NOW, width=120)]
    assert rows[-1] == "fix: it goes in 6m; `mooring review extend fix` keeps it"
    assert len(review_lines("shop", [review("fix", is_warned=True, leaving="its time is over")], now=NOW, width=120)) == 2


def test_a_review_app_without_room_says_so_and_why() -> None:
    waits = review("fix", waiting="declared memory does not fit this host")
    rows = [plain(row) for row in review_lines("shop", [waits], now=NOW, width=120)]
    assert "waits for room" in rows[1] and "serving" not in rows[1]
    assert rows[-1] == "fix: declared memory does not fit this host"
    leaving = review("fix", waiting="declared memory", leaving="its branch is gone")
    assert "going: its branch is gone" in plain(review_lines("shop", [leaving], now=NOW, width=120)[1])


def test_what_is_left_of_a_review_app_is_told_kind_by_kind_with_its_reason() -> None:
    traces = (
        Trace(kind="route"),
        Trace(kind="image", left=("3f0c on web-1",), reason="used by shop/staging"),
        Trace(kind="volume", left=("shop.cache on web-1",)),
        Trace(kind="service", left=("db (postgres on main)",), stuck="main: it does not answer"),
        Trace(kind="role", unseen="main: it does not answer"),
    )
    assert [plain(row) for row in trace_lines(traces, width=120)] == [
        "✓ route: gone",
        "· image: 3f0c on web-1 left (used by shop/staging)",
        "✗ volume: shop.cache on web-1 left",
        "✗ service: db (postgres on main) left (main: it does not answer)",
        "✗ role: could not be looked for: main: it does not answer",
    ]
    stays = "stays: image{} (used by shop/staging), volume{} (it should be gone), service{} (it should be gone)"
    kinds = f"gone: route; {stays}; could not be looked for: role{{}}"
    names = (" 3f0c on web-1", " shop.cache on web-1", " db (postgres on main)", " (main: it does not answer)")
    assert listing(traces) == kinds.format(*names)
    assert listing(traces, is_public=True) == kinds.format("", "", "", "")
    assert [trace.kind for trace in alarming(traces)] == ["volume", "service", "role"]
