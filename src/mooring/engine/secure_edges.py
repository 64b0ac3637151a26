"""Certificates and challenges on many edges: what the controller's own takes, those of hosts are given too. Must not: decide what is shown.

One on a host that does not answer holds nobody up: the keeper of certificates gives the whole again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from mooring.drivers.edge.contract import SecureEdge
from mooring.errors import DriverError
from mooring.model.certificate import Certificate
from mooring.model.names import Hostname
from mooring.model.routing import ChallengeAnswer, RouteTable


class SecureEdges:
    """`others` are those of hosts, as they are now."""

    def __init__(self, local: SecureEdge, others: Callable[[], Sequence[SecureEdge]]) -> None:
        self._local = local
        self._others = others

    def tables(self) -> tuple[RouteTable, ...]:
        return self._local.tables()

    async def show(self, certificates: Mapping[Hostname, Certificate]) -> None:
        await self._each(lambda edge: edge.show(certificates))

    async def answer(self, answers: tuple[ChallengeAnswer, ...]) -> None:
        await self._each(lambda edge: edge.answer(answers))

    async def _each(self, effect: Callable[[SecureEdge], Awaitable[None]]) -> None:
        """Raises what the controller's own raises."""
        others = asyncio.gather(*(_tried(effect(edge)) for edge in self._others()))
        try:
            await effect(self._local)
        finally:
            await others


async def _tried(effect: Awaitable[None]) -> None:
    try:
        await effect
    except DriverError:
        return


_: type[SecureEdge] = SecureEdges
