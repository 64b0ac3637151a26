"""Lines that stay, above a part that keeps moving, on a terminal that can do that. Must not: know what a deployment is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from mooring.cli.render.styled import Line, Style
from mooring.cli.terminal import Terminal

_RICH = {
    Style.PLAIN: "",
    Style.STRONG: "bold",
    Style.DIM: "dim",
    Style.GOOD: "green",
    Style.BAD: "red",
    Style.WARN: "yellow",
    Style.ACCENT: "cyan",
    Style.FAILURE: "bold red",
    Style.SUCCESS: "bold green",
}


class LiveLines:
    """Use as a context. `moving(width, height)` is asked for the moving part about eight times a second, from another thread."""

    def __init__(self, terminal: Terminal, moving: Callable[[int, int], Sequence[Line]]) -> None:
        self._terminal = terminal
        self._moving = moving
        self._console = Console(
            file=terminal.stream,
            color_system="auto" if terminal.has_colour else None,
            force_terminal=True,
            markup=False,
            emoji=False,
            highlight=False,
            soft_wrap=True,
        )
        self._live = Live(
            console=self._console,
            get_renderable=self._frame,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()

    def settle(self, lines: Iterable[Line]) -> None:
        """Lines that stay: they go above the moving part."""
        for spans in lines:
            self._console.print(self._text(spans), no_wrap=True, overflow="ignore", crop=False)
        self._live.refresh()

    def _frame(self) -> Text:
        width, height = self._console.size
        rows = self._moving(width, max(height - 1, 4))
        return Text("\n", no_wrap=True, overflow="crop").join(self._text(spans) for spans in rows)

    def _text(self, spans: Line) -> Text:
        text = Text(no_wrap=True, overflow="crop", end="")
        for span in spans:
            text.append(self._terminal.encodable(span.text), style=_RICH[span.style])
        return text
