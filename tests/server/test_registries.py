"""Registries through the API: checked, kept, told without their passwords, redacted from what is said, forgotten."""

from __future__ import annotations

import pytest
from server.serving import Served

from mooring.client.client import Client
from mooring.errors import InvalidInput, NotFound
from mooring.model.environment import EnvironmentId
from mooring.model.secret import Secret
from mooring.usecases.requests import RegistryRequest

PASSWORD = "s3ntinel-of-a-registry"
REQUEST = RegistryRequest(host="ghcr.io", username="anna", password=PASSWORD)


@pytest.fixture
def client(served: Served) -> Client:
    for each in served.client.registries():
        served.client.remove_registry(each.host)
    return served.client


def test_one_is_added_changed_listed_and_forgotten(client: Client, served: Served) -> None:
    assert client.add_registry(REQUEST).username == "anna"
    client.add_registry(RegistryRequest(host="ghcr.io", username="bert", password="other"))
    assert [(each.host, each.username) for each in client.registries()] == [("ghcr.io", "bert")]
    assert served.world.memory.registry_logins()[0].password == Secret("other")
    assert client.remove_registry("ghcr.io").host == "ghcr.io"
    assert client.registries() == ()
    with pytest.raises(NotFound, match="there is no registry ghcr"):
        client.remove_registry("ghcr.io")


def test_its_password_is_in_no_answer_and_no_audit_line_and_is_redacted_everywhere(client: Client, served: Served) -> None:
    with served.http as http:
        answers = [http.post("/v1/registries", json=_plain(REQUEST)).text, http.get("/v1/registries").text]
    said = "".join([*answers, repr(served.world.memory.audit(limit=500))])
    assert "registry add" in said
    assert PASSWORD not in said
    secrets = served.services.platform.secrets
    assert secrets.redactor(EnvironmentId.parse("any")).redact(f"docker said {PASSWORD}") == "docker said [redacted]"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"host": "https://ghcr.io"}, "is no registry"),
        ({"host": "anna"}, "is no registry"),
        ({"host": "ghcr.io/team"}, "is no registry"),
        ({"host": "-ghcr.io"}, "is no registry"),
        ({"username": "a:b"}, "no name of an account"),
        ({"username": ""}, "no name of an account"),
        ({"password": ""}, "a password has 1 to"),
        ({"password": "x" * 16_001}, "a password has 1 to"),
        ({"images": "ghcr.io/team"}, ""),
        ({"images": "Team"}, "is no repository"),
        ({"images": "team/apps:1"}, "is no repository"),
        ({"images": "../x"}, "is no repository"),
    ],
)
def test_what_cannot_be_one_is_refused(client: Client, wrong: dict[str, str], said: str) -> None:
    request = RegistryRequest(**{**_plain(REQUEST), **wrong})
    if not said:
        assert client.add_registry(request).images == wrong["images"]
        return
    with pytest.raises(InvalidInput, match=said):
        client.add_registry(request)
    assert client.registries() == ()


def test_images_reach_hosts_through_one_registry_at_most(client: Client) -> None:
    client.add_registry(RegistryRequest(host="one.example", username="ci", password="x", images="team/apps"))
    with pytest.raises(InvalidInput, match=r"images reach hosts through one\.example/team/apps already"):
        client.add_registry(RegistryRequest(host="two.example", username="ci", password="x", images="team/apps"))
    assert client.add_registry(RegistryRequest(host="one.example", username="ci", password="x", images="team/other")).images == "team/other"


def _plain(request: RegistryRequest) -> dict[str, str]:
    return {"host": request.host, "username": request.username, "password": request.password, "images": request.images}
