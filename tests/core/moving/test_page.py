"""The page on moving over against what is made of its examples."""

from __future__ import annotations

from core.moving.page import EXAMPLES, PAGE, page

from mooring.manifest.moving import DIALECTS


def test_the_page_is_what_its_examples_come_to() -> None:
    assert PAGE.read_text() == page(), "write it anew: .venv/bin/python tests/core/moving/page.py"


def test_the_page_has_an_example_of_every_tool_and_names_every_dialect() -> None:
    assert {"compose", "kamal", "fly", "app.json"} <= {asked for _, asked, _ in EXAMPLES.values()}
    assert all(f"{dialect}" in page() or dialect == "procfile" for dialect in DIALECTS)
