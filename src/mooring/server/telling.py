"""What `up` and `down` say while they work: a line of JSON each, for the program that started them. Must not: render."""

from __future__ import annotations

import sys
import time

import msgspec

from mooring import __version__
from mooring.client.platform import Failure, Progress, Summary
from mooring.client.problems import document_of
from mooring.errors import MooringError
from mooring.server.installation import Installation
from mooring.server.settings import Settings


class Teller:
    def __init__(self) -> None:
        self._began = time.monotonic()

    def progress(self, message: str) -> None:
        self._say(Progress(message=message, seconds=round(time.monotonic() - self._began, 2)))

    def failure(self, error: MooringError) -> None:
        self._say(Failure(problem=document_of(error, instance="")))

    def summary(self, installation: Installation, settings: Settings, *, is_up: bool, changed: bool, apps: int = 0) -> None:
        self._say(
            Summary(
                version=__version__,
                state_directory=str(installation.state),
                socket=str(installation.socket),
                is_up=is_up,
                changed=changed,
                http_port=settings.http_port if is_up else 0,
                https_port=settings.https_port if is_up else 0,
                bind=settings.bind,
                api=settings.api,
                apps=apps,
            )
        )

    def _say(self, line: msgspec.Struct) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
        sys.stdout.buffer.flush()
