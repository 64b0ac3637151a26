"""What describes an app - mooring.toml, Procfile, app.json - full of canaries: refused with the key named, or read byte for byte."""

from __future__ import annotations

import json
import shlex

import pytest
from hostile.conftest import Canary
from hostile.rows import Row, rows_of

from mooring.errors import ManifestInvalid
from mooring.manifest import Manifest, read
from mooring.model.environment import EnvironmentId

SHOP = EnvironmentId.parse("shop")
FILES = {"manifest": "mooring.toml", "procfile": "Procfile", "app-json": "app.json"}


@pytest.mark.parametrize("row", rows_of("manifest", "procfile", "app-json"), ids=lambda row: row.id)
def test_a_file_with_a_hostile_value_is_refused_by_key_or_read_byte_for_byte(row: Row, canary: Canary) -> None:
    files = {"Procfile": b"web: sleep 1\n", FILES[row.entry]: written(row, canary)}
    try:
        manifest = read(files, environment=SHOP, offered={})
    except ManifestInvalid as refusal:
        assert row.expected == "refused", str(refusal)
        wanted = row.named(**canary.places)
        assert wanted in str(refusal) or wanted in {problem.key for problem in refusal.problems}, str(refusal)
        assert str(refusal).replace("\n", "").isprintable(), "what is shown to a person steers no terminal"
        assert len(str(refusal)) < 60_000
    else:
        assert row.expected in ("carried", "ignored"), "it should have been refused"
        landed = landing(manifest, row.slot)
        assert landed == (row.text(**canary.places) if row.expected == "carried" else None)
    canary.check()


def written(row: Row, canary: Canary) -> bytes:
    """The file: the input alone, or as the value of the key that its slot names."""
    content = row.bytes(**canary.places)
    if row.entry == "procfile" or not row.slot:
        return content
    text = content.decode()
    if row.entry == "app-json":
        return json.dumps(nested(row.slot.replace("{canary}", str(canary.path)).split("."), text)).encode()
    value = f"[{toml_text(text)}]" if row.slot == "hostnames" else toml_text(text)
    return f"{row.slot.replace('{canary}', str(canary.path))} = {value}\n".encode()


def toml_text(text: str) -> str:
    """A basic string of TOML, with every control character written out."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def nested(parts: list[str], value: object) -> object:
    """`a.0.b` as {"a": [{"b": value}]}."""
    for part in reversed(parts):
        value = [value] if part.isdigit() else {part: value}
    return value


def landing(manifest: Manifest, slot: str) -> str | None:
    """What of the manifest came from that slot, as the engine takes it; None when nothing did."""
    head, _, rest = slot.partition(".")
    web = next(process for process in manifest.processes if process.name == "web")
    readiness = web.checks.readiness
    places = {
        "release": manifest.release_command,
        "scripts.release": manifest.release_command,
        "build.command": manifest.build.command,
        "processes.web.command": web.command,
        "web": f"web: {web.command}",
        "processes.web.health.command": readiness.command if readiness else None,
        "processes.web.health.path": readiness.paths[0] if readiness and readiness.paths else None,
        "healthchecks.web.0.command.0": shlex.split(readiness.command)[0] if readiness and readiness.command else None,
    }
    if head == "env":
        return manifest.env.get(rest)
    if slot.startswith("build.variables."):
        return manifest.build.variables.get(rest.partition(".")[2])
    return places.get(slot)
