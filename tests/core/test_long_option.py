"""What is marked `long` runs with `--long`, and is deselected, not skipped, without it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = """
import pytest

def test_short(): pass

@pytest.mark.long
def test_thorough(): pass

def test_length(is_long): print("is_long is", is_long)
"""


def run(directory: Path, *options: str) -> str:
    shutil.copy(CONFTEST, directory)
    (directory / "test_lengths.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", "-sv", *options, str(directory)]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stdout


def test_what_is_marked_long_is_deselected(tmp_path: Path) -> None:
    said = run(tmp_path)
    assert "2 passed, 1 deselected" in said
    assert "is_long is False" in said
    assert "test_thorough" not in said


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "over workers"])
def test_with_long_it_runs(tmp_path: Path, workers: tuple[str, ...]) -> None:
    assert "3 passed" in run(tmp_path, "--long", *workers)
