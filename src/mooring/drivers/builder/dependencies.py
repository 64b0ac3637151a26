"""Dependencies that are installed once for all builds with the same wishes. Must not: know how they are installed.

What a confined build's commands installed is its owner's alone: they could have put anything there. It has a name of its own for it, and
takes what an unconfined build has installed, without being able to write to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from mooring.drivers.builder.contract import BuildLog, BuildRequest
from mooring.drivers.builder.shelf import Shelf


async def installed(
    kind: str,
    wishes: Mapping[str, object],
    *,
    request: BuildRequest,
    log: BuildLog,
    install: Callable[[Path], Awaitable[None]],
    note: str,
    is_whole: Callable[[Path], bool] = Path.is_dir,
) -> Path:
    """Where they are, on the shelf `kind` of the cache; `install` is called with a place where nothing is. `wishes` decide what they are.

    `note` is kept with them. Raises what `install` raises, and leaves nothing then.
    """
    shelf = Shelf(request.cache / kind)

    def found(name: str) -> bool:
        if shelf.record(name) is None or not is_whole(shelf.place(name)):
            return False
        log("dependencies are as they were: nothing to install")
        return True

    name = _name(wishes)
    if request.confined is not None:
        if found(name):
            return shelf.place(name)
        name = _name({**wishes, "owner": request.confined.owner})
    place = shelf.place(name)
    async with shelf.hold(name):
        if found(name):
            return place
        await shelf.clear(name)
        try:
            await install(place)
        except BaseException:
            await shelf.clear(name)
            raise
        await shelf.finish(name, note.encode())
    return place


def _name(wishes: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(wishes, sort_keys=True).encode()).hexdigest()[:40]
