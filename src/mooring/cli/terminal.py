"""Where lines go: a terminal with its width, colours and alphabet, or a file that gets plain text. Must not: know what is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from typing import TextIO

from mooring.cli.render.styled import Line, Style

# One column each, so that a layout made for the left stays right with the right.
ASCII_STANDINS = str.maketrans("→✓✗·…│─×●○—–“”‘’├╰┌└▶", ">+x-~|-x*o--\"\"''|`.`>")
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ASCII_SPINNER = "|/-\\"
LEAST_WIDTH = 40


class Terminal:
    """A stream and what it can show. `width` None: not a terminal, lines are as long as they are."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self.stream = stream
        self.is_terminal = stream.isatty()
        self.is_live = self.is_terminal and environment.get("TERM", "") not in ("", "dumb")
        self.has_colour = self.is_live and not environment.get("NO_COLOR")
        self.has_unicode = (stream.encoding or "ascii").lower().replace("-", "") in ("utf8", "utf8sig")

    @property
    def width(self) -> int | None:
        """Columns, asked anew each time, since windows are resized."""
        return max(shutil.get_terminal_size().columns, LEAST_WIDTH) if self.is_terminal else None

    def write(self, lines: Iterable[Line]) -> None:
        """Each line with its styles where there is colour, and only characters that the stream's encoding has."""
        for spans in lines:
            self.stream.write(self.encodable("".join(self._painted(span.text, span.style) for span in spans).rstrip()) + "\n")
        self.stream.flush()

    def write_raw(self, text: str) -> None:
        """Text that is already fit for the stream: a JSON document, a completion script."""
        self.stream.write(text)
        self.stream.flush()

    def encodable(self, text: str) -> str:
        """The text in the stream's alphabet: symbols by stand-ins, other foreign characters as escapes."""
        if self.has_unicode:
            return text
        encoding = self.stream.encoding or "ascii"
        return text.translate(ASCII_STANDINS).encode(encoding, "backslashreplace").decode(encoding)

    def spinner(self, moment: float) -> str:
        """One column that turns, ten steps a second. `moment` in seconds."""
        frames = SPINNER if self.has_unicode else ASCII_SPINNER
        return frames[int(moment * 10) % len(frames)]

    def _painted(self, text: str, style: Style) -> str:
        return f"\x1b[{style.value}m{text}\x1b[0m" if self.has_colour and style.value and text else text
