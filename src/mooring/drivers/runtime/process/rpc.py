"""Asks the daemon over its Unix socket, with a time limit; what goes wrong becomes this program's errors. Must not: ask twice."""

from __future__ import annotations

import http.client
import os
import socket
import xmlrpc.client
from pathlib import Path
from typing import Any

from mooring.errors import OutcomeUnknown, Unavailable

_TIMEOUT = 10.0


class _Connection(http.client.HTTPConnection):
    """The socket is reached through its directory's descriptor: its own path may be longer than the 107 bytes a socket's may be."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = connected(self._path, timeout=self.timeout or _TIMEOUT)


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__()
        self._path = path
        self._timeout = timeout

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        """Once: the inherited one asks again when the connection breaks."""
        return self.single_request(host, handler, request_body, verbose)

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _Connection(self._path, self._timeout)


def connected(path: Path, *, timeout: float) -> socket.socket:
    """Raises OSError."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(f"/proc/self/fd/{directory}/{path.name}")
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(directory)
    return connection


def ask(path: Path, method: str, *arguments: Any, timeout: float = _TIMEOUT) -> Any:
    """Raises Unavailable where nothing was asked, OutcomeUnknown where the answer is missing."""
    try:
        connected(path, timeout=timeout).close()
    except OSError as error:
        raise Unavailable(
            f"the supervisor gives no answer: {error.strerror or error}", hint="mooring up starts it", where=str(path)
        ) from error
    transport = _Transport(path, timeout)
    try:
        with xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=transport, allow_none=True) as server:
            return getattr(server, method)(*arguments)
    except xmlrpc.client.Fault as fault:
        raise Unavailable(f"the supervisor refused {method}: {fault.faultString}") from fault
    except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
        raise OutcomeUnknown(f"the supervisor's answer to {method} was lost: {error}") from error
