"""Recorded deployments against the texts that a person would see: at 80 and 120 columns, and in a file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recordings import FOLDER, in_a_file, names, on_a_terminal, recording, told_as_text

from mooring.cli.render.styled import plain, width_of


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("suffix", ["80.txt", "120.txt", "plain.txt"])
def test_a_recorded_deployment_reads_as_expected(name: str, suffix: str) -> None:
    expected = (FOLDER / f"{name}.{suffix}").read_text(encoding="utf-8")
    assert told_as_text(name)[suffix] == expected


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    lines = on_a_terminal(recording(name), width=width)
    assert max(width_of(line) for line in lines) <= width


@pytest.mark.parametrize("name", names())
def test_nothing_that_steers_a_terminal_reaches_it(name: str) -> None:
    shown = "".join(plain(line) for line in (*on_a_terminal(recording(name), width=80), *in_a_file(recording(name))))
    assert shown.isprintable()


def test_output_of_a_build_that_succeeds_is_folded_on_a_terminal_and_kept_in_a_file() -> None:
    told = recording("redeploy")
    assert not any("Resolved 14 packages" in plain(line) for line in on_a_terminal(told, width=80))
    assert any("Resolved 14 packages" in plain(line) for line in in_a_file(told))


def test_a_failed_build_is_not_called_built() -> None:
    told = recording("build-fails")
    assert not any("✓ built" in plain(line) for line in (*on_a_terminal(told, width=80), *in_a_file(told)))


def test_the_old_release_is_said_to_serve_only_when_the_record_says_so() -> None:
    assert any("The old release v6 is still serving." in plain(line) for line in on_a_terminal(recording("wrong-port"), width=80))
    crashed = [plain(line) for line in on_a_terminal(recording("crash"), width=80)]
    assert not any("still serving" in line for line in crashed)
    assert "No release of shop/production is serving." in crashed
