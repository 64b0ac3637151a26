"""mooring registry: a password comes from a pipe or a prompt and is never shown, nor taken from the command line."""

from __future__ import annotations

from console import mooring
from fake_platform import FakePlatform

PASSWORD = "s3ntinel-of-a-registry"


def test_the_password_is_taken_from_a_pipe_and_not_shown(platform: FakePlatform) -> None:
    answer = mooring("registry", "add", "ghcr.io", "--username", "anna", platform=platform, stdin=f"{PASSWORD}\n".encode())
    assert answer.code == 0, answer.err
    assert "Images of ghcr.io are fetched as anna from now on." in answer.out
    assert PASSWORD not in answer.out + answer.err
    assert platform.passwords == {"ghcr.io": PASSWORD}


def test_one_through_which_images_reach_hosts_says_so(platform: FakePlatform) -> None:
    words = ("registry", "add", "registry.example:5000", "--username", "ci", "--images", "team/apps")
    answer = mooring(*words, platform=platform, stdin=b"x")
    assert "What is built here reaches hosts through registry.example:5000/team/apps." in " ".join(answer.out.split())
    listed = mooring("registry", "ls", platform=platform).out.splitlines()
    assert listed[1].split() == ["registry.example:5000", "ci", "team/apps"]


def test_an_empty_password_is_refused_with_what_to_type(platform: FakePlatform) -> None:
    answer = mooring("registry", "add", "ghcr.io", "--username", "anna", platform=platform, stdin=b"\n")
    assert answer.code == 2
    assert 'printf %s "$PASSWORD" | mooring registry add ghcr.io --username anna' in " ".join(answer.err.split())
    assert platform.passwords == {}


def test_what_is_no_registry_is_refused_before_a_password_is_asked_for(platform: FakePlatform) -> None:
    answer = mooring("registry", "add", "https://ghcr.io", "--username", "anna", platform=platform, stdin=b"x")
    assert answer.code == 2
    assert "is no registry" in answer.err


def test_one_is_forgotten_and_without_any_it_is_said_how_to_add_one(platform: FakePlatform) -> None:
    mooring("registry", "add", "ghcr.io", "--username", "anna", platform=platform, stdin=b"x")
    assert mooring("registry", "rm", "ghcr.io", platform=platform).code == 0
    assert "`mooring registry add` says as whom" in mooring("registry", "ls", platform=platform).out
    assert mooring("registry", "rm", "ghcr.io", platform=platform).code == 2
