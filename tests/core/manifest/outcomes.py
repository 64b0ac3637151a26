"""What reading any files comes to, and what holds for all that comes out."""

from __future__ import annotations

from mooring.errors import ManifestInvalid
from mooring.manifest import Manifest, read
from mooring.model.environment import EnvironmentId

SHOP = EnvironmentId.parse("shop")


def outcome(files: dict[str, bytes]) -> Manifest | ManifestInvalid:
    """A manifest or problems for people: every place that either names exists. Raises whatever else the reader raises."""
    try:
        manifest = read(files, environment=SHOP, offered={})
    except ManifestInvalid as error:
        for problem in error.problems:
            assert 0 <= problem.line <= files.get(problem.file, b"").count(b"\n") + 1
            assert len(str(problem)) < 1000
            assert str(problem).replace("\n    fix: ", "").isprintable()
        return error
    lines = {file: content.count(b"\n") + 1 for file, content in files.items()}
    for origin in manifest.origins.values():
        file, _, line = origin.rpartition(":")
        assert not file or 1 <= int(line) <= lines[file]
    return manifest
