"""The mooring.toml that a translation comes to, each line with where it comes from. Must not: write a file."""

from __future__ import annotations

from collections.abc import Iterable

from mooring.manifest.keys.table import SECTIONS
from mooring.manifest.moving.translation import Outcome, Row, Setting, toml
from mooring.manifest.wording import shown

_ORDER = [section.path.partition(".")[0] for section in SECTIONS]
_LEFT = (Outcome.NOT_YET, Outcome.NOT_MAPPED, Outcome.UNKNOWN)


def written(settings: Iterable[Setting], rows: Iterable[Row], *, file: str) -> tuple[str, dict[int, str]]:
    """The text, and the key that stands on each of its lines (from 1)."""
    lines = [f"# Written by `mooring init --from {_one_line(file)}`. `mooring explain KEY` tells more of each key."]
    keys: dict[int, str] = {}
    for table, inside in _tables(settings):
        is_draft = all(setting.is_draft for setting in inside)
        lines += ["", *([f"{'# ' if is_draft else ''}[{table}]"] if table else [])]
        for setting in inside:
            lines.append(f"{'# ' if setting.is_draft else ''}{_name(setting)} = {toml(setting.value)}  # {_origin(setting, file)}")
            keys[len(lines)] = setting.key
    left = [row for row in rows if row.outcome in _LEFT]
    if left:
        lines += [
            "",
            "# Not taken over:",
            *(f"#   {_one_line(file)}:{row.line} {_one_line(row.source)}: {_one_line(row.why)}" for row in left),
        ]
    return "\n".join(lines) + "\n", keys


def _tables(settings: Iterable[Setting]) -> list[tuple[str, list[Setting]]]:
    """By table, in the order of the reference page; process types in the order of their first setting."""
    tables: dict[str, list[Setting]] = {}
    for setting in settings:
        tables.setdefault(setting.key.rpartition(".")[0], []).append(setting)
    groups = list(dict.fromkeys(_group(table) for table in tables))
    return sorted(tables.items(), key=lambda entry: (_ORDER.index(entry[0].split(".")[0]), groups.index(_group(entry[0])), entry[0]))


def _group(table: str) -> tuple[str, ...]:
    """The process type with all that is below it."""
    return tuple(table.split(".")[:2])


def _name(setting: Setting) -> str:
    return setting.key.rpartition(".")[2]


def _origin(setting: Setting, file: str) -> str:
    return f"{_one_line(file)}:{setting.line} {_one_line(setting.source)}" if setting.source else "the name chosen here"


def _one_line(text: str) -> str:
    return shown(text)[1:-1] if not text.isprintable() or len(text) > 200 else text
