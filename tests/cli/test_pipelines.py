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
    wanted = deployed.environment(STAGING).release.source
    answer = mooring("promote", "staging", "production", platform=deployed, directory=project)
    assert answer.code == 0, answer.err
    assert [row.split(" ", 3)[3] for row in answer.out.splitlines()[1:3]] == ["Page 3", "Page 2"]
    assert "Begin" not in answer.out and "Not on staging" not in answer.out.splitlines()[:4]
    assert deployed.environment(PRODUCTION).release.source == wanted
    assert deployed.uploads[-1][1].digest == wanted.digest


def test_a_plan_deploys_nothing(deployed: FakePlatform, project: Path) -> None:
    before = len(deployed.uploads)
    answer = mooring("promote", "staging", "production", "--plan", platform=deployed, directory=project)
    assert (answer.code, len(deployed.uploads)) == (0, before)
    assert "Page 3" in answer.out
    document = mooring("promote", "staging", "production", "--plan", "--json", platform=deployed, directory=project).document
    assert [each["message"] for each in document["commits"]] == ["Page 3", "Page 2"]


def test_going_back_and_the_first_time_are_said(deployed: FakePlatform, project: Path) -> None:
    back = mooring("promote", "production", "staging", "--plan", platform=deployed, directory=project)
    assert "goes back by 2 commits" in back.out
    first = mooring("promote", "staging", "next", "--plan", platform=deployed, directory=project)
    assert "what it brings cannot be told" in first.out
    same = mooring("promote", "staging", "staging", platform=deployed, directory=project)
    assert (same.code, "cannot be promoted to itself" in same.err) == (2, True)


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
