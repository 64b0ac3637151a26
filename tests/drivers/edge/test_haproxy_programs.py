"""Which HAProxy is taken, if any; and which edge `auto` is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.drivers.edge.haproxy import programs
from mooring.drivers.edge.haproxy.programs import haproxy_binary, version_of
from mooring.errors import Unavailable
from mooring.server.edges import chosen


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only one where programs are looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "PLACES", str(tmp_path))
    return tmp_path


def _install(place: Path, says: str) -> Path:
    program = place / "haproxy"
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/", (2, 6)),
        ("HAProxy version 3.0.11-1+deb13u2 2025/05/01 - https://haproxy.org/", (3, 0)),
        ("HA-Proxy version 1.8.19-1 2019/02/11", (1, 8)),
        ("no such thing", ()),
    ],
)
def test_a_version_is_its_first_two_numbers(place: Path, says: str, version: tuple[int, ...]) -> None:
    assert version_of(_install(place, says)) == version


def test_a_new_enough_one_is_taken_and_chosen(place: Path) -> None:
    program = _install(place, "HAProxy version 2.6.12-1")
    assert haproxy_binary() == program
    assert chosen("auto") == "haproxy"
    assert chosen("envoy") == "envoy"


def test_an_older_one_is_refused_and_not_chosen(place: Path) -> None:
    _install(place, "HAProxy version 2.4.30-1")
    with pytest.raises(Unavailable, match=r"older than HAProxy 2\.6 \(install a newer one, or use --edge envoy"):
        haproxy_binary()
    assert chosen("auto") == "envoy"


def test_without_one_the_message_says_how_to_get_it(place: Path) -> None:
    with pytest.raises(Unavailable, match="apt-get install haproxy"):
        haproxy_binary()
    assert chosen("auto") == "envoy"
    assert chosen("haproxy") == "haproxy"
