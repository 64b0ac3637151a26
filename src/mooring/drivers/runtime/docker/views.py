"""From what the engine says of a container to what was observed. Must not: connect."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

import msgspec

from mooring.drivers.runtime.docker import labels, times
from mooring.model.instance import InstanceView, ProcessState, TaskState
from mooring.model.quantity import format_size

LIVE = ("running", "restarting", "paused", "stopped")  # the last is Podman's, see `_is_restarting`; as a filter Podman does not know all
OFTEN = 4  # starts after the first before its waits are told as such: they are short until then
TIMED_OUT = 124  # as timeout(1) says it
_SIGNALLED = 128  # added to a signal's number. Source: POSIX, Shell Command Language, 2.8.2


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a container's process ended the last time. `code` as the engine gives it: 128 + the number of a signal."""

    code: int
    is_out_of_memory: bool = False


def is_running(inspected: Mapping[str, Any]) -> bool:
    """Whether it runs, or the engine will start it again by itself."""
    state = inspected["State"]
    return bool(state.get("Running") or state.get("Paused") or _is_restarting(inspected))


def _is_restarting(inspected: Mapping[str, Any]) -> bool:
    """`stopped` is Podman's word for what has just ended: what is kept it starts again then, what is not has exited then."""
    state = inspected["State"]
    return bool(state.get("Restarting")) or (state.get("Status") == "stopped" and _is_kept(inspected))


def _is_kept(inspected: Mapping[str, Any]) -> bool:
    policy = (inspected.get("HostConfig") or {}).get("RestartPolicy") or {}
    return policy.get("Name") not in (None, "", "no")


def has_begun(state: Mapping[str, Any]) -> bool:
    return times.seconds(str(state.get("StartedAt", ""))) > 0


def instance_view(
    inspected: Mapping[str, Any], *, end: End | None, is_retired: bool, dies_often: bool, address: str, memory: int
) -> InstanceView | None:
    """None of what is not, or no longer, an instance: what the engine will not run again by itself has to be started anew.

    `dies_often`: it does just now, and the engine does not let it wait.
    """
    state, marks = inspected["State"], inspected["Config"].get("Labels") or {}
    key = labels.key_of(marks)
    if key is None or not is_running(inspected) or (is_retired and not state.get("Running")):
        return None
    restarts = int(inspected.get("RestartCount") or 0)
    last = end_of(state) if _is_restarting(inspected) else end
    code, name = _ending(last)
    port = int(labels.number(marks, labels.PORT))
    shown = ProcessState.BACKOFF if dies_often and not is_retired else _state(inspected, restarts, is_retired=is_retired)
    return InstanceView(
        key=key,
        state=shown,
        address=address if port else "127.0.0.1",
        port=port,
        pid=int(state.get("Pid") or 0),
        started_at=times.seconds(str(state.get("StartedAt", ""))),
        restarts=restarts,
        exit_code=code,
        signal=name,
        end_reason=_reason(last, int(labels.number(marks, labels.MEMORY))),
        retry_at=_retry_at(state, 0 if dies_often else restarts) if shown is ProcessState.BACKOFF else 0.0,
        memory=memory,
    )


def end_of(state: Mapping[str, Any]) -> End:
    return End(code=int(state.get("ExitCode") or 0), is_out_of_memory=bool(state.get("OOMKilled")))


def task_state(inspected: Mapping[str, Any]) -> tuple[TaskState, int | None]:
    """What was ended because its time was over has failed with TIMED_OUT, whatever it made of the signal."""
    state = inspected["State"]
    if is_running(inspected):
        return TaskState.RUNNING, None
    if not has_begun(state):
        return TaskState.ABSENT, None
    code = int(state.get("ExitCode") or 0)
    if state.get("Dead"):
        return TaskState.LOST, None
    if code and lived(state, now=0.0) >= time_limit(inspected):
        code = TIMED_OUT
    return (TaskState.SUCCEEDED if code == 0 else TaskState.FAILED), code


def time_limit(inspected: Mapping[str, Any]) -> float:
    """Seconds; endless where the label does not say."""
    return labels.number(inspected["Config"].get("Labels") or {}, labels.TIMEOUT) or float("inf")


def lived(state: Mapping[str, Any], *, now: float) -> float:
    """Seconds from its start to its end, or to `now` on the host's clock."""
    began, ended = times.seconds(str(state.get("StartedAt", ""))), times.seconds(str(state.get("FinishedAt", "")))
    return (ended if ended >= began else now) - began if began else 0.0


def _state(inspected: Mapping[str, Any], restarts: int, *, is_retired: bool) -> ProcessState:
    if is_retired:
        return ProcessState.STOPPING
    if _is_restarting(inspected):
        return ProcessState.BACKOFF if restarts >= OFTEN else ProcessState.STARTING
    return ProcessState.UNKNOWN if inspected["State"].get("Paused") else ProcessState.RUNNING


def _ending(end: End | None) -> tuple[int | None, str]:
    """Exit code, or the name of the signal."""
    if end is None:
        return None, ""
    if end.code > _SIGNALLED:
        try:
            return None, signal.Signals(end.code - _SIGNALLED).name
        except ValueError:
            return end.code, ""
    return end.code, ""


def _reason(end: End | None, memory: int) -> str:
    if end is None or not end.is_out_of_memory:
        return ""
    return f"OOM: used more than the {format_size(memory)} declared" if memory else "OOM: the host had no memory left"


def _retry_at(state: Mapping[str, Any], restarts: int) -> float:
    """`restarts` 0: at once."""
    return times.seconds(str(state.get("FinishedAt", ""))) + (times.wait_before(restarts) if restarts else 0.0)
