"""Which branch deploys which environment."""

from __future__ import annotations

import pytest

from mooring.errors import ManifestInvalid
from mooring.manifest import branches_of, checks_of, review_branches_of
from mooring.model.names import EnvironmentName


def said(text: str) -> dict[str, tuple[str, ...]]:
    return {str(name): branches for name, branches in branches_of({"mooring.toml": text.encode()}).items()}


def test_without_a_word_main_and_master_are_productions() -> None:
    assert said("") == {"production": ("main", "master")}
    assert branches_of({}) == {"production": ("main", "master")}


def test_a_branch_at_the_top_is_productions_and_no_other_environments() -> None:
    assert said('branch = "trunk"\n[environments.dev.env]\nA = "1"\n') == {"production": ("trunk",)}
    assert said('branch = "trunk"\n[environments.production]\nbranch = "live"\n') == {"production": ("live",)}


def test_each_environment_names_its_own_and_production_comes_last() -> None:
    text = '[environments.production]\nbranch = "main"\n[environments.staging]\nbranch = "main"\n[environments.dev]\nbranch = "team/next"\n'
    assert list(said(text).items()) == [("dev", ("team/next",)), ("staging", ("main",)), ("production", ("main",))]


@pytest.mark.parametrize(
    "name", ["", "-x", "a b", "a..b", "a~1", "a:b", "a.lock", "a/.b", "/a", "a/", "a@{b", "x" * 201, "a\\\\b", "feature.*"]
)
def test_what_git_would_not_take_for_a_branch_is_a_problem_with_its_line(name: str) -> None:
    with pytest.raises(ManifestInvalid, match=r"mooring.toml:2"):
        said(f'[environments.dev]\nbranch = "{name}"\n')


def test_checks_stand_at_the_top_or_in_an_environment_of_ones_own() -> None:
    files = {"mooring.toml": b'requires_checks = ["test"]\n[environments.dev]\nrequires_checks = ["lint", "fast"]\n'}
    assert checks_of(files, EnvironmentName("production")) == ("test",)
    assert checks_of(files, EnvironmentName("dev")) == ("lint", "fast")
    assert checks_of({}, EnvironmentName("dev")) == ()


def test_review_apps_are_asked_for_by_patterns() -> None:
    assert review_branches_of({"mooring.toml": b'[review]\nbranches = ["deploy-*", "x/?"]\n'}) == ("deploy-*", "x/?")
    assert review_branches_of({}) == ()
