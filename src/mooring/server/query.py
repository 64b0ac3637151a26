"""What may be said in an address's query, declared once. Must not: read a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One of the query. `kind` is str, int or bool; `least` and `most` bound an int, or the length of a str.

    `pattern` is for the OpenAPI document: what keeps it is the use case."""

    name: str
    kind: type
    about: str
    default: str | int | bool | None = None
    is_required: bool = False
    least: int | None = None
    most: int | None = None
    pattern: str = ""
