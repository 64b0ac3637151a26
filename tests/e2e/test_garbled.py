"""Files of a real platform's state, garbled while it is down, as a failing disk or an editor does it.

What cannot be made anew - the database, its key, the settings - is never guessed: `up` refuses, names the file and what to do, and with the
file put back everything is there. All else is made anew: the apps serve as before, with the same release and the same secrets.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.platform import App, Platform, eventually

SECRET = "kept-through-everything"
DAMAGES = {"empty": b"", "garbled": b"\xff\x00{not what it was\n\x00" * 3}
IRREPLACEABLE = {  # and what is named when it is damaged
    "mooring.db": "mooring.db",
    "secrets.key": "secrets.key",
    "settings.json": "settings.json",
    "edge/authority/authority.crt": "edge/authority",
    "edge/authority/authority.key": "edge/authority/authority.key",
}
EDGE = (
    "edge/attendant.token",
    "edge/bootstrap.json",
    "edge/certificates/*.pem",
    "edge/endpoints/*/endpoints.json",
    "edge/listeners/listeners.json",
    "edge/routes/routes.json",
    "edge/tables/*.json",
)
PROCESSES = (
    "processes/ports/.last",
    "processes/ports/[0-9]*",
    "processes/run/*/environment",
    "processes/run/*/exit",
    "processes/run/*/instance.json",
    "processes/run/*/launch",
    "processes/run/*/status",
)


@pytest.fixture(scope="module")
def app(platform: Platform) -> Iterator[App]:
    here = platform.app("trouble", "garbled")
    for version in (1, 2):
        here.release(version)
        assert here.deploy().code == 0
    assert here.mooring("secret", "set", "KEPT", stdin=SECRET).code == 0
    yield here
    here.mooring("destroy", "--confirm", here.name)


def garble(platform: Platform, pattern: str, content: bytes) -> None:
    found = [path for path in platform.state.glob(pattern) if path.is_file()]
    assert found, pattern
    for path in found:
        path.write_bytes(content)


def check_whole(app: App) -> None:
    assert eventually(lambda: serves(app), within=30)
    assert app.version() == 2
    assert app.get("/environment?name=KEPT")[1].decode() == SECRET
    assert app.mooring("run", "--", "sh", "-c", "exit 5").code == 5, "and it can be worked with"
    assert {entry["key"]["release"] for entry in app.mooring("ps", "--json").json["instances"]} == {3}


def serves(app: App) -> bool:
    try:
        return app.get("/version")[0] == 200
    except OSError:
        return False


def test_what_cannot_be_made_anew_is_refused_by_name_and_nothing_is_lost(platform: Platform, app: App) -> None:
    assert platform.down().code == 0
    for name, named in IRREPLACEABLE.items():
        for content in DAMAGES.values():
            check_refused(platform, platform.state / name, content, named=str(platform.state / named))
    platform.up()
    check_whole(app)


def check_refused(platform: Platform, path: Path, content: bytes, *, named: str) -> None:
    """`up` with this file damaged; it is put back. A log that SQLite keeps beside the database is part of it."""
    log = path.with_name(f"{path.name}-wal")
    whole, beside = path.read_bytes(), log.read_bytes() if log.exists() else b""
    path.write_bytes(content)
    try:
        answer = platform.mooring("up")
        said = answer.out + answer.err
        assert answer.code not in (0, 130), answer
        assert named in said, said
        assert "→" in said, "what to do"
        assert "Traceback" not in said
        assert platform.pids() == [], "nothing is started on what is not known"
        assert path.read_bytes() == content, "nothing new is made in its place"
        assert (log.read_bytes() if log.exists() else b"") == beside, "what a person may still need is there"
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("files", [EDGE, PROCESSES], ids=["the edge's", "the processes'"])
def test_all_else_is_made_anew(platform: Platform, app: App, files: tuple[str, ...], damage: str) -> None:
    assert platform.down().code == 0
    for pattern in files:
        garble(platform, pattern, DAMAGES[damage])
    platform.up()
    check_whole(app)


@pytest.mark.long
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("pattern", [*EDGE, *PROCESSES])
def test_each_kind_of_file_alone_is_made_anew(platform: Platform, app: App, pattern: str, damage: str) -> None:
    assert platform.down().code == 0
    garble(platform, pattern, DAMAGES[damage])
    platform.up()
    check_whole(app)
