"""Fixtures: a running platform shared by the tests of a module, and a canary that dies when a shell runs what was never meant for one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from e2e.conftest import build_cache, directory, platform

__all__ = ["build_cache", "canary", "directory", "platform"]


@dataclass(frozen=True)
class Canary:
    """A path that exists only when something ran it into being; with programs and hooks that would do so."""

    directory: Path

    @property
    def path(self) -> Path:
        return self.directory / "touched"

    @property
    def places(self) -> dict[str, str]:
        """What stands for it in an input."""
        return {"canary": str(self.path), "hooks": str(self.directory / "hooks"), "program": str(self.directory / "program")}

    def check(self) -> None:
        was_touched = self.path.exists()
        self.path.unlink(missing_ok=True)
        assert not was_touched, "a shell ran what was only a value"

    def prepare(self) -> None:
        """Programs that touch it, for settings that name a program and not a line."""
        hooks = self.directory / "hooks"
        hooks.mkdir()
        names = ("post-checkout", "post-index-change", "pre-commit", "reference-transaction", "fsmonitor-watchman")
        for program in (self.directory / "program", *(hooks / name for name in names)):
            program.write_text(f"#!/bin/sh\ntouch '{self.path}'\n")
            program.chmod(0o755)


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    """In a short path without a space, as an attacker would choose it."""
    here = Canary(Path(tempfile.mkdtemp(prefix="c-", dir="/tmp")))
    here.prepare()
    yield here
    here.check()
    shutil.rmtree(here.directory)
