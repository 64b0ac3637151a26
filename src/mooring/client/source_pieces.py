"""What a source consists of, piece by piece, from a commit or from a working tree. Must not: write an archive, or follow a link."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from mooring.client.git import Git
from mooring.errors import SourceInvalid

_LINK, _EXECUTABLE, _SUBMODULE = b"120000", b"100755", b"160000"
_NAMED = 3


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A file or link: `kind` is `f`, `x` (executable) or `l`. `content` (of a link: its target) may be read until the next piece."""

    path: bytes
    kind: str
    size: int
    content: IO[bytes]


def committed_pieces(git: Git, commit: str, *, replaced: Mapping[str, bytes | None] | None = None) -> Iterator[Piece]:
    """The tree of the commit below git's directory, as git holds it, but for what is `replaced` in it; None: left out.

    Raises SourceInvalid when there are submodules."""
    files = {path.encode(): content for path, content in (replaced or {}).items()}
    entries = [_entry(field) for field in git.fields("ls-tree", "-r", "-z", commit)]
    entries = [entry for entry in entries if not any(_stands_in(entry[2], path) for path in files)]
    _refuse_submodules([path for mode, _, path in entries if mode == _SUBMODULE])
    with git.objects() as (question, answer):
        for mode, identity, path in entries:
            question.write(identity + b"\n")
            question.flush()
            size = _size_of_answer(answer.readline(), path)
            kind = "l" if mode == _LINK else "x" if mode == _EXECUTABLE else "f"
            yield Piece(path=path, kind=kind, size=size, content=answer)
            answer.read(1)  # the newline after each content
    for path, given in files.items():
        if given is not None:
            yield Piece(path=path, kind="f", size=len(given), content=io.BytesIO(given))


def working_pieces(git: Git, directory: Path, *, leaving_out: Sequence[str] = ()) -> Iterator[Piece]:
    """Files that git knows here and files that it does not ignore, as they lie there now, but for the names in `leaving_out`."""
    staged = git.fields("ls-files", "--stage", "-z")
    _refuse_submodules([field.partition(b"\t")[2] for field in staged if field.startswith(_SUBMODULE)])
    excluded = [f"--exclude={name}" for name in leaving_out]
    paths = set(git.fields("ls-files", "-z", "--cached", "--others", "--exclude-standard", *excluded))
    _refuse_submodules(sorted(path.rstrip(b"/") for path in paths if path.endswith(b"/")))
    for path in sorted(paths):
        yield from _working_piece(directory, path)


def shown(path: bytes) -> str:
    """A path for a message: as it is when it is plain, quoted when it holds anything that would confuse a reader."""
    text = path.decode("utf-8", "backslashreplace")
    text = text if text.isprintable() and text.strip() == text and "," not in text else repr(text)
    return text if len(text) <= 120 else f"{text[:120]}…"


def named(paths: Sequence[bytes]) -> str:
    """The first few paths, for a message."""
    return ", ".join(shown(path) for path in paths[:_NAMED]) + (" …" if len(paths) > _NAMED else "")


def _stands_in(path: bytes, place: bytes) -> bool:
    """Whether what lies at a path is at that place, below it, or where its folder should be."""
    return path == place or path.startswith(place + b"/") or place.startswith(path + b"/")


def _entry(field: bytes) -> tuple[bytes, bytes, bytes]:
    """Mode, object id and path of `100644 blob 0a1b2c…<TAB>path`."""
    description, _, path = field.partition(b"\t")
    mode, _, identity = description.split(b" ")
    return mode, identity, path


def _size_of_answer(header: bytes, path: bytes) -> int:
    words = header.split()
    if len(words) != 3 or words[1] != b"blob":
        raise SourceInvalid(
            f"git has not got the content of {shown(path)}",
            hint="the clone is partial or damaged: `git fetch --refetch`, or `git fsck` says more",
        )
    return int(words[2])


def _working_piece(directory: Path, path: bytes) -> Iterator[Piece]:
    """One piece, or none when git still knows a file that was removed. Raises SourceInvalid when it cannot be read."""
    place = directory / os.fsdecode(path)
    try:
        mode = place.lstat().st_mode
        if stat.S_ISLNK(mode):
            target = os.fsencode(place.readlink())
            yield Piece(path=path, kind="l", size=len(target), content=io.BytesIO(target))
        elif stat.S_ISREG(mode):
            with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                yield Piece(path=path, kind="x" if mode & 0o100 else "f", size=size, content=file)
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError as failure:
        raise SourceInvalid(
            f"{shown(path)} cannot be read: {failure.strerror}", hint="make it readable, or have git ignore it"
        ) from failure


def _refuse_submodules(paths: Sequence[bytes]) -> None:
    if paths:
        what = "a submodule" if len(paths) == 1 else "submodules"
        raise SourceInvalid(
            f"the source holds {what}, whose content is not part of the archive: {named(paths)}",
            hint="put its files into the repository itself (`git rm --cached PATH`, remove PATH/.git, `git add PATH`), or use a package",
        )
