"""Lines of an app's log: who said it, in a colour of its own; what it said, made harmless. Must not: cut or wrap what was said."""

from __future__ import annotations

from mooring.cli.render.styled import Line, Span, Style, line
from mooring.model.instance import LogLine

SOURCE_WIDTH = 12
_COLOURS = (Style.ACCENT, Style.GOOD, Style.WARN)


def log_line(said: LogLine) -> Line:
    """`v7 web.1      | text`."""
    source = f"v{said.release} {said.source}" if said.release else said.source
    return line(
        Span(f"{source:<{SOURCE_WIDTH}} ", _COLOURS[sum(said.source.encode()) % len(_COLOURS)]), Span("│ ", Style.DIM), Span(said.text)
    )
