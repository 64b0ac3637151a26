"""A backup of a platform that runs, brought back as another one: who might push may push there."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from server.serving import Served

from mooring.model.names import AppName
from mooring.server.installation import Installation
from mooring.server.stopping import bring_back
from mooring.server.telling import Teller
from mooring.store.authorized_keys import AuthorizedKeys
from mooring.store.directory import PUSH_KEYS

_RAW = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + b"k" * 32
KEY = f"ssh-ed25519 {base64.b64encode(_RAW).decode()}"


def test_keys_that_might_push_are_in_a_backup_and_may_push_to_what_is_restored_from_it(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    added = served.client.add_push_key("anna", KEY, apps=("shop",))
    copy = tmp_path / "copy"
    with copy.open("wb") as file:
        served.client.backup(file)
    served.client.remove_push_key("anna")
    assert list((served.world.state / "uploads").glob("*.keys")) == []
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(served.world.place.name))
    new = Installation(tmp_path / "new" / "state")
    bring_back(new, copy, Teller())
    assert AuthorizedKeys(new.authorized_keys, state=new.state).listed() == (added,)
    assert added.apps == (AppName("shop"),)
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert f"the key anna ({added.fingerprint}) may push again" in [line.get("message") for line in said]
    assert not (new.state / PUSH_KEYS).exists()
