"""A repository that is pushed to, on this machine's disk."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Origin:
    """`url` is what git fetches from. Commits are made in it directly."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        self.git("init", "-q", "--initial-branch=main")
        self.commit("first", VERSION="1\n")

    @property
    def url(self) -> str:
        return f"file://{self.place}"

    def commit(self, message: str, **files: str) -> str:
        """On the present branch; `mooring_toml` is the file mooring.toml."""
        for name, text in files.items():
            (self.place / name.replace("_", ".")).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def git(self, *words: str) -> str:
        identity = ["-c", "user.name=T", "-c", "user.email=t@t"]
        return subprocess.run(["git", *identity, *words], cwd=self.place, check=True, capture_output=True, text=True).stdout.strip()
