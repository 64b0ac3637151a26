"""Certificates shown by a running HAProxy, one at a time, and in step with the list that it reads when it starts. Must not: keep them."""

from __future__ import annotations

from collections.abc import Iterable

from mooring.drivers.edge.haproxy.record import Record
from mooring.drivers.edge.haproxy.running import Refusal, Running
from mooring.drivers.edge.haproxy.settings import Layout
from mooring.drivers.edge.wardrobe import FALLBACK
from mooring.drivers.pem import to_pem
from mooring.model.certificate import Certificate


def list_text(layout: Layout, names: Iterable[str]) -> str:
    """HAProxy's crt-list: who asks for none of these names is shown the first."""
    others = sorted(set(names) - {FALLBACK})
    return "".join(f"{layout.certificate(name)} {name}\n" for name in (FALLBACK, *others))


class Dressing:
    """Raises Refusal for a certificate that HAProxy does not take: then the one before is still shown."""

    def __init__(self, layout: Layout, running: Running, record: Record) -> None:
        self._layout = layout
        self._record = record
        self._running = running

    async def wear(self, name: str, certificate: Certificate) -> None:
        """From now on, in place of the one before or for the first time."""
        path = str(self._layout.certificate(name))
        is_new = path not in await self._running.shown(self._layout.shown)
        if is_new:
            await self._begin(path)
        try:
            await self._running.tell(f"set ssl cert {path}", to_pem(certificate).decode())
            await self._running.send([f"commit ssl cert {path}"])
        except Refusal:
            await self._drop(f"abort ssl cert {path}")
            if is_new:
                await self._forget(path)
            raise
        if is_new:
            await self._running.tell(f"add ssl crt-list {self._layout.shown}", f"{path} {name}")

    async def take_off(self, name: str) -> None:
        path = str(self._layout.certificate(name))
        await self._drop(f"del ssl crt-list {self._layout.shown} {path}")
        await self._forget(path)

    def list(self, names: Iterable[str]) -> None:
        self._record.write_shown(list_text(self._layout, names))

    async def _begin(self, path: str) -> None:
        """An empty place for it; what is left of an earlier one there goes."""
        try:
            await self._running.send([f"new ssl cert {path}"])
        except Refusal:
            await self._forget(path)
            await self._running.send([f"new ssl cert {path}"])

    async def _forget(self, path: str) -> None:
        await self._drop(f"del ssl cert {path}")

    async def _drop(self, command: str) -> None:
        """Whether it was there or not."""
        try:
            await self._running.send([command])
        except Refusal:
            return
