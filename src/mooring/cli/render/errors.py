"""An error for a person: what was wrong and where, and what to do next. Must not: show a traceback."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.cli.render.styled import Line, Span, Style, hanging, line
from mooring.errors import ManifestInvalid, MooringError
from mooring.model.problem import Problem


def error_lines(error: MooringError, *, width: int | None) -> list[Line]:
    """Message, place and hint; of a manifest all problems, each with its fix."""
    if isinstance(error, ManifestInvalid):
        return [*_headline(error.message, width=width), *_problems(error.problems, width=width)]
    located = f"{error.where}: {error.message}" if error.where else error.message
    return [*_headline(located, width=width), *_hint(error.hint, width=width)]


def _headline(text: str, *, width: int | None) -> list[Line]:
    return hanging(line(Span("✗ ", Style.FAILURE)), text, width=width)


def _hint(hint: str, *, width: int | None) -> list[Line]:
    return hanging(line(Span("  → ", Style.ACCENT)), hint, width=width) if hint else []


def _problems(problems: Sequence[object], *, width: int | None) -> list[Line]:
    rows: list[Line] = []
    for problem in problems:
        rows += [(), *_problem(problem, width=width)] if isinstance(problem, Problem) else hanging(line("  "), str(problem), width=width)
    return rows


def _problem(problem: Problem, *, width: int | None) -> list[Line]:
    place = f"{problem.file}:{problem.line}" if problem.line else problem.file
    rows = [line("  ", Span(place, Style.STRONG), Span(f"  {problem.key}" if problem.key else "", Style.ACCENT))]
    rows += hanging(line("    "), problem.message, width=width)
    return [*rows, *(hanging(line(Span("    fix: ", Style.ACCENT)), problem.hint, width=width) if problem.hint else [])]
