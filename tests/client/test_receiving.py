"""What sshd was asked to run for a key that may push: one thing is understood, and an app's name is all that is taken from it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.client.git import Git
from mooring.client.receiving import pushed_app, receive
from mooring.errors import Forbidden, SourceInvalid, UsageError
from mooring.model.names import app_name


@pytest.mark.parametrize(
    "command", ["git-receive-pack 'shop'", "git-receive-pack '/shop'", "git-receive-pack '/shop.git/'", "git-receive-pack shop"]
)
def test_the_remotes_path_is_the_app(command: str) -> None:
    assert pushed_app(command) == "shop"


@pytest.mark.parametrize(
    "command", ["", "id", "git-upload-pack 'shop'", "git-receive-pack", "git-receive-pack 'shop' x", "git-receive-pack 'shop", "sh -c id"]
)
def test_whatever_else_was_asked_is_refused(command: str) -> None:
    with pytest.raises(UsageError, match="for `git push` alone"):
        pushed_app(command)


@given(st.text(max_size=60))
def test_no_text_becomes_anything_but_a_checked_name(text: str) -> None:
    for command in (text, f"git-receive-pack {text}", f"git-receive-pack '{text}'"):
        try:
            name = pushed_app(command)
        except UsageError:
            continue
        assert app_name(name) == name


def test_a_key_for_some_apps_pushes_to_no_other() -> None:
    assert pushed_app("git-receive-pack '/shop'", only=("shop", "blog")) == "shop"
    with pytest.raises(Forbidden, match="may not push to till"):
        pushed_app("git-receive-pack '/till'", only=("shop", "blog"))


def test_what_git_runs_is_written_anew_when_somebody_changed_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    hook = tmp_path / "git" / "hooks" / "update"
    for _ in range(2):
        receive(app_name("shop"), key="anna", state=tmp_path)  # nobody speaks: git ends by itself
        assert hook.read_text().startswith("#!/bin/sh\nexec ")
        assert hook.stat().st_mode & 0o777 == 0o700
        hook.write_text("#!/bin/sh\nexit 0\n")
    assert (
        subprocess.run(["git", "rev-parse", "--is-bare-repository"], cwd=tmp_path / "git" / "shop.git", capture_output=True).stdout
        == b"true\n"
    )


def test_a_file_of_a_commit_is_read_up_to_a_size_and_never_a_link(tmp_path: Path) -> None:
    (tmp_path / "mooring.toml").write_text('app = "shop"\n')
    (tmp_path / "link.toml").symlink_to("/etc/passwd")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=T", "-c", "user.email=t@t", "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    git = Git(tmp_path)
    assert git.content("HEAD", "mooring.toml", at_most=100) == b'app = "shop"\n'
    assert git.content("HEAD", "nothing.toml", at_most=100) is None
    assert git.content("HEAD", "link.toml", at_most=100) is None
    with pytest.raises(SourceInvalid, match="more than 5 bytes"):
        git.content("HEAD", "mooring.toml", at_most=5)
