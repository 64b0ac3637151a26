"""A host reached by SSH: one connection for all commands at once. Must not: trust a host key but the pinned one, or read an ssh_config.

sshd gives the command to the login shell of the account, as one text: it is quoted here, word by word, and nowhere else.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar, cast

import asyncssh
import msgspec

from mooring.drivers.transport.contract import MOST, PARTING, TIMEOUT, Channel, Completed, Transport
from mooring.drivers.transport.outcomes import check_argv, lost, missing, too_long, too_much
from mooring.errors import InvalidInput, NeedsPerson, NotFound, OutcomeUnknown, Unavailable

_CONNECT_WITHIN = 15.0  # seconds
_KEEPALIVE = 5.0  # seconds; three without an answer end the connection
_SESSIONS = 8  # at once; sshd allows 10 on a connection unless told otherwise. Source: sshd_config(5), MaxSessions
_NOT_FOUND = 127  # source: POSIX, Shell Command Language, 2.8.2
_PIECE = 65_536
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.02, 2.0  # seconds before a refused session is asked for again; about 5 in all
_SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "SEGV": 11, "PIPE": 13, "ALRM": 14, "TERM": 15}

Begun = TypeVar("Begun")


class SshHost(msgspec.Struct, frozen=True, kw_only=True):
    """`host_key` is the pinned key as `ssh-keyscan` writes it (`ssh-ed25519 AAAA…`); `keys` are files of private keys. Those of the agent
    are tried after them; without any, those of the account too. `bastion`: another host to go through, with its own key.
    """

    name: str
    address: str
    user: str
    host_key: str
    port: int = 22
    keys: tuple[Path, ...] = ()
    bastion: SshHost | None = None


class SshTransport:
    """Connects with the first call, and again after the connection was lost."""

    def __init__(self, host: SshHost) -> None:
        self._host = host
        self._bastion = SshTransport(host.bastion) if host.bastion else None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._connecting = asyncio.Lock()
        self._room = asyncio.Semaphore(_SESSIONS)

    @property
    def host(self) -> str:
        return self._host.name

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", within: float = TIMEOUT, most: int = MOST) -> Completed:
        check_argv(argv)
        async with self._room:
            connection = await self.connected()
            try:
                async with asyncio.timeout(within):
                    process = await self._begun(argv[0], lambda: connection.create_process(shlex.join(argv), encoding=None))
                    return await self._ended(process, argv[0], stdin=stdin, most=most)
            except TimeoutError:
                raise too_long(self.host, argv[0], within) from None

    async def read(self, path: PurePosixPath, *, most: int = MOST) -> bytes:
        async with self._room, self._files() as files:
            try:
                async with files.open(str(path), "rb") as file:
                    content = cast(bytes, await file.read(most + 1))  # asyncssh's types know only texts
            except asyncssh.SFTPNoSuchFile:
                raise NotFound(f"there is no file {path}", where=self.host) from None
            except (asyncssh.Error, OSError) as error:
                raise Unavailable(f"{path} cannot be read: {_words(error)}", where=self.host) from error
        if len(content) > most:
            raise Unavailable(f"{path} is larger than {most:,} bytes", where=self.host)
        return content

    async def write(self, path: PurePosixPath, content: bytes, *, mode: int = 0o600) -> None:
        beside = str(path.with_name(f".{path.name}.{secrets.token_hex(6)}"))
        async with self._room, self._files() as files:
            try:
                attributes = asyncssh.SFTPAttrs(permissions=mode)
                async with files.open(beside, "xb", attributes) as file:
                    await file.setstat(attributes)
                    await file.write(content)
                    with suppress(asyncssh.SFTPOpUnsupported):
                        await file.fsync()
            except (asyncssh.Error, OSError) as error:
                raise Unavailable(f"{path} cannot be written: {_words(error)}", where=self.host) from error
            try:
                await files.posix_rename(beside, str(path))
            except asyncssh.SFTPConnectionLost as error:
                raise lost(self.host, f"writing {path}") from error
            except (asyncssh.Error, OSError) as error:
                raise Unavailable(f"{path} cannot be written: {_words(error)}", where=self.host) from error

    @asynccontextmanager
    async def forwarded(self, socket: PurePosixPath) -> AsyncIterator[Path]:
        connection = await self.connected()
        with tempfile.TemporaryDirectory(prefix="mooring-") as directory:
            here = Path(directory) / "socket"
            try:
                listener = await connection.forward_local_path(str(here), str(socket))
            except (asyncssh.Error, OSError) as error:
                raise Unavailable(f"{socket} cannot be reached: {_words(error)}", where=self.host) from error
            async with listener:
                yield here

    @asynccontextmanager
    async def attached(self, argv: Sequence[str]) -> AsyncIterator[Channel]:
        """Over a connection of its own: a host allows few sessions on one, and this one may last for hours."""
        check_argv(argv)
        connection = await self._connect()
        try:
            process = await self._begun(
                argv[0], lambda: connection.create_process(shlex.join(argv), encoding=None, stderr=asyncssh.DEVNULL)
            )
            try:
                yield _Talk(process, connection, self.host, argv[0])
            finally:
                await asyncio.shield(_parted(process))
        finally:
            connection.abort()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            await connection.wait_closed()
        if self._bastion is not None:
            await self._bastion.close()

    async def connected(self) -> asyncssh.SSHClientConnection:
        """The connection, made if there is none. Raises Unavailable, NeedsPerson, InvalidInput."""
        async with self._connecting:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        host = self._host
        bastion = await self._bastion.connected() if self._bastion else None
        try:
            *others, last = _identities(host)
            for identity in others:
                with suppress(asyncssh.PermissionDenied):
                    return await self._connect_as(identity, bastion)
            return await self._connect_as(last, bastion)
        except asyncssh.KeyImportError as error:
            raise InvalidInput(f"the host key of {host.name} cannot be read: {error}") from error
        except asyncssh.HostKeyNotVerifiable as error:
            hint = "if the host was installed anew, forget it and add it again; if not, find out who answers in its place"
            raise NeedsPerson("another host key than the pinned one is shown", hint=hint, where=host.name) from error
        except asyncssh.PermissionDenied as error:
            hint = "put the public key into its authorized_keys"
            raise Unavailable(f"{host.user}@{host.address} accepts none of the keys", hint=hint, where=host.name) from error
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise Unavailable(f"{host.address}:{host.port} cannot be reached: {_words(error)}", where=host.name) from error

    async def _connect_as(self, identity: Mapping[str, Any], bastion: asyncssh.SSHClientConnection | None) -> asyncssh.SSHClientConnection:
        host = self._host
        return await asyncssh.connect(
            host.address,
            host.port,
            username=host.user,
            known_hosts=([asyncssh.import_public_key(host.host_key)], [], []),
            **identity,
            tunnel=bastion,
            config=None,
            agent_forwarding=False,
            preferred_auth=["publickey"],
            connect_timeout=_CONNECT_WITHIN,
            keepalive_interval=_KEEPALIVE,
            keepalive_count_max=3,
        )

    async def _begun(self, program: str, begin: Callable[[], Awaitable[Begun]]) -> Begun:
        """A host that has not put away its earlier sessions yet refuses one more: then nothing was begun, and it is asked again."""
        pause = _SHORTEST_PAUSE
        while True:
            try:
                return await begin()
            except asyncssh.ChannelOpenError as error:
                if pause > _LONGEST_PAUSE or (self._connection is not None and self._connection.is_closed()):
                    raise Unavailable(f"{program} was not started: {_words(error)}", where=self.host) from error
            except (asyncssh.Error, OSError) as error:
                raise lost(self.host, program) from error  # it was asked for, and the answer did not come
            await asyncio.sleep(pause)
            pause *= 2

    async def _ended(self, process: asyncssh.SSHClientProcess[bytes], program: str, *, stdin: bytes, most: int) -> Completed:
        try:
            out, err, _ = await asyncio.gather(_read(process.stdout, most), _read(process.stderr, most), _fed(process.stdin, stdin))
            await process.wait_closed()
        except OverflowError:
            raise too_much(self.host, program, most) from None
        except (asyncssh.Error, OSError) as error:
            raise lost(self.host, program) from error
        finally:
            process.close()
        code = _code(process)
        if code is None:
            raise lost(self.host, program)
        if code == _NOT_FOUND and not out and b"not found" in err:
            raise missing(self.host, program)
        return Completed(code=code, out=out, err=err)

    @asynccontextmanager
    async def _files(self) -> AsyncIterator[asyncssh.SFTPClient]:
        connection = await self.connected()
        try:
            files = await self._begun("sftp", connection.start_sftp_client)
        except OutcomeUnknown as error:
            raise Unavailable(f"files cannot be reached: {error.message}", where=self.host) from error
        async with files:
            yield files


class _Talk:
    def __init__(
        self, process: asyncssh.SSHClientProcess[bytes], connection: asyncssh.SSHClientConnection, host: str, program: str
    ) -> None:
        self._process = process
        self._connection = connection  # what has ended knows its own no more
        self._host = host
        self._program = program

    async def read(self) -> bytes:
        try:
            piece = await self._process.stdout.read(_PIECE)
        except (asyncssh.Error, OSError) as error:
            raise lost(self._host, self._program) from error
        if not piece and self._connection.is_closed():
            raise lost(self._host, self._program)
        return piece

    async def write(self, chunk: bytes) -> None:
        with suppress(asyncssh.Error, OSError):
            self._process.stdin.write(chunk)
            await self._process.stdin.drain()


async def _parted(process: asyncssh.SSHClientProcess[bytes]) -> None:
    """Killed with its connection where it does not end."""
    with suppress(asyncssh.Error, OSError, TimeoutError):
        async with asyncio.timeout(PARTING):
            process.stdin.write_eof()
            while await process.stdout.read(_PIECE):
                pass
            await process.wait_closed()


def _identities(host: SshHost) -> list[Mapping[str, Any]]:
    """One after the other, since a host counts what it refuses: those keys; then what asyncssh finds, the agent's and the account's."""
    found: Mapping[str, Any] = {}
    if not host.keys:
        return [found]
    own = {"client_keys": [str(key) for key in host.keys], "agent_path": None}
    return [own, found] if os.environ.get("SSH_AUTH_SOCK") else [own]


def _code(process: asyncssh.SSHClientProcess[bytes]) -> int | None:
    """None when the other side never said."""
    if process.exit_signal:
        return 128 + _SIGNALS.get(process.exit_signal[0], 0)
    return process.exit_status


async def _read(stream: asyncssh.SSHReader[bytes], most: int) -> bytes:
    content = bytearray()
    while piece := await stream.read(_PIECE):
        content += piece
        if len(content) > most:
            raise OverflowError
    return bytes(content)


async def _fed(stream: asyncssh.SSHWriter[bytes], content: bytes) -> None:
    try:
        stream.write(content)
        await stream.drain()
        stream.write_eof()
    except (BrokenPipeError, ConnectionResetError):
        return  # a program need not read what it is given


def _words(error: BaseException) -> str:
    return str(getattr(error, "reason", "") or getattr(error, "strerror", "") or error or type(error).__name__)


_: type[Transport] = SshTransport
