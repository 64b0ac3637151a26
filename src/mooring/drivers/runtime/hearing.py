"""What the command of a check said, as every runtime keeps and tells it. Must not: run it, or judge it."""

from __future__ import annotations

from mooring.drivers.runtime.contract import Heard

_KEPT = 64 * 1024  # bytes of the end of what it says
_SAID = 200  # characters of its last line


def kept(heard: bytes, chunk: bytes) -> bytes:
    """The end of both."""
    return (heard + chunk)[-_KEPT:]


def told(code: int, heard: bytes) -> Heard:
    """Of one that ended so, with what it said last."""
    lines = heard.decode("utf-8", "replace").strip().splitlines()
    return Heard(code=code, said=lines[-1][:_SAID] if lines else "")
