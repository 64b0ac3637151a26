"""What dies, and what goes on: the controller, the edge and the whole platform, killed for real under traffic."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from e2e.platform import App, Platform, Traffic, eventually

from mooring.server.chores import GUARD_EVERY
from mooring.server.installation import Installation


def pid_of(platform: Platform, word: str) -> int:
    """The platform's program whose command line holds `word`."""
    for pid in platform.pids():
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        if word in line:
            return pid
    raise AssertionError(f"no {word} runs")


def supervisor_of(platform: Platform) -> int:
    return int((platform.state / "processes" / "supervisord.pid").read_text())


def parts_up(platform: Platform) -> dict[str, bool]:
    answer = platform.mooring("status", "--json")
    return {part["name"]: part["is_up"] for part in answer.json["parts"]} if answer.code == 0 else {"supervisor": False}


def only_pid(app: App) -> int:
    (instance,) = app.mooring("ps", "--json").json["instances"]
    return int(instance["pid"])


def deployed(platform: Platform, source: str, name: str) -> App:
    app = platform.app(source, name)
    app.release(1)
    assert app.deploy().code == 0
    return app


def test_a_controller_killed_in_the_middle_of_a_deploy_ends_in_one_release_with_no_failed_request(platform: Platform) -> None:
    app = deployed(platform, "flask-hello", "killed")
    for round_, delay in enumerate((0.3, 1.2, 2.5), start=2):
        app.release(round_)
        with Traffic(app, paths=("/version",)) as traffic:
            following = platform.start("deploy", cwd=app.path)
            time.sleep(delay)
            os.kill(pid_of(platform, "mooring.server serve"), signal.SIGKILL)
            out, err = following.communicate(timeout=120)
        assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
        assert following.returncode in (0, 1), out + err
        expected = round_ if following.returncode == 0 else None
        versions = {app.version() for _ in range(10)}
        assert len(versions) == 1, "one release serves, not two"
        assert expected is None or versions == {expected}
        instances = eventually(lambda: app.mooring("ps", "--json").json["instances"])
        assert len({instance["key"]["release"] for instance in instances}) == 1


def test_an_app_serves_and_restarts_while_the_controller_is_gone(platform: Platform) -> None:
    app = deployed(platform, "flask-hello", "alone")
    controller = pid_of(platform, "mooring.server serve")
    os.kill(controller, signal.SIGSTOP)
    try:
        with Traffic(app, paths=("/version",), rate=50) as traffic:
            os.kill(pid_of(platform, "gunicorn"), signal.SIGKILL)
            time.sleep(3)
        assert traffic.report["ok"] > 100
        assert traffic.report["failed"] <= 5, "at most what was in flight on the killed process"
        assert app.get("/version")[0] == 200
    finally:
        os.kill(controller, signal.SIGCONT)


def test_an_edge_that_is_killed_comes_back_with_its_routes(platform: Platform) -> None:
    app = deployed(platform, "flask-hello", "edge")
    os.kill(pid_of(platform, "envoy"), signal.SIGKILL)

    def answers() -> bool:
        try:
            return app.get("/version")[0] == 200
        except OSError:
            return False

    eventually(answers, within=15)
    app.release(2)
    assert app.deploy().code == 0
    assert app.version() == 2


def test_a_killed_supervisor_is_back_by_itself_and_starts_what_died_meanwhile(platform: Platform) -> None:
    app = deployed(platform, "flask-hello", "orphan")
    with Traffic(app, paths=("/version",), rate=50) as traffic:
        instance = only_pid(app)
        os.kill(supervisor_of(platform), signal.SIGKILL)
        eventually(lambda: parts_up(platform)["supervisor"], within=15)
        assert only_pid(app) == instance, "it was adopted, not started again"
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
    os.kill(supervisor_of(platform), signal.SIGKILL)
    os.kill(instance, signal.SIGKILL)
    assert eventually(lambda: app.mooring("ps", "--json").json["instances"][0]["pid"] not in (0, instance))
    assert eventually(lambda: app.get("/version")[0] == 200)


def test_down_ends_everything_and_for_good_though_the_supervisor_had_just_been_killed(platform: Platform) -> None:
    app = deployed(platform, "flask-hello", "buried")
    os.kill(supervisor_of(platform), signal.SIGKILL)
    assert platform.down().code == 0
    assert platform.pids() == []
    time.sleep(GUARD_EVERY + 1)
    assert platform.pids() == [], "nobody starts it again"
    platform.up()
    assert eventually(lambda: app.get("/version")[0] == 200)


def test_down_and_up_bring_every_app_back(platform: Platform) -> None:
    apps = [deployed(platform, "flask-hello", "back-one"), deployed(platform, "node-hello", "back-two")]
    assert platform.down().code == 0
    assert platform.pids() == []
    platform.up()
    for app in apps:
        assert eventually(lambda app=app: app.get("/version")[0] == 200)
        releases = {instance["key"]["release"] for instance in app.mooring("ps", "--json").json["instances"]}
        assert releases == {1}


def test_everything_killed_at_once_as_by_a_power_cut_comes_back_with_up(platform: Platform) -> None:
    """After a reboot the sockets are gone, and the old numbers of processes are other people's."""
    apps = [deployed(platform, "flask-hello", "power"), deployed(platform, "node-hello", "power-two")]
    assert apps[0].mooring("secret", "set", "KEPT", stdin="through a power cut").code == 0
    instance = only_pid(apps[0])
    platform.kill_all()
    shutil.rmtree(Installation(platform.state).run)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        (status,) = [each for each in platform.state.glob("processes/run/*/status") if b"pid=%d\0" % instance in each.read_bytes()]
        status.write_bytes(status.read_bytes().replace(b"pid=%d\0" % instance, b"pid=%d\0" % stranger.pid))
        platform.up()
        for app in apps:
            assert eventually(lambda app=app: serves(app), within=30)
            assert app.mooring("run", "--", "sh", "-c", "exit 5").code == 5
        assert only_pid(apps[0]) not in (instance, stranger.pid)
        assert stranger.poll() is None, "nobody else's process is touched"
        stranger.kill()
    assert apps[0].mooring("run", "--", "sh", "-c", 'test "$KEPT" = "through a power cut"').code == 0


def serves(app: App) -> bool:
    try:
        return app.get("/version")[0] == 200
    except OSError:
        return False


def test_following_goes_on_while_the_controller_is_replaced(platform: Platform) -> None:
    app = deployed(platform, "flask-hello", "followed")
    app.commit("again")
    killer = threading.Timer(1.0, lambda: os.kill(pid_of(platform, "mooring.server serve"), signal.SIGKILL))
    killer.start()
    answer = app.deploy()
    killer.join()
    assert answer.code in (0, 1), answer
    assert "Traceback" not in answer.out + answer.err


def test_ctrl_c_stops_following_and_not_the_deployment(platform: Platform) -> None:
    app = deployed(platform, "flask-hello", "interrupted")
    app.release(2)
    following = platform.start("deploy", cwd=app.path)
    time.sleep(1.5)
    following.send_signal(signal.SIGINT)
    out, err = following.communicate(timeout=20)
    assert following.returncode == 130, out + err
    assert "mooring follow" in out + err
    assert "mooring abort" in out + err
    assert eventually(lambda: app.version() == 2, within=30)
