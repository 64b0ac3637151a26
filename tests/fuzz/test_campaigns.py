"""Every reader of what others write, under Atheris: some thousands of inputs that its coverage led to, and every one that failed before."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.targets import CORPUS, TARGETS, seeds

CAMPAIGN = Path(__file__).with_name("campaign.py")
HAS_ATHERIS = (sys.platform, platform.machine()) == ("linux", "x86_64")  # what its wheels are for; CI is one of them
RUNS = 4000
SECONDS_WHEN_LONG = 600


def test_every_target_has_a_corpus_and_every_corpus_a_target() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
    assert all(seeds(target) for target in TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_once_found_is_read_or_explained(target: str) -> None:
    for seed in seeds(target):
        TARGETS[target](seed)


@pytest.mark.skipif(not HAS_ATHERIS, reason="Atheris has no wheel for this machine")
@pytest.mark.timeout(SECONDS_WHEN_LONG + 120)
@pytest.mark.parametrize("target", TARGETS)
def test_a_campaign_finds_nothing(target: str, tmp_path: Path, is_long: bool) -> None:
    limit = [f"-max_total_time={SECONDS_WHEN_LONG}"] if is_long else [f"-runs={RUNS}", "-seed=1"]
    done = subprocess.run([sys.executable, str(CAMPAIGN), target, str(tmp_path), *limit], capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done " in done.stderr, "the campaign ended by itself"


@pytest.mark.skipif(not HAS_ATHERIS, reason="Atheris has no wheel for this machine")
def test_a_campaign_ends_at_a_fault_and_keeps_the_input(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(Path(__file__).with_name("faulty.py")), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stdout + done.stderr
    assert list(tmp_path.glob("crash-*"))
