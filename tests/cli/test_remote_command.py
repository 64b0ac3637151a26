"""`mooring run`: bytes in, bytes out, the command's own exit code."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from fake_platform import FakePlatform

from mooring.cli.main import run
from mooring.cli.session import Session
from mooring.model.environment import EnvironmentId
from mooring.usecases.requests import RunRequest


class Shouting:
    """An attached command that says in capitals what it hears, complains once, and ends with 7."""

    def __init__(self, request: RunRequest) -> None:
        self.request = request
        self._heard = b""
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def write(self, chunk: bytes) -> None:
        self._heard += chunk

    def close_input(self) -> None:
        self._ended.set()

    def output(self) -> Iterator[tuple[str, bytes]]:
        assert self._ended.wait(20)
        yield "stdout", self._heard.upper()
        yield "stderr", b"\xff\x1b[31mcomplaint"

    def wait(self) -> int:
        return 7


class Attaching(FakePlatform):
    def run(self, environment: EnvironmentId, request: RunRequest) -> Shouting:
        self.attached = Shouting(request)
        return self.attached


def answered(tmp_path: Path, *words: str, typed: bytes) -> tuple[int, bytes, bytes, Attaching]:
    reading, writing = os.pipe()
    os.write(writing, typed)
    os.close(writing)
    out, err = tmp_path / "out", tmp_path / "err"
    platform = Attaching()
    with os.fdopen(reading) as stdin, out.open("w") as stdout, err.open("w") as stderr:
        session = Session(stdin=stdin, stdout=stdout, stderr=stderr, variables={}, directory=tmp_path, connect=lambda: platform)
        code = run(["run", "-a", "shop", *words], session)
    return code, out.read_bytes(), err.read_bytes(), platform


def test_bytes_go_both_ways_and_the_exit_code_is_the_commands_own(tmp_path: Path) -> None:
    code, out, err, platform = answered(tmp_path, "--", "shout", "--loud", "a b", typed=b"hello\n")
    assert (code, out, err) == (7, b"HELLO\n", b"\xff\x1b[31mcomplaint")
    assert platform.attached.request.command == ("shout", "--loud", "a b")
    assert not platform.attached.request.terminal


def test_as_json_the_output_is_collected(tmp_path: Path) -> None:
    code, out, _, _ = answered(tmp_path, "--json", "--", "shout", typed=b"hi")
    assert code == 7
    assert b'"stdout": "HI"' in out
    assert b'"exit_code": 7' in out


def test_without_a_command_it_is_refused(tmp_path: Path) -> None:
    code, out, err, _ = answered(tmp_path, typed=b"")
    assert (code, out) == (2, b"")
    assert b"Missing argument" in err


@pytest.mark.parametrize("word", ["; rm -rf /", "$(id)", "", "a\nb", "--help", "é"])
def test_each_word_arrives_as_one_word(tmp_path: Path, word: str) -> None:
    _, _, _, platform = answered(tmp_path, "--", "echo", word, typed=b"")
    assert platform.attached.request.command == ("echo", word)
