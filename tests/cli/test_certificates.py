"""mooring certs: how every hostname stands, what a person brings, and what is refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from console import mooring
from fake_platform import SHOP, FakePlatform

from mooring.cli.render.certificates import certificate_lines
from mooring.cli.render.styled import plain
from mooring.model.certificate import CertificateView
from mooring.model.names import Hostname

NOW = 1_800_000_000.0
DAY = 86_400.0
NAME, BLOG = Hostname("shop.example.com"), Hostname("blog.example.com")


def told(*views: CertificateView) -> list[list[str]]:
    return [plain(each).split() for each in certificate_lines(views, now=NOW, width=None)]


def view(hostname: Hostname = NAME, **more: object) -> CertificateView:
    return CertificateView(hostname=hostname, environment=SHOP, **more)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (view(source="acme", issuer="R11", expires_at=NOW + 59.5 * DAY, next_order_at=NOW + 29.5 * DAY), ["acme", "R11", "59d", "29d"]),
        (view(source="own", issuer="R11", expires_at=NOW - 1), ["own", "R11", "expired", "-"]),
        (view(is_under_way=True), ["none", "-", "now"]),
        (view(), ["none", "-", "-"]),
    ],
)
def test_a_row_says_what_is_shown_how_long_and_what_comes_next(given: CertificateView, words: list[str]) -> None:
    head, row = told(given)
    assert " ".join(head) in ("hostname source issuer expires in next order in", "hostname source expires in next order in")
    assert row == [NAME, *words]


def test_what_went_wrong_and_what_stands_in_the_way_is_said_below_the_table() -> None:
    troubled = [
        view(failures=1, last_error="connection: refused"),
        view(BLOG, failures=3, last_error="caa: no"),
        view(BLOG, hindrance="no hook"),
    ]
    below = [" ".join(words) for words in told(*troubled)[4:]]
    assert below == [
        f"{NAME}: failed once: connection: refused",
        f"{BLOG}: failed 3 times: caa: no",
        f"{BLOG}: no hook",
    ]


def test_certs_alone_lists_as_text_and_as_json(platform: FakePlatform) -> None:
    assert mooring("certs", platform=platform).out == "No app has a hostname of the wide web.\n"
    platform.views[NAME] = view(source="acme", issuer="R11", expires_at=time.time() + 5.5 * DAY)
    assert "5d" in mooring("certs", platform=platform).out
    assert mooring("certs", "ls", platform=platform) == mooring("certs", platform=platform)
    (found,) = mooring("certs", "--json", platform=platform).document["certificates"]
    assert (found["hostname"], found["issuer"]) == (NAME, "R11")
    assert mooring("certs", "nothing", platform=platform).code == 2


def test_what_a_person_brings_is_sent_whole_and_its_key_is_not_said(platform: FakePlatform, tmp_path: Path) -> None:
    platform.views[NAME] = view()
    (tmp_path / "chain").write_bytes(b"CHAIN")
    (tmp_path / "key").write_bytes(b"KEY-OF-IT")
    answer = mooring("certs", "add", "--cert", str(tmp_path / "chain"), "--key", str(tmp_path / "key"), platform=platform)
    assert answer.code == 0
    assert f"It is shown for {NAME}." in answer.out
    assert platform.brought == {NAME: b"CHAIN\nKEY-OF-IT"}
    assert "KEY-OF-IT" not in answer.out + answer.err
    assert mooring("certs", "remove", NAME, platform=platform).code == 0
    assert platform.brought == {}
    assert mooring("certs", "remove", NAME, platform=platform).code == 2


def test_files_that_cannot_be_read_are_named(platform: FakePlatform, tmp_path: Path) -> None:
    answer = mooring("certs", "add", "--cert", str(tmp_path / "nothing"), "--key", str(tmp_path / "nothing"), platform=platform)
    assert answer.code == 2
    assert f"{tmp_path}/nothing cannot be read" in answer.err


def test_renewal_is_ordered_or_refused_with_the_reason(platform: FakePlatform) -> None:
    platform.views[NAME] = view()
    assert mooring("certs", "renew", NAME, platform=platform).code == 0
    assert platform.views[NAME].is_under_way
    answer = mooring("certs", "renew", BLOG, platform=platform)
    assert f"no app is reached under {BLOG}" in answer.err
    assert mooring("certs", "renew", "not a name", platform=platform).code == 2
