"""One container engine's API, over the socket that a transport leads to. Foreign errors end here. Must not: know what is ours.

Works with Docker's engine from 20.10 (API 1.41) and with Podman's service; in what they differ stands in dialect.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any

import aiodocker
import aiohttp
from aiodocker.execs import Exec
from aiodocker.stream import Stream

from mooring.drivers.runtime.docker.dialect import Dialect, dialect_of
from mooring.drivers.transport.contract import Transport
from mooring.errors import OutcomeUnknown, Unavailable

_PATIENCE = 60.0  # seconds for an answer
_CONNECT_WITHIN = 10.0  # seconds
_NOT_CONNECTED = 900  # aiodocker's own word for it
_STUMBLE = "no such process"  # Podman, about a process that ends while it answers: refuses the whole question
_MOST_STUMBLES = 10
DETACH_KEYS = ",".join(["ctrl-^"] * 8)  # the engine's usual ones are Ctrl-P Ctrl-Q, which people type; there is no way to have none

Answer = Any
Parameters = Mapping[str, str | int | bool]


class Missing(Unavailable):
    """The engine has no such container or image. Met by this driver alone."""


class Conflict(Unavailable):
    """The name is taken, or what is to go is in use. Met by this driver alone."""


class Engine:
    """Connects with the first call, and again after the connection was lost."""

    def __init__(self, transport: Transport, socket: PurePosixPath) -> None:
        self._transport = transport
        self._socket = socket
        self._client: aiodocker.Docker | None = None
        self._stack = AsyncExitStack()
        self._connecting = asyncio.Lock()
        self._dialect: Dialect | None = None

    @property
    def host(self) -> str:
        return self._transport.host

    async def dialect(self) -> Dialect:
        if self._dialect is None:
            self._dialect = dialect_of(await self.get("version"))
        return self._dialect

    async def get(self, path: str, parameters: Parameters | None = None) -> Answer:
        for _ in range(_MOST_STUMBLES):
            try:
                return await self._asked("GET", path, parameters)
            except Unavailable as error:
                if _STUMBLE not in error.message:
                    raise
        return await self._asked("GET", path, parameters)

    async def listed(self, path: str, filters: Mapping[str, list[str]], **parameters: int) -> list[Answer]:
        answer: list[Answer] = await self.get(path, {"filters": json.dumps(filters), **parameters})
        return answer

    async def post(
        self, path: str, parameters: Parameters | None = None, body: object = None, *, within: float | None = _PATIENCE
    ) -> Answer:
        return await self._asked("POST", path, parameters, body, within=within)

    async def delete(self, path: str, **parameters: int) -> None:
        await self._asked("DELETE", path, parameters)

    async def has_file(self, container: str, path: str) -> bool:
        """Whether there is something at that path in a container's file system, running or not."""
        client = await self._connected()
        where = f"containers/{container}/archive"
        with self._translated(where, is_harmless=True):
            await client._check_version()
            url = client._canonicalize_url(where)
            async with client.session.head(url, params={"path": path}, timeout=_patient(_PATIENCE)) as response:
                if response.status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
                    raise Unavailable(f"the container engine refused to tell of {path}: {response.reason}", where=self.host)
                return response.status == HTTPStatus.OK

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        parameters: Parameters | None = None,
        *,
        method: str = "GET",
        content: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """An answer that comes in pieces and may take for ever."""
        client = await self._connected()
        headers = {**({"Content-Type": "application/x-tar"} if content is not None else {}), **(headers or {})}
        with self._translated(path, is_harmless=method == "GET"):
            query = client._query(path, method, params=_plain(parameters), data=content, headers=headers, timeout=_patient(None))
            async with query as response:
                try:
                    yield response.content
                finally:
                    response.close()

    async def attached(self, container: str) -> Stream:
        """Its input and output, from before it is started; not open yet."""
        client = await self._connected()
        return client.containers.container(container).attach(stdin=True, stdout=True, stderr=True, detach_keys=DETACH_KEYS)

    async def executing(self, command: str, *, terminal: bool) -> Stream:
        """The input and output of a command in a container, which begins when they are opened."""
        client = await self._connected()
        return Exec(client, command, tty=terminal).start()

    async def open(self, stream: Stream) -> None:
        with self._translated("streams", is_harmless=False):
            await stream.__aenter__()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()
            await client.session.close()
        await self._stack.aclose()

    async def _asked(
        self, method: str, path: str, parameters: Parameters | None = None, body: object = None, *, within: float | None = _PATIENCE
    ) -> Answer:
        client = await self._connected()
        data = json.dumps(body).encode() if body is not None else None
        with self._translated(path, is_harmless=method == "GET"):
            async with client._query(path, method, params=_plain(parameters), data=data, timeout=_patient(within)) as response:
                try:
                    content = await response.read()
                finally:
                    response.close()
        return json.loads(content) if content[:1] in (b"{", b"[") else content  # whatever its type is called: Podman's is not always JSON

    async def _connected(self) -> aiodocker.Docker:
        """Raises Unavailable, NeedsPerson, InvalidInput."""
        async with self._connecting:
            if self._client is None:
                here = await self._stack.enter_async_context(self._transport.forwarded(self._socket))
                self._client = _client(here)
            return self._client

    @contextmanager
    def _translated(self, path: str, *, is_harmless: bool) -> Iterator[None]:
        """What was not harmless and lost its answer may have happened."""
        try:
            yield
        except aiodocker.DockerError as error:
            if error.status == _NOT_CONNECTED:
                raise self._lost(error, error.__context__, path, is_harmless=is_harmless) from error
            raise _refused(error, self.host) from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:  # ValueError: an answer that was cut off
            raise self._lost(error, error, path, is_harmless=is_harmless) from error

    def _lost(self, error: Exception, cause: BaseException | None, path: str, *, is_harmless: bool) -> Unavailable | OutcomeUnknown:
        self._forget_connection()
        what = path.partition("/")[0]
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ServerTimeoutError):
            return Unavailable(f"the container engine does not answer at {self._socket}", hint="is it running?", where=self.host)
        if is_harmless:
            return Unavailable(f"the container engine broke off its answer about {what}", where=self.host)
        return OutcomeUnknown(
            f"the container engine's answer about {what} was lost", hint="look there before it is repeated", where=self.host
        )

    def _forget_connection(self) -> None:
        """The next call makes a new one; who still reads from the old one finds its end."""
        client, self._client = self._client, None
        self._dialect = None  # another may listen there by then
        stack, self._stack = self._stack, AsyncExitStack()
        if client is not None:
            closing = asyncio.ensure_future(_closed(client, stack))
            closing.add_done_callback(lambda task: task.exception())


def _client(socket: Path) -> aiodocker.Docker:
    connector = aiohttp.UnixConnector(str(socket), limit=0)  # whoever follows logs keeps theirs
    session = aiohttp.ClientSession(connector=connector)
    return aiodocker.Docker(url="unix://localhost", connector=connector, session=session)


async def _closed(client: aiodocker.Docker, stack: AsyncExitStack) -> None:
    with suppress(Exception):  # it is broken already
        await client.close()
        await client.session.close()
    with suppress(Exception):
        await stack.aclose()


def _refused(error: aiodocker.DockerError, host: str) -> Unavailable:
    kind = {404: Missing, 409: Conflict}.get(error.status, Unavailable)
    return kind(f"the container engine refused: {error.message}", where=host)


def _plain(parameters: Parameters | None) -> dict[str, str | int]:
    return {name: int(value) if isinstance(value, bool) else value for name, value in (parameters or {}).items()}


def _patient(within: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=within, connect=_CONNECT_WITHIN)
