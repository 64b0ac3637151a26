"""What the host is asked for and what it answers, in words of the model: pure. Must not: ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mooring.drivers.runtime import shell
from mooring.drivers.runtime.contract import LogQuery, Variables
from mooring.errors import InvalidInput
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, InstanceSpec, InstanceView, LogLine, ProcessState, TaskSpec, TaskState, TaskView
from mooring.model.lease import Mark
from mooring.model.release import Artifact
from mooring.model.secret import Secret, SecretFile

_BASE = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",  # noqa: S108 - one of its own, where systemd can make one
    "SHELL": "/bin/sh",
    "PYTHONUNBUFFERED": "1",  # what is printed shows up in the journal at once
}
_MEGA = 1_000_000
_TERMINAL = {"TERM": "xterm-256color"}
_TASK_GRACE = 5.0  # seconds


def mark_words(mark: Mark) -> dict[str, Any]:
    return {"environment": mark.environment.slug, "operation": mark.operation, "fence": mark.fence}


def instance_words(spec: InstanceSpec, variables: Variables) -> dict[str, Any]:
    """Raises InvalidInput for a stop signal that is none, or a variable that cannot be carried."""
    key = spec.key
    return {
        "slug": key.slug,
        "key": msgspec.to_builtins(key),
        "title": f"{key.environment} {key}",
        "environment_slug": key.environment.slug,
        "port_owner": _port_owner(spec),
        "is_lasting": spec.lasting is not None,
        "stop_signal": shell.signal_name(spec.stop_signal),
        "grace": spec.kill_timeout,
        "memory": spec.memory,
        "cpus": spec.cpus,
        "log": {"source": f"{key.process}.{key.slot}", "release": key.release, "process": str(key.process), "slot": key.slot},
        **_program_words(spec.command, spec.directory, spec.artifact, variables),
    }


def _port_owner(spec: InstanceSpec) -> str:
    """In whose name it has a port; empty: it has none."""
    owner = spec.key.environment.slug if spec.lasting is not None else spec.key.slug
    return owner if spec.listens else ""


def task_words(spec: TaskSpec, variables: Variables) -> dict[str, Any]:
    return {
        "slug": task_slug(spec.environment.slug, spec.name),
        "title": f"{spec.environment} {spec.name}",
        "environment_slug": spec.environment.slug,
        "timeout": spec.timeout,
        "stop_signal": "TERM",
        "grace": _TASK_GRACE,
        "log": {"source": spec.name, "release": spec.release, "process": None, "slot": None},
        **_program_words(spec.command, spec.directory, spec.artifact, variables),
    }


def session_words(spec: TaskSpec, variables: Variables, window: tuple[int, int] | None) -> dict[str, Any]:
    """Of a command in a fresh place; `window` in rows and columns, None without a terminal."""
    shown = {**_TERMINAL, **variables} if window else variables
    words = {
        "title": f"{spec.environment} {spec.name}",
        "environment_slug": spec.environment.slug,
        "stop_signal": "TERM",
        "grace": _TASK_GRACE,
        **_program_words(spec.command, spec.directory, spec.artifact, shown),
    }
    return {"instance": "", "window": window, "spec": words}


def entering_words(key: InstanceKey, argv: Sequence[str], window: tuple[int, int] | None) -> dict[str, Any]:
    """Of a command where an instance runs."""
    return {
        "instance": key.slug,
        "title": str(key),
        "environment_slug": key.environment.slug,
        "window": window,
        "argv": shell.words(argv),
        "variables": _TERMINAL if window else {},
    }


def task_slug(environment: str, name: str) -> str:
    """`@` is in no environment's name."""
    return f"{environment}@{shell.task_name(name)}"


def query_words(query: LogQuery) -> dict[str, Any]:
    return {
        "environment": query.environment.slug,
        "lines": query.lines,
        "follow": query.follow,
        "process": query.process,
        "slot": query.slot,
        "release": query.release,
    }


def instance_view(seen: dict[str, Any]) -> InstanceView:
    ended = seen["exit"]
    limit = f" {seen['limit'] / _MEGA:.0f} MB declared" if seen["limit"] else ""
    return InstanceView(
        key=msgspec.convert(seen["key"], InstanceKey),
        state=ProcessState(seen["state"]),
        address=seen["address"],
        port=seen["port"],
        pid=seen["pid"],
        started_at=seen["started_at"],
        restarts=seen["restarts"],
        exit_code=ended.get("code"),
        signal=ended.get("signal", ""),
        end_reason=f"OOM: used more than{limit}" if ended.get("is_out_of_memory") else "",
        is_retired=seen["state"] == ProcessState.EXITED.value,  # what is to run systemd starts again by itself
        retry_at=seen["retry_at"],
        memory=seen["memory"],
    )


def task_view(environment: EnvironmentId, name: str, seen: dict[str, Any]) -> TaskView:
    code = seen["code"]
    states = {"absent": TaskState.ABSENT, "running": TaskState.RUNNING, "lost": TaskState.LOST}
    state = states.get(seen["state"]) or (TaskState.SUCCEEDED if code == 0 else TaskState.FAILED)
    return TaskView(environment=environment, name=name, state=state, exit_code=code, last_lines=tuple(seen["lines"]))


def log_line(row: list[Any]) -> LogLine:
    at, source, release, stream, text = row
    return LogLine(at=at / 1_000_000, source=source, release=release, stream=stream, text=text)


def _program_words(command: str, directory: str, artifact: Artifact | None, variables: Variables) -> dict[str, Any]:
    """What systemd hands to the app: all of it over standard input, none of it in a unit file."""
    for name, value in variables.items():
        _check(name, value)
    files = {name: value.reveal() for name, value in variables.items() if isinstance(value, SecretFile)}
    plain = {name: value.reveal() if isinstance(value, Secret) else value for name, value in variables.items() if name not in files}
    return {
        "argv": shell.argv(command),
        "directory": directory,
        "artifact": str(artifact.id) if artifact else "",
        "artifact_variables": sorted(artifact.environment) if artifact else [],
        "variables": {**_BASE, **plain},
        "files": sorted(files),
        "secret_files": files,
    }


def _check(name: str, value: str | Secret) -> None:
    text = value.reveal() if isinstance(value, Secret) else value
    if not name or set(name) & {"=", "\0", "/"} or ("\0" in text and not isinstance(value, SecretFile)):
        raise InvalidInput("a variable with an empty name, an = or / in its name, or a NUL in its value cannot be handed on")
