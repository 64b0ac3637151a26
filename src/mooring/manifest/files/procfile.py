"""From the text of a Procfile to its process types, in Heroku's dialect: `name: command` lines, `#` comments, blank lines.

`release` is no process type but the release command. Source: https://devcenter.heroku.com/articles/procfile
Must not: run or parse a command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from mooring.manifest.files.text import text_of
from mooring.manifest.keys.names import PROCESS_NAME
from mooring.manifest.keys.processes import COMMAND
from mooring.manifest.kinds.kind import Mismatch
from mooring.manifest.problems import Problems
from mooring.manifest.wording import shown

RELEASE = "release"
_LINE = re.compile(r"\A([^:\s#]+)(\s*):[ \t]*(.*)\Z", re.DOTALL)


class Line(msgspec.Struct, frozen=True):
    """A process type's command, and where it stands (from 1)."""

    command: str
    number: int


def read_procfile(files: Mapping[str, bytes], name: str, *, problems: Problems) -> dict[str, Line]:
    """The lines by process type, in their order; `release` among them. Lines with a problem are left out."""
    text = text_of(files, name, problems=problems)
    lines: dict[str, Line] = {}
    for number, line in enumerate((text or "").split("\n"), start=1):
        content = line.strip(" \t\r")
        if content and not content.startswith("#") and not problems.is_full:
            _read_line(content, number, lines, name=name, problems=problems)
    return lines


def _read_line(content: str, number: int, lines: dict[str, Line], *, name: str, problems: Problems) -> None:
    match = _LINE.match(content)
    if match is None or match[2]:
        problems.add(name, number, message=f"{shown(content)} is not `name: command`", hint=_line_fix(content))
        return
    process, command = match[1], match[3]
    fault = _fault(process, command, lines)
    if fault is None:
        lines[process] = Line(command, number)
    else:
        problems.add(name, number, key=f"processes.{shown(process)[1:-1]}", message=fault[0], hint=fault[1])


def _fault(process: str, command: str, lines: dict[str, Line]) -> tuple[str, str] | None:
    """What is wrong with the line, and the fix."""
    if process in lines:
        return f"{process} is written twice: on line {lines[process].number} and here", "keep one of them, or give the second another name"
    if process != RELEASE and process.lower() == RELEASE:
        return f"{process} would be a process type; the release command is called release", "write it in lower case: release: …"
    try:
        PROCESS_NAME.read(process)
    except Mismatch as mismatch:
        return f"the process type {shown(process)} is not allowed; {mismatch.rule}", mismatch.hint
    if not command:
        return f"{process} has no command", f"write what it runs: {process}: gunicorn app:app"
    try:
        COMMAND.read(command)
    except Mismatch as mismatch:
        return f"the command of {process} cannot be run; {mismatch.rule}", mismatch.hint
    return None


def _line_fix(content: str) -> str:
    name, _, rest = content.partition(" ")
    rest = rest.lstrip(" :=")
    try:
        PROCESS_NAME.read(name)
    except Mismatch:
        return "write one process type per line, like web: gunicorn app:app; a comment begins with #"
    if not rest or name.startswith("-"):
        return "a command stands on one line, after the name and a colon: web: gunicorn app:app"
    return f"write {name}: {shown(rest)[1:-1]}"
