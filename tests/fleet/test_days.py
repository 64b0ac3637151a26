"""Bad days of a platform with three real hosts, under traffic: each ends in one release on all of them, and says so.

Their clocks are an hour apart all the time. No request fails while one ready instance can be reached, but for those few that a host had
taken in the moment in which it went.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from e2e.platform import App, Platform, Traffic, eventually, receipt_of, running, short_directory
from e2e.test_crashes import pid_of
from e2e.test_every_moment import renewed
from fleet.faults import Deployments, empty_disk, fill_disk, is_preparing, is_switching, is_watched, set_clock
from fleet.rig import Fleet, Host
from fleet.test_platform import add, answering, first_release, is_at_rest, places

MANIFEST = """\
runtime = "systemd"

[regions.eu]

[processes.web]
command = "python3 serve.py"
count = 3

[processes.web.health.readiness]
path = "/up"
interval = 1
timeout = 2
failures = 3

[processes.web.health.liveness]
path = "/up"
interval = 1
timeout = 2
failures = 3

[deploy]
bake = 1
drain_timeout = 5
healthy_deadline = 60
progress_deadline = 90
"""
WATCHED = MANIFEST.replace("bake = 1", "bake = 30")  # longer than it takes to see that a host has gone
HOUR = 3600
BALLAST = 4_000_000  # bytes; a disk is left 1 MB
TAKEN = 10  # requests that a host may have taken when it went: one for each connection that the edge kept to it
GIVEN_UP = timedelta(seconds=30)  # until the last of those is answered, or not waited for any more
ROUNDS = (
    (9, 14),
    range(1, 100),
)  # writes of the journal at which the controller is killed: while all start, at the switch; with --long, all


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with short_directory() as directory, running(Platform(directory)) as here:
        yield here


@pytest.fixture(scope="module")
def hosts(platform: Platform, fleet: Fleet) -> Iterator[tuple[Host, ...]]:
    """As new afterwards."""
    key = platform.mooring("host", "key").out
    for host, ahead in zip(fleet.hosts, (0, HOUR, -HOUR), strict=True):
        host.says("sh", "-c", "cat >> /root/.ssh/authorized_keys", stdin=key.encode())
        set_clock(host, ahead=ahead)
        added = add(platform, host)
        assert added.code == 0, added
        assert ("NTP" in added.out + added.err) is (ahead != 0), "a clock that is wrong is warned of"
    yield fleet.hosts
    for host in fleet.hosts:
        host.give_cpu(None)
        host.reset()
        host.start()


@pytest.fixture(scope="module")
def app(platform: Platform, hosts: tuple[Host, ...]) -> App:
    return first_release(platform, MANIFEST)


@pytest.fixture(scope="module")
def deployments(platform: Platform, app: App) -> Deployments:
    return Deployments(platform)


def programs(host: Host) -> list[str]:
    """The numbers of those that are the app's, whoever started them."""
    return host.run("pgrep", "-f", r"^python3 serve\.py$").stdout.decode().split()


def whole(release: int) -> set[str]:
    return {f"{release} host{number}" for number in (1, 2, 3)}


def serves(app: App, *names: str) -> bool:
    """Whether these and no others answer, and none hangs."""
    try:
        return answering(app) == set(names)
    except TimeoutError:
        return False


def check_end(app: App, hosts: tuple[Host, ...], *, release: int) -> None:
    """This release answers from all hosts, and nothing else of the app runs anywhere."""
    eventually(lambda: is_at_rest(app) and serves(app, *whole(release)), within=120)
    eventually(lambda: [len(programs(host)) for host in hosts] == [1, 1, 1], within=90)
    assert places(app) == ["host1", "host2", "host3"]
    assert serves(app, *whole(release))


def check_lost(traffic: Traffic, went: datetime) -> None:
    """Only what the host had taken when it went, and those are few."""
    lost = traffic.report["failures"]
    assert len(lost) == traffic.report["failed"] <= TAKEN, lost[:20]
    for each in lost:
        assert each["problem"].startswith(("TimeoutError", "status 503", "EOFError", "Connection")), each
        assert went <= datetime.fromisoformat(each["time"]) <= went + GIVEN_UP, each
    assert traffic.report["ok"] > 300


def now() -> datetime:
    return datetime.now().astimezone()


def test_a_host_cut_off_while_it_is_switched_takes_all_back_and_what_runs_there_is_adopted_as_it_is(
    app: App, hosts: tuple[Host, ...], deployments: Deployments
) -> None:
    before = [programs(host) for host in hosts]
    app.write("mooring.toml", WATCHED)
    app.release(2)
    with Traffic(app) as traffic:
        following, _ = deployments.begun(app, until=is_switching)
        went = now()
        hosts[2].cut()
        try:
            eventually(lambda: serves(app, "1 host1", "1 host2") and [len(programs(host)) for host in hosts[:2]] == [1, 1], within=90)
        finally:
            hosts[2].mend()
        out, err = following.communicate(timeout=150)
        assert (following.returncode, "v1 serves again" in out + err) == (1, True), out + err
        check_end(app, hosts, release=1)
    check_lost(traffic, went)
    assert [programs(host) for host in hosts] == before, "nothing of the old release was started anew"
    assert receipt_of(app)["outcome"] == "reverted"


def test_a_host_that_loses_its_power_while_it_is_watched_takes_all_back_and_boots_into_that(
    app: App, hosts: tuple[Host, ...], deployments: Deployments
) -> None:
    """Its systemd starts both releases; the newer one goes."""
    app.release(3)
    with Traffic(app) as traffic:
        following, _ = deployments.begun(app, until=is_watched)
        went = now()
        hosts[2].kill()
        hosts[2].start()
        out, err = following.communicate(timeout=150)
        assert following.returncode == 1, out + err
        check_end(app, hosts, release=1)
    check_lost(traffic, went)
    assert receipt_of(app)["outcome"] == "reverted"


@pytest.mark.long
def test_a_host_that_comes_back_with_the_old_release_after_it_was_given_up_is_brought_to_the_new_one(
    app: App, hosts: tuple[Host, ...], platform: Platform
) -> None:
    hosts[2].kill()
    eventually(lambda: serves(app, "1 host1", "1 host2"), within=90)
    answer = platform.mooring("host", "rm", "host3", "--lost")
    assert answer.code == 0, answer
    app.release(4)
    with Traffic(app) as traffic:
        answer = app.deploy()
        assert answer.code == 0, answer
        hosts[2].start()
        assert programs(hosts[2]), "its systemd has started what it knew"
        assert answering(app) == {"4 host1", "4 host2"}, "nobody asks it"
        added = add(platform, hosts[2])
        assert added.code == 0, added
        assert app.deploy().code in (0, 4)
        check_end(app, hosts, release=4)
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])


def test_a_deploy_to_a_host_half_as_fast_and_clocks_an_hour_apart_fails_no_request(app: App, hosts: tuple[Host, ...]) -> None:
    hosts[1].give_cpu(0.5)
    app.write("mooring.toml", MANIFEST)
    app.release(5)
    try:
        with Traffic(app, rate=50) as traffic:
            answer = app.deploy()
    finally:
        hosts[1].give_cpu(None)
    assert answer.code == 0, answer
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
    check_end(app, hosts, release=5)
    clocks = [int(host.says("python3", "-c", "import time; print(int(time.time()))")) for host in hosts]
    assert clocks[1] - clocks[0] == pytest.approx(HOUR, abs=60)
    assert clocks[0] - clocks[2] == pytest.approx(HOUR, abs=60)


def test_a_release_for_which_one_host_has_no_room_goes_nowhere_and_the_next_one_follows_when_it_has(
    app: App, hosts: tuple[Host, ...]
) -> None:
    fill_disk(hosts[0])
    (app.path / "ballast").write_bytes(os.urandom(BALLAST))
    app.release(6)
    with Traffic(app) as traffic:
        answer = app.deploy()
        said = answer.out + answer.err
        assert answer.code == 1, answer
        assert "host1" in said, said
        assert "bytes, and" in said, said
        assert answering(app) == whole(5)
        empty_disk(hosts[0])
        answer = app.deploy()
        assert answer.code == 0, answer
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
    check_end(app, hosts, release=6)


def test_an_aborted_deploy_ends_in_the_old_release_on_all_hosts(
    app: App, hosts: tuple[Host, ...], deployments: Deployments, is_long: bool
) -> None:
    """When it serves already; with --long also while it is prepared."""
    app.write("mooring.toml", WATCHED)
    app.release(7)
    with Traffic(app) as traffic:
        for moment in (is_preparing, is_watched) if is_long else (is_watched,):
            following, deployment = deployments.begun(app, until=moment)
            assert app.mooring("abort", deployment).code == 0
            out, err = following.communicate(timeout=120)
            assert following.returncode == 1, out + err
            check_end(app, hosts, release=6)
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
    assert receipt_of(app)["outcome"] == "aborted"


@pytest.mark.timeout(3600)
def test_a_controller_killed_at_writes_of_its_journal_ends_in_one_release_on_all_hosts(
    app: App, hosts: tuple[Host, ...], deployments: Deployments, platform: Platform, is_long: bool
) -> None:
    """With --long at each, until a deployment has ended before it comes to the next."""
    serving = int(answering(app).pop().split()[0])
    app.write("mooring.toml", MANIFEST)
    with Traffic(app, rate=50) as traffic:
        for release, moment in enumerate(ROUNDS[is_long], start=serving + 2):
            app.release(release)
            following, deployment = deployments.journal.redeploy(app, moment)
            if deployments.journal.moments(deployment) < moment:
                assert following.wait(timeout=150) == 0
                check_end(app, hosts, release=release)
                break
            os.kill(pid_of(platform, "mooring.server serve"), signal.SIGKILL)
            out, err = following.communicate(timeout=150)
            outcome = eventually(lambda deployment=deployment: deployments.journal.outcome(deployment), within=90)
            assert (following.returncode in (0, 4)) is (outcome == "succeeded"), out + err
            serving = release if outcome == "succeeded" else serving
            check_end(app, hosts, release=serving)
            if moment % 2 == 0:
                renewed(app, "controller")
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])


@pytest.fixture(scope="module")
def second(platform: Platform, app: App) -> Iterator[App]:
    """The app as another controller has it, which was restored from a backup of the first while that goes on."""
    sealed = platform.directory / "passphrase"
    sealed.write_text("of a test\n")
    words = ("--passphrase-file", str(sealed))
    assert platform.mooring("state", "backup", str(platform.directory / "backup"), *words).code == 0
    with short_directory() as directory:
        here = Platform(directory)
        restored = here.mooring("state", "restore", str(platform.directory / "backup"), *words)
        assert restored.code == 0, restored
        with running(here):
            yield here.app(app.path, "shop")


@pytest.mark.long
def test_of_two_controllers_with_the_same_state_the_one_that_was_restored_later_is_obeyed_and_the_older_says_so(
    app: App, second: App, hosts: tuple[Host, ...]
) -> None:
    second.release(30)
    answer = second.deploy()
    assert answer.code == 0, answer
    check_end(second, hosts, release=30)
    before = [programs(host) for host in hosts]
    app.release(31)
    with Traffic(second) as traffic:
        answer = app.deploy()
    assert answer.code == 4, answer
    assert "another controller has taken over" in answer.out + answer.err
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
    check_end(second, hosts, release=30)
    assert [programs(host) for host in hosts] == before


def test_destroying_it_leaves_nothing_on_any_host(app: App, hosts: tuple[Host, ...], is_long: bool, request: pytest.FixtureRequest) -> None:
    """By the controller that is obeyed."""
    owner = request.getfixturevalue("second") if is_long else app
    assert owner.mooring("destroy", "--confirm", "shop").code == 0
    assert [programs(host) for host in hosts] == [[], [], []]
    for host in hosts:
        assert host.says("find", "/etc/systemd/system", "/run/systemd/system", "-name", "mooring-shop*") == ""
