"""Puts a file where Envoy watches it and waits until Envoy has taken it, or says that Envoy refused. Must not: know what is in it.

Each file carries the digest of its content as its version; Envoy shows the version it has taken in its statistics.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mooring.drivers.edge.envoy.admin import Admin
from mooring.drivers.edge.files import make_directory, read_whole, write_whole
from mooring.errors import OutcomeUnknown, Unavailable

TAKEN_WITHIN = 5.0  # seconds
FIRST_LOOK = 0.002
SETTLE = 0.01  # from the main thread, which acknowledges, the change goes to the workers


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """A file, and the prefixes of the statistics of all who read it. `warms`: it is in force only when nothing is warming any more."""

    path: Path
    readers: tuple[str, ...]
    content: bytes
    version: str
    warms: bool = False


class Refusal(Unavailable):
    """Envoy did not accept the content; the file is again what it was before."""


def publication(path: Path, readers: tuple[str, ...], resources: Sequence[object], *, warms: bool = False) -> Publication:
    body = msgspec.json.encode(resources)
    version = hashlib.sha256(body).hexdigest()[:16]
    content = msgspec.json.encode({"version_info": version, "resources": msgspec.Raw(body)})
    return Publication(path=path, readers=readers, content=content, version=version, warms=warms)


def place(wanted: Publication) -> bool:
    """Write the file unless it is so already; whether it was written. Raises Unavailable."""
    if read_whole(wanted.path) == wanted.content:
        return False
    make_directory(wanted.path.parent)
    write_whole(wanted.path, wanted.content)
    return True


class Publisher:
    """One change at a time: its caller sees to that."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    async def publish(self, wanted: Publication) -> None:
        """Returns when Envoy has it. Raises Refusal, Unavailable (nothing changed), OutcomeUnknown (it did not answer in time)."""
        before = read_whole(wanted.path)
        seen = await self._state(wanted)
        if before == wanted.content and seen.versions == {wanted.version}:
            return
        write_whole(wanted.path, wanted.content)
        try:
            await self._taken(wanted, refusals=seen.refusals)
        except Refusal:
            if before is not None and before != wanted.content:
                write_whole(wanted.path, before)
            raise

    async def is_taken(self, wanted: Publication) -> bool:
        return (await self._state(wanted)).versions == {wanted.version}

    async def versions(self) -> dict[str, str]:
        """The version that Envoy has, by the prefix of the statistics."""
        found = await self._admin.statistics(r"\.version_text$")
        return {name.removesuffix(".version_text"): version for name, version in found.items()}

    async def _taken(self, wanted: Publication, *, refusals: int) -> None:
        deadline = time.monotonic() + TAKEN_WITHIN
        pause = FIRST_LOOK
        while time.monotonic() < deadline:
            await asyncio.sleep(pause)
            state = await self._state(wanted)
            if state.versions == {wanted.version} and not (wanted.warms and state.warming):
                return await asyncio.sleep(SETTLE)
            if state.refusals > refusals:
                raise Refusal(f"the edge refused {wanted.path.name}", hint="what it served before is still served", where=str(wanted.path))
            pause = min(pause * 1.5, 0.05)
        raise OutcomeUnknown(f"the edge did not acknowledge {wanted.path.name} within {TAKEN_WITHIN:.0f} seconds", where=str(wanted.path))

    async def _state(self, wanted: Publication) -> _State:
        prefixes = "|".join(reader.replace(".", r"\.") for reader in wanted.readers)
        pattern = rf"^(({prefixes})\.(version_text|update_rejected|update_failure)|listener_manager\.total_listeners_warming)$"
        found = await self._admin.statistics(pattern)
        refused = [f"{reader}.{word}" for reader in wanted.readers for word in ("update_rejected", "update_failure")]
        return _State(
            versions=frozenset(found.get(f"{reader}.version_text", "") for reader in wanted.readers),
            refusals=sum(int(found.get(name, "0")) for name in refused),
            warming=int(found.get("listener_manager.total_listeners_warming", "0")),
        )


class _State(msgspec.Struct, frozen=True, kw_only=True):
    versions: frozenset[str]
    refusals: int
    warming: int
