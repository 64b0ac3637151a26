"""A deployment's events folded into what a person sees: entries that stay, and what goes on now.

The same fold serves the live view and the plain lines, so both tell the same story.
Must not: lay out, read a clock, or conclude anything that no event said.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import NamedTuple

import msgspec

from mooring.model.deployment import Deployment, Outcome
from mooring.model.events import Event, EventKind
from mooring.model.receipt import Receipt

OUTPUT_LINES_KEPT = 20_000


class Mark(enum.Enum):
    DONE = "✓"
    FAILED = "✗"
    NOTE = "·"
    WARNING = "!"
    NONE = " "


class Entry(NamedTuple):
    """One thing that happened. `is_passing`: a live view folds it away, plain lines keep it. `elapsed` seconds since the request."""

    phase: str
    mark: Mark
    text: str
    reason: str = ""
    seconds: float | None = None
    elapsed: float = 0.0
    is_passing: bool = False
    is_output: bool = False


class Running(NamedTuple):
    """A step that has begun. `since` is wall seconds."""

    summary: str
    reason: str
    since: float


class Progress:
    """Feed it events in order; `apply` gives the entries that each one adds."""

    def __init__(self, requested_at: float) -> None:
        self.requested_at = requested_at
        self.phase = "queued"
        self.phase_since = requested_at
        self.running: dict[tuple[str, str], Running] = {}
        self.unready: dict[str, str] = {}  # instance -> what its last probe said
        self.in_flight: dict[str, int] = {}  # draining instance -> requests and streams that go on
        self.output: deque[str] = deque(maxlen=OUTPUT_LINES_KEPT)
        self.end: Event | None = None
        self.has_told = False
        self._commands: list[str] = []  # run in this phase: release, seed
        self.receipt: Receipt | None = None
        self.last_at = requested_at
        self._has_entries = False
        self._pending: Entry | None = None  # a phase's last word, told once it is certain that the phase went well

    def apply(self, event: Event) -> list[Entry]:
        """What this event adds to the story; kinds that have no place in it add nothing."""
        self.last_at = max(self.last_at, event.at)
        tell = _TELLERS.get(event.kind)
        entries = [*self._phase_end(event), *(tell(self, event) if tell else [])]
        self._has_entries = self._has_entries or any(not entry.is_passing for entry in entries)
        self.has_told = self.has_told or bool(entries)
        return entries

    def entry(self, event: Event, mark: Mark, text: str, *, reason: str = "", seconds: float | None = None) -> Entry:
        """What this event adds, in the phase it happened in."""
        return Entry(self.phase, mark, text, reason=reason, seconds=seconds, elapsed=max(event.at - self.requested_at, 0.0))

    def phase_started(self, event: Event) -> list[Entry]:
        self.phase = said(event, "phase")
        self.phase_since = event.at
        self._has_entries = False
        self._commands.clear()
        if self.phase in ("build", "release"):
            self.output.clear()
        return [self.entry(event, Mark.NONE, PHASE_WORDS.get(self.phase, self.phase))._replace(is_passing=True)]

    def phase_ended(self, event: Event) -> list[Entry]:
        text = self._said_of_commands() if said(event, "phase") == "release" else PHASE_ENDS.get(said(event, "phase"))
        if text is None or (self._has_entries and said(event, "phase") not in ALWAYS_TOLD):
            return []
        self._pending = self.entry(event, Mark.DONE, text, seconds=number(event, "seconds"))
        return []

    def _said_of_commands(self) -> str:
        """`release and seed commands succeeded`."""
        return f"{' and '.join(self._commands) or 'release'} command{'s' if len(self._commands) > 1 else ''} succeeded"

    def _phase_end(self, event: Event) -> list[Entry]:
        """The phase before went well only if the rollout goes forward from it."""
        goes_on = event.kind is EventKind.PHASE_STARTED and said(event, "phase") != "revert"
        has_ended_well = event.kind is EventKind.DEPLOYMENT_ENDED and said(event, "outcome") == "succeeded"
        turns = event.kind in (EventKind.PHASE_STARTED, EventKind.REVERTING, EventKind.STEP_FAILED, EventKind.DEPLOYMENT_ENDED)
        told = [self._pending] if self._pending and (goes_on or has_ended_well) else []
        self._pending = None if turns else self._pending
        return told

    def build_detected(self, event: Event) -> list[Entry]:
        return [self.entry(event, Mark.NOTE, f"builder {said(event, 'builder')}", reason=said(event, "reason"))]

    def build_cached(self, event: Event) -> list[Entry]:
        return [self.entry(event, Mark.NOTE, "this source is built already", reason=said(event, "artifact"))]

    def printed(self, event: Event) -> list[Entry]:
        self.output.append(said(event, "line"))
        return [self.entry(event, Mark.NONE, said(event, "line"))._replace(is_passing=True, is_output=True)]

    def step_started(self, event: Event) -> list[Entry]:
        if said(event, "step") in UNTOLD_STEPS:
            return []
        self.running[_step(event)] = Running(said(event, "summary"), said(event, "reason"), event.at)
        return []

    def step_ended(self, event: Event) -> list[Entry]:
        if said(event, "step") in UNTOLD_STEPS:
            return []
        begun = self.running.pop(_step(event), None)
        reason = said(event, "reason") or (begun.reason if begun else "")
        if said(event, "step") == "run-release":
            self._commands.append("seed" if said(event, "summary").startswith("run seed") else "release")
        if said(event, "step") in ("run-release", "run-mask"):  # it has been started; whether it succeeds, its phase tells
            return [self.entry(event, Mark.NOTE, said(event, "summary"), reason=reason)]
        return [self.entry(event, Mark.DONE, said(event, "summary"), reason=reason, seconds=number(event, "seconds"))]

    def step_failed(self, event: Event) -> list[Entry]:
        self.running.pop(_step(event), None)
        return [self.entry(event, Mark.FAILED, said(event, "summary"), reason=said(event, "message"))]

    def probe_failed(self, event: Event) -> list[Entry]:
        instance, answer = said(event, "instance"), probe_answer(event)
        is_news = self.unready.get(instance) != answer
        self.unready[instance] = answer
        if not is_news:
            return []
        return [self.entry(event, Mark.NOTE, f"{instance} is not ready yet", reason=answer)._replace(is_passing=True)]

    def instance_ready(self, event: Event) -> list[Entry]:
        self.unready.pop(said(event, "instance"), None)
        return [self.entry(event, Mark.DONE, f"{said(event, 'instance')} is ready", seconds=number(event, "seconds"))]

    def instance_crashed(self, event: Event) -> list[Entry]:
        restarts = int(number(event, "restarts") or 0)
        times = f", restarted {restarts} time{'s' if restarts != 1 else ''}" if restarts else ""
        return [self.entry(event, Mark.FAILED, f"{said(event, 'instance')} crashed{times}", reason=said(event, "said"))]

    def reverting(self, event: Event) -> list[Entry]:
        self.unready.clear()
        return [self.entry(event, Mark.WARNING, "going back", reason=said(event, "reason"))]

    def receipt_came(self, event: Event) -> list[Entry]:
        self.receipt = msgspec.convert(event.fields.get("receipt"), Receipt)
        return []

    def ended(self, event: Event) -> list[Entry]:
        self.end = event
        self.running.clear()
        self.unready.clear()
        return []

    def output_of_failed(self, ended: Deployment) -> list[str]:
        """All that the build or the release command printed, when it was that which failed."""
        return list(self.output) if ended.error_code in ("build-failed", "release-command-failed") else []

    def ended_record(self, deployment: Deployment) -> Deployment:
        """The record as the last events tell it: of a destroyed environment nothing else is left. Without an end: as it was."""
        if self.end is None:
            return deployment
        outcome, code = Outcome(said(self.end, "outcome")), said(self.end, "code")
        error = said(self.end, "message") if code else ""
        ended = {"outcome": outcome, "ended_at": self.end.at, "receipt": self.receipt, "error_code": code, "error": error}
        return msgspec.structs.replace(deployment, **ended, hint=said(self.end, "hint"))


PHASE_WORDS = {
    "queued": "waiting for its turn",
    "check": "checking names, capacity and the lease",
    "build": "building",
    "release": "running the release command",
    "prepare": "waiting until every new instance is ready",
    "switch": "switching the edge",
    "watch": "watching error rate and latency",
    "drain": "letting requests in flight finish",
    "commit": "writing the receipt",
    "revert": "going back to the old release",
}
PHASE_ENDS = {"check": "checked", "build": "built", "watch": "watched"}
UNTOLD_STEPS = frozenset({"conclude", "go-back"})  # the end and the turn are told by events of their own
ALWAYS_TOLD = frozenset({"build", "release"})

_TELLERS = {
    EventKind.PHASE_STARTED: Progress.phase_started,
    EventKind.PHASE_ENDED: Progress.phase_ended,
    EventKind.BUILD_DETECTED: Progress.build_detected,
    EventKind.BUILD_CACHED: Progress.build_cached,
    EventKind.BUILD_OUTPUT: Progress.printed,
    EventKind.TASK_OUTPUT: Progress.printed,
    EventKind.STEP_STARTED: Progress.step_started,
    EventKind.STEP_ENDED: Progress.step_ended,
    EventKind.STEP_FAILED: Progress.step_failed,
    EventKind.PROBE_FAILED: Progress.probe_failed,
    EventKind.INSTANCE_READY: Progress.instance_ready,
    EventKind.INSTANCE_CRASHED: Progress.instance_crashed,
    EventKind.REVERTING: Progress.reverting,
    EventKind.RECEIPT: Progress.receipt_came,
    EventKind.DEPLOYMENT_ENDED: Progress.ended,
}


def said(event: Event, field: str) -> str:
    """A field as text; empty when it is absent."""
    value = event.fields.get(field)
    return "" if value is None else str(value)


def number(event: Event, field: str) -> float | None:
    """A field as a number; None when it is absent or something else."""
    value = event.fields.get(field)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def probe_answer(event: Event) -> str:
    """`GET /up: 503: database is locked`, from what a failed probe reports."""
    status = int(number(event, "status") or 0)
    path = said(event, "path")
    parts = [f"GET {path}" if path.startswith("/") else path, str(status or ""), said(event, "said")]
    return ": ".join(part for part in parts if part)


def _step(event: Event) -> tuple[str, str]:
    return said(event, "step"), said(event, "summary")
