"""Hosts lent by a program of the operator's. Must not: go through a shell, or take anybody for a lent host whose key it did not say.

It gets one word as its last argument, and answers in lines of JSON:
  add       makes a machine for MOORING_CAPACITY_KEY, or finds the one that it made for it, and says one machine
  remove    does away with the machine made for MOORING_CAPACITY_KEY, if it is there
  list      says all machines that it made for keys that begin with MOORING_CAPACITY_CONTROLLER, a line each
A machine: {"key": …, "address": "root@203.0.113.7", "host_key": "ssh-ed25519 AAAA…", "bind": …, "memory": …}, the last two where it knows
better than what is found there. Further variables: docs/how-to/capacity.md. It ends with 0 when that is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated

import msgspec
from msgspec import Meta

from mooring.drivers.capacity.contract import Capacity
from mooring.drivers.operator_program import OperatorProgram
from mooring.errors import MooringError, Unavailable
from mooring.model.capacity import Lent, Need
from mooring.model.host import HostAddress, fingerprint

WITHIN = 900.0  # seconds: a machine has to boot
_KEPT = 1_000_000  # bytes of what it says
_HINT = 'it is to say a line like {"key": "…", "address": "root@203.0.113.7", "host_key": "ssh-ed25519 AAAA…"} and nothing else'
_LONGEST = 100  # characters of a line that is shown


class _Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: Annotated[str, Meta(min_length=1, max_length=100)]
    address: Annotated[str, Meta(max_length=300)]
    host_key: Annotated[str, Meta(min_length=1, max_length=5_000)]
    bind: Annotated[str, Meta(max_length=100)] = ""
    memory: Annotated[int, Meta(ge=0, le=2**50)] = 0


class CommandCapacity:
    """`controller` gives this controller's name, `public_key` the line for a machine's authorized_keys; `redact` takes secrets out of
    what the program said. `within`: seconds that it may take.
    """

    def __init__(
        self,
        argv: tuple[str, ...],
        variables: Mapping[str, str],
        *,
        controller: Callable[[], str],
        public_key: Callable[[], str],
        redact: Callable[[str], str] = str,
        within: float = WITHIN,
    ) -> None:
        self._program = OperatorProgram("the capacity command", argv, variables, within=within, kept=_KEPT, redact=redact)
        self._controller_name = controller
        self._public_key = public_key
        self._redact = redact

    @cached_property
    def _own(self) -> dict[str, str]:
        """What it is told with every word."""
        return {"MOORING_CAPACITY_CONTROLLER": self._controller_name(), "MOORING_CAPACITY_SSH_KEY": self._public_key()}

    async def add(self, key: str, need: Need) -> Lent:
        told = {
            "MOORING_CAPACITY_KEY": key,
            "MOORING_CAPACITY_REGION": need.region,
            "MOORING_CAPACITY_RUNTIME": need.runtime.value,
            "MOORING_CAPACITY_MEMORY": str(need.memory),
        }
        machines = await self._said("add", told)
        if len(machines) != 1 or machines[0].key != key:
            keys = ", ".join(each.key[:_LONGEST] for each in machines) or "none"
            raise Unavailable(f"the capacity command was asked for the machine of {key}, and said {keys}", hint=_HINT)
        return machines[0]

    async def lent(self) -> tuple[Lent, ...]:
        machines = await self._said("list", {})
        mine = f"{self._own['MOORING_CAPACITY_CONTROLLER']}-"
        return tuple(sorted((each for each in machines if each.key.startswith(mine)), key=lambda each: each.key))

    async def remove(self, key: str, lent: Lent | None) -> None:
        told = {"MOORING_CAPACITY_KEY": key, "MOORING_CAPACITY_ADDRESS": str(lent.address) if lent else ""}
        await self._run("remove", told)

    async def _said(self, verb: str, told: Mapping[str, str]) -> list[Lent]:
        out = await self._run(verb, told)
        return [self._machine(verb, line) for line in out.decode(errors="replace").splitlines() if line.strip()]

    async def _run(self, verb: str, told: Mapping[str, str]) -> bytes:
        key = told.get("MOORING_CAPACITY_KEY", "")
        return await self._program.run(verb, {**self._own, **told}, about=f"{verb} {key}".strip())

    def _machine(self, verb: str, line: str) -> Lent:
        """Raises Unavailable for anything but a machine."""
        try:
            said = msgspec.json.decode(line, type=_Machine)
            fingerprint(said.host_key)
            address = HostAddress.parse(said.address)
        except (msgspec.MsgspecError, MooringError) as error:
            wrong = f"{self._redact(line.strip())[:_LONGEST]!r}: {error}"
            raise Unavailable(f"the capacity command said on `{verb}` what is no machine: {wrong}", hint=_HINT) from error
        return Lent(key=said.key, address=address, host_key=said.host_key, bind=said.bind, memory=said.memory)


_: type[Capacity] = CommandCapacity
