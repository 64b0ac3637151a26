"""Every command is documented where people look for it: its help, the help page, the reference."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from console import mooring
from fake_platform import FakePlatform

from mooring import errors
from mooring.cli.catalogue import commands
from mooring.cli.exit_codes import EXIT_CODES
from mooring.cli.help_page import root_help
from mooring.cli.reference import cli_page, exit_codes_page, loaded_command
from mooring.model.deployment import EXIT_CODES as OUTCOME_CODES

DOCS = Path(__file__).parents[2] / "docs" / "reference"
PATHS = [command.path for command in commands()]


@pytest.mark.parametrize("path", PATHS)
def test_every_command_has_help_with_an_example_and_json(path: str, platform: FakePlatform, capsys: pytest.CaptureFixture[str]) -> None:
    assert mooring(*path.split(" "), "--help", platform=platform).code == 0
    said = capsys.readouterr().out
    assert "--json" in said
    assert f"mooring {path}" in said.split("Examples:")[1]
    assert max(len(line) for line in said.splitlines()) <= 100


@pytest.mark.parametrize("path", PATHS)
def test_every_option_says_what_it_does(path: str) -> None:
    options = [parameter for parameter in loaded_command(path).params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_help_page_names_every_command_and_fits_80_columns() -> None:
    page = root_help()
    assert [path for path in PATHS if f"  {path} " not in page] == []
    assert max(len(line) for line in page.splitlines()) <= 80


def test_the_help_page_is_the_same_with_and_without_the_quick_answer(platform: FakePlatform, capsys: pytest.CaptureFixture[str]) -> None:
    mooring("--help", platform=platform)
    assert capsys.readouterr().out.strip() == root_help().strip()


@pytest.mark.parametrize(("name", "page"), [("cli.md", cli_page), ("exit-codes.md", exit_codes_page)])
def test_the_reference_pages_are_current(name: str, page) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == page(), "run: python -m mooring.cli.reference docs/reference"


def test_every_exit_code_that_an_error_or_outcome_can_give_is_documented() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MooringError)]
    given = {kind.exit_code for kind in kinds} | set(OUTCOME_CODES.values()) | {130, 141}
    assert given <= {code.code for code in EXIT_CODES}


def test_every_explained_example_of_a_manifest_key_exists(platform: FakePlatform) -> None:
    assert "requests in flight" in mooring("explain", "deploy.drain_timeout", platform=platform).out
    answer = mooring("explain", "deploy.drain_timeuot", platform=platform)
    assert (answer.code, answer.out) == (2, "")
    assert "did you mean `deploy.drain_timeout`?" in answer.err
