"""Finds the last error that a program told of, as Python and Node print one that nobody caught. Pure. Must not: guess from other lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

_MOST = 200  # characters told of one error
_PYTHON_FRAME = re.compile(r'\A  File "(?P<file>[^"]+)", line (?P<line>\d+)')
_PYTHON_ERROR = re.compile(r"\A(?P<error>[A-Za-z_][\w.]*(?:: .*)?)\Z")
_NODE_FRAME = re.compile(r"\A    at (?:.* \()?(?:file://)?(?P<file>/[^():]+):(?P<line>\d+):\d+\)?\Z")
_NODE_ERROR = re.compile(r"\A(?:Uncaught )?(?P<error>(?:[A-Za-z_$][\w$.]*)?Error(?: \[\w+\])?(?:: .*)?)\Z")


def last_error(lines: Sequence[str]) -> str:
    """`ZeroDivisionError: division by zero (app.py, line 1)`; nothing where no line tells of one. `lines` are oldest first.

    The beginning of its trace may be missing: a tail of a log begins anywhere.
    """
    for index in range(len(lines) - 1, -1, -1):
        told = _of_python(lines, index) or _of_node(lines, index)
        if told:
            return told
    return ""


def _of_python(lines: Sequence[str], index: int) -> str:
    """The error of the trace whose innermost frame is this line: the first line after it that is not indented."""
    frame = _PYTHON_FRAME.match(lines[index])
    if frame is None:
        return ""
    outside = next((line for line in lines[index + 1 :] if line and not line[0].isspace()), "")
    error = _PYTHON_ERROR.match(outside)
    return _told(error, frame) if error else ""


def _of_node(lines: Sequence[str], index: int) -> str:
    """The error that this line names, where a frame follows: the first is the innermost."""
    error = _NODE_ERROR.match(lines[index])
    frame = _NODE_FRAME.match(lines[index + 1]) if error and index + 1 < len(lines) else None
    return _told(error, frame) if error and frame else ""


def _told(error: re.Match[str], frame: re.Match[str]) -> str:
    said = error["error"] if len(error["error"]) <= _MOST else error["error"][:_MOST] + "…"
    return f"{said} ({PurePosixPath(frame['file']).name}, line {frame['line']})"
