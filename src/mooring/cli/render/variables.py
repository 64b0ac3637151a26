"""Variables of an environment: names, values and origins; of secrets the name alone. Must not: show a secret's value."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.cli.render.styled import Line, Span, Style, line
from mooring.cli.render.table import Column, table
from mooring.usecases.answers import Variable, VariableKind


def variable_lines(variables: Sequence[Variable], *, shows_origin: bool, width: int | None) -> list[Line]:
    """`NAME=VALUE` lines that can be read back, or a table with origins."""
    ordered = sorted(variables, key=lambda variable: variable.name)
    if not ordered:
        return [line("No variables: `mooring config set NAME=VALUE` sets one.")]
    if not shows_origin:
        return [line(Span(variable.name, Style.STRONG), "=", _value(variable)) for variable in ordered]
    columns = (Column("name"), Column("value", is_flexible=True), Column("from"))
    return table(
        columns,
        [[line(variable.name), line(_value(variable)), line(Span(variable.origin, Style.DIM))] for variable in ordered],
        width=width,
    )


def secret_names(variables: Sequence[Variable]) -> list[str]:
    """Names of the secrets, sorted."""
    return sorted(variable.name for variable in variables if variable.kind is VariableKind.SECRET)


def secret_lines(names: Sequence[str]) -> list[Line]:
    """One name a line."""
    return [line(name) for name in names] or [line("No secrets: printf %s VALUE | mooring secret set NAME sets one.")]


def _value(variable: Variable) -> Span:
    if variable.kind is VariableKind.SECRET or variable.value is None:
        return Span("<secret>", Style.DIM)
    return Span(variable.value)
