"""Every folder below tests/cases/moving, translated and compared, and what holds for each."""

from __future__ import annotations

import pytest
from core.moving.cases import FOLDER, NAMES, outcome, source, translation

from mooring.errors import InvalidInput, ManifestInvalid
from mooring.manifest import read
from mooring.manifest.moving import DIALECTS, Outcome, dialect_of
from mooring.model.environment import EnvironmentId

TRANSLATED = [name for name in NAMES if not (FOLDER / name / "problems.txt").exists()]
MALFORMED = [name for name in NAMES if name not in TRANSLATED]


@pytest.mark.parametrize("name", NAMES)
def test_a_case_comes_out_as_expected(name: str) -> None:
    made = outcome(name)
    assert {file: (FOLDER / name / file).read_text() for file in made} == made


@pytest.mark.parametrize("name", TRANSLATED)
def test_the_file_of_a_case_is_read_by_the_manifests_own_reader(name: str) -> None:
    _, files = source(name)
    text = translation(name).toml
    read(
        {"mooring.toml": text.encode(), **{file: files[file] for file in files if file == "Procfile"}},
        environment=EnvironmentId.parse("shop"),
    )


@pytest.mark.parametrize("name", TRANSLATED)
def test_every_row_of_a_case_points_to_its_line_and_says_what_became_of_the_key(name: str) -> None:
    file, files = source(name)
    lines = files[file].decode().split("\n")
    for row in translation(name).rows:
        assert 1 <= row.line <= len(lines)
        key = row.source.rpartition(".")[2].partition("[")[0].strip("'")
        assert key in lines[row.line - 1] or "[" in row.source or "app.json" in file or "&" in "".join(lines), row
        assert bool(row.settings) == (row.outcome in (Outcome.MAPPED, Outcome.PARTLY))
        assert row.why or row.outcome is Outcome.MAPPED


@pytest.mark.parametrize("name", MALFORMED)
def test_a_file_with_a_fault_is_refused_with_its_line_and_what_to_do(name: str) -> None:
    file, files = source(name)
    with pytest.raises((ManifestInvalid, InvalidInput)) as caught:
        translation(name)
    if isinstance(caught.value, InvalidInput):
        assert caught.value.hint
        return
    for problem in caught.value.problems:
        assert (problem.file, bool(problem.hint)) == (file, True)
        assert 0 <= problem.line <= files[file].count(b"\n") + 1
        assert problem.line or "empty" in problem.message


def test_every_dialect_has_a_case_and_every_outcome_is_met() -> None:
    made = [translation(name) for name in TRANSLATED]
    assert {each.dialect for each in made} == set(DIALECTS)
    assert {row.outcome for each in made for row in each.rows} == set(Outcome)
    assert len(TRANSLATED) >= 25


@pytest.mark.parametrize(
    ("name", "content", "dialect"),
    [
        ("docker-compose.prod.yml", b"", "compose"),
        ("config/deploy.staging.yml", b"", "kamal"),
        ("fly.production.toml", b"", "fly"),
        ("any.toml", b'primary_region = "ams"', "fly"),
        ("any.json", b'{"formation": {}}', "app.json"),
        ("any.yaml", b"setup: {}\nrun: {}", "heroku"),
        ("processes.txt", b"web: x\n", "procfile"),
    ],
)
def test_a_dialect_is_known_by_the_files_name_else_by_its_keys(name: str, content: bytes, dialect: str) -> None:
    assert dialect_of({name: content}, name).name == dialect


def test_moorings_own_file_is_no_file_of_another_tool() -> None:
    with pytest.raises(InvalidInput, match=r"mooring\.toml is Mooring's own file already"):
        dialect_of({"mooring.toml": b""}, "mooring.toml")
