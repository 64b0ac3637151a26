"""Lets the tests of the command line import their fake platform and console by name."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_platform import SHOP, FakePlatform

from mooring.model.release import Source


@pytest.fixture
def platform(tmp_path: Path) -> FakePlatform:
    """With shop/production at v2."""
    made = FakePlatform()
    archive = tmp_path / "archive.tar"
    archive.write_bytes(b"tar")
    for commit in ("1111111aaaa", "2222222bbbb"):
        made.deploy(SHOP, archive, Source(digest=commit, commit=commit, branch="main", message=f"Change {commit[0]}"))
    made.uploads.clear()
    return made
