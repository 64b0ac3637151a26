"""Just enough WebSocket (RFC 6455) to echo text and binary messages; messages in several frames are not understood."""

import base64
import contextlib
import hashlib
import struct
from typing import BinaryIO

KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FINAL = 0x80
GOING_AWAY = 1001


def handshake(key: str) -> dict[str, str]:
    accepted = base64.b64encode(hashlib.sha1((key + KEY_SUFFIX).encode()).digest()).decode()
    return {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accepted}


def echo(reader: BinaryIO, writer: BinaryIO) -> None:
    """Returns when the other side has closed, politely or not."""
    while (frame := _read_frame(reader)) is not None:
        kind, content = frame
        if kind in (TEXT, BINARY):
            _write_frame(writer, kind, content)
        if kind == PING:
            _write_frame(writer, PONG, content)
        if kind == CLOSE:
            _write_frame(writer, CLOSE, content)
            return


def say_goodbye(writer: BinaryIO) -> None:
    """Going away (1001): a polite client closes its side, which ends echo(), maybe before this has returned."""
    with contextlib.suppress(OSError, ValueError):
        _write_frame(writer, CLOSE, struct.pack("!H", GOING_AWAY))


def _read_frame(reader: BinaryIO) -> tuple[int, bytes] | None:
    """Kind and unmasked content of the next frame; None at the end of the stream."""
    head = reader.read(2)
    if len(head) < 2:
        return None
    length = head[1] & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", reader.read(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", reader.read(8))
    mask = reader.read(4)
    content = reader.read(length)
    return head[0] & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(content))


def _write_frame(writer: BinaryIO, kind: int, content: bytes) -> None:
    writer.write(bytes([FINAL | kind]) + _length(len(content)) + content)
    writer.flush()


def _length(length: int) -> bytes:
    """In as few bytes as the protocol has for it."""
    if length < 126:
        return struct.pack("!B", length)
    return struct.pack("!BH", 126, length) if length < 1 << 16 else struct.pack("!BQ", 127, length)
