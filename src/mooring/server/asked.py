"""A request, read and checked, as an endpoint's handler gets it. Must not: hold what nobody declared."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mooring.errors import InvalidInput
from mooring.model.access import Actor
from mooring.model.environment import PRODUCTION, EnvironmentId
from mooring.model.records import Answering
from mooring.server.attempts import Attempts
from mooring.server.callers import Caller
from mooring.server.metrics import Metrics
from mooring.server.reading import LARGEST_ARCHIVE, LARGEST_DUMP
from mooring.server.room import Room
from mooring.server.sse import Streams
from mooring.usecases.platform import Platform, environment_id

Value = TypeVar("Value")
Argument = str | int | bool | None


@dataclass(frozen=True, kw_only=True)
class Services:
    """What handlers use of the server itself, besides the platform. `uploads` is where archives lie until the engine took them."""

    platform: Platform
    streams: Streams
    metrics: Metrics
    uploads: Path
    attempts: Attempts = field(default_factory=lambda: Attempts(time.monotonic))
    room: Room = field(default_factory=Room)
    document: bytes = b""  # OpenAPI
    hosts: frozenset[str] = frozenset()  # names of the API besides its addresses
    largest_archive: int = LARGEST_ARCHIVE
    largest_dump: int = LARGEST_DUMP


@dataclass(frozen=True, kw_only=True)
class Asked:
    """`query` holds every declared parameter, with its default where it was not given; `body` is decoded JSON or raw bytes.

    `archive` is an uploaded file that whoever takes it must remove; `answering` is there when the request carries an idempotency key."""

    services: Services
    caller: Caller | None  # None on an open route
    path: Mapping[str, str]
    query: Mapping[str, Argument]
    headers: Mapping[str, str]
    body: object = None
    archive: Path | None = None
    answering: Answering | None = None

    @property
    def platform(self) -> Platform:
        return self.services.platform

    @property
    def known_caller(self) -> Caller:
        """On every route but the open ones."""
        assert self.caller is not None
        return self.caller

    @property
    def actor(self) -> Actor:
        return self.known_caller.actor

    @property
    def environment(self) -> EnvironmentId:
        """Of the path; raises InvalidName."""
        return environment_id(self.path["app"], self.path["environment"])

    @property
    def environment_filter(self) -> EnvironmentId | None:
        """Of the query: `app`, with `environment` or production. Raises InvalidName, InvalidInput."""
        app, environment = self.query["app"], self.query["environment"]
        if app is None and environment is not None:
            raise InvalidInput("the parameter environment comes without app", hint="name the app too")
        return None if app is None else environment_id(str(app), PRODUCTION if environment is None else str(environment))

    def json(self, kind: type[Value]) -> Value:
        """The body, which was decoded as the endpoint's declared type."""
        assert isinstance(self.body, kind)
        return self.body

    def text(self, name: str) -> str:
        value = self.query[name]
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int | None:
        value = self.query[name]
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def flag(self, name: str) -> bool:
        return self.query[name] is True
