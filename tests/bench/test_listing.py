"""Every bench says what it measures and how long that takes, and its figures have their place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from parts.listing import BENCHES, Bench, benches

ROOT = BENCHES.parent


def test_the_listing_names_every_bench_with_what_it_measures_and_how_long_it_takes() -> None:
    listing = subprocess.run([sys.executable, "bench/parts/listing.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {path.stem for path in (ROOT / "bench").glob("*.py")} == {bench.name for bench in benches()}
    for bench in benches():
        line = next(line for line in listing.splitlines() if line.split()[1] == bench.name)
        assert bench.takes in line
        assert line.endswith(bench.measures)


def test_a_bench_that_does_not_say_how_long_it_takes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "quick.py").write_text('"""How quick it is.\n\nTakes about 3 s.\n"""\n')
    assert benches(tmp_path) == [Bench("quick", "How quick it is.", "3 s")]
    (tmp_path / "slow.py").write_text('"""How slow it is."""\n')
    with pytest.raises(SystemExit, match=r"slow\.py does not say how long it takes"):
        benches(tmp_path)


def test_every_bench_has_one_section_of_results() -> None:
    headings = [line for line in (ROOT / "bench" / "RESULTS.md").read_text().splitlines() if line.startswith("## ")]
    named = [heading.split("`bin/bench ")[1].rstrip("`").split()[0] for heading in headings]
    assert sorted(named) == sorted(bench.name for bench in benches())
