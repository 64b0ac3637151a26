"""The controller's own log: a line of JSON an event, to standard error, which the supervisor keeps and rotates. Must not: print a secret.

Whatever is logged goes through a redactor of every environment's secrets.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

_LONGEST = 16_000
_LONGEST_FIELD = 2000


class JsonLines(logging.Formatter):
    """`extra={"fields": {...}}` goes into the line. `redact` is asked for each text before it is cut, and for the whole line."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "at": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": self._redact(record.getMessage())[:_LONGEST],
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= {name: self._redact(value)[:_LONGEST_FIELD] if isinstance(value, str) else value for name, value in fields.items()}
        if record.exc_info:
            line["trace"] = self._redact("".join(traceback.format_exception(*record.exc_info)))[-_LONGEST:]
        return self._redact(json.dumps(line, default=str))


def set_up(redact: Callable[[str], str], *, level: int = logging.INFO) -> None:
    """For this process, replacing whatever was set up before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("uvicorn.access", "httpx", "httpcore", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = True
