"""Which instance is meant by what is typed: `web`, `web.2`, `shop.web.2`. Must not: know which instances there are."""

from __future__ import annotations

from typing import NamedTuple

from mooring.cli.session import Session
from mooring.errors import UsageError
from mooring.model.names import process_name

_FORM = "write PROCESS, PROCESS.NUMBER or APP.PROCESS.NUMBER, like web, web.2 or shop.web.2"


class Target(NamedTuple):
    """`slot` None: any that runs."""

    process: str
    slot: int | None


def target(session: Session, text: str) -> Target:
    """Chooses the app for the session where one is named. Raises UsageError, InvalidName."""
    parts = text.split(".")
    slot = parts.pop() if len(parts) > 1 and parts[-1].isdigit() else ""
    if not 1 <= len(parts) <= 2 or not all(parts) or not slot.isascii() or len(slot) > 4:
        raise UsageError(f"{text!r} is no instance", hint=_FORM)
    if len(parts) == 2:
        session.choose_app(parts[0])
    return Target(process_name(parts[-1]), int(slot) if slot else None)
