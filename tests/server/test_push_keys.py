"""Keys that may push, through the API; and what such a key may ask of it."""

from __future__ import annotations

import pytest
from server.serving import Served

from mooring.client.client import Client
from mooring.errors import Forbidden, InvalidInput, InvalidName
from mooring.model.access import Role

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl somebody"


def test_a_key_is_added_listed_and_taken_away_and_each_is_on_record(served: Served) -> None:
    made = served.client.add_push_key("anna", KEY, apps=("shop",))
    assert (made.name, made.apps) == ("anna", ("shop",))
    assert served.client.push_keys() == (made,)
    assert served.client.remove_push_key("anna") == made
    assert served.client.push_keys() == ()
    entries = served.world.memory.audit(limit=2)
    assert sorted(entry.what for entry in entries) == ["key add", "key rm"]
    added = next(entry for entry in entries if entry.what == "key add")
    assert added.detail == {"name": "anna", "fingerprint": made.fingerprint, "apps": "shop"}


def test_what_is_no_key_or_no_app_is_refused_before_anything_is_written(served: Served) -> None:
    with pytest.raises(InvalidInput, match="no public key"):
        served.client.add_push_key("anna", "ssh-ed25519 AAAA")
    with pytest.raises(InvalidName):
        served.client.add_push_key("anna", KEY, apps=("Not An App",))
    assert served.client.push_keys() == ()


def test_who_pushes_may_deploy_and_not_administer_and_is_named(served: Served) -> None:
    pushing = Client(served.socket_path, push_key="anna")
    with pytest.raises(Forbidden, match="key anna has the role deployer"):
        pushing.add_push_key("mallory", KEY)
    assert pushing.status().version


def test_a_name_that_is_none_is_refused_and_one_on_tcp_gives_nothing(served: Served) -> None:
    with pytest.raises(InvalidName):
        Client(served.socket_path, push_key="a b").status()
    with served.tcp(**{"Mooring-Push-Key": "anna"}) as http:
        assert http.get("/v1/status").status_code == 401
    with served.tcp(served.token(Role.VIEWER), **{"Mooring-Push-Key": "anna"}) as http:
        assert http.post("/v1/environments/shop/production/restart", json={}).status_code == 403
