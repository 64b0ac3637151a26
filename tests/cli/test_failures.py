"""What is said when something goes wrong, and the exit code it ends with. Never a traceback."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from console import mooring
from fake_platform import FakePlatform

from mooring import errors
from mooring.cli import catalogue
from mooring.cli.entries import Group
from mooring.model.problem import Problem

HELP = (("config", "set", "--help"), ("help", "config", "set"), ("config", "set", "-h"))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.PlatformNotRunning("no platform answers", hint="`mooring up` starts it"), 2),
        (errors.NotFound("there is no shop/production", hint="look"), 2),
        (errors.Unauthorized("the token is not known", hint="make one"), 2),
        (errors.Forbidden("a viewer may not do this", hint="ask an admin"), 2),
        (errors.LeaseHeld("somebody deploys", hint="wait"), 3),
        (errors.CapacityExceeded("900 GB do not fit into 24 GB", hint="ask for less"), 2),
        (errors.NotHealthy("web.1 was not ready", hint="look at the log"), 1),
        (errors.StateDamaged("row 3 cannot be read", hint="restore a backup"), 4),
        (errors.Unavailable("the disk is full", hint="make room"), 1),
        (errors.OutcomeUnknown("the answer was lost", hint="look again"), 1),
    ],
)
def test_an_error_is_told_with_its_hint_and_ends_with_its_code(platform: FakePlatform, error: errors.MooringError, code: int) -> None:
    platform.failure = error
    answer = mooring("ps", platform=platform)
    assert answer.code == code
    assert answer.out == ""
    assert answer.err == f"✗ {error.message}\n  → {error.hint}\n"


def test_an_error_as_json_stands_on_standard_output_and_in_words_beside_it(platform: FakePlatform) -> None:
    platform.failure = errors.NotFound("there is no shop/production", hint="look", where="shop")
    answer = mooring("ps", "--json", platform=platform)
    assert answer.document["error"] == {
        "code": "not-found",
        "message": "there is no shop/production",
        "hint": "look",
        "where": "shop",
        "exit_code": 2,
    }
    assert "✗ shop: there is no shop/production" in answer.err


def test_all_problems_of_a_manifest_are_told_with_place_and_fix(platform: FakePlatform) -> None:
    platform.failure = errors.ManifestInvalid(
        [
            Problem(file="mooring.toml", line=3, key="deploy.bakee", message="there is no key 'bakee'", hint="did you mean `bake`?"),
            Problem(file="Procfile", line=0, key="", message="it names no web process", hint="add a line like `web: ./serve`"),
        ]
    )
    answer = mooring("status", platform=platform)
    assert answer.code == 2
    assert answer.err == (
        "✗ 2 problems in what describes the app\n"
        "\n"
        "  mooring.toml:3  deploy.bakee\n"
        "    there is no key 'bakee'\n"
        "    fix: did you mean `bake`?\n"
        "\n"
        "  Procfile\n"
        "    it names no web process\n"
        "    fix: add a line like `web: ./serve`\n"
    )
    assert len(mooring("status", "--json", platform=platform).document["error"]["problems"]) == 2


def test_an_unexpected_error_is_one_sentence_with_the_details_in_a_private_file(platform: FakePlatform) -> None:
    platform.failure = ZeroDivisionError("a\x1b[31mb")
    answer = mooring("ps", platform=platform)
    assert answer.code == 4
    assert "Traceback" not in answer.err + answer.out
    assert "something unexpected happened: ZeroDivisionError: a\\x1b[31mb" in answer.err
    kept = Path(re.search(r"/\S*mooring-error-\S+\.txt", answer.err)[0])
    try:
        assert kept.stat().st_mode & 0o777 == 0o600
        assert "Traceback" in kept.read_text()
    finally:
        kept.unlink()


@pytest.mark.parametrize(("words", "variables"), [(("--debug", "ps"), {}), (("ps",), {"MOORING_DEBUG": "1"})])
def test_debug_shows_the_details_at_once(platform: FakePlatform, words: tuple[str, ...], variables: dict[str, str]) -> None:
    platform.failure = ZeroDivisionError("x")
    answer = mooring(*words, platform=platform, variables=variables)
    assert answer.code == 4
    assert "Traceback" in answer.err


def test_help_of_a_command_is_had_with_help_before_it_too() -> None:
    asked = [subprocess.run([sys.executable, "-m", "mooring.cli", *words], capture_output=True, text=True, check=False) for words in HELP]
    assert {answer.returncode for answer in asked} == {0}
    assert len({answer.stdout for answer in asked}) == 1
    assert asked[0].stdout.startswith("Usage: mooring config set ")


@pytest.mark.parametrize("group", [group for group in catalogue.GROUPS if catalogue.find(f"{group.path} ls")])
def test_what_can_be_listed_is_listed_where_no_command_is_named(group: Group) -> None:
    assert group.usual == "ls"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("dpeloy",), "did you mean `mooring deploy`?"),
        (("config", "sett"), "did you mean `mooring config set`?"),
        (("ps", "--nope"), "No such option '--nope'"),
        (("scale",), "Missing argument"),
        (("state",), "Missing command"),
        (("maintenance",), "Missing argument '{on|off}'. Choose from: on, off\n"),
        (("logs", "-n", "many"), "'many' is not a valid integer"),
        (("ps", "-a", "Shop!"), "the app name 'Shop!' is not allowed"),
        (("ps", "-e", "a--b"), "the environment name 'a--b' is not allowed"),
        (("maintenance", "maybe"), "'maybe' is not one of 'on', 'off'"),
        (("ps", "-a", "\x1b[31m"), "\\x1b[31m"),
    ],
)
def test_what_cannot_be_done_as_asked_ends_with_2_and_says_why(platform: FakePlatform, words: tuple[str, ...], says: str) -> None:
    answer = mooring(*words, platform=platform)
    assert (answer.code, answer.out) == (2, "")
    assert says in answer.err
    assert "\x1b" not in answer.err


def test_a_broken_mooring_toml_is_told_with_its_line_and_an_app_can_be_chosen_nevertheless(platform: FakePlatform, tmp_path: Path) -> None:
    (tmp_path / "mooring.toml").write_text('app = "shop"\napp = "shop"\n')
    answer = mooring("ps", platform=platform, directory=tmp_path)
    assert answer.code == 2
    assert "mooring.toml:2" in answer.err
    assert mooring("ps", "-a", "shop", platform=platform, directory=tmp_path).code == 0


def test_variables_choose_app_and_environment_where_no_option_does(platform: FakePlatform) -> None:
    chosen = {"MOORING_APP": "shop", "MOORING_ENV": "staging"}
    assert "there is no shop/staging" in mooring("ps", platform=platform, variables=chosen).err
    assert mooring("ps", "-e", "production", platform=platform, variables=chosen).code == 0


def test_an_argument_that_is_not_text_is_refused_rather_than_changed(platform: FakePlatform) -> None:
    answer = mooring("config", "set", "A=\udcff", platform=platform)
    assert answer.code == 2
    assert "an argument is not UTF-8 text: 'A=\\udcff'" in answer.err
    assert platform.variables == {}
