"""From the layers to the health checks of one process type, with the defaults that fit it. Must not: ask anything."""

from __future__ import annotations

from mooring.manifest.keys.health import CHECKS, DEFAULT_PATHS, QUESTIONS
from mooring.manifest.layers import Layer, Layers
from mooring.manifest.problems import Problems
from mooring.model.health import Check, CheckKind, Checks

_INTERVALS = {"startup": 0.2, "readiness": 2.0, "liveness": 10.0}
_COMMAND_INTERVALS = {"startup": 1.0, "readiness": 10.0, "liveness": 30.0}
_TIMEOUTS = {"startup": 5.0, "readiness": 3.0, "liveness": 3.0}
_COMMAND_TIMEOUT = 10.0
_OTHER = {"startup": "readiness", "readiness": "startup", "liveness": "readiness"}


def checks_of(process: str, layers: Layers, *, is_routed: bool, host: str, problems: Problems) -> Checks:
    """Startup, readiness and, when any key of it is set, liveness. `host` is the Host header where none is said."""
    said = layers.below(f"processes.{process}.health")
    if not is_routed:
        _report_questions_without_port(process, said, problems=problems)
    made = {name: _check(name, said, is_routed=is_routed, host=host) for name in CHECKS}
    has_liveness = any(key.startswith("liveness.") for key in said)
    return Checks(startup=made["startup"], readiness=made["readiness"], liveness=made["liveness"] if has_liveness else None)


def _check(name: str, said: Layer, *, is_routed: bool, host: str) -> Check:
    kind, paths, command = _question(name, said, is_routed=is_routed)
    is_command = kind is CheckKind.COMMAND
    interval = (_COMMAND_INTERVALS if is_command else _INTERVALS)[name]
    timeout = _COMMAND_TIMEOUT if is_command else _TIMEOUTS[name]
    return Check(
        kind=kind,
        paths=paths,
        command=command,
        host=str(_said(name, "host", said) or host) if kind is CheckKind.HTTP else "",
        interval=float(str(_said(name, "interval", said) or interval)),
        timeout=float(str(_said(name, "timeout", said) or timeout)),
        failures=int(str(_said(name, "failures", said) or 3)),
    )


def _question(name: str, said: Layer, *, is_routed: bool) -> tuple[CheckKind, tuple[str, ...], str]:
    """What is asked: as said for this check, for all checks, for the other check; else what fits the process."""
    for table in (f"{name}.", "", f"{_OTHER[name]}."):
        asked = {question: said[table + question].value for question in QUESTIONS if table + question in said}
        match asked:
            case {"path": str(path)}:
                return CheckKind.HTTP, (path,), ""
            case {"paths": tuple(paths)}:
                return CheckKind.HTTP, paths, ""
            case {"command": str(command)}:
                return CheckKind.COMMAND, (), command
            case {"tcp": True}:
                return CheckKind.TCP, (), ""
    return (CheckKind.HTTP, DEFAULT_PATHS, "") if is_routed else (CheckKind.ALIVE, (), "")


def _said(name: str, field: str, said: Layer) -> object:
    found = said.get(f"{name}.{field}") or said.get(field)
    return found.value if found else None


def _report_questions_without_port(process: str, said: Layer, *, problems: Problems) -> None:
    for key, found in said.items():
        if key.rpartition(".")[2] in ("path", "paths", "tcp") and found.value is not False:
            key = f"processes.{process}.health.{key}"
            message = f"{key} needs a port to ask, and {process} has none: it is not routed"
            hint = f"ask with command = …, or give it requests with processes.{process}.routed = true"
            problems.add(found.file, found.line, key=key, message=message, hint=hint)
