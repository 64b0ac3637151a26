"""The corpus itself: large enough, each class that applies, each entry, no input twice."""

from __future__ import annotations

from collections import Counter

from hostile.archives import HOSTILE
from hostile.rows import CASES, all_rows

CLASSES = {
    "admin-surface-from-a-browser",
    "exhaustion",
    "log-output",
    "missing-authorization",
    "name-into-a-shell",
    "refs-and-transports",
    "repository-files",
    "second-order",
    "secrets-where-they-are-seen",
    "server-side-request-forgery",
    "sister-command",
    "two-readings-of-one-address",
}
ENTRIES = {"manifest", "procfile", "app-json", "cli", "api", "wire", "tcp", "edge", "environment", "repository", "log"}


def test_there_are_enough_inputs_of_every_class_for_every_entry() -> None:
    rows = all_rows()
    assert len(rows) >= 250
    assert len(HOSTILE) >= 60
    assert {row.group for row in rows} == CLASSES
    assert {row.entry for row in rows} == ENTRIES
    assert min(Counter(row.group for row in rows).values()) >= 4
    assert min(Counter(row.entry for row in rows).values()) >= 4


def test_no_row_is_there_twice_and_every_refusal_names_something() -> None:
    rows = all_rows()
    assert [name for name, count in Counter(row.id for row in rows).items() if count > 1] == []
    assert [
        place for place, count in Counter((row.entry, row.slot, row.content, str(row.extra)) for row in rows).items() if count > 1
    ] == []
    assert [row.id for row in rows if row.expected == "refused" and row.entry != "edge" and not row.field] == []


def test_every_class_and_entry_is_in_the_pages_list() -> None:
    page = (CASES / "README.md").read_text()
    assert [name for name in CLASSES | ENTRIES if f"`{name}`" not in page] == []
