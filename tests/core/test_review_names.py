"""From a branch to its environment: any name that git allows, no two alike, each a label of DNS."""

from __future__ import annotations

import subprocess
from string import ascii_letters, digits, printable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mooring.errors import InvalidName
from mooring.model.environment import PRODUCTION
from mooring.model.names import AppName, app_name, environment_name, hostname
from mooring.model.review import (
    branch_name,
    is_review_of,
    is_strangers,
    review_environment,
    review_hostname,
    review_pattern,
    strangers_branch,
)

SHOP = AppName("shop")
TEXTS = st.one_of(
    st.text(max_size=60), st.text(printable, max_size=12), st.text(ascii_letters + digits + "-_./@{", min_size=1, max_size=80)
)
APPS = st.from_regex(r"\A[a-z](?:[a-z0-9]|-(?!-)){0,38}[a-z0-9]\Z")


def is_allowed(branch: str) -> bool:
    try:
        return branch_name(branch) == branch
    except InvalidName:
        return False


LEGAL = TEXTS.filter(is_allowed)


@settings(max_examples=150, deadline=None)
@given(TEXTS.filter(lambda text: "\0" not in text))
@example("a.lock/b")
@example("@")
@example("a@{b")
@example("feature/.hidden")
@example("HEAD")
@example("refs/heads/x.")
@example("日本語")
def test_a_branch_is_allowed_exactly_where_git_allows_it(text: str) -> None:
    argv = ["git", "check-ref-format", "--branch", text]
    try:
        answer = subprocess.run(argv, capture_output=True, check=False, cwd="/")  # outside a repository @{-1} is no branch
    except UnicodeEncodeError:
        assert not is_allowed(text)
        return
    assert (is_allowed(text) and not is_strangers(text)) == (answer.returncode == 0 and len(text.encode()) <= 255)


@given(APPS, LEGAL)
def test_every_branch_has_an_environment_that_is_a_name_a_hostname_and_never_production(app: str, branch: str) -> None:
    environment = review_environment(app_name(app), branch)
    assert environment_name(environment.environment) == environment.environment != PRODUCTION
    assert hostname(f"{environment.label}.localhost") and len(environment.label) <= 63
    assert is_review_of(environment, branch) and not is_review_of(environment, "")
    pattern = review_pattern("pr-{branch}.review.example.com")
    assert review_hostname(pattern, environment) == f"pr-{environment.environment}.review.example.com"


@given(st.lists(LEGAL, min_size=2, max_size=8, unique=True))
@example(["feature/x", "feature-x", "Feature-X", "feature_x"])
@example(["a" * 200 + "1", "a" * 200 + "2"])
def test_no_two_branches_meet_and_the_same_one_always_does(branches: list[str]) -> None:
    names = [review_environment(SHOP, branch) for branch in branches]
    assert len(set(names)) == len(branches)
    assert names == [review_environment(SHOP, branch) for branch in branches]


def test_what_can_be_read_of_the_branch_stands_first() -> None:
    assert review_environment(SHOP, "Feature/New_Checkout").environment.startswith("feature-new-checkout-")
    assert review_environment(SHOP, "2026").environment.startswith("branch-2026-")
    assert review_environment(SHOP, "日本語").environment.startswith("branch-")


@pytest.mark.parametrize(
    "pattern", ["review.example.com", "{branch}.{branch}.de", "*.{branch}.de", "https://{branch}.de", "a" * 30 + "{branch}.de"]
)
def test_a_pattern_gives_every_branch_a_name_of_its_own_or_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidName, match="no hostname for review apps"):
        review_pattern(pattern)


@settings(deadline=None)
@given(LEGAL.filter(lambda text: len(text) < 60), st.integers(1, 10**9))
@example("main", 1)
def test_a_strangers_branch_is_no_branch_of_ones_own_and_has_an_environment_all_the_same(branch: str, number: int) -> None:
    name = strangers_branch(number, branch)
    if is_strangers(branch):
        assert not is_allowed(name)
        return
    assert is_strangers(name) and is_allowed(name)
    assert review_environment(SHOP, name) != review_environment(SHOP, branch)
    assert subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False, cwd="/").returncode != 0


def test_what_only_looks_like_a_strangers_branch_is_none() -> None:
    texts = ("pull-0:x", "pull-01:x", "pull-1:", "pull-1:a..b", "pull-1:-x", "pull-:x", "x:y", "Pull-1:x")
    assert not any(is_allowed(text) for text in texts)
