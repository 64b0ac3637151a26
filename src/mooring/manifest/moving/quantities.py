"""Other tools' ways to write durations, sizes and command lines, in Mooring's. Must not: guess where it cannot be known."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from mooring.manifest.moving.node import Node
from mooring.manifest.wording import duration

_GO_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(us|µs|ns|ms|s|m|h|d)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"\A(\d{1,15}(?:\.\d{1,6})?)\s*([kmgtKMGT]?)(i?[bB]?)\Z")
_PLAIN_NUMBER = re.compile(r"\A\d{1,9}(?:\.\d{1,6})?\Z")
_WHOLE = re.compile(r"\A-?\d{1,9}\Z")
_PORT_OPTION = "-p|-P|--port|--listen|-b|--bind|-l"
_NEEDS_NO_QUOTES = re.compile(r"\A[\w@%+=:,./${}-]+\Z", re.ASCII)


def seconds(text: str | None, *, bare: float = 1.0) -> float | None:
    """Of `1m30s` (Go's words) or a bare number of units of `bare` seconds; None when it is neither."""
    if text is None:
        return None
    if _PLAIN_NUMBER.match(text):
        return float(text) * bare
    parts = _GO_DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def span(text: str | None, *, bare: float = 1.0) -> str:
    """The same as Mooring writes it; what is no duration stays as it is, to be refused by name."""
    found = seconds(text, bare=bare)
    return duration(round(found, 3)) if found is not None else (text or "")


def size(text: str | None, *, bare: str = "") -> str:
    """A size in powers of 1024, as Docker and Fly mean it: `512m` is `512MiB`. `bare`: the unit of a bare number."""
    match = _SIZE.match((text or "").replace("_", ""))
    if match is None:
        return text or ""
    unit = match[2].upper() or bare
    return f"{match[1]}{unit.replace('K', 'k')}iB" if unit else match[1]


def whole(text: str | None) -> int | str:
    """A whole number; anything else stays text, to be refused by name."""
    return int(text) if text is not None and _WHOLE.match(text) else (text or "")


def processors(text: str | None) -> float | str:
    """A number of processors, such as 0.5; anything else stays text, to be refused by name."""
    return float(text) if text is not None and _PLAIN_NUMBER.match(text) else (text or "")


def flag(node: Node) -> bool | str:
    """True or false; anything else stays text, to be refused by name."""
    return node.is_true if node.is_true or node.is_false else (node.text or "")


def shell_line(words: Sequence[str]) -> str:
    """A command of separate words as a line for a shell. Variables in a word stay variables."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if "$" not in word:
        return shlex.quote(word)
    if _NEEDS_NO_QUOTES.match(word):
        return word
    return '"' + re.sub(r'([\\"`])', r"\\\1", word) + '"'


def exec_line(text: str) -> str | None:
    """A command line that no shell read, as one for a shell: what a shell would take for its own is quoted. None: quotes are open."""
    if "$" in text:
        return text
    try:
        return shlex.join(shlex.split(text))
    except ValueError:
        return None


def on_given_port(command: str, port: str) -> str:
    """The command with `$PORT` where it names this port to listen on: after a colon, an equals sign or an option for it.

    Single quotes around such a word become double ones; a line in quotes, for another shell, keeps its own.
    """
    listening = rf"(?:(?<=[:=])|(?<=\s)(?P<option>{_PORT_OPTION})(?P<space>\s+['\"]?)){re.escape(port)}(?=['\"\s]|\Z)"
    given = re.sub(listening, lambda found: f"{found['option'] or ''}{found['space'] or ''}$PORT", command)
    return re.sub(r"(?<!\S)'([^'\s]*\$PORT)'(?!\S)", r'"\1"', given)
