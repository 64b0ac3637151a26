"""Who calls: on the Unix socket whoever owns the other end, on TCP whoever holds a valid token. Must not: decide what they may do.

Sources: SO_PEERCRED of unix(7) cannot be forged by the peer; RFC 6750 for bearer tokens.
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mooring.client.wire import PUSH_KEY
from mooring.drivers.peers import credentials, is_confined
from mooring.errors import Forbidden, Unauthorized
from mooring.model.access import Actor, Role
from mooring.model.push_key import push_key_name
from mooring.model.secret import Secret
from mooring.store.memory import SqliteMemory

PEER = "mooring.peer"  # where the listening protocol puts it in the ASGI scope's state
_SHORTEST_TOKEN = 20


@dataclass(frozen=True)
class UnixPeer:
    """`is_confined`: a program of a review app."""

    uid: int
    pid: int
    is_confined: bool = False


@dataclass(frozen=True)
class TcpPeer:
    """`local` is the address that the connection was made to."""

    address: str
    local: str


Peer = UnixPeer | TcpPeer


@dataclass(frozen=True)
class Caller:
    """`is_valid` is asked again while a stream is open: a revoked token ends its streams."""

    actor: Actor
    is_valid: Callable[[], bool]


def peer_of(connection: socket.socket) -> Peer:
    """The other end of an accepted connection."""
    if connection.family == socket.AF_UNIX:
        found = credentials(connection)
        return UnixPeer(uid=found.uid, pid=found.pid, is_confined=is_confined(connection))
    return TcpPeer(address=str(connection.getpeername()[0]), local=str(connection.getsockname()[0]))


def peer_in(scope: Mapping[str, Any]) -> Peer | None:
    """Of an ASGI scope; None when it did not come through a listening socket of ours."""
    peer = scope.get("state", {}).get(PEER)
    return peer if isinstance(peer, (UnixPeer, TcpPeer)) else None


def identify(peer: Peer | None, headers: Mapping[str, str], *, memory: SqliteMemory, now: Callable[[], float]) -> Caller:
    """Raises Unauthorized without a valid token on TCP, Forbidden on the Unix socket for another user or what is confined, InvalidName."""
    match peer:
        case UnixPeer(is_confined=True):
            hint = "it has no_new_privs set, as review apps have: ask from a shell without it, or over `mooring up --api` with a token"
            raise Forbidden("this program is confined, and the platform is not for it", hint=hint)
        case UnixPeer(uid=uid):
            return _by_user(uid, pushing=headers.get(PUSH_KEY.lower(), ""))
        case _:
            return _by_token(headers.get("authorization", ""), memory=memory, now=now)


def _by_user(uid: int, *, pushing: str) -> Caller:
    """Whoever runs the controller, and root, own the platform; but one of their programs, which `git push` runs, asks for less."""
    if uid not in (os.getuid(), 0):
        raise Forbidden("this platform belongs to another user", hint="use a token over TCP, or ask its owner")
    if pushing:
        return Caller(actor=Actor(f"key {push_key_name(pushing)}", Role.DEPLOYER), is_valid=lambda: True)
    return Caller(actor=Actor(_user_name(uid), Role.ADMIN), is_valid=lambda: True)


def _by_token(authorization: str, *, memory: SqliteMemory, now: Callable[[], float]) -> Caller:
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise Unauthorized("no token was given", hint="send `Authorization: Bearer TOKEN`; `mooring token create` makes one")
    token = Secret(text.strip())
    record = memory.token_by_secret(token, now=now()) if len(text) >= _SHORTEST_TOKEN else None
    if record is None:
        raise Unauthorized("the token is unknown, expired or revoked", hint="`mooring token ls` shows which are valid")

    def is_valid() -> bool:
        known = memory.token(record.id)
        return known is not None and known.is_valid(now())

    return Caller(actor=record.actor, is_valid=is_valid)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid{uid}"
