"""Asks git about a repository, and nothing else of the machine. Must not: let the repository's own settings run a program.

Argument lists only; names come after `--end-of-options` or `--`. Nothing of the caller's GIT_* variables reaches git (a GIT_DIR left over
from a hook would answer for another repository); no protocol is allowed, so nothing is fetched.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from mooring.errors import SourceInvalid

_REFUSED_REF = re.compile(r"[\x00-\x20\x7f:?*\[\\]|\.\.|//|\A-|\A\Z")
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_OF_THE_REPOSITORY = ("local", "worktree")
_NO_FILTER = {"clean": "", "smudge": "", "process": "", "required": "false"}
_PASSED = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR")
_FIXED = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
}


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """`at` is the committer's time in seconds; `message` the first line."""

    id: str
    message: str
    at: int


class Git:
    """One directory's repository. `git_directory`: use this one instead of looking for one."""

    def __init__(self, directory: Path, *, git_directory: Path | None = None) -> None:
        place = () if git_directory is None else (f"--git-dir={git_directory}", f"--work-tree={directory}")
        self._command = (self.program(), "--no-pager", *_SAFE, *place)
        self._directory = directory

    @staticmethod
    def program() -> str:
        """Its full path. Raises SourceInvalid when it is not installed."""
        program = shutil.which("git")
        if program is None:
            raise SourceInvalid("git is not installed, and the source is read with it", hint="install git")
        return program

    def ask(self, *arguments: str) -> bytes:
        """What git says on its standard output. Raises SourceInvalid with git's own words when it fails."""
        answer = self._run(arguments)
        if answer.returncode != 0:
            raise _refusal(answer.stderr.decode("utf-8", "replace").strip(), directory=self._directory)
        return answer.stdout

    def fields(self, *arguments: str) -> list[bytes]:
        """The NUL-terminated fields of an answer."""
        return self.ask(*arguments).split(b"\0")[:-1]

    def changes(self) -> list[bytes]:
        """The fields of `git status` below this directory: what differs from HEAD, and what git does not know.

        To compare contents git would run the repository's own clean filters, and look into submodules with theirs: it does neither.
        """
        words = ("status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignore-submodules=dirty", "--", ".")
        answer = self._run(words, settings=self._without_filters())
        if answer.returncode != 0:
            raise _refusal(answer.stderr.decode("utf-8", "replace").strip(), directory=self._directory)
        return answer.stdout.split(b"\0")[:-1]

    def _without_filters(self) -> dict[str, str]:
        """Settings that undo the filters of the repository's own configuration; those of the user's are the user's own wish."""
        answer = self._run(("config", "--null", "--show-scope", "--name-only", "--get-regexp", r"^filter\."))
        words = [word.decode("utf-8", "surrogateescape") for word in answer.stdout.split(b"\0")[:-1]]
        names = {name.rpartition(".")[0] for scope, name in zip(words[::2], words[1::2], strict=True) if scope in _OF_THE_REPOSITORY}
        return {f"{name}.{key}": value for name in names for key, value in _NO_FILTER.items()}

    def is_repository(self) -> bool:
        """Raises SourceInvalid when there is one that git refuses to read."""
        answer = self._run(("rev-parse", "--is-inside-work-tree"))
        complaint = answer.stderr.decode("utf-8", "replace").strip()
        if answer.returncode != 0 and "not a git repository" not in complaint:
            raise _refusal(complaint, directory=self._directory)
        return answer.stdout.strip() == b"true"

    def commit(self, name: str) -> Commit:
        """The commit that a branch, tag or id names. Raises SourceInvalid when there is none."""
        found = self.commit_if_any(name)
        if found is None:
            raise self._no_commit(name)
        return found

    def commit_if_any(self, name: str) -> Commit | None:
        """As `commit`, and None when there is none. Raises SourceInvalid when that cannot be a name."""
        if _REFUSED_REF.search(name) or len(name) > 255:
            raise SourceInvalid(f"{name[:100]!r} cannot be the name of a commit", hint="use a branch, a tag or a commit id")
        answer = self._run(("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"))
        if answer.returncode != 0:
            return None
        found = answer.stdout.decode("ascii").strip()
        at, message = self.ask("log", "-1", "--no-show-signature", "--format=%ct%x00%s", "--end-of-options", found).split(b"\0", 1)
        return Commit(id=found, message=message.decode("utf-8", "replace").strip(), at=int(at))

    def commits_between(self, older: str, newer: str, *, at_most: int) -> tuple[Commit, ...]:
        """Those that `newer` holds and `older` does not, newest first. Both are ids of commits that are here."""
        words = ("log", f"--max-count={at_most}", "--no-show-signature", "--format=%H%x00%ct%x00%s%x00%x01", "--end-of-options")
        rows = self.ask(*words, f"{older}..{newer}").decode("utf-8", "replace").split("\0\1\n")
        parts = (row.removesuffix("\0\1").split("\0") for row in rows if row)
        return tuple(Commit(id=part[0], at=int(part[1]), message=part[2].strip()) for part in parts)

    def count_between(self, older: str, newer: str) -> int:
        """How many commits `newer` holds and `older` does not. Both are ids of commits that are here."""
        return int(self.ask("rev-list", "--count", "--end-of-options", f"{older}..{newer}"))

    def content(self, commit: str, path: str, *, at_most: int) -> bytes | None:
        """A file of the commit; None when it has none of that name. Raises SourceInvalid when it is larger than `at_most` bytes."""
        entry = self.ask("ls-tree", "-z", "--full-tree", commit, "--", path)
        mode, _, rest = entry.partition(b" ")
        if mode not in (b"100644", b"100755"):
            return None
        identity = rest.split(b" ")[1].partition(b"\t")[0].decode("ascii")
        if int(self.ask("cat-file", "-s", identity)) > at_most:
            raise SourceInvalid(f"{path} has more than {at_most:,} bytes", hint="it is a description, nothing more", where=path)
        return self.ask("cat-file", "blob", identity)

    def branch(self) -> str:
        """The branch that is checked out; empty when none is."""
        return self._run(("symbolic-ref", "--quiet", "--short", "HEAD")).stdout.decode("utf-8", "replace").strip()

    @contextlib.contextmanager
    def objects(self) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """A conversation with `cat-file --batch`: object ids in, each a line; header lines and contents out."""
        process = subprocess.Popen(  # noqa: S603  # git itself, by its full path, and no word of a stranger's
            [*self._command, "cat-file", "--batch"],
            cwd=self._directory, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        try:
            yield process.stdin, process.stdout
        finally:
            process.kill()
            process.stdin.close()
            process.stdout.close()
            process.wait()

    def _no_commit(self, name: str) -> SourceInvalid:
        if name == "HEAD" or not self._run(("rev-parse", "--verify", "--quiet", "HEAD")).stdout:
            return SourceInvalid(
                "the repository has no commit yet",
                hint="commit your work (`git add`, `git commit`), or deploy the working tree with --dirty",
                where=str(self._directory),
            )
        branch = name.removeprefix("refs/heads/")
        if branch != name:
            return SourceInvalid(
                f"there is no branch {branch} in this repository", hint="`git branch` lists them", where=str(self._directory)
            )
        return SourceInvalid(f"there is no commit {name!r} in this repository", hint="`git log` lists them", where=str(self._directory))

    def _run(self, arguments: Sequence[str], *, settings: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
        command = [*self._command, *arguments]  # names from outside were checked, and stand after --end-of-options
        environment = _environment() | _numbered(settings or {})
        return subprocess.run(command, cwd=self._directory, env=environment, capture_output=True, check=False)  # noqa: S603  # as above


def _numbered(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings as git takes them from its environment, where a name may hold anything. Source: GIT_CONFIG_COUNT in git-config(1)."""
    pairs = {
        f"GIT_CONFIG_{what}_{number}": text
        for number, pair in enumerate(settings.items())
        for what, text in zip(("KEY", "VALUE"), pair, strict=True)
    }
    return {"GIT_CONFIG_COUNT": str(len(settings)), **pairs} if settings else {}


def _environment() -> dict[str, str]:
    return program_environment() | _FIXED


def program_environment() -> dict[str, str]:
    """Of the caller's variables those that any program needs: none of git's own."""
    return {name: os.environ[name] for name in _PASSED if name in os.environ}


def _refusal(complaint: str, *, directory: Path) -> SourceInvalid:
    if "dubious ownership" in complaint:
        return SourceInvalid(
            "git does not read this repository, because it belongs to another user",
            hint=f"git config --global --add safe.directory {directory}",
            where=str(directory),
        )
    if "not a git repository" in complaint:
        return SourceInvalid(
            "this directory is no git repository",
            hint="run `git init` and commit your work, or deploy the directory as it is with --dirty",
            where=str(directory),
        )
    first = complaint.splitlines()[0] if complaint else "git failed without a word"
    return SourceInvalid(f"git could not read the repository: {first}", where=str(directory))
