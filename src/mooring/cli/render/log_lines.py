"""Lines of an app's log: who said it, in a colour of its own; what it said, made harmless. Must not: cut or wrap what was said."""

from __future__ import annotations

from mooring.cli.render.styled import Line, Span, Style, line
from mooring.model.instance import LogLine
from mooring.model.names import LOCAL

SOURCE_WIDTH = 12
_COLOURS = (Style.ACCENT, Style.GOOD, Style.WARN)


def log_line(said: LogLine) -> Line:
    """`v7 web.1      | text`; with its host where that is not the controller's own: `v7 web.1@eu-1`."""
    place = said.source if said.host == LOCAL else f"{said.source}@{said.host}"
    source = f"v{said.release} {place}" if said.release else place
    return line(
        Span(f"{source:<{SOURCE_WIDTH}} ", _COLOURS[sum(said.source.encode()) % len(_COLOURS)]), Span("│ ", Style.DIM), Span(said.text)
    )
