"""How a platform is reached: a way gives a connected socket, whatever lies between. Must not: speak HTTP."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Protocol

from mooring.client.location import check_private
from mooring.errors import Forbidden, PlatformNotRunning

CONNECT_TIMEOUT = 5.0  # seconds


class Way(Protocol):
    @property
    def place(self) -> str:
        """Where it leads, for messages."""

    def connect(self) -> socket.socket:
        """Connected to the platform's API. Raises PlatformNotRunning, Forbidden."""


class LocalWay:
    """The Unix socket of a platform on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        return str(self._path)

    def connect(self) -> socket.socket:
        check_private(self._path.parent)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(CONNECT_TIMEOUT)
            connection.connect(str(self._path))
        except PermissionError as refused:
            connection.close()
            hint = "it belongs to who started it; use a token over HTTPS, or ask them"
            raise Forbidden(f"the platform at {self._path} is another user's", hint=hint) from refused
        except OSError as absent:
            connection.close()
            raise PlatformNotRunning(f"no platform answers at {self._path}", hint="`mooring up` starts it") from absent
        return connection
