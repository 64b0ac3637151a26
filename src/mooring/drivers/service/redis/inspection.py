"""Whether a Redis server can be used: its version, rights, whether it keeps accounts, what is open to everybody. Must not: change it."""

from __future__ import annotations

from redis.exceptions import NoPermissionError

from mooring.drivers.service.contract import ISOLATION
from mooring.drivers.service.redis.session import Connection
from mooring.model.host import Finding, Weight

_OLDEST = (7, 0)


async def findings(connection: Connection) -> tuple[str, tuple[Finding, ...]]:
    """The version in words, and what is not good."""
    try:
        about = _about(bytes(await connection.ask("INFO")).decode("utf-8", "replace"))
        version = about.get("redis_version", "0")
        return version, (*_kind(version, about), *await _keeping(connection), *await _isolation(connection))
    except NoPermissionError:
        hint = "ACL SETUSER … ~* &* +@all"
        return "?", (Finding(subject="rights", weight=Weight.FAULT, said="the account may not do everything", hint=hint),)


def _kind(version: str, about: dict[str, str]) -> list[Finding]:
    found = []
    if tuple(int(word) for word in version.split(".")[:2] if word.isdigit()) < _OLDEST:
        found.append(Finding(subject="version", weight=Weight.FAULT, said="it is older than 7.0", hint="update it"))
    if about.get("cluster_enabled") == "1":
        said, hint = "it is part of a cluster, and Mooring knows one server alone", "name a server that is none"
        found.append(Finding(subject="cluster", weight=Weight.FAULT, said=said, hint=hint))
    return found


async def _keeping(connection: Connection) -> list[Finding]:
    found = []
    if not await _setting(connection, "aclfile"):
        said = "it would forget its accounts when it restarts"
        hint = "set aclfile /etc/redis/users.acl in redis.conf (an empty file at first), and restart it"
        found.append(Finding(subject="accounts", weight=Weight.FAULT, said=said, hint=hint))
    if await _setting(connection, "sanitize-dump-payload") == "no":
        said = "it does not look through a dump that is brought back: a forged one could end it"
        hint = "set sanitize-dump-payload clients in redis.conf"
        found.append(Finding(subject="dumps", weight=Weight.WARNING, said=said, hint=hint))
    return found


async def _isolation(connection: Connection) -> list[Finding]:
    lines = [bytes(line).decode("utf-8", "replace").split(" ") for line in await connection.ask("ACL", "LIST")]
    names = [words[1] for words in lines if "on" in words[2:] and "nopass" in words[2:]]
    if not names:
        return []
    said = f"everybody gets in as {', '.join(names)} without a password, apps too"
    hint = f"ACL SETUSER {names[0]} resetpass, or off"
    return [Finding(subject=ISOLATION, weight=Weight.FAULT, said=said, hint=hint)]


async def _setting(connection: Connection, name: str) -> str:
    words = await connection.ask("CONFIG", "GET", name)
    return bytes(words[1]).decode() if words else ""


def _about(text: str) -> dict[str, str]:
    return {name: value for line in text.splitlines() if ":" in line for name, _, value in [line.partition(":")]}
