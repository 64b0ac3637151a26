"""Dokku's health checks of one process type as keys of the table. Source: https://dokku.com/docs/deployment/zero-downtime-deploys/

Startup's `attempts` and `wait` are left out: Mooring asks often and until deploy.healthy_deadline, so that deployments are quick.
Must not: invent a check that the file does not ask for.
"""

from __future__ import annotations

from mooring.manifest import wording
from mooring.manifest.files.document import Document
from mooring.manifest.keys.health import CHECKS
from mooring.manifest.layers import Layer
from mooring.manifest.problems import Problems
from mooring.manifest.validation import checked

_UNUSED = ("content", "httpHeaders", "initialDelay", "onFailure", "port", "scheme", "uptime", "warn")

_THEIRS = {"interval": "wait", "failures": "attempts"}
_LIKE = {"path": '"/up"', "command": '["bin/check"]', "tcp": "true", "timeout": "5", "interval": "5", "failures": "3"}


def add_health(process: str, checks: object, *, document: Document, layer: Layer, problems: Problems, notes: list[str]) -> None:
    """Put the checks into the layer. One of each type is used; of further ones, and of what Mooring has no word for, a note tells."""
    line = document.line(("healthchecks", process))
    if not isinstance(checks, list):
        message = f"healthchecks.{process} is {wording.shown(checks)}; it is a list of checks"
        problems.add(
            document.file, line, key=f"healthchecks.{process}", message=message, hint='write it like [{ "type": "startup", "path": "/up" }]'
        )
        return
    seen: set[str] = set()
    for check in checks[:50]:
        kind = check.get("type", "startup") if isinstance(check, dict) else None
        if not isinstance(check, dict) or kind not in CHECKS:
            said = f"has the type {wording.shown(kind)}" if isinstance(check, dict) else f"is {wording.shown(check)}"
            message = f"a check of healthchecks.{process} {said}; it is an object of the type startup, readiness or liveness"
            problems.add(
                document.file, line, key=f"healthchecks.{process}", message=message, hint='write { "type": "startup", "path": "/up" }'
            )
        elif kind in seen:
            notes.append(f"{document.file}:{line}: of several {kind} checks of {process} only the first is used")
        else:
            seen.add(kind)
            _add_check(f"processes.{process}.health.{kind}", check, layer=layer, problems=problems, place=(document.file, line))
            unused = [name for name in _UNUSED if name in check]
            if unused:
                notes.append(f"{document.file}:{line}: the {kind} check of {process} has no use for {wording.joined(unused)}")


def _add_check(table: str, check: dict[str, object], *, layer: Layer, problems: Problems, place: tuple[str, int]) -> None:
    for name, value in {**_question(check), **_pace(check, is_startup=table.endswith("startup"))}.items():
        theirs = _THEIRS.get(name, name)
        said_as = f"{theirs} of a check of {table.split('.')[1]}"
        found = checked(f"{table}.{name}", value, place=place, said_as=said_as, like=f'"{theirs}": {_LIKE[name]}', problems=problems)
        if found is not None:
            layer[f"{table}.{name}"] = found


def _question(check: dict[str, object]) -> dict[str, object]:
    """The one thing that is asked, in Dokku's order of weight."""
    if "command" in check:
        return {"command": _shell_line(check["command"])}
    if "path" in check:
        return {"path": check["path"]}
    return {"tcp": True} if check.get("listening") is True else {}


def _pace(check: dict[str, object], *, is_startup: bool) -> dict[str, object]:
    names = {"timeout": "timeout"} if is_startup else {"timeout": "timeout", "wait": "interval", "attempts": "failures"}
    return {ours: check[theirs] for theirs, ours in names.items() if check.get(theirs) is not None}


def _shell_line(command: object) -> object:
    """A list of words as a line for a shell, each word quoted; what is no such list is left to be refused."""
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        return command
    return " ".join("'" + word.replace("'", "'\"'\"'") + "'" for word in command)
