"""Connections to a Redis server: the one place that speaks to it, and where its errors become Mooring's. Must not: log what is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import redis.asyncio as client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError, WatchError

from mooring.drivers.service.contract import Login
from mooring.errors import InvalidInput, MooringError, OutcomeUnknown, Refused, Unavailable
from mooring.model.secret import Secret

Words = tuple[str | bytes | int, ...]
"""One command."""

_CONNECT = 10  # seconds
_ANSWER = 120  # seconds: a mask is one script
_TRIES = 20  # of a step that another one came between
_HINT = (
    "write it like redis://admin:PASSWORD@cache.example.com:6379, or rediss:// with TLS, and ?ssl_ca_certs=/FILE.pem for its own authority"
)


class Address:
    """Of a server, from `redis://USER:PASSWORD@HOST:PORT`; with `rediss` its certificate is checked. Raises InvalidInput."""

    def __init__(self, url: Secret) -> None:
        try:
            parts = urlsplit(url.reveal())
            self.host, self.port = parts.hostname or "", parts.port or 6379
            self.options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        except ValueError:
            raise InvalidInput("that is no address of a Redis server", hint=_HINT) from None
        is_known = set(self.options) <= ({"ssl_ca_certs"} if parts.scheme == "rediss" else set()) and parts.path in ("", "/", "/0")
        if parts.scheme not in ("redis", "rediss") or not self.host or not is_known:
            raise InvalidInput("that is no address of a Redis server", hint=_HINT)
        self.scheme = parts.scheme
        self.administrator = Login(unquote(parts.username or "default"), Secret(unquote(parts.password or "")))

    @property
    def place(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Connection:
    """Answers are as the server gives them: bytes, numbers, lists of them, or None."""

    def __init__(self, raw: client.Redis) -> None:
        self._raw = raw

    async def ask(self, *words: str | bytes | int) -> Any:
        return await self._raw.execute_command(*words)  # type: ignore[no-untyped-call]

    async def each(self, commands: Sequence[Words]) -> list[Any]:
        """All of them, in one round trip."""
        pipeline = self._raw.pipeline(transaction=False)
        for words in commands:
            pipeline.execute_command(*words)
        return list(await pipeline.execute())

    async def whole(self, commands: Sequence[Words]) -> None:
        """All of them, with nothing of others between."""
        pipeline = self._raw.pipeline(transaction=True)
        for words in commands:
            pipeline.execute_command(*words)
        await pipeline.execute()

    async def together(self, turn: str, decided: Callable[[], Awaitable[Sequence[Words]]]) -> None:
        """What is decided, as a whole, unless another did so under the same `turn` since the deciding began: then it is decided anew."""
        for _ in range(_TRIES):
            async with self._raw.pipeline(transaction=True) as pipeline:
                await pipeline.watch(turn)
                commands = await decided()
                pipeline.multi()  # type: ignore[no-untyped-call]
                pipeline.execute_command("INCR", turn)
                pipeline.execute_command("EXPIRE", turn, 3600)
                for words in commands:
                    pipeline.execute_command(*words)
                try:
                    await pipeline.execute()
                except WatchError:
                    continue
                return
        raise Unavailable("others change the same at the same time, again and again", hint="try again")


@asynccontextmanager
async def connected(address: Address, login: Login | None = None) -> AsyncIterator[Connection]:
    """As the administrator, unless another is named. Raises Unavailable, OutcomeUnknown, Refused."""
    who = login or address.administrator
    secure: dict[str, Any] = {"ssl": True, "ssl_check_hostname": True, **address.options} if address.scheme == "rediss" else {}
    raw = client.Redis(
        host=address.host,
        port=address.port,
        username=who.name,
        password=who.password.reveal() or None,
        socket_connect_timeout=_CONNECT,
        socket_timeout=_ANSWER,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        client_name="mooring",
        single_connection_client=True,
        **secure,
    )
    raw.response_callbacks.clear()
    try:
        await _let_in(raw, address)
        yield Connection(raw)
    except RedisError as error:
        raise _translated(error, address) from None
    finally:
        await raw.aclose()


async def _let_in(raw: client.Redis, address: Address) -> None:
    try:
        await raw.initialize()
    except (RedisError, OSError) as error:
        hint = "is it up, and are address, name and password right? `mooring service add-server` changes them"
        raise Unavailable(f"the Redis server does not let us in: {_said(error)}", hint=hint, where=address.place) from None


def _translated(error: RedisError, address: Address) -> MooringError:
    said = _said(error)
    if isinstance(error, NoPermissionError | AuthenticationError):
        return Refused(f"Redis: {said}", hint="the administrator's account needs ~* &* +@all", where=address.place)
    if isinstance(error, ResponseError):
        return Unavailable(f"Redis: {said}", where=address.place)
    return OutcomeUnknown(f"the connection broke: {said}", hint="it is looked at again", where=address.place)


def _said(error: Exception) -> str:
    """One line. What the server says of a command never holds a password: only digests are sent."""
    return " ".join((str(error) or type(error).__name__).split())[:500]
