"""The scanner for lines against the standard library's reader: any document they both read has the same keys."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

from hypothesis import example, given
from hypothesis import strategies as st

from mooring.manifest.files.toml_scan import DEEPEST, scan
from mooring.manifest.wording import quoted

BARE = st.from_regex(r"\A[A-Za-z0-9_-]{1,6}\Z")
ANY_KEY = st.one_of(BARE, st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=5).map(quoted))
STRINGS = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12).map(quoted),
    st.sampled_from(
        [
            "'a # b'",
            '"""\nx = 1\n[y]\n"""',
            "'''\n'' ]\n'''",
            '""""quoted" to the end"""""',
            "'''a'''''",
            '"\\""',
            '"""\\""" = \n"""',
            "'\\'",
        ]
    ),
)
SCALARS = st.one_of(
    STRINGS,
    st.integers().map(str),
    st.booleans().map(lambda flag: str(flag).lower()),
    st.sampled_from(["1979-05-27 07:32:00", "1.5e3", "nan"]),
)
SPACE = st.sampled_from(["", " ", "\t", "  "])
BREAK = st.sampled_from(["", "\n", " # ] } = '\n", "\r\n\n"])


def inside(value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    items = st.lists(st.tuples(BREAK, value, BREAK).map("".join), max_size=3)
    arrays = st.tuples(items, st.sampled_from(["", ",\n"])).map(lambda made: f"[{','.join(made[0])}{made[1] if made[0] else ''}]")
    pairs = st.lists(st.tuples(ANY_KEY, SPACE, value), max_size=3, unique_by=lambda pair: pair[0])
    tables = pairs.map(lambda made: "{" + ", ".join(f"{key}{space}={space}{value}" for key, space, value in made) + "}")
    return st.one_of(arrays, tables)


VALUES = st.recursive(SCALARS, inside, max_leaves=6)
PATHS = st.lists(ANY_KEY, min_size=1, max_size=3)
LINES = st.one_of(
    st.tuples(PATHS, SPACE, VALUES).map(lambda made: f"{'.'.join(made[0])}{made[1]}={made[1]}{made[2]}"),
    st.tuples(PATHS, SPACE).map(lambda made: f"[{made[1]}{(made[1] + '.' + made[1]).join(made[0])}{made[1]}]"),
    st.just("# [comment] = 'x'"),
    st.just(""),
    st.sampled_from(["[[many]]", "a = = b", "]"]),
)
DOCUMENTS = st.lists(LINES, max_size=8).map("\n".join)


def leaves(values: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all values that are no tables; arrays are leaves, but for arrays of tables, which nobody asks lines of."""
    if isinstance(values, dict) and values:
        for key, value in values.items():
            yield from leaves(value, (*path, key))
    elif path:
        yield path


@given(DOCUMENTS)
@example("a = 'x'\r\n[b]\r\nc = 1\r\n")
@example('"a\\u0062".c = 1')
@example("a = [ # ]\n 1, [2, {b = 3}], ] # x\nb = 1")
def test_every_key_of_a_valid_document_is_found(text: str) -> None:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = {place.path for place in scan(text).places}
    assert set(leaves(values)) - {("many",)} <= found


@given(DOCUMENTS, st.integers(min_value=0, max_value=5))
def test_a_key_is_found_on_the_line_where_it_stands(text: str, breaks: int) -> None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    whole = text + "\n" * (breaks + 1) + "[here-it-is]\n" + "# x\n" * breaks + "key = 1"
    lines = {place.path: place.line for place in scan(whole).places}
    expected = text.count("\n") + 1 + breaks + 1
    assert lines["here-it-is",] == expected
    assert lines["here-it-is", "key"] == expected + breaks + 1


@given(st.text(alphabet="ab=.[]{}'\"\\#,\n\r\t 1", max_size=60))
def test_any_text_is_scanned_without_an_error(text: str) -> None:
    for place in scan(text).places:
        assert 1 <= place.line <= text.count("\n") + 1


def test_nesting_that_the_reader_would_choke_on_is_found_first() -> None:
    assert scan("ok = 1\nx = " + "[" * (DEEPEST + 1)).too_deep == 2
    assert scan("x = " + "{a=" * 100_000).too_deep == 1
    assert scan("ok = 1\n\n" + "a." * 100_000 + "a = 1").too_deep == 3
    assert scan("[" + "a." * (DEEPEST - 1) + "a]").too_deep == 0


def test_a_large_file_is_scanned_in_time_that_grows_with_its_size() -> None:
    keys = 60_000
    places = scan("".join(f"key{number} = [1, 'x']\n" for number in range(keys))).places
    assert (len(places), places[-1].line) == (keys, keys)
