"""mooring forge: secrets come from standard input alone, and what it says afterwards holds none."""

from __future__ import annotations

from console import mooring
from fake_platform import FakePlatform

SECRETS = b"ghp_token\n0123456789abcdef-hook\n"


def test_a_forge_is_added_with_secrets_from_standard_input(platform: FakePlatform) -> None:
    answer = mooring("forge", "add", "github", "--repo", "acme/shop", "--every", "5m", platform=platform, stdin=SECRETS)
    assert answer.code == 0, answer.err
    request = platform.asked[0]
    assert (request.app, request.token, request.hook_secret, request.every) == ("shop", "ghp_token", "0123456789abcdef-hook", 300.0)
    link = platform.links["shop"]
    assert (link.url, link.api, link.has_hook) == ("https://github.com/acme/shop.git", "https://api.github.com", True)
    assert "the next push deploys" in answer.out
    assert "/v1/forges/shop/hook" in answer.err
    assert "ghp_token" not in answer.out + answer.err
    assert "0123456789abcdef" not in answer.out + answer.err


def test_a_forge_of_ones_own_has_its_api_where_its_kind_has_it(platform: FakePlatform) -> None:
    for kind, api in (("github", "/api/v3"), ("gitlab", "/api/v4"), ("gitea", "/api/v1")):
        words = ("forge", "add", kind, "--repo", "acme/shop", "--url", "https://git.example.com/")
        assert mooring(*words, platform=platform, stdin=b"token").code == 0
        link = platform.links["shop"]
        assert (link.url, link.api, link.has_hook) == ("https://git.example.com/acme/shop.git", f"https://git.example.com{api}", False)


def test_forges_are_listed_looked_at_and_forgotten(platform: FakePlatform) -> None:
    assert mooring("forge", platform=platform).out == "No forges.\n"
    assert mooring("forge", "add", "git", "--repo", "ssh://git@example.com/shop.git", platform=platform).code == 0
    platform.silent["shop"] = "git could not read it"
    listed = mooring("forge", "ls", platform=platform).out
    assert "ssh://git@example.com/shop.git" in listed and "shop: git could not read it" in listed
    assert "Its 2 branches" in mooring("forge", "check", platform=platform).out
    assert "is not deployed by" in mooring("forge", "rm", platform=platform).out
    assert mooring("forge", "rm", platform=platform).code == 2


def test_what_is_no_repository_or_too_much_is_refused(platform: FakePlatform) -> None:
    assert "write it like acme/shop" in mooring("forge", "add", "github", "--repo", "shop", platform=platform, stdin=b"token").err
    assert "more than two lines" in mooring("forge", "add", "github", "--repo", "a/b", platform=platform, stdin=b"a\nb\nc\n").err
    for url in ("ftp://example.com", "https://user@example.com", "https://example.com/?x", "example.com"):
        answer = mooring("forge", "add", "gitea", "--repo", "a/b", "--url", url, platform=platform, stdin=b"token")
        assert (answer.code, "not the address of a forge" in " ".join(answer.err.split())) == (2, True), answer
