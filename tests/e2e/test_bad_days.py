"""What goes wrong, and what a person is told: every message as text, and the old release serving through all of it."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from e2e.platform import App, Platform, Traffic, eventually, receipt_of

QUICK = """
[deploy]
healthy_deadline = "4s"
bake = "4s"
progress_deadline = "60s"
drain_timeout = "5s"
kill_timeout = "2s"
"""


@pytest.fixture(scope="module")
def serving(platform: Platform) -> Iterator[App]:
    """The app `trouble`, healthy, at version 1."""
    app = platform.app("trouble")
    app.write("mooring.toml", QUICK)
    app.release(1)
    answer = app.deploy()
    assert answer.code == 0, answer
    yield app
    app.mooring("destroy", "--confirm", app.name)


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("never-listens", ["listens on no port", "PORT="]),
        ("wrong-port", ["listens on", "PORT="]),
        ("ipv6-only", ["::1"]),
        ("answers-500", ["500"]),
        ("exits-at-once", ["exited with code 3", "the setting DATABASE_URL is missing"]),
        ("dies-after-3s=2", ["died after 2 s"]),
    ],
)
def test_a_release_that_goes_wrong_is_explained_and_never_served(serving: App, trouble: str, told: list[str]) -> None:
    serving.write("Procfile", f"web: TROUBLE={trouble} python3 server.py\n")
    serving.release(2)
    dies = trouble.startswith("dies")
    with Traffic(serving, paths=("/version", "/sleep?s=0.5") if dies else ("/version",), rate=50) as traffic:
        answer = serving.deploy()
    try:
        assert answer.code == 1, answer
        for words in told:
            assert words in answer.out + answer.err, f"{words!r} is not said:\n{answer}"
        assert "v1" in answer.out + answer.err
        assert "Traceback" not in answer.out + answer.err
        counted = receipt_of(serving)
        edge = counted["traffic"]
        assert traffic.report["failed"] == edge["edge_errors"] + edge["resets"], (traffic.report["failures"][:3], edge)
        assert (traffic.report["failed"] > 0) is dies, "what was in flight on a process that ends is lost with it, and nothing else is"
        assert traffic.report["failed"] == counted["broken_by_app"], (edge["failures"], "Mooring failed no request; the app may, by dying")
        assert serving.version() == 1
    finally:
        serving.write("Procfile", "web: python3 server.py\n")
        serving.release(1)


def test_an_app_that_ignores_sigterm_and_leaves_children_is_gone_after_its_grace(platform: Platform, serving: App) -> None:
    serving.write("Procfile", "web: TROUBLE=forks-children python3 server.py\n")
    serving.release(3)
    assert serving.deploy().code == 0
    before = len(platform.pids())
    serving.write("Procfile", "web: TROUBLE=ignores-sigterm python3 server.py\n")
    serving.release(4)
    assert serving.deploy().code == 0
    assert len(platform.pids()) <= before - 3, "the children of the old release are gone"
    serving.write("Procfile", "web: python3 server.py\n")
    serving.release(5)
    assert serving.deploy().code == 0
    assert serving.version() == 5


def test_a_failing_release_command_moves_no_traffic(serving: App) -> None:
    served = serving.version()
    serving.write("Procfile", "release: echo migrating && exit 7\nweb: python3 server.py\n")
    serving.release(6)
    answer = serving.deploy()
    assert answer.code == 1, answer
    assert "release command failed" in answer.out + answer.err
    assert "migrating" in answer.out + answer.err
    assert serving.version() == served
    serving.write("Procfile", "web: python3 server.py\n")
    serving.release(served)


def test_a_failing_build_shows_its_output_and_touches_nothing(serving: App) -> None:
    served = serving.version()
    serving.write("requirements.txt", "this-package-is-not-there-at-all==99.99\n")
    serving.release(7)
    answer = serving.deploy()
    assert answer.code == 1, answer
    assert "this-package-is-not-there-at-all" in answer.out + answer.err
    assert serving.version() == served
    (serving.path / "requirements.txt").unlink()
    serving.release(served)


def test_every_problem_of_the_manifest_is_told_at_once_with_file_line_and_fix(serving: App) -> None:
    kept = (serving.path / "mooring.toml").read_text()
    serving.write("mooring.toml", 'hostname = ["a.localhost"]\n[processes.web]\ncount = -1\nmemory = "lots"\n')
    serving.commit("a bad manifest")
    answer = serving.deploy()
    assert answer.code == 2, answer
    said = answer.out + answer.err
    assert "mooring.toml:1" in said
    assert "hostnames" in said, "the suggestion"
    assert "mooring.toml:3" in said
    assert "mooring.toml:4" in said
    serving.write("mooring.toml", kept)
    serving.commit("a good manifest")


def test_uncommitted_changes_are_named_and_dirty_deploys_them(serving: App) -> None:
    serving.write("VERSION", "8\n")
    answer = serving.deploy()
    assert answer.code == 0, answer
    assert "VERSION" in answer.out + answer.err
    assert serving.version() != 8
    assert serving.deploy("--dirty").code == 0
    assert serving.version() == 8
    serving.commit("version 8")


def test_of_two_waiting_deploys_the_newest_wins_and_the_other_says_so(serving: App) -> None:
    serving.write("Procfile", "release: sleep 3\nweb: python3 server.py\n")
    serving.release(10)
    first = serving.platform.start("deploy", cwd=serving.path)
    time.sleep(1.5)
    serving.release(11)
    second = serving.platform.start("deploy", cwd=serving.path)
    time.sleep(1.0)
    serving.release(12)
    third = serving.deploy()
    out, err = second.communicate(timeout=60)
    assert first.wait(timeout=60) == 0
    assert second.returncode == 3, out + err
    assert "superseded" in out + err
    assert third.code == 0, third
    assert serving.version() == 12
    serving.write("Procfile", "web: python3 server.py\n")
    serving.release(12)


def test_a_locked_environment_refuses_with_the_reason(serving: App) -> None:
    assert serving.mooring("lock", "--reason", "the database moves").code == 0
    answer = serving.deploy()
    assert answer.code == 3, answer
    assert "the database moves" in answer.out + answer.err
    assert serving.mooring("unlock").code == 0


def test_an_aborted_deploy_leaves_the_old_release(serving: App) -> None:
    served = serving.version()
    serving.write("Procfile", "web: TROUBLE=slow-start=20 python3 server.py\n")
    serving.release(20)
    following = serving.platform.start("deploy", cwd=serving.path)
    time.sleep(2.5)
    assert serving.mooring("abort").code == 0
    out, err = following.communicate(timeout=30)
    assert following.returncode == 1, out + err
    assert serving.version() == served
    serving.write("Procfile", "web: python3 server.py\n")
    serving.release(served)


def test_config_and_secrets_arrive_byte_for_byte_and_are_never_shown(serving: App) -> None:
    odd = "a \"quoted\" 'value' with %(percent)s, ünïcode, $HOME and\ttabs;\nlines"
    secret = "s3cr3t-sentinel-4711"
    assert serving.mooring("config", "set", f"ODD={odd}").code == 0
    assert serving.mooring("secret", "set", "API_KEY", stdin=secret).code == 0
    assert serving.get("/environment?name=ODD")[1].decode() == odd
    assert serving.get("/environment?name=API_KEY")[1].decode() == secret
    shown = serving.mooring("config", "show", "--origin")
    assert "API_KEY" in shown.out
    everything = [
        shown,
        serving.mooring("config", "show", "--json"),
        serving.mooring("events", "--json"),
        serving.mooring("releases", "--json"),
        serving.mooring("ps", "--json"),
        serving.mooring("status", "--json"),
    ]
    assert all(secret not in answer.out + answer.err for answer in everything)
    assert serving.mooring("secret", "set", "API_KEY=oops").code == 2


def test_config_show_says_where_each_value_comes_from(serving: App) -> None:
    kept = (serving.path / "mooring.toml").read_text()
    serving.write("mooring.toml", '[env]\nFROM_FILE = "1"\nOVER = "file"\n' + kept)
    serving.release(29)
    assert serving.deploy().code == 0
    assert serving.mooring("config", "set", "OVER=command").code == 0
    rows = {row["name"]: row for row in serving.mooring("config", "show", "--origin", "--json").json}
    assert rows["FROM_FILE"]["origin"] == "mooring.toml:2"
    assert rows["OVER"]["value"] == "command"
    assert "config set" in rows["OVER"]["origin"]
    serving.write("mooring.toml", kept)
    serving.commit("as before")


def test_a_secret_that_an_app_prints_is_redacted_in_its_logs(serving: App) -> None:
    secret = "sentinel-that-is-printed-0815"
    assert serving.mooring("secret", "set", "SECRET_TOKEN", stdin=secret).code == 0
    serving.write("Procfile", "web: TROUBLE=prints-secret python3 server.py\n")
    serving.release(30)
    assert serving.deploy().code == 0

    def logged() -> str:
        out = serving.mooring("logs", "-n", "50").out
        return out if "connecting with" in out else ""

    assert secret not in eventually(logged)
    serving.write("Procfile", "web: python3 server.py\n")
    serving.release(31)
    assert serving.deploy().code == 0


def test_maintenance_shows_its_page_and_the_app_comes_back(serving: App) -> None:
    assert serving.mooring("maintenance", "on").code == 0
    status, body, _ = serving.get("/")
    assert status == 503
    assert b"maintenance" in body.lower()
    assert serving.mooring("maintenance", "off").code == 0
    assert serving.get("/version")[0] == 200


def test_run_gives_the_commands_output_and_exit_code(serving: App) -> None:
    answer = serving.mooring("run", "--", "python3", "-c", "import os, sys; print(os.environ['MOORING_APP']); sys.exit(5)")
    assert answer.code == 5, answer
    assert answer.out.strip() == "trouble"


def test_plan_says_what_would_happen_and_touches_nothing(serving: App) -> None:
    before = serving.mooring("releases", "--json").json
    answer = serving.mooring("plan")
    assert answer.code == 0, answer
    assert "start" in answer.out
    assert "switch" in answer.out
    assert serving.mooring("releases", "--json").json == before


def test_a_request_made_while_nothing_is_ready_waits_and_is_served(platform: Platform) -> None:
    app = platform.app("trouble", "slow")
    app.write("mooring.toml", QUICK + "\n[processes.web]\nsingle = true\n")
    app.release(1)
    assert app.deploy().code == 0
    app.release(2)
    with Traffic(app, paths=("/version",), rate=20) as traffic:
        answer = app.deploy()
    assert answer.code == 0, answer
    assert traffic.report["failed"] == 0, traffic.report["failures"][:3]
    assert app.version() == 2
    assert app.mooring("destroy", "--confirm", "slow").code == 0


def test_without_a_repository_or_a_commit_the_message_says_what_to_do(platform: Platform) -> None:
    nothing = platform.directory / "nothing"
    nothing.mkdir()
    answer = platform.mooring("deploy", cwd=nothing)
    assert answer.code == 2
    assert "git init" in answer.out + answer.err
    app = platform.app("trouble", "empty")
    app.git("update-ref", "-d", "HEAD")
    answer = app.deploy()
    assert answer.code == 2
    assert "commit" in answer.out + answer.err


def test_a_taken_port_is_named_with_its_taker(platform: Platform, tmp_path) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        other = Platform(tmp_path)
        answer = other.mooring("up", "--http-port", str(port), "--https-port", str(other.https_port))
        other.kill_all()
    assert answer.code == 2, answer
    assert str(port) in answer.err + answer.out
    assert "--http-port" in answer.err + answer.out


def test_with_no_platform_running_a_command_says_how_to_start_it(tmp_path) -> None:
    other = Platform(tmp_path)
    answer = other.mooring("ps", "--app", "shop")
    assert answer.code == 2
    assert "mooring up" in answer.out + answer.err


def test_two_apps_cannot_take_the_same_hostname(platform: Platform, serving: App) -> None:
    thief = platform.app("trouble", "thief")
    thief.write("mooring.toml", 'hostnames = ["trouble.localhost"]\n')
    thief.commit("theft")
    answer = thief.deploy()
    assert answer.code == 1, answer
    assert "trouble/production" in answer.out + answer.err
    assert serving.get("/version")[0] == 200
    thief.mooring("destroy", "--confirm", "thief")


def test_a_declared_memory_that_does_not_fit_is_refused_with_numbers(platform: Platform) -> None:
    app = platform.app("trouble", "greedy")
    app.write("mooring.toml", '[processes.web]\nmemory = "900GB"\n')
    app.commit("greedy")
    answer = app.deploy()
    assert answer.code == 1, answer
    assert "900.0 GB" in answer.out + answer.err
    app.mooring("destroy", "--confirm", "greedy")


def test_an_app_that_leaks_is_restarted_at_its_declared_memory_without_a_failed_request(platform: Platform) -> None:
    app = platform.app("trouble", "leaking")
    app.write("mooring.toml", QUICK + '[processes.web]\nmemory = "60MB"\n')
    app.write("Procfile", "web: TROUBLE=leaks-memory=3 python3 server.py\n")
    app.release(1)
    assert app.deploy().code == 0

    def reason() -> str:
        return next(view.get("end_reason", "") for view in app.mooring("ps", "--json").json["instances"])

    with Traffic(app, paths=("/version",), rate=50) as traffic:
        said = eventually(reason, within=60)
        eventually(lambda: app.get("/version")[0] == 200)
    assert re.fullmatch(r"OOM: used \d+ MB of 60 MB declared", said), said
    assert f"v1 web.1  last ended by {said}" in app.mooring("ps").out
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
    crashes = [event for event in app.mooring("events", "--json").lines if event["kind"] == "instance.crashed"]
    assert said in [event["fields"]["said"] for event in crashes]
    assert app.mooring("destroy", "--confirm", "leaking").code == 0


def test_many_commands_at_once_are_all_answered(serving: App) -> None:
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(serving.mooring("ps", "--json").code)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [0] * 6
