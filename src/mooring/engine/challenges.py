"""Lets authorities find the answers to their challenges: by HTTP through the edge, by DNS through the hook. Must not: order anything."""

from __future__ import annotations

from mooring.drivers.edge.contract import SecureEdge
from mooring.drivers.issuer.contract import Answering, Challenge, ChallengeKind, NotIssued
from mooring.model.routing import ChallengeAnswer


class Challenges:
    """All that are open now. `dns` None: there is no hook."""

    def __init__(self, edge: SecureEdge, dns: Answering | None) -> None:
        self._edge = edge
        self._dns = dns
        self._open: dict[Challenge, ChallengeAnswer] = {}

    async def present(self, challenge: Challenge) -> None:
        if challenge.kind is ChallengeKind.DNS:
            await self._hook().present(challenge)
            return
        answer = ChallengeAnswer(hostname=challenge.hostname, token=challenge.place, content=challenge.content)
        self._open[challenge] = answer
        await self._edge.answer(tuple(self._open.values()))

    async def withdraw(self, challenge: Challenge) -> None:
        if challenge.kind is ChallengeKind.DNS:
            await self._hook().withdraw(challenge)
        elif self._open.pop(challenge, None) is not None:
            await self._edge.answer(tuple(self._open.values()))

    def _hook(self) -> Answering:
        if self._dns is None:
            raise NotIssued(
                "a wildcard is proven by DNS, and there is no hook for it", hint="`mooring up --acme-dns-hook COMMAND` sets one"
            )
        return self._dns


_: type[Answering] = Challenges
