"""Where no real hosts can be had their tests are left out, never silently; in CI nothing leaves them out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]


def collected(**variables: str) -> str:
    """What pytest says of the tests on real hosts on a machine without a single tool."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q", str(TESTS / "fleet")]
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"PATH": "/nonexistent"} | variables
    return subprocess.run(command, cwd=TESTS.parent, env=environment, capture_output=True, text=True).stdout


def test_a_machine_that_cannot_have_hosts_is_told_which_tests_were_left_out_and_why() -> None:
    said = collected()
    assert "tests on real hosts were left out: a fleet of real hosts needs" in said
    assert "test_three_hosts" not in said


def test_ci_leaves_none_out() -> None:
    said = collected(CI="true")
    assert "left out" not in said
    assert "test_three_hosts" in said
