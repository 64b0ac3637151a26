"""Messages of a forge, and what came of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from forge.origin import Origin
from forge.server import SECRET, TOKEN, FakeForge, github_headers
from server.serving import Served

from mooring.client.client import Client
from mooring.model.deployment import Deployment
from mooring.model.environment import EnvironmentId
from mooring.model.forge import ForgeKind
from mooring.usecases.requests import ForgeRequest

NEVER = 86_400.0  # seconds: only what was heard makes it look
Add = Callable[..., ForgeRequest]


def asked_for(app: str, forge: FakeForge, origin: Origin, **changes: Any) -> ForgeRequest:
    """What adds the forge's repository for an app."""
    given = {"kind": ForgeKind.GITHUB, "token": TOKEN, "hook_secret": SECRET, "every": NEVER, **changes}
    return ForgeRequest(app=app, repository="acme/shop", url=forge.url, clone=origin.url, **given)


def heard(served: Served, app: str, body: bytes, *, event: str = "push", secret: str = SECRET) -> httpx.Response:
    with served.http as http:
        return http.post(f"/v1/forges/{app}/hook", content=body, headers=github_headers(event, body, secret))


def deployments(client: Client, app: str, *, environment: str = "production") -> list[Deployment]:
    return [each for each in client.deployments() if each.environment == EnvironmentId.parse(f"{app}/{environment}")]


def ended(forge: FakeForge, commit: str, *, name: str = "mooring/production") -> dict[str, str]:
    """The last status of a commit, once it has one that is final."""
    final = ("success", "failure")
    return forge.wait(lambda: [each for each in forge.statuses(commit) if each["context"] == name and each["state"] in final])[-1]
