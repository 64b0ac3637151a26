"""mooring key, and what git's hook says where nothing can be deployed."""

from __future__ import annotations

from console import mooring
from fake_platform import FakePlatform

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl somebody\n"


def test_a_key_is_read_from_standard_input_listed_and_taken_away(platform: FakePlatform) -> None:
    added = mooring("key", "add", "anna", "--only", "shop", platform=platform, stdin=KEY.encode())
    assert added.code == 0, added.err
    assert "anna may push to shop: SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU" in added.out
    assert "anna" in mooring("key", platform=platform).out
    assert mooring("key", "rm", "anna", platform=platform).out == "anna may push no more.\n"
    assert "nobody may push" in mooring("key", "ls", platform=platform).out


def test_a_private_key_is_refused_in_words(platform: FakePlatform) -> None:
    answer = mooring("key", "add", "anna", platform=platform, stdin=b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n")
    assert answer.code == 2
    assert "that is a private key" in answer.err
    assert "AAAA" not in answer.out + answer.err


def test_what_git_runs_does_nothing_outside_a_push(platform: FakePlatform) -> None:
    answer = mooring("git-deploy", "refs/heads/main", "0" * 40, "1" * 40, platform=platform)
    assert answer.code == 2
    assert "this is what git runs while somebody pushes" in answer.err
