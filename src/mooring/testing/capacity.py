"""A lender of hosts in memory: as strict as a real one, and what it made is there until it is taken back. Must not: connect.

`passed` is called before and after each effect and may raise: nothing has happened, or it has landed and its answer is lost.
"""

from __future__ import annotations

from collections.abc import Callable

from mooring.drivers.capacity.contract import Capacity
from mooring.errors import Unavailable
from mooring.model.capacity import Lent, Need
from mooring.model.host import HostAddress
from mooring.testing.hosts import Hook, a_host_key


class FakeCapacity:
    """`machines`: all that there are, by key, also other controllers'. `made` and `taken` are told of each as it comes and goes."""

    def __init__(
        self,
        *,
        controller: str = "c0ffee",
        made: Callable[[Lent, Need], None] = lambda lent, need: None,
        taken: Callable[[Lent], None] = lambda lent: None,
        memory: int = 4_000_000_000,
    ) -> None:
        self.machines: dict[str, Lent] = {}
        self.needs: list[tuple[str, Need]] = []
        self.passed: Hook = lambda moment, name, key: None
        self.is_down = False
        self.memory = memory
        self._controller = controller
        self._made = made
        self._taken = taken

    async def add(self, key: str, need: Need) -> Lent:
        self._answer()
        self.passed("before", "add", key)
        if key not in self.machines:
            self.needs.append((key, need))
            address = HostAddress.parse(f"root@{key}.example.com")
            self.machines[key] = Lent(key=key, address=address, host_key=a_host_key(str(address)), memory=self.memory)
            self._made(self.machines[key], need)
        self.passed("after", "add", key)
        return self.machines[key]

    async def lent(self) -> tuple[Lent, ...]:
        self._answer()
        return tuple(each for key, each in sorted(self.machines.items()) if key.startswith(f"{self._controller}-"))

    async def remove(self, key: str, lent: Lent | None) -> None:
        self._answer()
        self.passed("before", "remove", key)
        gone = self.machines.pop(key, None)
        if gone is not None:
            self._taken(gone)
        self.passed("after", "remove", key)

    def _answer(self) -> None:
        if self.is_down:
            raise Unavailable("whoever lends hosts does not answer")


_: type[Capacity] = FakeCapacity
