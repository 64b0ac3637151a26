"""Makes the archive that is uploaded: a commit as git holds it, or the working tree; never `.git`, and never a byte changed.

The archive is written here rather than by `git archive`, which leaves out and rewrites files where attributes say so and runs smudge
filters: what is deployed is the tree of the commit, byte for byte, and a clean working tree gives the same digest.
Must not: run anything but git, or follow a link.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from mooring.client.git import Git
from mooring.client.source_pieces import Piece, committed_pieces, named, working_pieces
from mooring.client.source_writer import SourceWriter
from mooring.errors import SourceInvalid
from mooring.model.release import Source

PLAIN_LEFT_OUT = ("node_modules", ".venv", "venv", "__pycache__")
_PLAIN_NOTE = f"this is no git repository, so the directory went as it is, without {', '.join(PLAIN_LEFT_OUT)} and what a .gitignore names"


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """`archive` is a tar file (0600) that the caller removes; `notes` are sentences for the person who deploys; `size` in bytes."""

    archive: Path
    source: Source
    notes: tuple[str, ...]
    size: int


def pack(directory: Path, *, commit: str = "HEAD", dirty: bool = False, temporary: Path | None = None) -> Package:
    """Pack the app in `directory`: this directory of the commit, or (`dirty`) what lies in it now, but for what git ignores.

    A directory inside a repository is packed alone, as its own tree. Raises SourceInvalid, saying what to do.
    """
    if not directory.is_dir():
        raise SourceInvalid("there is no such directory", where=str(directory))
    git = Git(directory)
    if git.is_repository():
        return _pack_working_tree(git, directory, temporary) if dirty else _pack_commit(git, directory, commit, temporary=temporary)
    if dirty:
        return _pack_plain_directory(directory, temporary)
    raise SourceInvalid(
        "this directory is no git repository",
        hint="run `git init` and commit your work, or deploy the directory as it is with --dirty",
        where=str(directory),
    )


def pack_pushed(
    repository: Path, commit: str, *, branch: str, temporary: Path | None = None, replaced: Mapping[str, bytes | None] | None = None
) -> Package:
    """Pack a commit of a bare repository, all of it, but for the files that are `replaced`; None: left out. Raises SourceInvalid."""
    git = Git(repository, git_directory=repository)
    found = git.commit(commit)
    origin = Source(digest="", commit=found.id, branch=branch, message=found.message)
    nothing = SourceInvalid(f"the commit {found.id[:7]} holds no file", hint="`git add` and `git commit` something to run")
    return _write(committed_pieces(git, found.id, replaced=replaced), origin, [], nothing=nothing, temporary=temporary)


def _pack_commit(git: Git, directory: Path, name: str, *, temporary: Path | None) -> Package:
    commit = git.commit(name)
    is_head = name == "HEAD" or commit.id == git.commit("HEAD").id
    changed = uncommitted(git) if is_head else []
    notes = [_left_behind(changed)] if changed else []
    origin = Source(digest="", commit=commit.id, branch=git.branch() if is_head else "", message=commit.message)
    nothing = SourceInvalid(
        f"the commit {commit.id[:7]} holds nothing of this directory",
        hint="`git add` and `git commit` it, or deploy it as it is with --dirty",
        where=str(directory),
    )
    return _write(committed_pieces(git, commit.id), origin, notes, nothing=nothing, temporary=temporary)


def _pack_working_tree(git: Git, directory: Path, temporary: Path | None) -> Package:
    origin = Source(digest="", branch=git.branch(), is_dirty=True)
    head = git.commit_if_any("HEAD")
    if head is not None:
        origin = msgspec.structs.replace(origin, commit=head.id, message=head.message, is_dirty=bool(uncommitted(git)))
    return _write(working_pieces(git, directory), origin, [], nothing=_nothing(directory), temporary=temporary)


def _pack_plain_directory(directory: Path, temporary: Path | None) -> Package:
    """Outside a repository git still knows what a .gitignore means: an empty repository elsewhere is lent to it."""
    with tempfile.TemporaryDirectory(prefix="mooring-git-") as lent:
        Git(directory).ask("init", "--quiet", "--bare", "--template=", "--", lent)
        pieces = working_pieces(Git(directory, git_directory=Path(lent)), directory, leaving_out=PLAIN_LEFT_OUT)
        return _write(pieces, Source(digest="", is_dirty=True), [_PLAIN_NOTE], nothing=_nothing(directory), temporary=temporary)


def uncommitted(git: Git) -> list[bytes]:
    """Paths below this directory that differ from HEAD or are not known to it, ignored ones left out."""
    prefix = git.ask("rev-parse", "--show-prefix").removesuffix(b"\n")
    fields = iter(git.changes())
    changed = []
    for field in fields:
        changed.append(field[3:].removeprefix(prefix))
        if b"R" in field[:2] or b"C" in field[:2]:
            next(fields, None)  # where it came from
    return changed


def _write(pieces: Iterator[Piece], origin: Source, notes: list[str], *, nothing: SourceInvalid, temporary: Path | None) -> Package:
    descriptor, name = tempfile.mkstemp(prefix="mooring-source-", suffix=".tar", dir=temporary)
    archive = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
            writer = SourceWriter(tar)
            for piece in pieces:
                writer.add(piece)
        if writer.count == 0:
            raise nothing
    except BaseException:
        archive.unlink(missing_ok=True)
        raise
    source = msgspec.structs.replace(origin, digest=writer.digest)
    return Package(archive=archive, source=source, notes=(*notes, *writer.notes()), size=archive.stat().st_size)


def _left_behind(changed: list[bytes]) -> str:
    what = "1 uncommitted file is" if len(changed) == 1 else f"{len(changed)} uncommitted files are"
    return f"{what} not deployed: {named(changed)} (commit first, or deploy with --dirty)"


def _nothing(directory: Path) -> SourceInvalid:
    return SourceInvalid("there is nothing to deploy in this directory", hint="add files that git does not ignore", where=str(directory))
