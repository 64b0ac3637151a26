"""What stands on a container that is ours, and how it is called. Whatever lacks these labels is somebody else's. Must not: connect."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping

import msgspec

from mooring.errors import InvalidName
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, TaskSpec
from mooring.model.names import process_name

CONTROLLER = "mooring.controller"
KIND = "mooring.kind"
ENVIRONMENT = "mooring.environment"
PROCESS = "mooring.process"
SLOT = "mooring.slot"
RELEASE = "mooring.release"
GENERATION = "mooring.generation"
PORT = "mooring.port"
TASK = "mooring.task"
TIMEOUT = "mooring.timeout"
MEMORY = "mooring.memory"
LASTING = "mooring.lasting"


class ContainerKind(enum.Enum):
    INSTANCE = "instance"
    TASK = "task"
    SESSION = "session"


class Names(msgspec.Struct, frozen=True):
    """Of one controller's containers. A name is taken once on an engine: that is what keeps a thing from being started twice."""

    controller: str

    def instance(self, key: InstanceKey) -> str:
        return f"{self.controller}.{key.slug}"

    def task(self, environment: EnvironmentId, name: str) -> str:
        return f"{self.controller}.task.{environment.slug}.{name}"

    def session(self, environment: EnvironmentId, name: str) -> str:
        """A new one each time."""
        return f"{self.controller}.session.{environment.slug}.{name}.{uuid.uuid4().hex}"

    def volume(self, environment: EnvironmentId) -> str:
        return f"{self.controller}.volume.{environment.slug}"

    def retired(self, container: str) -> str:
        """Of one that is to run no more, and stays for its logs: its key may be started again beside it."""
        return f"{self.controller}.retired.{container[:12]}"

    def is_retired(self, name: str) -> bool:
        return name.lstrip("/").startswith(f"{self.controller}.retired.")


def of_instance(controller: str, key: InstanceKey, *, port: int, memory: int, is_lasting: bool = False) -> dict[str, str]:
    return {
        **({LASTING: "yes"} if is_lasting else {}),
        CONTROLLER: controller,
        KIND: ContainerKind.INSTANCE.value,
        ENVIRONMENT: str(key.environment),
        PROCESS: str(key.process),
        SLOT: str(key.slot),
        RELEASE: str(key.release),
        GENERATION: str(key.generation),
        PORT: str(port),
        MEMORY: str(memory),
    }


def of_volume(controller: str, environment: EnvironmentId) -> dict[str, str]:
    return {CONTROLLER: controller, ENVIRONMENT: str(environment)}


def of_task(controller: str, spec: TaskSpec, *, kind: ContainerKind = ContainerKind.TASK) -> dict[str, str]:
    return {
        CONTROLLER: controller,
        KIND: kind.value,
        ENVIRONMENT: str(spec.environment),
        RELEASE: str(spec.release),
        TASK: spec.name,
        TIMEOUT: str(spec.timeout),
    }


def asking(controller: str, kind: ContainerKind | None = None, **wanted: str) -> dict[str, list[str]]:
    """The engine's filter for containers with these labels: `asking("c1", ContainerKind.TASK, environment="shop/production")`."""
    labels = {CONTROLLER: controller, **({KIND: kind.value} if kind else {}), **{f"mooring.{name}": text for name, text in wanted.items()}}
    return {"label": [f"{name}={text}" for name, text in labels.items()]}


def of_key(controller: str, key: InstanceKey) -> dict[str, list[str]]:
    """The engine's filter for every container that this instance ever had."""
    return asking(
        controller,
        ContainerKind.INSTANCE,
        environment=str(key.environment),
        process=str(key.process),
        slot=str(key.slot),
        release=str(key.release),
        generation=str(key.generation),
    )


def key_of(labels: Mapping[str, str]) -> InstanceKey | None:
    """None where the labels are no instance's: whoever wrote them was not this driver."""
    try:
        return InstanceKey(
            EnvironmentId.parse(labels[ENVIRONMENT]),
            process_name(labels[PROCESS]),
            int(labels[SLOT]),
            int(labels[RELEASE]),
            int(labels[GENERATION]),
        )
    except (KeyError, ValueError, InvalidName):
        return None


def number(labels: Mapping[str, str], label: str) -> float:
    """0 where there is none."""
    try:
        return float(labels.get(label, "") or 0)
    except ValueError:
        return 0.0
