"""One-offs as containers: begun at most once, since a name is taken once on an engine; their end is kept with them.

The engine knows no time limit: a task that is past its own is ended when it is next looked at. Must not: run one again.
"""

from __future__ import annotations

from typing import Any

from mooring.drivers.runtime.contract import Variables
from mooring.drivers.runtime.docker import labels, times
from mooring.drivers.runtime.docker.containers import Container
from mooring.drivers.runtime.docker.engine import Conflict, Engine, Missing
from mooring.drivers.runtime.docker.host import HostFiles
from mooring.drivers.runtime.docker.labels import Names
from mooring.drivers.runtime.docker.making import Maker
from mooring.drivers.runtime.docker.reading import last_lines
from mooring.drivers.runtime.docker.views import has_begun, lived, task_state, time_limit
from mooring.drivers.runtime.shell import task_name
from mooring.errors import Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.instance import TaskSpec, TaskState, TaskView

_LAST_LINES = 50
_STOP_GRACE = 5  # seconds


class Tasks:
    def __init__(self, engine: Engine, *, maker: Maker, files: HostFiles, names: Names) -> None:
        self._engine = engine
        self._maker = maker
        self._files = files
        self._names = names

    async def run(self, spec: TaskSpec, variables: Variables) -> None:
        """Returns when it has begun; at once when it ever had."""
        name = self._names.task(spec.environment, task_name(spec.name))
        known = await self._found(name)
        if known is not None and has_begun(known["State"]):
            return
        image = await self._maker.image(spec.artifact)
        if known is not None:
            await self._maker.discard(known["Id"], name)
        container = Container(
            image=image.id,
            argv=image.argv_of(spec.command),
            environment={},
            labels=labels.of_task(self._names.controller, spec),
        )
        try:
            made = await self._maker.make(name, container, variables, image)
        except Conflict:
            return  # somebody else has begun it meanwhile
        try:
            await self._engine.post(f"containers/{made}/start")
        except Unavailable:
            await self._maker.discard(made, name)  # it never began
            raise

    async def view(self, environment: EnvironmentId, name: str) -> TaskView:
        found = await self._found(self._names.task(environment, task_name(name)))
        if found is None:
            return TaskView(environment=environment, name=name, state=TaskState.ABSENT)
        state, code = task_state(found)
        if state is TaskState.RUNNING and lived(found["State"], now=await self._now()) >= time_limit(found):
            await self._end(found["Id"])
            return await self.view(environment, name)
        if state not in (TaskState.RUNNING, TaskState.ABSENT) and found["Mounts"]:
            await self._files.remove(found["Name"].lstrip("/"))
        said = await last_lines(self._engine, found["Id"], _LAST_LINES)
        return TaskView(environment=environment, name=name, state=state, exit_code=code, last_lines=said)

    async def stop(self, environment: EnvironmentId, name: str) -> None:
        """Nothing happens unless it runs."""
        found = await self._found(self._names.task(environment, task_name(name)))
        if found is not None and task_state(found)[0] is TaskState.RUNNING:
            await self._end(found["Id"])

    async def _end(self, container: str) -> None:
        await self._engine.post(f"containers/{container}/stop", {"t": _STOP_GRACE})

    async def _found(self, name: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = await self._engine.get(f"containers/{name}/json")
        except Missing:
            return None
        return answer if (answer["Config"].get("Labels") or {}).get(labels.CONTROLLER) == self._names.controller else None

    async def _now(self) -> float:
        """Wall seconds by the host's clock, by which tasks begin and end."""
        return times.seconds((await self._engine.get("info"))["SystemTime"])
