"""Compose's `${VARIABLE:-default}` in a text. Source: https://docs.docker.com/reference/compose-file/interpolation/

Every variable counts as unset: what a machine or an .env file says is not known here. Must not: read the environment.
"""

from __future__ import annotations

import re

import msgspec

_START = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(:?[-?+]|(?=\})))")
_DEEPEST = 8


class Interpolated(msgspec.Struct, frozen=True, kw_only=True):
    """`text`: with the defaults taken, None where a variable has none. `unset`: variables without a default; `taken`: those with one."""

    text: str | None
    unset: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Nothing was put in: the text says it all by itself."""
        return not self.unset and not self.taken and self.text is not None


def interpolated(text: str, *, depth: int = 0) -> Interpolated:
    """What Compose would make of the text. A `$` that begins nothing, and nesting that is too deep, give no text."""
    pieces: list[str] = []
    unset: list[str] = []
    taken: list[str] = []
    position = 0
    is_whole = True
    while (dollar := text.find("$", position)) >= 0:
        pieces.append(text[position:dollar])
        match = _START.match(text, dollar)
        end = _end(text, match) if match else None
        if match is None or end is None or depth > _DEEPEST:
            return Interpolated(text=None, unset=tuple(unset), taken=tuple(taken))
        position = end
        if match[1]:
            pieces.append("$")
            continue
        name, operator = match[2] or match[3], match[4] or ""
        rest = interpolated(text[match.end() : end - 1], depth=depth + 1) if operator.endswith(("-", "+")) else None
        if rest is None or rest.text is None:
            unset.append(name)
            is_whole = False
        elif operator.endswith("-"):
            taken.append(name)
            pieces.append(rest.text)
        else:
            taken.append(name)  # ${NAME:+text} gives nothing where NAME is unset
    pieces.append(text[position:])
    return Interpolated(text="".join(pieces) if is_whole else None, unset=tuple(unset), taken=tuple(taken))


def _end(text: str, match: re.Match[str]) -> int | None:
    """Behind the variable: behind the brace that closes it, where one opened it."""
    if not match[3]:
        return match.end()
    depth = 1
    for at in range(match.end(), len(text)):
        if text[at] == "{" and text[at - 1] == "$":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at + 1
    return None
