"""Answers DNS challenges by a program of the operator's: it sets or removes one TXT record. Must not: go through a shell.

It gets the word `present` or `cleanup` as its last argument, and MOORING_DNS_NAME and MOORING_DNS_VALUE in its environment. It ends with 0
when every server of the zone answers with the record. When it does not, the last line is shown that it wrote to standard error, or to
standard output where it wrote nothing there.
"""

from __future__ import annotations

from collections.abc import Mapping

from mooring.drivers.issuer.contract import Answering, Challenge
from mooring.drivers.operator_program import OperatorProgram

_WITHIN = 180.0  # seconds: name servers take their time


class DnsHook:
    """`argv` is the program and its first arguments; `variables` is the environment it gets besides the challenge's own."""

    def __init__(self, argv: tuple[str, ...], variables: Mapping[str, str], *, within: float = _WITHIN) -> None:
        self._program = OperatorProgram("the DNS hook", argv, variables, within=within)

    async def present(self, challenge: Challenge) -> None:
        await self._run("present", challenge)

    async def withdraw(self, challenge: Challenge) -> None:
        await self._run("cleanup", challenge)

    async def _run(self, verb: str, challenge: Challenge) -> None:
        named = {"MOORING_DNS_NAME": challenge.place, "MOORING_DNS_VALUE": challenge.content}
        await self._program.run(verb, named, about=f"{verb} {challenge.place}")


_: type[Answering] = DnsHook
