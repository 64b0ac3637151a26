"""`mooring promote` from a real repository to a platform in memory, and the files of `mooring ci init`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from console import mooring
from fake_platform import FakePlatform

from mooring.cli.pipeline_files import FILES
from mooring.model.environment import EnvironmentId

STAGING, PRODUCTION = EnvironmentId("my-app", "staging"), EnvironmentId("my-app", "production")


def git(directory: Path, *words: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@localhost"]
    return subprocess.run(["git", *identity, *words], cwd=directory, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Production runs the first commit, staging the third."""
    directory = tmp_path / "my-app"
    directory.mkdir()
    (directory / "Procfile").write_text("web: python app.py\n")
    git(directory, "init", "--quiet", "--initial-branch", "main")
    git(directory, "add", ".")
    git(directory, "commit", "--quiet", "-m", "Begin")
    return directory


@pytest.fixture
def deployed(platform: FakePlatform, project: Path) -> FakePlatform:
    assert mooring("deploy", platform=platform, directory=project).code == 0
    for number in (2, 3):
        (project / "page").write_text(f"{number}\n")
        git(project, "add", ".")
        git(project, "commit", "--quiet", "-m", f"Page {number}")
    assert mooring("deploy", "-e", "staging", platform=platform, directory=project).code == 0
    (project / "page").write_text("4\n")
    git(project, "commit", "--quiet", "-am", "Not on staging")
    return platform


def test_what_staging_runs_is_deployed_with_what_it_brings(deployed: FakePlatform, project: Path) -> None:
    wanted = deployed.environment(STAGING).release
    answer = mooring("promote", "staging", "production", platform=deployed, directory=project)
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[1] == "  since v1, which ran there:"
    assert [row.split(" ", 3)[3] for row in answer.out.splitlines()[2:4]] == ["Page 3", "Page 2"]
    assert "Begin" not in answer.out and "Not on staging" not in answer.out.splitlines()[:5]
    now = deployed.environment(PRODUCTION).release
    assert (now.source, now.artifact) == (wanted.source, wanted.artifact)


def test_its_notes_are_shown_with_its_release_from_then_on(deployed: FakePlatform, project: Path) -> None:
    assert mooring("promote", "staging", "production", platform=deployed, directory=project).code == 0
    shown = mooring("releases", "v2", platform=deployed, directory=project)
    assert shown.code == 0
    *_, origin, since, newer, older = shown.out.splitlines()
    assert (origin, since) == ("promoted from staging v1", "  since v1, which ran there:")
    assert (newer.endswith(" Page 3"), older.endswith(" Page 2")) == (True, True)
    assert "It was not promoted" in mooring("releases", "1", platform=deployed, directory=project).out
    (document,) = mooring("releases", "v2", "--json", platform=deployed, directory=project).document["releases"]
    assert document["promotion"]["environment"] == "staging"
    assert [each["subject"] for each in document["promotion"]["notes"]["commits"]] == ["Page 3", "Page 2"]
    absent = mooring("releases", "v9", platform=deployed, directory=project)
    assert (absent.code, "has no release v9" in absent.err) == (2, True)


def test_what_the_platform_refuses_is_told_before_anything_else(deployed: FakePlatform, project: Path) -> None:
    deployed.is_pruned = True
    before = deployed.environment(PRODUCTION).release
    for words in ((), ("--plan",)):
        answer = mooring("promote", "staging", "production", *words, platform=deployed, directory=project)
        assert (answer.code, answer.out) == (2, "")
        assert "the artifact of staging v1 is not there any more" in answer.err
    assert deployed.environment(PRODUCTION).release == before


def test_a_plan_deploys_nothing(deployed: FakePlatform, project: Path) -> None:
    before = dict(deployed.deployed)
    answer = mooring("promote", "staging", "production", "--plan", platform=deployed, directory=project)
    assert (answer.code, deployed.deployed) == (0, before)
    assert "Page 3" in answer.out
    assert "Nothing was touched." in answer.out
    document = mooring("promote", "staging", "production", "--plan", "--json", platform=deployed, directory=project).document
    assert [each["subject"] for each in document["promotion"]["notes"]["commits"]] == ["Page 3", "Page 2"]
    assert document["plan"]["steps"]


def test_going_back_the_first_time_and_no_commits_between_are_said(deployed: FakePlatform, project: Path) -> None:
    back = mooring("promote", "production", "staging", "--plan", platform=deployed, directory=project)
    assert "goes back by 2 commits from v1, which ran there" in back.out
    first = mooring("promote", "staging", "next", "--plan", platform=deployed, directory=project)
    assert "nothing ran there before: this is its first release" in first.out
    assert mooring("promote", "staging", "production", platform=deployed, directory=project).code == 0
    again = mooring("promote", "staging", "production", "--plan", platform=deployed, directory=project)
    assert "no commits between: v2, which ran there, is of the same one" in again.out
    same = mooring("promote", "staging", "staging", platform=deployed, directory=project)
    assert (same.code, "cannot be promoted to itself" in same.err) == (2, True)


def test_a_history_that_was_rewritten_is_told_by_both_its_sides(deployed: FakePlatform, project: Path) -> None:
    git(project, "reset", "--quiet", "--hard", "HEAD~3")
    (project / "page").write_text("anew\n")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "Page anew")
    assert mooring("deploy", "-e", "next", platform=deployed, directory=project).code == 0
    parted = mooring("promote", "next", "staging", "--plan", platform=deployed, directory=project).out
    assert "2 commits of v1, which ran there, do not come along: the histories parted" in parted
    assert "Page anew" in parted
    git(project, "reflog", "expire", "--expire=all", "--all")
    git(project, "gc", "--quiet", "--prune=now")
    gone = " ".join(mooring("promote", "next", "staging", "--plan", platform=deployed, directory=project).out.split())
    assert "what it brings cannot be told: v1, which ran there, came from no commit of this clone" in gone


def test_what_no_commit_holds_or_this_clone_has_not_got_is_refused(deployed: FakePlatform, project: Path, tmp_path: Path) -> None:
    assert mooring("promote", "next", "production", platform=deployed, directory=project).code == 2
    (project / "page").write_text("5\n")
    assert mooring("deploy", "--dirty", "-e", "next", platform=deployed, directory=project).code == 0
    assert "was deployed from a working tree" in mooring("promote", "next", "production", platform=deployed, directory=project).err
    other = tmp_path / "elsewhere" / "my-app"
    other.mkdir(parents=True)
    (other / "Procfile").write_text("web: python app.py\n")
    git(other, "init", "--quiet")
    git(other, "add", ".")
    git(other, "commit", "--quiet", "-m", "Another")
    assert "there is no commit" in mooring("promote", "staging", "production", platform=deployed, directory=other).err


def test_another_directory_of_the_same_commit_is_not_taken_for_it(deployed: FakePlatform, project: Path) -> None:
    (project / "docs").mkdir()
    (project / "docs" / "Procfile").write_text("web: other\n")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "Docs")
    assert mooring("deploy", "-a", "my-app", "-e", "staging", platform=deployed, directory=project).code == 0
    answer = mooring("promote", "-a", "my-app", "staging", "production", platform=deployed, directory=project / "docs")
    assert "is not what my-app/staging runs" in " ".join(answer.err.split()), answer


@pytest.mark.parametrize("forge", FILES)
def test_a_pipeline_is_written_once_and_is_yaml(platform: FakePlatform, project: Path, forge: str) -> None:
    words = ("ci", "init", forge, "--server", "ssh://deploy@203.0.113.7:2222", "--branch", "release/next")
    answer = mooring(*words, platform=platform, directory=project)
    assert answer.code == 0, answer.err
    text = (project / FILES[forge].name).read_text()
    parsed = yaml.safe_load(text)
    step = parsed["jobs"]["deploy"]["steps"][1]["run"] if forge == "github" else parsed["deploy"]["script"][0]
    assert step.splitlines()[-1] == "git push ssh://deploy@203.0.113.7:2222/my-app HEAD:refs/heads/release/next"
    assert "ADDRESS" not in text and "SCRIPT" not in text and "release/next" in text
    again = mooring(*words, platform=platform, directory=project)
    assert (again.code, "is there already" in again.err) == (2, True)


@pytest.mark.parametrize("server", ["deploy@host", "https://host", "ssh://host;id", "ssh://-oProxyCommand=id", "ssh://h/$(id)", "ssh://"])
def test_an_address_that_could_mean_something_to_a_shell_is_refused(platform: FakePlatform, project: Path, server: str) -> None:
    assert mooring("ci", "init", "github", "--server", server, platform=platform, directory=project).code == 2
    assert not (project / ".github").exists()


@pytest.mark.parametrize("branch", ["a b", "-x", "a;id", "$(id)", 'a"', "a\nb", ""])
def test_a_branch_that_could_mean_something_to_a_shell_is_refused(platform: FakePlatform, project: Path, branch: str) -> None:
    assert mooring("ci", "init", "github", "--server", "ssh://h", f"--branch={branch}", platform=platform, directory=project).code == 2
