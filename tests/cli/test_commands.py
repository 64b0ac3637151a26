"""Each command against a platform in memory: what it says, what it changes there, and its exit code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from console import mooring
from fake_platform import NOW, SHOP, FakePlatform, review

from mooring.errors import PlatformNotRunning
from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.host import Sight, Weight
from mooring.model.instance import InstanceKey, LogLine
from mooring.model.names import HostId, Hostname, ProcessName, accessory_name
from mooring.model.records import Unowned
from mooring.model.secret import Secret
from mooring.model.trouble import Trouble


def test_status_shows_parts_and_environments_with_the_age_of_what_is_known(platform: FakePlatform) -> None:
    answer = mooring("status", platform=platform)
    assert answer.code == 0
    assert "edge            ✗ down: it does not answer" in answer.out
    assert "shop/production  v2       serving    1/1   now  http://shop.localhost:8080" in answer.out


def test_status_names_what_runs_for_nobody_and_how_it_is_removed(platform: FakePlatform) -> None:
    assert "not known here" not in mooring("status", platform=platform).out
    lost = EnvironmentId.parse("blog/staging")
    key = InstanceKey(lost, ProcessName("web"), 1, 1)
    platform.unowned = (Unowned(environment=lost, instances=(key,), hostnames=(Hostname("blog.localhost"),)),)
    said = " ".join(mooring("status", platform=platform).out.split())
    assert "! blog/staging: 1 instance and the routes of blog.localhost of an environment that is not known here." in said
    assert "To remove that: mooring destroy -a blog -e staging --confirm blog/staging" in said
    assert mooring("status", "--json", platform=platform).document["unowned"][0]["hostnames"] == ["blog.localhost"]
    platform.unowned = (Unowned(environment=lost.with_accessory(accessory_name("redis")), instances=(key,)),)
    said = " ".join(mooring("status", platform=platform).out.split())
    assert "To remove that: mooring accessory rm redis -a blog -e staging --volume" in said


def test_status_names_what_is_in_trouble_since_when_and_what_to_do(platform: FakePlatform) -> None:
    assert mooring("status", "--check", platform=platform).code == 0
    slow = Trouble(subject="host eu-1", weight=Weight.WARNING, said="clock: 9.0 s behind", hint="timedatectl set-ntp true")
    platform.troubles = (slow,)
    assert mooring("status", "--check", platform=platform).code == 0, "a warning is no fault"
    away = Trouble(subject="host eu-2", weight=Weight.FAULT, said="it does not answer", hint="`mooring host check eu-2`", since=NOW - 180)
    platform.troubles, platform.backed_up_at = (away, slow), NOW - 3600
    answer = mooring("status", platform=platform)
    assert answer.code == 0
    assert re.search(r"✗ host eu-2: it does not answer \(since \S+ ago\)\n    `mooring host check eu-2`\n", answer.out)
    assert "! host eu-1: clock: 9.0 s behind\n    timedatectl set-ntp true\n" in answer.out
    assert "last asked for" in answer.out
    answer = mooring("status", "--check", "--json", platform=platform)
    assert (answer.code, answer.document["troubles"][0]["subject"]) == (4, "host eu-2")


def test_ps_says_how_old_it_is_what_is_told_of_a_host_that_does_not_answer(platform: FakePlatform) -> None:
    platform.away = (Sight(host=HostId("eu-1"), age=125.4, error="no route"), Sight(host=HostId("eu-2"), age=None))
    answer = mooring("ps", platform=platform)
    assert "eu-1 does not answer (no route): what is told of it was seen 2m05s ago" in answer.out
    assert "eu-2 has not answered yet: what runs there is not known" in answer.out
    assert mooring("ps", "--json", platform=platform).document["away"][0]["age"] == 125.4


def test_ps_shows_each_instance_with_its_state(platform: FakePlatform) -> None:
    mooring("scale", "web=2", platform=platform)
    answer = mooring("ps", platform=platform)
    assert [line.split()[:3] for line in answer.out.splitlines()[1:3]] == [["web.1", "v2", "ready"], ["web.2", "v2", "ready"]]
    assert mooring("ps", "--json", platform=platform).document["instances"][0]["port"] == 20001


def test_releases_are_listed_newest_first_with_the_current_one_marked(platform: FakePlatform) -> None:
    lines = mooring("releases", platform=platform).out.splitlines()
    assert lines[1].startswith("v2       current")
    assert "2222222" in lines[1]
    assert lines[2].startswith("v1 ")
    assert mooring("releases", "--json", platform=platform).document["current"] == 2


def test_rollback_follows_to_its_end_and_shows_the_receipt(platform: FakePlatform) -> None:
    answer = mooring("rollback", "v1", platform=platform)
    assert answer.code == 0
    assert "✓ shop/production v3 serves in 1.5s (v2 → v3)" in answer.out
    assert "probes 20/s" in answer.out


@pytest.mark.parametrize("word", ["v0", "5x", "latest", "-1", "v" + "9" * 40, "v٣"])
def test_rollback_refuses_what_is_no_release(platform: FakePlatform, word: str) -> None:
    answer = mooring("rollback", "--", word, platform=platform)
    assert (answer.code, answer.out) == (2, "")
    assert "is not a release" in answer.err


def test_scale_sets_counts(platform: FakePlatform) -> None:
    assert mooring("scale", "web=3", "worker=2", platform=platform).code == 0
    assert platform.counts[SHOP] == {"web": 3, "worker": 2}


@pytest.mark.parametrize("word", ["web", "web=", "web=-1", "web=1.5", "web=99999", "web=²", "=3", "we b=1"])
def test_scale_refuses_counts_that_are_none(platform: FakePlatform, word: str) -> None:
    assert mooring("scale", word, platform=platform).code == 2
    assert platform.counts[SHOP] == {"web": 1}


def test_restart_and_detach_name_the_deployment_and_end(platform: FakePlatform) -> None:
    answer = mooring("restart", "--detach", platform=platform)
    assert answer.code == 0
    assert "d-0003 goes on in the server; `mooring follow d-0003` shows it." in answer.out


def test_follow_without_an_id_takes_the_newest_deployment(platform: FakePlatform) -> None:
    answer = mooring("follow", platform=platform)
    assert answer.code == 0
    assert "d-0002" in answer.out


def test_follow_as_json_gives_one_event_a_line(platform: FakePlatform) -> None:
    kinds = [document["kind"] for document in mooring("follow", "d-0002", "--json", platform=platform).documents]
    assert kinds[0] == "phase.started"
    assert kinds[-1] == "deployment.ended"


def test_abort_of_an_ended_deployment_is_refused_with_what_to_do_instead(platform: FakePlatform) -> None:
    answer = mooring("abort", "d-0002", platform=platform)
    assert answer.code == 2
    assert "deployment d-0002 has ended already" in answer.err
    assert "→ `mooring rollback` goes back" in answer.err


def test_config_is_set_shown_and_unset(platform: FakePlatform) -> None:
    assert mooring("config", "set", "LOG_LEVEL=debug", "URL=a=b", "EMPTY=", platform=platform).code == 0
    assert mooring("config", "show", platform=platform).out == "EMPTY=\nLOG_LEVEL=debug\nURL=a=b\n"
    assert "config v1 (ada)" in mooring("config", "show", "--origin", platform=platform).out
    assert mooring("config", "unset", "LOG_LEVEL", platform=platform).code == 0
    assert "LOG_LEVEL" not in mooring("config", "show", platform=platform).out


@pytest.mark.parametrize("word", ["LOG_LEVEL", "1A=x", "A B=x", "=x", "A\n=x"])
def test_config_refuses_what_sets_nothing(platform: FakePlatform, word: str) -> None:
    assert mooring("config", "set", word, platform=platform).code == 2
    assert SHOP not in platform.variables


def test_a_secret_is_read_from_a_pipe_without_its_last_line_end(platform: FakePlatform) -> None:
    answer = mooring("secret", "set", "API_KEY", platform=platform, stdin=b"s3cr3t\nline two\n")
    assert answer.code == 0
    stored = platform.variables[SHOP]["API_KEY"]
    assert isinstance(stored, Secret)
    assert stored.reveal() == "s3cr3t\nline two"
    assert "s3cr3t" not in answer.out + answer.err


@pytest.mark.parametrize("words", [("API_KEY=s3cr3t",), ("API_KEY", "s3cr3t")])
def test_a_secret_on_the_command_line_is_refused_with_the_way_to_do_it_and_not_shown(
    platform: FakePlatform, words: tuple[str, ...]
) -> None:
    answer = mooring("secret", "set", *words, platform=platform)
    assert answer.code == 2
    assert "does not go on the command line" in answer.err
    assert 'printf %s "$VALUE" | mooring secret set API_KEY' in answer.err
    assert "s3cr3t" not in answer.out + answer.err
    assert SHOP not in platform.variables


@pytest.mark.parametrize("value", [b"", b"\n", b"\xff\xfe", b"x" * 120_001])
def test_an_empty_oversized_or_undecodable_secret_is_refused(platform: FakePlatform, value: bytes) -> None:
    assert mooring("secret", "set", "API_KEY", platform=platform, stdin=value).code == 2
    assert SHOP not in platform.variables


def test_a_secret_is_taken_from_a_file_byte_for_byte(platform: FakePlatform, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(b"a\0b\xff\r\n\n")
    answer = mooring("secret", "set", "TLS_KEY", "--file", str(key), platform=platform)
    assert answer.code == 0
    assert 'no environment can carry TLS_KEY: it reaches an app whose mooring.toml has [secrets] files = ["TLS_KEY"]' in answer.err
    key.write_bytes(b"text")
    assert "no environment" not in mooring("secret", "set", "OTHER", "--file", str(key), platform=platform).err
    assert platform.variables[SHOP]["TLS_KEY"] == Secret("a\0b\udcff\r\n\n")


@pytest.mark.parametrize(("content", "said"), [(b"", "is empty"), (b"x" * 120_001, "longer than 120,000 bytes"), (None, "No such file")])
def test_a_file_that_holds_no_secret_is_refused(platform: FakePlatform, tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    answer = mooring("secret", "set", "TLS_KEY", "--file", str(tmp_path / "key"), platform=platform)
    assert answer.code == 2
    assert said in answer.err
    assert SHOP not in platform.variables


def test_secrets_are_listed_and_shown_by_name_only(platform: FakePlatform) -> None:
    mooring("secret", "set", "API_KEY", platform=platform, stdin=b"s3cr3t")
    assert mooring("secret", "ls", platform=platform).out == "API_KEY\n"
    assert mooring("config", "show", platform=platform).out == "API_KEY=<secret>\n"
    assert "s3cr3t" not in mooring("config", "show", "--json", "--origin", platform=platform).out


def test_logs_are_filtered_by_process_and_harmless(platform: FakePlatform) -> None:
    platform.lines = [
        LogLine(at=NOW, source="web.1", release=2, stream="stdout", text="\x1b]0;owned\x07 [red]hi[/red]"),
        LogLine(at=NOW, source="worker.1", release=2, stream="stderr", text="tick"),
    ]
    assert mooring("logs", "web", platform=platform).out == "v2 web.1     │ \\x1b]0;owned\\x07 [red]hi[/red]\n"
    assert mooring("logs", "-n", "1", platform=platform).out == "v2 worker.1  │ tick\n"
    assert mooring("logs", "--json", "web", platform=platform).documents[0]["text"] == "\x1b]0;owned\x07 [red]hi[/red]"


def test_logs_of_a_branch_without_a_review_app_name_the_branch_and_not_its_environment(platform: FakePlatform) -> None:
    answer = mooring("review", "logs", "feature/checkout", platform=platform)
    assert (answer.code, answer.out) == (2, "")
    assert "shop has no review app of feature/checkout" in answer.err and "`mooring review ls`" in answer.err
    platform.review_apps = (review("feature/checkout"),)
    assert "there is no shop/feature-checkout-" in mooring("review", "logs", "feature/checkout", platform=platform).err, (
        "what else is not found"
    )


def test_events_show_the_latest_and_then_follow(platform: FakePlatform) -> None:
    assert len(mooring("events", "-n", "2", platform=platform).out.splitlines()) == 2
    answer = mooring("events", "-f", "-n", "0", platform=platform)
    assert (answer.code, answer.out) == (130, "")


def test_maintenance_goes_on_and_off(platform: FakePlatform) -> None:
    assert mooring("maintenance", "on", platform=platform).code == 0
    assert platform.maintenance == {SHOP}
    assert mooring("maintenance", "off", "--json", platform=platform).document == {"environment": "shop/production", "maintenance": False}
    assert platform.maintenance == set()


def test_a_locked_environment_refuses_with_the_reason_until_it_is_unlocked(platform: FakePlatform) -> None:
    assert mooring("lock", "--reason", "moving the database", platform=platform).code == 0
    refused = mooring("restart", platform=platform)
    assert refused.code == 3
    assert "was locked by ada: moving the database" in refused.err
    assert mooring("unlock", platform=platform).code == 0
    assert mooring("restart", platform=platform).code == 0
    mooring("lock", platform=platform)
    assert mooring("lock", "--release", platform=platform).code == 0
    assert platform.locks == {}


def test_open_prints_the_address(platform: FakePlatform) -> None:
    assert mooring("open", platform=platform).out == "http://shop.localhost:8080\n"


@pytest.mark.parametrize("name", ["", "shop/staging", "shop2", "Shop"])
def test_destroy_without_the_right_name_touches_nothing(platform: FakePlatform, name: str) -> None:
    answer = mooring("destroy", *(["--confirm", name] if name else []), platform=platform)
    assert answer.code == 2
    assert "mooring destroy -a shop -e production --confirm shop/production" in answer.err.replace("\n    ", " ")
    assert SHOP in platform.releases_of


@pytest.mark.parametrize("name", ["shop", "shop/production"])
def test_destroy_with_the_name_removes_it_and_says_so_although_its_record_is_gone(platform: FakePlatform, name: str) -> None:
    answer = mooring("destroy", "--confirm", name, platform=platform)
    assert answer.code == 0
    assert "✓ shop/production is destroyed" in answer.out
    assert SHOP not in platform.releases_of


def test_a_token_is_shown_once_and_listed_without_itself(platform: FakePlatform) -> None:
    created = mooring("token", "create", "ci", "--role", "deployer", platform=platform)
    assert created.out == "mooring_secret-token\n"
    assert "not shown again" in created.err
    listed = mooring("token", "ls", platform=platform).out
    assert "deployer" in listed
    assert "secret-token" not in listed
    assert mooring("token", "revoke", "ci", platform=platform).code == 0
    assert "revoked" in mooring("token", "ls", platform=platform).out


def test_a_backup_is_private_and_never_overwrites(platform: FakePlatform, tmp_path: Path) -> None:
    file = tmp_path / "mooring.backup"
    answer = mooring("state", "backup", str(file), platform=platform)
    assert answer.code == 0
    assert "/state/key" in answer.out, "what must be kept apart is named"
    assert file.read_bytes() == b"everything"
    assert file.stat().st_mode & 0o777 == 0o600
    assert mooring("state", "backup", str(file), platform=platform).code == 2


def test_keys_are_rotated_without_touching_an_app(platform: FakePlatform) -> None:
    answer = mooring("secret", "rotate", platform=platform)
    assert answer.code == 0
    assert "2 stored values" in answer.out
    assert json.loads(mooring("secret", "rotate", "--json", platform=platform).out) == {"resealed": 2}


def test_a_backup_with_a_passphrase_holds_the_key_too(platform: FakePlatform, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("correct horse battery staple\n")
    file = tmp_path / "mooring.backup"
    answer = mooring("state", "backup", str(file), "--passphrase-file", str(tmp_path / "passphrase"), platform=platform)
    assert answer.code == 0
    assert file.read_bytes() == b"everything and the key"
    assert "key" not in answer.out
    absent = mooring("state", "backup", str(tmp_path / "other"), "--passphrase-file", str(tmp_path / "absent"), platform=platform)
    assert absent.code == 2
    assert not (tmp_path / "other").exists()


def test_a_backup_that_fails_leaves_no_half_of_it(platform: FakePlatform, tmp_path: Path) -> None:
    platform.failure = PlatformNotRunning("no platform answers", hint="`mooring up` starts it")
    assert mooring("state", "backup", str(tmp_path / "b"), platform=platform).code == 2
    assert list(tmp_path.glob("b*")) == []


def test_a_failed_deployment_ends_with_its_code_and_says_what_serves(platform: FakePlatform) -> None:
    platform.outcome = Outcome.FAILED
    answer = mooring("rollback", platform=platform)
    assert answer.code == 1
    assert "v2 web.1 was not ready within 60s" in answer.out
    assert "The old release v2 is still serving." in answer.out
