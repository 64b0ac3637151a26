"""Images to and from a registry, by an engine that is told as whom to come. Must not: keep a password, or say one in an error."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from mooring.drivers.runtime.docker.engine import Engine
from mooring.errors import Unavailable
from mooring.model.registry import RegistryLogin


async def pull(engine: Engine, reference: str, login: RegistryLogin | None) -> int:
    """Bytes that came. Raises Unavailable in the registry's words."""
    fetched: dict[str, int] = {}
    headers = {"X-Registry-Auth": _told(login)} if login else {}
    async with engine.stream("images/create", {"fromImage": reference}, method="POST", headers=headers) as content:
        async for line in progress(content):
            if line.get("status") == "Downloading":
                fetched[line.get("id", "")] = int((line.get("progressDetail") or {}).get("total") or 0)
    return sum(fetched.values())


async def push(engine: Engine, identity: str, login: RegistryLogin, *, tag: str) -> str:
    """Its reference by digest, in the repository of the login; the engine has no name of it afterwards. Raises Unavailable."""
    repository = f"{login.registry.host}/{login.registry.images}"
    digest = ""
    await engine.post(f"images/{identity}/tag", {"repo": repository, "tag": tag})
    try:
        headers = {"X-Registry-Auth": _told(login)}
        async with engine.stream(f"images/{repository}/push", {"tag": tag}, method="POST", headers=headers) as content:
            async for line in progress(content):
                digest = str((line.get("aux") or {}).get("Digest") or digest)
    finally:
        await engine.delete(f"images/{repository}:{tag}", noprune=1)
    if not digest:
        raise Unavailable(f"the registry {login.registry.host} took an image, and did not say by which digest", where=engine.host)
    return f"{repository}@{digest}"


async def progress(content: AsyncIterable[bytes]) -> AsyncIterator[dict[str, Any]]:
    """What an engine tells while it works, line by line. Raises Unavailable with the engine's own error among them."""
    async for line in content:
        told = json.loads(line) if line.strip() else {}
        if "error" in told:
            raise Unavailable(f"the container engine refused an image: {told['error']}")
        yield told


def _told(login: RegistryLogin) -> str:
    """Source: Docker Engine API 1.41, Authentication."""
    told = {"username": login.registry.username, "password": login.password.reveal(), "serveraddress": login.address}
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()
