"""From bytes on the wire to declared values: the query, a JSON body, an upload. Every size and wait has its limit.

Must not: let a foreign error out, or keep a file that nobody took.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request

from mooring.errors import InvalidInput, Unavailable
from mooring.server.query import Parameter
from mooring.server.room import Room

LARGEST_JSON = 1_000_000
LARGEST_DUMP = 2**40  # bytes; what the disk has no room for is refused while it comes
LARGEST_ARCHIVE = 2_000_000_000
LONGEST_SILENCE = 30.0  # seconds between two pieces of a body


class TooLarge(InvalidInput):
    """HTTP 413."""

    code = "too-large"
    status = 413


class WrongType(InvalidInput):
    """HTTP 415."""

    code = "wrong-content-type"
    status = 415


def read_query(given: QueryParams, declared: Sequence[Parameter]) -> dict[str, str | int | bool | None]:
    """Every declared parameter. Raises InvalidInput for unknown, repeated, missing or bad ones."""
    known = {parameter.name: parameter for parameter in declared}
    for name in given:
        if name not in known:
            raise InvalidInput(f"there is no parameter {name[:64]!r}", hint=f"this takes {', '.join(known) or 'none'}")
        if len(given.getlist(name)) > 1:
            raise InvalidInput(f"the parameter {name} is given twice", hint="give it once")
    return {name: _argument(parameter, given.get(name)) for name, parameter in known.items()}


def _argument(parameter: Parameter, text: str | None) -> str | int | bool | None:
    if text is None:
        if parameter.is_required:
            raise InvalidInput(f"the parameter {parameter.name} is missing", hint=parameter.about)
        return parameter.default
    if parameter.kind is bool:
        return _flag(parameter.name, text)
    if parameter.kind is int:
        return _number(parameter, text)
    if "\0" in text or (parameter.most is not None and len(text) > parameter.most):
        raise InvalidInput(f"the parameter {parameter.name} is too long or holds a NUL", hint=f"at most {parameter.most} characters")
    return text


def _flag(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise InvalidInput(f"{name}={text[:20]!r} is neither true nor false")
    return text == "true"


def _number(parameter: Parameter, text: str) -> int:
    digits = text.removeprefix("-")
    number = int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None
    is_low = number is not None and parameter.least is not None and number < parameter.least
    is_high = number is not None and parameter.most is not None and number > parameter.most
    if number is None or is_low or is_high:
        bounds = f"a whole number from {parameter.least} to {parameter.most}"
        raise InvalidInput(f"{parameter.name}={text[:20]!r} is not possible", hint=bounds)
    return number


async def read_bytes(request: Request, *, at_most: int, room: Room) -> bytes:
    """The whole body. Raises TooLarge, TooBusy."""
    _check_announced(request, at_most=at_most)
    content = bytearray()
    with room.share() as share:
        async for chunk in _chunks(request):
            content += chunk
            if len(content) > at_most:
                raise _too_large(at_most)
            share.grow_to(len(content))
        return bytes(content)


def read_json(content: bytes, kind: Any) -> object:
    """Decoded as the declared type; an empty body is an empty object. Raises InvalidInput."""
    try:
        return msgspec.json.decode(content or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeError) as foreign:
        raise InvalidInput(f"the body is not what this takes: {foreign}", hint="/openapi.json describes it") from foreign
    except RecursionError:
        raise InvalidInput("the body is nested too deeply", hint="/openapi.json describes what this takes") from None


async def read_archive(request: Request, directory: Path, *, at_most: int = LARGEST_ARCHIVE) -> tuple[Path, str]:
    """The body in a new file 0600, and its SHA-256. The caller owns the file; nothing is left when this raises."""
    _check_announced(request, at_most=at_most)
    path = directory / f"{secrets.token_hex(12)}.tar"
    digest = hashlib.sha256()
    size = 0
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            async for chunk in _chunks(request):
                size += len(chunk)
                if size > at_most:
                    raise _too_large(at_most)
                digest.update(chunk)
                file.write(chunk)
        if size == 0:
            raise InvalidInput("the body is empty", hint="send the file as the body")
    except OSError as foreign:
        path.unlink(missing_ok=True)
        raise Unavailable(f"the upload could not be written: {foreign.strerror}", hint="see whether the disk is full") from foreign
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path, digest.hexdigest()


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(LONGEST_SILENCE):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise InvalidInput(f"nothing of the body came for {LONGEST_SILENCE:.0f} seconds") from None
        except ClientDisconnect:
            raise InvalidInput("the connection ended before the body was whole") from None
        yield chunk


def content_type(headers: Mapping[str, str]) -> str:
    """Without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _check_announced(request: Request, *, at_most: int) -> None:
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > at_most:
        raise _too_large(at_most)


def _too_large(at_most: int) -> TooLarge:
    return TooLarge(f"the body is larger than {at_most} bytes", hint="leave out what need not be sent")
