"""Files into a running instance and out of it, as a tar stream (`mooring cp`). Must not: put a path into a command's text.

What arrives is unpacked beside its place and renamed into it: a copy that breaks off, or does not fit, changes nothing. A link at that
place is replaced, never written through; out of the instance links are followed, by the instance's own user.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from mooring.drivers.runtime.contract import Terminal
from mooring.errors import InvalidInput
from mooring.model.access import Actor
from mooring.model.environment import EnvironmentId
from mooring.usecases.command import remembered
from mooring.usecases.enter import interactive
from mooring.usecases.permission import Permission
from mooring.usecases.platform import Platform
from mooring.usecases.requests import CopyRequest, Direction
from mooring.usecases.running import check_target, running

ITEM = "item"  # what the copy is called in the stream that goes in
WHOLE = "whole"  # an empty file after it: without that the stream broke off, which not every tar notices
_LONGEST = 4000  # bytes of a path
_NO_TAR = 'command -v tar >/dev/null || { echo "there is no tar where it runs" >&2; exit 20; }\n'
_IN = (
    _NO_TAR
    + """
if [ -d "$1" ]; then folder=$1 name=$3; else folder=$2 name=$4; fi
[ -d "$folder" ] || { echo "there is no directory $folder" >&2; exit 21; }
[ -w "$folder" ] || { echo "$folder cannot be written to" >&2; exit 22; }
[ ! -d "$folder/$name" ] || { echo "$folder/$name is a directory that is there already" >&2; exit 23; }
beside=$(mktemp -d "$folder/.mooring-XXXXXX") || exit 22
trap 'rm -rf "$beside"' EXIT
trap 'exit 29' HUP INT TERM
tar -C "$beside" -xof - || exit 24
[ -e "$beside/"""
    + WHOLE
    + """" ] || { echo "it broke off" >&2; exit 24; }
mv -f "$beside/"""
    + ITEM
    + """" "$folder/$name" || exit 25
"""
)
_OUT = (
    _NO_TAR
    + """
[ -e "$1/$2" ] || { echo "there is no ${1%/}/$2" >&2; exit 21; }
case "$(tar --version 2>/dev/null)" in *GNU*) apart=--hard-dereference;; *) apart=;; esac
exec tar -C "$1" $apart -chf - -- "$2"
"""
)


async def copy(platform: Platform, actor: Actor, environment: EnvironmentId, request: CopyRequest) -> Terminal:
    """Started, attached: a tar file goes in over standard input, with ITEM at its top and then WHOLE; or comes out over standard output.

    Raises InvalidInput, InvalidName, NotFound, Unavailable, Forbidden."""
    check_target(request.process, request.slot)
    argv = _argv(request)
    platform.allow(
        actor,
        Permission.CHANGE,
        "copy",
        environment,
        instance=f"{request.process}.{request.slot or 'any'}",
        direction=request.direction.value,
        path=remembered(platform, environment, (request.path,)),
    )
    key = await running(platform, environment, request.process, request.slot)
    return await interactive(platform).enter(key, argv, terminal=False)


def _argv(request: CopyRequest) -> tuple[str, ...]:
    path = _checked(request.path)
    if request.direction is Direction.OUT:
        if path.name in ("", ".."):
            raise InvalidInput(
                f"{request.path!r} names nothing that can be copied", hint="name the file or directory itself, like web.1:/srv/data"
            )
        return ("/bin/sh", "-c", _OUT, "copy", _safe(path.parent), path.name)
    if not request.name or request.name in (".", "..") or "/" in request.name or len(request.name.encode()) > 255 or "\0" in request.name:
        raise InvalidInput(f"{request.name!r} is no name of a file", hint="one part of a path, of at most 255 bytes")
    return ("/bin/sh", "-c", _IN, "copy", _safe(path), _safe(path.parent), request.name, path.name)


def _checked(text: str) -> PurePosixPath:
    if not text or "\0" in text or len(text.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise InvalidInput("the path in the instance is empty, too long or holds a NUL byte", hint="write it as web.1:/path")
    return PurePosixPath(text)


def _safe(path: PurePosixPath) -> str:
    """No program takes it for an option."""
    return str(path) if path.is_absolute() else f"./{path}"
