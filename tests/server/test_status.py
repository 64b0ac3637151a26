"""What is in trouble, through the API: each kind by itself, with what to do; and nothing while all is well."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from server.serving import Served

from mooring.client.client import Client
from mooring.drivers.edge.contract import Reloads
from mooring.drivers.runtime.process.confines import shortcoming
from mooring.drivers.runtime.process.landlock import REFERS, WHOLE
from mooring.engine.lookout import Ailment
from mooring.model.certificate import CertificateView
from mooring.model.deployment import Revision
from mooring.model.environment import EnvironmentId
from mooring.model.forge import ForgeKind, ForgeLink
from mooring.model.host import EdgePorts, Finding, Sight, Weight
from mooring.model.names import LOCAL, AppName, HostId, Hostname, ProcessName
from mooring.model.records import EnvironmentRecord
from mooring.model.review import ReviewMark
from mooring.model.trouble import Trouble
from mooring.planner.hosts import LEAST_DISK
from mooring.testing.hosts import GOOD, a_host_key
from mooring.usecases.answers import EnvironmentSummary, ForgeStatus, PartStatus
from mooring.usecases.requests import HostRequest
from mooring.usecases.troubles import (
    of_certificates,
    of_confinement,
    of_disk,
    of_edges,
    of_environments,
    of_forges,
    of_hosts,
    of_parts,
    of_review_apps,
)

NOW = 1_700_000_000.0
DAY = 86_400.0
WEB_1 = "root@web-1.example.com"
SHOP = EnvironmentId.parse("shop")


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    """Of a platform with one host, which carries an edge; without hosts afterwards."""
    served.world.hosts.facts[WEB_1] = GOOD
    served.client.add_host(HostRequest(address=WEB_1, host_key=a_host_key(WEB_1), edge=EdgePorts(http=80, https=0)))
    yield served.client
    served.client.remove_host("web-1", is_lost=True)
    served.world.hosts.runtimes.clear()
    served.world.hosts.edges.clear()


def told(troubles: list[Trouble]) -> list[tuple[str, Weight]]:
    assert all(each.said and each.hint for each in troubles), "each says what to do"
    return [(each.subject, each.weight) for each in troubles]


def of_host(client: Client) -> list[Trouble]:
    return [each for each in client.status().troubles if "web-1" in each.subject]


def test_a_host_that_goes_is_named_with_its_edge_and_is_not_when_it_is_back(client: Client, served: Served) -> None:
    assert of_host(client) == []
    began = served.world.clock.wall()
    served.world.hosts.runtimes[HostId("web-1")].faults.is_down = True
    served.world.hosts.edges[HostId("web-1")].faults.is_down = True
    found = of_host(client)
    assert told(found) == [("host web-1", Weight.FAULT), ("edge on web-1", Weight.FAULT)]
    assert all(0 < each.since <= served.world.clock.wall() for each in found)
    assert found[0].since <= began, "since it was seen last"
    assert "mooring host check web-1" in found[0].hint
    served.world.hosts.runtimes[HostId("web-1")].faults.is_down = False
    served.world.hosts.edges[HostId("web-1")].faults.is_down = False
    assert of_host(client) == []


def test_what_the_survey_finds_on_a_host_is_named(client: Client, served: Served) -> None:
    served.world.hosts.facts[WEB_1] = msgspec.structs.replace(served.world.hosts.facts[WEB_1], disk_free=5, clock=3600.0)
    asyncio.run_coroutine_threadsafe(served.services.platform.lookout.look(), served.loop).result(30)
    assert sorted(each.said for each in of_host(client)) == ["clock: 3600.0 s ahead of the controller's", "disk: 5 B free"]


def test_when_a_backup_was_asked_for_is_told(served: Served) -> None:
    before = served.client.status().backed_up_at
    with (served.world.state / "copy").open("wb") as copy:
        served.client.backup(copy)
    assert served.client.status().backed_up_at > before


def test_a_part_that_is_down_is_named() -> None:
    parts = [PartStatus(name="edge", is_up=False, said="backoff"), PartStatus(name="controller", is_up=True)]
    assert told(of_parts(parts)) == [("edge", Weight.FAULT)]


@pytest.mark.parametrize(
    ("summary", "weights"),
    [
        ({"ready": 2, "desired": 2, "is_serving": True}, []),
        ({"ready": 1, "desired": 2, "is_serving": True}, [Weight.WARNING]),
        ({"ready": 0, "desired": 2}, [Weight.FAULT]),
        ({"ready": 0, "desired": 2, "deployment": "d-1"}, []),
        ({"ready": 2, "desired": 2, "is_serving": False, "age": 100.0}, [Weight.FAULT]),
        ({"ready": 2, "desired": 2, "is_maintenance": True}, [Weight.WARNING]),
        ({"ready": 0, "desired": 0}, []),
    ],
)
def test_an_environment_that_ought_to_serve_and_does_not_is_named(summary: dict[str, object], weights: list[Weight]) -> None:
    found = of_environments([msgspec.convert({"environment": {"app": "shop", "environment": "production"}, **summary}, EnvironmentSummary)])
    assert [weight for _, weight in told(found)] == weights


def test_a_host_that_never_answered_is_away_since_this_controller_looks() -> None:
    found = of_hosts([Sight(host=HostId("eu-1"), age=None, error="no route")], [], now=NOW, since=NOW - 60)
    assert told(found) == [("host eu-1", Weight.FAULT)]
    assert found[0].since == NOW - 60
    finding = Finding(subject="disk", weight=Weight.FAULT, said="5 B free", hint="make room")
    ailing = of_hosts(
        [Sight(host=HostId("eu-1"), age=1.0)], [Ailment(host=HostId("eu-1"), finding=finding, since=NOW - 9)], now=NOW, since=0
    )
    assert [(each.said, each.since) for each in ailing] == [("disk: 5 B free", NOW - 9)]


def test_a_proxy_that_had_to_be_reloaded_is_told_of_for_a_day_with_how_often() -> None:
    found = of_edges([], {LOCAL: Reloads(2, NOW - 3600), HostId("eu-1"): Reloads(1, NOW - 2 * DAY)}, now=NOW, since=0)
    assert told(found) == [("edge", Weight.WARNING)]
    assert "reloaded 2 times" in found[0].said
    assert "the last time 1h00m ago" in found[0].said


@pytest.mark.parametrize(
    ("view", "weights"),
    [
        ({"source": "acme", "expires_at": NOW + 60 * DAY}, []),
        ({"source": "acme", "expires_at": NOW + 5 * DAY}, []),  # it is renewed by itself
        ({"source": "acme", "expires_at": NOW + 25 * DAY, "failures": 2, "last_error": "429"}, [Weight.WARNING]),
        ({"source": "acme", "expires_at": NOW + 2 * DAY, "failures": 2, "last_error": "429"}, [Weight.FAULT]),
        ({"failures": 1, "last_error": "no such name"}, [Weight.FAULT]),
        ({"source": "own", "expires_at": NOW + 2 * DAY}, [Weight.WARNING]),
        ({"source": "own", "expires_at": NOW - DAY}, [Weight.FAULT]),
        ({"source": "acme", "expires_at": NOW + 2 * DAY, "hindrance": "the app's manifest says so"}, [Weight.WARNING]),
        ({"source": "own", "expires_at": NOW - DAY, "environment": None}, []),  # nobody is shown it
    ],
)
def test_a_certificate_that_fails_or_ends_unrenewed_is_named(view: dict[str, object], weights: list[Weight]) -> None:
    found = of_certificates([CertificateView(**{"hostname": Hostname("shop.example.org"), "environment": SHOP, **view})], now=NOW)
    assert [weight for _, weight in told(found)] == weights
    assert all(each.subject == "certificate of shop.example.org" for each in found)


def test_a_forge_that_does_not_answer_and_a_full_disk_are_named() -> None:
    link = ForgeLink(app=AppName("shop"), kind=ForgeKind.GITHUB, repository="a/b", url="https://example.org/a/b")
    assert told(of_forges([ForgeStatus(link=link, age=1.0, error="no route"), ForgeStatus(link=link)])) == [
        ("forge of shop", Weight.WARNING)
    ]
    assert told(of_disk(LEAST_DISK - 1)) == [("this machine", Weight.FAULT)]
    assert of_disk(LEAST_DISK) == []


def test_a_host_that_cannot_confine_is_a_warning_once_a_review_app_runs_there() -> None:
    record = EnvironmentRecord(environment=SHOP, created_at=NOW, revision=Revision(release=1))
    review = msgspec.structs.replace(record, review=ReviewMark(branch="checkout", used_at=NOW, expires_at=NOW + DAY))
    away = msgspec.structs.replace(review, revision=Revision(release=1, placement={ProcessName("web"): (HostId("web-1"),)}))
    why = {LOCAL: shortcoming(0, tells_apart=True)}
    assert of_confinement([record, away], why) == [], "none runs there"
    (trouble,) = of_confinement([record, away, review, review], why)
    assert (trouble.subject, trouble.weight) == ("this machine", Weight.WARNING)
    assert "Landlock is not in this kernel" in trouble.said and "`lsm=`" in trouble.hint
    assert of_confinement([review], {}) == []


def test_a_kernel_before_all_of_landlock_says_what_is_left_open() -> None:
    assert shortcoming(WHOLE, tells_apart=True) == "" and "signal other programs" in shortcoming(WHOLE - 1, tells_apart=True)
    assert "their builds are not confined" in shortcoming(REFERS - 1, tells_apart=True)
    assert "builds" not in shortcoming(REFERS, tells_apart=True)


def test_a_platform_that_cannot_tell_who_is_confined_says_so_beside_what_else_is_left_open() -> None:
    said = shortcoming(WHOLE - 1, tells_apart=False)
    assert "signal other programs" in said and said.endswith(shortcoming(WHOLE, tells_apart=False)) and "its own sockets" in said


def test_a_review_app_that_waits_for_room_is_a_warning_with_the_reason() -> None:
    mark = ReviewMark(branch="checkout", used_at=NOW, expires_at=NOW + DAY, waiting="declared memory does not fit this host")
    waits, rests = (
        EnvironmentRecord(environment=SHOP, created_at=NOW, review=each) for each in (mark, msgspec.structs.replace(mark, waiting=""))
    )
    (trouble,) = of_review_apps([waits, rests], lambda mark: f"{mark.waiting}; one more host is asked for soon")
    assert (trouble.subject, trouble.weight) == ("shop/production", Weight.WARNING)
    assert trouble.said == "it waits for room: declared memory does not fit this host; one more host is asked for soon"
    assert "`mooring review ls -a shop`" in trouble.hint
