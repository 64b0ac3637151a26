"""`mooring deploy` and `mooring plan` from a real git repository to a platform in memory."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from console import mooring
from fake_platform import FakePlatform

from mooring.model.deployment import Outcome


def git(directory: Path, *words: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@localhost"]
    return subprocess.run(["git", *identity, *words], cwd=directory, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "my-app"
    directory.mkdir()
    (directory / "Procfile").write_text("web: python app.py\n")
    git(directory, "init", "--quiet", "--initial-branch", "main")
    git(directory, "add", ".")
    git(directory, "commit", "--quiet", "-m", "Begin")
    return directory


def entries(platform: FakePlatform) -> list[str]:
    return tarfile.open(fileobj=io.BytesIO(platform.uploads[-1][0])).getnames()


def test_the_commit_is_deployed_and_followed_to_its_end(platform: FakePlatform, project: Path) -> None:
    answer = mooring("deploy", platform=platform, directory=project)
    assert answer.code == 0
    assert f"commit {platform.uploads[-1][1].commit[:7]} on main: Begin\n" in answer.out
    assert "build | installing things" in answer.out
    assert "✓ my-app/production v1 serves" in answer.out
    assert "serves at     http://my-app.localhost:8080" in answer.out
    assert entries(platform) == ["Procfile"]
    assert platform.uploads[-1][1].commit == git(project, "rev-parse", "HEAD")


def test_uncommitted_work_is_left_behind_and_said_and_dirty_takes_it_along(platform: FakePlatform, project: Path) -> None:
    (project / "new.py").write_text("1\n")
    answer = mooring("deploy", platform=platform, directory=project)
    assert "new.py" in answer.err
    assert entries(platform) == ["Procfile"]
    mooring("deploy", "--dirty", platform=platform, directory=project)
    assert entries(platform) == ["Procfile", "new.py"]


def test_a_ref_names_the_commit(platform: FakePlatform, project: Path) -> None:
    first = git(project, "rev-parse", "HEAD")
    git(project, "commit", "--quiet", "--allow-empty", "-m", "Second")
    assert mooring("deploy", "--ref", first, platform=platform, directory=project).code == 0
    assert platform.uploads[-1][1].commit == first
    assert mooring("deploy", "--ref", "--upload-pack=touch", platform=platform, directory=project).code == 2
    assert mooring("deploy", "--ref", "main", "--dirty", platform=platform, directory=project).code == 2


def test_json_gives_the_record_on_standard_output_and_progress_beside_it(platform: FakePlatform, project: Path) -> None:
    answer = mooring("deploy", "--json", platform=platform, directory=project)
    assert answer.document["outcome"] == "succeeded"
    assert answer.document["receipt"]["probes"]["failed"] == 0
    assert "installing things" in answer.err


@pytest.mark.parametrize(
    ("outcome", "code", "says"),
    [
        (Outcome.SUCCEEDED, 0, "✓ my-app/production v1 serves"),
        (Outcome.FAILED, 1, "d-0003 failed"),
        (Outcome.REVERTED, 1, "d-0003 was taken back"),
        (Outcome.ABORTED, 1, "d-0003 was aborted"),
        (Outcome.SUPERSEDED, 3, "d-0003 was superseded"),
        (Outcome.NEEDS_PERSON, 4, "d-0003 stopped and needs a person"),
    ],
)
def test_each_outcome_has_its_exit_code(platform: FakePlatform, project: Path, outcome: Outcome, code: int, says: str) -> None:
    platform.outcome = outcome
    answer = mooring("deploy", platform=platform, directory=project)
    assert answer.code == code
    assert says in answer.out


def test_a_request_that_failed_on_the_way_makes_the_deploy_fail_loudly(platform: FakePlatform, project: Path) -> None:
    platform.failed_requests = 2
    answer = mooring("deploy", platform=platform, directory=project)
    assert answer.code == 4
    assert "v1 serves, but 2 requests failed on the way" in answer.out


def test_ctrl_c_leaves_the_deployment_alone_and_says_how_to_go_on(platform: FakePlatform, project: Path) -> None:
    platform.interrupts = True
    answer = mooring("deploy", platform=platform, directory=project)
    assert answer.code == 130
    assert "goes on in the server: nothing was stopped" in answer.err
    assert "mooring follow d-0003" in answer.err
    assert "mooring abort d-0003" in answer.err
    assert platform.deployed["d-0003"].outcome is Outcome.SUCCEEDED


def test_a_directory_that_cannot_name_an_app_is_refused_with_the_way_to_name_it(platform: FakePlatform, project: Path) -> None:
    odd = project.rename(project.with_name("My_App"))
    answer = mooring("deploy", platform=platform, directory=odd)
    assert answer.code == 2
    assert "the directory's name 'My_App' cannot be an app's name" in answer.err
    assert '→ choose one, such as -a my-app, or app = "my-app" in mooring.toml' in answer.err
    assert mooring("deploy", "-a", "my-app", platform=platform, directory=odd).code == 0
    (odd / "mooring.toml").write_text('app = "other"\n')
    git(odd, "add", ".")
    git(odd, "commit", "--quiet", "-m", "Name it")
    assert "other/production" in mooring("deploy", platform=platform, directory=odd).out


def test_the_app_is_the_one_around_the_directory_we_stand_in(platform: FakePlatform, project: Path) -> None:
    (project / "templates").mkdir()
    assert "my-app/production" in mooring("deploy", platform=platform, directory=project / "templates").out


def test_a_directory_without_a_repository_is_refused_with_what_to_do(platform: FakePlatform, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    answer = mooring("deploy", platform=platform, directory=tmp_path / "plain")
    assert answer.code == 2
    assert "git init" in answer.err


def test_plan_shows_each_step_with_its_reason_and_changes_nothing(platform: FakePlatform, project: Path) -> None:
    answer = mooring("plan", platform=platform, directory=project)
    assert answer.code == 0
    assert "  1  start v1 web.1 · v1 wants 1 web, none runs" in answer.out
    assert "Nothing was touched." in answer.out
    assert mooring("plan", "--json", platform=platform, directory=project).document["steps"][0]["type"] == "start-instance"
    assert len(platform.deployed) == 2


def test_no_archive_is_left_behind(platform: FakePlatform, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    mooring("deploy", platform=platform, directory=project)
    mooring("plan", platform=platform, directory=project)
    assert list(temporary.iterdir()) == []
