"""Keeping what the platform remembers: backups, and new keys for what is encrypted. Must not: read or print a value."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mooring.model.access import Actor
from mooring.model.secret import Secret
from mooring.store.backup import BackupMade, backup
from mooring.store.directory import PUSH_KEYS
from mooring.usecases.answers import KeyRotation
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform

BACKUP = "state backup"  # as the audit log has it


async def rotate_keys(platform: Platform, actor: Actor) -> KeyRotation:
    """Every encrypted value is sealed anew under a fresh key. Raises StateDamaged, Unavailable, Forbidden."""
    platform.allow(actor, Permission.ADMINISTER, "keys rotate")
    return KeyRotation(resealed=await asyncio.to_thread(platform.memory.rotate_key))


async def back_up(platform: Platform, actor: Actor, into: Path, *, passphrase: Secret | None = None) -> BackupMade:
    """A consistent copy of the memory, and the keys that may push, in one file, 0600; with a passphrase the keys are in it too, sealed.

    Raises InvalidInput, StateDamaged, Unavailable, Forbidden.
    """
    platform.allow(actor, Permission.ADMINISTER, BACKUP)
    keys = into.with_name(f"{into.name}.keys")
    try:
        await asyncio.to_thread(platform.push_keys.keep, keys)
        return await asyncio.to_thread(
            backup,
            platform.directory,
            into,
            at=platform.clock.wall(),
            passphrase=passphrase,
            extra={"settings.json": platform.directory / "settings.json", PUSH_KEYS: keys},
            secret_extra=platform.hidden,
        )
    finally:
        keys.unlink(missing_ok=True)
