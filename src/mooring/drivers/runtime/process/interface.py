"""What the daemon can be asked over its socket, beside supervisord's own methods: `mooring.put`, `withdraw`, `remove`, `running`.

supervisord's way to add one program (reloadConfig, addProcessGroup, startProcess) reads the records of all of them each time.
Runs within the daemon's one thread, between two rounds of its loop, so that no answer falls between a look and an act.
Must not: wait.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supervisor.states import ProcessStates, SupervisorStates
from supervisor.xmlrpc import Faults, RPCError

from mooring.drivers.runtime.process.kept import group_of


class Interface:
    """Names are those of directories below run/."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord

    def put(self, name: str) -> int:
        """Take up the program of that record and start it unless it runs; gives its pid."""
        options = self._supervisord.options
        if options.mood < SupervisorStates.RUNNING:
            raise RPCError(Faults.SHUTDOWN_STATE, name)
        group = group_of(options, Path("run") / name, kept_only=False)
        if group is None:
            raise RPCError(Faults.BAD_NAME, name)
        self._supervisord.add_process_group(group)
        process = self._process(name)
        process.config = group.process_configs[0]
        if process.get_state() in (ProcessStates.STOPPED, ProcessStates.EXITED, ProcessStates.FATAL, ProcessStates.UNKNOWN):
            process.spawn()
            process.transition()
        process.resume()
        return int(process.pid or 0)

    def withdraw(self, name: str) -> int:
        """Never start it again. Gives the pid of its process, which whoever asks is to end, or 0."""
        process = self._process(name)
        if process is None:
            return 0
        process.withdraw()
        return int(process.pid or 0)

    def remove(self, name: str) -> bool:
        """Forget it. False while it has not ended."""
        self._supervisord.reap()
        if name not in self._supervisord.process_groups:
            return True
        return bool(self._supervisord.remove_process_group(name))

    def running(self) -> list[str]:
        """The programs that have a process."""
        return [
            process.config.name
            for group in self._supervisord.process_groups.values()
            for process in group.processes.values()
            if process.pid
        ]

    def _process(self, name: str) -> Any:
        group = self._supervisord.process_groups.get(name)
        return group.processes.get(name) if group is not None else None


def make(supervisord: Any, **_: object) -> Interface:
    return Interface(supervisord)
