"""Keeping what the platform remembers: backups, and new keys for what is encrypted. Must not: read or print a value."""

from __future__ import annotations

import asyncio

from mooring.model.access import Actor
from mooring.usecases.answers import KeyRotation
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform


async def rotate_keys(platform: Platform, actor: Actor) -> KeyRotation:
    """Every encrypted value is sealed anew under a fresh key. Raises StateDamaged, Unavailable, Forbidden."""
    platform.allow(actor, Permission.ADMINISTER, "keys rotate")
    return KeyRotation(resealed=await asyncio.to_thread(platform.memory.rotate_key))
