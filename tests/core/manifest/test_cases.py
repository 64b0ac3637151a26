"""Every folder below tests/cases/manifest, read and compared."""

from __future__ import annotations

import pytest
from core.manifest.cases import FOLDER, NAMES, inputs, outcome, reading

from mooring.errors import ManifestInvalid


@pytest.mark.parametrize("name", NAMES)
def test_a_case_comes_out_as_expected(name: str) -> None:
    file, text = outcome(name)
    assert (FOLDER / name / file).read_text() == text


@pytest.mark.parametrize("name", NAMES)
def test_every_origin_and_every_problem_of_a_case_points_to_a_line_that_exists(name: str) -> None:
    files = inputs(name)
    try:
        places = [origin.rpartition(":") for origin in reading(name).origins.values() if ":" in origin]
    except ManifestInvalid as error:
        places = [(problem.file, ":", str(problem.line)) for problem in error.problems if problem.line]
    for file, _, line in places:
        assert 1 <= int(line) <= files[file].count(b"\n") + 1


@pytest.mark.parametrize("name", [name for name in NAMES if (FOLDER / name / "expected.txt").exists()])
def test_every_problem_of_a_case_says_what_to_do(name: str) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        reading(name)
    assert [problem for problem in caught.value.problems if not problem.hint and "more problems" not in problem.message] == []
