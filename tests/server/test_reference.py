"""The page about the API is the one that the API would write today."""

from __future__ import annotations

from pathlib import Path

from mooring.server.endpoints import ENDPOINTS
from mooring.server.reference import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "api.md"


def test_the_reference_page_is_current() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m mooring.server.reference > docs/reference/api.md"


def test_every_route_has_a_section() -> None:
    text = page()
    assert [f"## {endpoint.method} {endpoint.path}\n" in text for endpoint in ENDPOINTS] == [True] * len(ENDPOINTS)
