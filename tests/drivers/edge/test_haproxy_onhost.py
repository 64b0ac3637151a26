"""What is done on an edge's host in one go: an older controller is refused there, and nothing of what it asked for is done."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import sys
import threading
import zlib
from importlib.resources import files
from pathlib import Path

from mooring.drivers.edge.haproxy.preparation import ACCOUNT, DIRECTORY, unit_text

PROGRAM = files("mooring.drivers.edge.haproxy").joinpath("onhost.py").read_text()


def begun(verb: str, directory: Path, *, fences: dict[str, int] | None = None, **fields: object) -> subprocess.Popen[bytes]:
    question = {"verb": verb, "directory": str(directory), "fences": fences or {}, **fields}
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(json.dumps(question).encode())
    process.stdin.close()
    return process


def ended(process: subprocess.Popen[bytes]) -> dict:
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    assert process.wait(30) == 0
    return json.loads(said)


def asked(verb: str, directory: Path, *, fences: dict[str, int] | None = None, **fields: object) -> dict:
    return ended(begun(verb, directory, fences=fences, **fields))


def test_files_are_put_for_the_owner_alone_and_what_is_not_named_goes(tmp_path: Path) -> None:
    both = {"haproxy.cfg": "one", "pages/a.map": "", "certificates/x.pem": "secret"}
    assert asked("put", tmp_path, files=both, names=[*both]) == {"done": {}}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"} == {0o600}
    (tmp_path / "log").mkdir()
    (tmp_path / "log/access.log").write_text("kept")
    assert asked("put", tmp_path, fences={"shop": 1}, files={"haproxy.cfg": "two"}, names=["haproxy.cfg", "pages/a.map"]) == {"done": {}}
    left = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"haproxy.cfg": "two", "pages/a.map": "", "log/access.log": "kept", "fences/shop": "1", "lock": ""}


def test_an_older_fence_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    asked("put", tmp_path, fences={"shop": 7}, files={"routes.map": "new"})
    refused = asked("put", tmp_path, fences={"blog": 9, "shop": 6}, files={"routes.map": "old"})
    assert refused["failed"][0] == "stale-fence"
    assert (tmp_path / "routes.map").read_text() == "new"
    assert not (tmp_path / "fences/blog").exists(), "compared first, then raised"
    assert asked("put", tmp_path, fences={"shop": 7}, files={"routes.map": "same fence"}) == {"done": {}}


def test_of_two_controllers_at_once_the_older_never_has_the_last_word(tmp_path: Path) -> None:
    for turn in range(5):
        older, newer = 2 * turn + 1, 2 * turn + 2
        both = [begun("put", tmp_path, fences={"shop": fence}, files={"routes.map": str(fence)}) for fence in (older, newer)]
        answers = [ended(process) for process in both]
        assert answers[1] == {"done": {}}
        assert (tmp_path / "routes.map").read_text() == str(newer)


def test_haproxy_is_told_nothing_under_an_older_fence(tmp_path: Path) -> None:
    asked("put", tmp_path, fences={"shop": 7}, files={})
    place, heard = tmp_path / "commands.sock", []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()

        def answer() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    heard.append(connection.makefile("rb").read().decode())
                    connection.sendall(b"\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        refused = asked("tell", tmp_path, fences={"shop": 6}, socket=str(place), lines=["set map a b c\n"])
        assert refused["failed"][0] == "stale-fence"
        said = asked("tell", tmp_path, fences={"shop": 7}, socket=str(place), lines=["one\n", "two\n"])
        thread.join(30)
    assert said == {"done": {"said": "\n\n"}}
    assert heard == ["one\n", "two\n"]


def test_what_does_not_run_was_certainly_told_nothing(tmp_path: Path) -> None:
    told = asked("tell", tmp_path, socket=str(tmp_path / "nobody.sock"), lines=["one\n"])
    assert told["failed"] == ["unavailable", "the edge (HAProxy) does not run"]
    gone = asked("put", tmp_path / "gone", files={})
    assert gone["failed"][0] == "unavailable"
    assert "there is no edge on this host" in gone["failed"][1]


def test_lines_of_a_window_are_found_from_the_end_of_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "log/access.log"
    log.parent.mkdir()
    rows = [f'{{"end":{number},"route":"{"shop" if number % 2 else "blog"}/web","path":"/{"x" * 200}"}}' for number in range(1, 20_001)]
    log.write_text("\n".join(rows) + "\n")
    answer = asked("lines", tmp_path, mine='"shop/', since=19_000)["done"]["lines"]
    found = zlib.decompress(base64.b64decode(answer)).splitlines()
    assert sorted(json.loads(line)["end"] for line in found) == list(range(19_001, 20_001, 2))
    everything = zlib.decompress(base64.b64decode(asked("lines", tmp_path, mine='"shop/', since=0)["done"]["lines"])).splitlines()
    assert len(everything) == 10_000, "no line is lost where one block ends and the next begins"
    assert asked("lines", tmp_path / "nothing", mine='"shop/', since=0)["failed"][0] == "unavailable"


def test_a_long_log_loses_its_oldest_part_and_no_other(tmp_path: Path) -> None:
    log = tmp_path / "log/access.log"
    log.parent.mkdir()
    log.write_bytes(b"a" * 1_000_000 + b"b" * 1_000_000)
    assert asked("cut", tmp_path, kept=1_900_000) == {"done": {}}
    assert log.read_bytes()[:1] == b"a", "a little more than is to be kept is left"
    assert asked("cut", tmp_path, kept=1_000_000) == {"done": {}}
    assert log.stat().st_blocks * 512 < 1_100_000
    assert log.read_bytes().lstrip(b"\0") == b"b" * 1_000_000


def test_the_unit_gives_haproxy_low_ports_and_nothing_else() -> None:
    text = unit_text()
    assert f"User={ACCOUNT}" in text
    assert re.findall(r"^(?:AmbientCapabilities|CapabilityBoundingSet)=(.*)$", text, re.MULTILINE) == ["CAP_NET_BIND_SERVICE"] * 2
    assert re.findall(r"^ReadWritePaths=(.*)$", text, re.MULTILINE) == [DIRECTORY]
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "Restart=always", "UMask=0077"):
        assert f"\n{line}\n" in text


def test_for_whom_requests_wait_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "waited-for").mkdir()
    (tmp_path / "waited-for/shop--production").touch()
    assert asked("put", tmp_path, files={}, names=[]) == {"done": {}}
    assert asked("waited", tmp_path) == {"done": {"names": ["shop--production"]}}
    assert asked("waited", tmp_path) == {"done": {"names": []}}


def test_who_waited_for_what_is_gone_is_forgotten_and_nobody_else(tmp_path: Path) -> None:
    place = tmp_path / "waited-for"
    place.mkdir()
    for name in ("gone", "stays"):
        (place / name).touch()
    (tmp_path / "elsewhere").touch()
    for slug in ("gone", "gone", "../elsewhere"):
        assert asked("forget", tmp_path, slug=slug) == {"done": {}}
    assert ([file.name for file in place.iterdir()], (tmp_path / "elsewhere").exists()) == (["stays"], True)
