"""Which files a requirements.txt is made of, and whether it asks for parts of the source tree itself. Must not: resolve anything.

Source: pip's documentation, "Requirements File Format".
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import msgspec

from mooring.errors import BuildFailed

_INCLUDE = re.compile(r"\A\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=|(?<=-[rc]))\s*(?P<path>[^\s#]+)")
_LOCAL = re.compile(r"\A\s*(?:-e\b|--editable\b|\.|/|file:)|@\s*file:|\A\s*(?![^\s#]*://)[^\s#@]*/[^\s#@]*(?:\s|#|\Z)")
_LIMIT = 50


class RequirementFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Each file's path in the tree with its content; `is_local`: something is installed from the tree itself."""

    files: tuple[tuple[str, bytes], ...]
    is_local: bool


def read_requirements(source: Path, name: str = "requirements.txt") -> RequirementFiles:
    """Follow `-r` and `-c` inside the tree. Raises BuildFailed when one is missing or outside."""
    found: dict[str, bytes] = {}
    waiting = [(name, "")]
    is_local = False
    while waiting:
        path, named_in = waiting.pop()
        if path in found:
            continue
        if len(found) >= _LIMIT:
            raise BuildFailed(f"{name} includes more than {_LIMIT} files", hint="put them together")
        found[path] = _read(source, path, named_in=named_in)
        text = found[path].decode("utf-8", "replace")
        is_local = is_local or any(_LOCAL.search(line) for line in text.splitlines())
        waiting += [(_beside(path, included), path) for included in _includes(text)]
    return RequirementFiles(files=tuple(sorted(found.items())), is_local=is_local)


def _includes(text: str) -> list[str]:
    matches = (_INCLUDE.match(line) for line in text.splitlines())
    return [match["path"] for match in matches if match and "://" not in match["path"]]


def _beside(path: str, included: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / included).parts:
        if part == "/" or (part == ".." and not parts):
            raise BuildFailed(f"{path} includes {included!r}, which is outside the source", hint="keep it in the repository")
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def _read(source: Path, path: str, *, named_in: str) -> bytes:
    try:
        return (source / path).read_bytes()
    except OSError as failure:
        by = f", named in {named_in}," if named_in else ""
        raise BuildFailed(
            f"{path}{by} cannot be read: {failure.strerror}", hint="commit it, or remove the line", where=named_in
        ) from failure
