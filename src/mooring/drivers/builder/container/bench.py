"""A build's bench with the logins for registries, in the configuration that the program docker reads. Must not: leave one behind.

The file lies in the build's own HOME, 0600, and goes with it. Steps of a Dockerfile run in the engine, which does not show it to them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec

from mooring.drivers.builder.contract import BuildLog, BuildRequest
from mooring.drivers.builder.sandbox import Sandbox
from mooring.drivers.builder.surroundings import Surroundings
from mooring.drivers.builder.workbench import workbench
from mooring.model.registry import Logins, RegistryLogin, nobody


@contextlib.asynccontextmanager
async def image_bench(request: BuildRequest, log: BuildLog, *, surroundings: Surroundings, logins: Logins) -> AsyncIterator[Sandbox]:
    """Not confined: the program docker runs nothing of the source's here."""
    asked = msgspec.structs.replace(request, confined=None)
    async with workbench(asked, log, surroundings=surroundings) as sandbox:
        await asyncio.to_thread(_lay, sandbox.home, nobody if request.is_strangers else logins)
        yield sandbox


def configuration(logins: Sequence[RegistryLogin]) -> bytes:
    """Of the program docker. Source: docker/cli, cli/config/configfile."""
    return json.dumps({"auths": {each.address: {"auth": _encoded(each)} for each in logins}}).encode()


def _lay(home: Path, logins: Logins) -> None:
    found = logins()
    if found:
        (home / ".docker").mkdir(mode=0o700)
        file = home / ".docker/config.json"
        file.touch(mode=0o600)
        file.write_bytes(configuration(found))


def _encoded(login: RegistryLogin) -> str:
    return base64.b64encode(f"{login.registry.username}:{login.password.reveal()}".encode("utf-8", "surrogateescape")).decode()
