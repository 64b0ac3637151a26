"""The other end of a way by SSH: standard input and output become a connection to this machine's platform.

It greets once it is connected, so that whoever called can tell a platform from a failure. Must not: understand what passes.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

from mooring.client.location import controller_socket
from mooring.client.ssh import GREETING
from mooring.client.ways import LocalWay

_PIECE = 65_536
_LAST_WORDS = 5.0  # seconds in which the platform may still answer when the caller says no more


def dial(state: Path, *, reads: int = 0, writes: int = 1) -> None:
    """Until either side ends. Raises PlatformNotRunning, Forbidden."""
    connection = LocalWay(controller_socket(state)).connect()
    connection.settimeout(None)
    _write(writes, GREETING)
    threading.Thread(target=_sent, args=(reads, connection), daemon=True).start()
    try:
        while piece := connection.recv(_PIECE):
            _write(writes, piece)
    except OSError:
        return  # the caller has gone, or the platform: there is nobody to tell


def _sent(reads: int, connection: socket.socket) -> None:
    try:
        while piece := os.read(reads, _PIECE):
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(_LAST_WORDS)
    except OSError:
        return


def _write(descriptor: int, piece: bytes) -> None:
    while piece:
        piece = piece[os.write(descriptor, piece) :]
