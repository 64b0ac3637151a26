"""Runs a command line against a fake platform, with streams that stand for a pipe or for a terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import NamedTuple

from fake_platform import FakePlatform

from mooring.cli.main import run
from mooring.cli.session import Session


class Stream(io.TextIOWrapper):
    """Text over bytes, with an encoding, that may say that it is a terminal."""

    def __init__(self, content: bytes = b"", *, is_terminal: bool = False, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(content), encoding=encoding, newline="")
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal

    @property
    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict:
        return json.loads(self.out)

    @property
    def documents(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines()]


def mooring(
    *words: str,
    platform: FakePlatform,
    directory: Path = Path("/nowhere/shop"),
    stdin: bytes = b"",
    is_terminal: bool = False,
    variables: dict[str, str] | None = None,
    encoding: str = "utf-8",
) -> Answer:
    """What `mooring WORDS` answers."""
    out, err = Stream(is_terminal=is_terminal, encoding=encoding), Stream(is_terminal=is_terminal, encoding=encoding)
    session = Session(
        stdin=Stream(stdin, is_terminal=is_terminal),
        stdout=out,
        stderr=err,
        variables={"TERM": "dumb", **(variables or {})},
        directory=directory,
        connect=lambda: platform,
    )
    return Answer(run(words, session), out.text, err.text)
