"""What came of another tool's file, for people: a table of all that has its place, then what has none, then what to type.

Must not: show a value that the translation left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from mooring.cli.render.styled import Line, Span, Style, hanging, line
from mooring.cli.render.table import Column, table
from mooring.manifest.moving import Outcome, Row, Translation

_STYLES = {
    Outcome.MAPPED: Style.GOOD,
    Outcome.PARTLY: Style.WARN,
    Outcome.NEEDLESS: Style.DIM,
    Outcome.NOT_YET: Style.WARN,
    Outcome.NOT_MAPPED: Style.WARN,
    Outcome.UNKNOWN: Style.BAD,
}
_TAKEN = (Outcome.MAPPED, Outcome.PARTLY)


def translation_lines(translation: Translation, *, width: int | None) -> list[Line]:
    """Every key of the source stands in it once."""
    taken = [row for row in translation.rows if row.outcome in _TAKEN]
    rows: list[Line] = []
    if taken:
        columns = (Column("line"), Column("key there", is_flexible=True), Column(""), Column("in mooring.toml", is_flexible=True))
        rows += table(columns, [_cells(row) for row in taken], width=width)
    for outcome in Outcome:
        explained = [row for row in translation.rows if row.outcome is outcome and (row.why or outcome not in _TAKEN)]
        if explained:
            rows += [*_gap(rows), line(Span(f"{outcome.value}:", _STYLES[outcome])), *_explained(explained, translation.file, width=width)]
    for note in translation.notes:
        rows += [*_gap(rows), *hanging(line(Span("· ", Style.DIM)), note, width=width)]
    if translation.commands:
        rows += [
            (),
            line("To type, before the first deployment:"),
            *(line("  ", Span(each, Style.STRONG)) for each in translation.commands),
        ]
    return rows


def _gap(rows: Sequence[Line]) -> list[Line]:
    return [()] if rows else []


def _cells(row: Row) -> list[Line]:
    mark = Span("partly" if row.outcome is Outcome.PARTLY else "", _STYLES[row.outcome])
    return [line(Span(str(row.line), Style.DIM)), line(row.source), line(mark), line("; ".join(row.settings))]


def _explained(rows: Sequence[Row], file: str, *, width: int | None) -> list[Line]:
    """Keys of which the same is to be said stand together."""
    alike: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        alike.setdefault((row.why, row.instead, *row.commands), []).append(row)
    told: list[Line] = []
    for (why, instead, *commands), mine in alike.items():
        told += [line("  ", Span(f"{file}:{row.line}", Style.DIM), " ", Span(row.source, Style.STRONG)) for row in mine]
        told += hanging(line("      "), why, width=width) if why else []
        for hint in [*([instead] if instead else []), *(f"`{command}`" for command in commands)]:
            told += hanging(line(Span("      → ", Style.ACCENT)), hint, width=width)
    return told
