"""All fake runtimes of a platform as what is true in the world: what lives, on whatever host. Must not: change anything."""

from __future__ import annotations

from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey
from mooring.model.names import LOCAL, HostId
from mooring.testing.life import FakeLife
from mooring.testing.runtime import FakeRuntime


class FakeWorld:
    """`hosts` may grow while it goes on; keys carry their host. What is on one of `cut_off` lives, and nobody can reach it.

    `disk`: bytes free by host, where that is known.
    """

    def __init__(self, local: FakeRuntime) -> None:
        self.hosts: dict[HostId, FakeRuntime] = {LOCAL: local}
        self.cut_off: set[HostId] = set()
        self.disk: dict[HostId, int] = {}

    def life(self, key: InstanceKey) -> FakeLife | None:
        runtime = self.hosts.get(key.host)
        return runtime.life(key) if runtime else None

    def listener(self, port: int) -> FakeLife | None:
        """Who is found on this port of whatever host: no two use the same."""
        return next((life for life in self.lives() if life.port == port and life.spec.key.host not in self.cut_off), None)

    def lives(self) -> tuple[FakeLife, ...]:
        return tuple(life for runtime in self.hosts.values() for life in runtime.lives())

    def went(self, key: InstanceKey) -> float:
        """When an instance went that is no more, in monotonic seconds; long ago, where none ever was."""
        runtime = self.hosts.get(key.host)
        return runtime.gone.get(key, float("-inf")) if runtime else float("-inf")

    def running_tasks(self, environment: EnvironmentId) -> tuple[str, ...]:
        return tuple(name for runtime in self.hosts.values() for name in runtime.running_tasks(environment))

    def task_counts(self, environment: EnvironmentId) -> dict[str, int]:
        """How often each of the commands of its releases was begun, wherever."""
        counts: dict[str, int] = {}
        for runtime in self.hosts.values():
            for name, count in runtime.task_counts(environment).items():
                counts[name] = counts.get(name, 0) + count
        return counts

    def declared(self) -> dict[HostId, tuple[int, int]]:
        """Bytes declared by what runs, and the budget, by host."""
        return {
            name: (sum(life.spec.memory for life in runtime.lives()), runtime.capabilities.memory_budget)
            for name, runtime in self.hosts.items()
        }
