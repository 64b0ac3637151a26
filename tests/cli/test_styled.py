"""Foreign text is made harmless, and lines fit, whatever is in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.cli.render.styled import Span, cells, clip, hanging, line, plain, verbatim, visible, width_of, wrap
from mooring.cli.render.table import Column, table


@given(st.text())
def test_no_text_keeps_a_character_that_steers_hides_or_reorders(text: str) -> None:
    shown = visible(text)
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\u2028\u2029\ufeff")
    assert shown.encode("utf-8").decode("utf-8") == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\nc", "a\\rb\\nc"),
        ("a\tb", "a   b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("[red]markup[/red] :smile:", "[red]markup[/red] :smile:"),
        ("\ud800", "\\ud800"),
        ("漢字 é ✓", "漢字 é ✓"),
    ],
)
def test_harmful_characters_are_written_out_and_others_kept(text: str, shown: str) -> None:
    assert Span(text).text == shown


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_a_clipped_line_fits(text: str, width: int) -> None:
    assert width_of(clip(line(text), width)) <= width


@given(st.text(), st.integers(min_value=8, max_value=50))
def test_a_wrapped_text_fits_and_loses_nothing_but_spaces(text: str, width: int) -> None:
    rows = wrap(text, width)
    assert all(cells(row) <= width for row in rows)
    assert "".join(rows).replace(" ", "") == visible(text).replace("\u00a0", " ").replace(" ", "")


@given(st.text(), st.integers(min_value=20, max_value=80))
def test_a_printed_line_keeps_every_character(text: str, width: int) -> None:
    rows = [plain(row) for row in verbatim(text, width=width)]
    assert "".join(row.removeprefix("  │ ") for row in rows) == visible(text)
    assert all(cells(row) <= width for row in rows)


def test_a_hanging_text_is_indented_below_its_label() -> None:
    rows = [plain(row) for row in hanging(line("label "), "one two three\nfour", width=14)]
    assert rows == ["label one two", "      three", "      four"]


def test_wide_characters_take_two_columns_and_combining_ones_none() -> None:
    assert cells("漢字") == 4
    assert cells("e\u0301") == 1


def test_a_table_gives_way_in_its_flexible_column_only() -> None:
    columns = (Column("name", is_flexible=True), Column("count", is_right=True))
    rows = [[line("a-very-long-name-indeed"), line("1,000")]]
    assert [plain(row) for row in table(columns, rows, width=20)] == ["name           count", "a-very-long-…  1,000"]
    assert [plain(row) for row in table(columns, rows, width=None)][1] == "a-very-long-name-indeed  1,000"


def test_a_column_that_is_empty_everywhere_is_left_out() -> None:
    rows = [[line("a"), ()], [line("b"), ()]]
    assert plain(table((Column("x"), Column("memory")), rows, width=80)[0]) == "x"
