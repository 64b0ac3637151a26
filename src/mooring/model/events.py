"""What happened, for people and programs that follow along: one record per happening, numbered. Must not: hold a secret."""

from __future__ import annotations

import enum

import msgspec

from mooring.model.environment import EnvironmentId
from mooring.model.names import DeploymentId


class EventKind(enum.Enum):
    """`fields` of each kind are listed here; `reason` and `message` are sentences."""

    DEPLOYMENT_QUEUED = "deployment.queued"  # trigger, description
    DEPLOYMENT_STARTED = "deployment.started"  # from_release
    DEPLOYMENT_ENDED = "deployment.ended"  # outcome, exit_code, message, hint, code
    PHASE_STARTED = "phase.started"  # phase
    PHASE_ENDED = "phase.ended"  # phase, seconds
    BUILD_DETECTED = "build.detected"  # builder, reason
    BUILD_OUTPUT = "build.output"  # line
    BUILD_CACHED = "build.cached"  # artifact
    TASK_OUTPUT = "task.output"  # name, line
    STEP_STARTED = "step.started"  # step, summary, reason
    STEP_ENDED = "step.ended"  # step, summary, seconds
    STEP_FAILED = "step.failed"  # step, summary, message
    PROBE_FAILED = "probe.failed"  # instance, path, status, said, latency
    INSTANCE_READY = "instance.ready"  # instance, seconds
    INSTANCE_CRASHED = "instance.crashed"  # instance, restarts, said
    DIAGNOSIS = "diagnosis"  # instance, likely_cause, hint, and the rest of Diagnosis
    REVERTING = "reverting"  # reason
    RECEIPT = "receipt"  # receipt
    CONFIG_CHANGED = "config.changed"  # keys, version
    ENVIRONMENT_CHANGED = "environment.changed"  # what, message
    TRACES = "traces"  # message, traces: what is left where a destruction ends; artifacts, images: the ids of those that there were
    PLATFORM = "platform"  # message


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """`sequence` grows over the whole store (0 before it is stored); `at` wall seconds."""

    sequence: int = 0
    at: float
    kind: EventKind
    environment: EnvironmentId | None = None
    deployment: DeploymentId | None = None
    fields: dict[str, object] = {}
