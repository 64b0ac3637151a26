"""Every way in but the app's own files - command line, API, bare sockets, environment, repository settings - on a real platform.

A hostile input is refused with the field named, or comes out byte for byte where it belongs. No canary is touched, nobody sees a
traceback, and the controller answers nothing with a status of 500 or above.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from e2e.platform import Answer, Platform, eventually
from hostile.archives import END, HOSTILE
from hostile.conftest import Canary
from hostile.desk import BASE, Desk, furnished
from hostile.rows import Row, rows_of


@pytest.fixture(scope="module")
def desk(platform: Platform) -> Iterator[Desk]:
    here = furnished(platform)
    yield here
    assert "Traceback" not in here.logged(), "a defect of the controller"
    assert here.server_errors() == []


def check_shown(answer: Answer) -> None:
    """What a person sees, whatever was asked: no traceback, no defect, nothing that steers a terminal."""
    said = answer.out + answer.err
    assert "Traceback" not in said
    assert "something unexpected" not in said
    assert answer.err.replace("\n", "").isprintable()


@pytest.mark.parametrize("row", rows_of("cli"), ids=lambda row: row.id)
def test_a_hostile_argument_is_refused_by_name_or_carried_as_one_word(desk: Desk, canary: Canary, row: Row) -> None:
    text = row.text(**canary.places)
    words = [word.replace("{}", text) for word in shlex.split(row.slot)]
    if row.extra.get("commit"):
        desk.shop.commit(text)
    answer = desk.platform.mooring(*words, cwd=desk.shop.path)
    check_shown(answer)
    if row.expected == "refused":
        assert answer.code == 2, answer
        assert row.named(**canary.places) in answer.err, answer
    elif row.expected == "carried":
        assert answer.code == 0, answer
        assert eventually(lambda: landed(desk, answer, row.slot) == text)
    canary.check()
    restore(desk, row.slot)


def landed(desk: Desk, answer: Answer, slot: str) -> str:
    """The text where that command line puts it: in the process, the lock, the deployment, or the answer."""
    with desk.http as http:
        if slot.startswith("lock"):
            return http.get(BASE).json()["lock"]["reason"]
        if slot.startswith("deploy"):
            return http.get(f"{BASE}/releases").json()[0]["source"]["message"]
    if slot.startswith("run"):
        return answer.out
    return desk.shop.get("/environment?name=VALUE")[1].decode()


def restore(desk: Desk, slot: str) -> None:
    if slot.startswith("lock"):
        assert desk.shop.mooring("unlock").code == 0


@pytest.mark.parametrize("row", rows_of("api"), ids=lambda row: row.id)
def test_a_hostile_request_is_refused_by_name_or_carried_as_it_is(desk: Desk, canary: Canary, row: Row) -> None:
    method, _, template = row.slot.partition(" ")
    content = row.bytes(**canary.places)
    path = template.replace("{}", quote(content, safe=""))
    is_raw = "/secrets/" in template and method == "PUT"
    kind = "application/octet-stream" if is_raw else "application/x-tar" if "/deployments?" in template else "application/json"
    headers = {"Content-Type": kind}
    with desk.http as http:
        answer = http.request(method, path, content=body_of(row, content, is_in_path=template != path), headers=headers)
    if row.expected == "refused":
        assert answer.status_code in (400, 404, 413, 415, 422), answer.text
        document = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert row.named(**canary.places) in f"{document['detail']} {document.get('hint', '')} {document.get('where', '')}", document
        assert len(answer.content) < 5000
    elif row.expected == "withheld":
        assert answer.status_code == 200, answer.text
        assert outcome_of(desk, answer.json()["deployment"]["id"]) == "succeeded"
        assert desk.shop.get("/environment?name=SECRET")[1] == b""
    else:
        assert answer.status_code == 200, answer.text
        name = "SECRET" if is_raw else "VALUE"
        assert eventually(lambda: desk.shop.get(f"/environment?name={name}")[1] == content)
        with desk.http as http:
            shown = {each["name"]: each["value"] for each in http.get(f"{BASE}/config").json()}
        assert shown[name] == (None if is_raw else content.decode())
    canary.check()


def outcome_of(desk: Desk, deployment: str) -> str:
    """When it has ended."""
    with desk.http as http:
        assert eventually(lambda: http.get(f"/v1/deployments/{deployment}").json()["outcome"] is not None)
        return str(http.get(f"/v1/deployments/{deployment}").json()["outcome"])


def body_of(row: Row, content: bytes, *, is_in_path: bool) -> bytes:
    """The input in the place of `{}` in a JSON body; by itself where the row has no body; empty when it stands in the address."""
    template = row.extra.get("body")
    if template is None:
        if "/deployments?" in row.slot:
            return bytes(1024)
        return b"" if is_in_path else content
    return json.dumps(replaced(json.loads(str(template)), content.decode()), ensure_ascii=False).encode()


def replaced(value: object, text: str) -> object:
    if isinstance(value, dict):
        return {str(replaced(name, text)): replaced(inner, text) for name, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, text) for inner in value]
    return value.replace("{}", text) if isinstance(value, str) else value


@pytest.mark.parametrize("row", rows_of("wire", "tcp"), ids=lambda row: row.id)
def test_hostile_bytes_on_a_socket_are_refused_with_one_problem(desk: Desk, row: Row) -> None:
    send: Callable[[bytes], bytes] = desk.wire if row.entry == "wire" else desk.tcp
    answer = send(row.bytes(**desk.places))
    assert answer.count(b"content-type: ") == 1, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    if row.expected == "ignored":
        assert head.startswith(b"HTTP/1.1 200 ")
        return
    assert int(head.split()[1]) in (*range(400, 500), 501), answer
    assert b"application/problem+json" in head
    assert row.named(**desk.places) in f"{json.loads(body)['detail']} {json.loads(body).get('hint', '')}", answer


SMALL_LIMITS = ("the limit for a file", "more than 100.0 kB", "20 entries", "more than 20 entries", "longer than 400", "deeper than 8")


@pytest.mark.parametrize("what", [what for what, (_, said) in HOSTILE.items() if said not in SMALL_LIMITS])
def test_a_hostile_archive_that_is_uploaded_is_refused_in_words_and_nothing_escapes(desk: Desk, what: str) -> None:
    """(What only the small limits of the extractor's own test refuse is left to that test.)"""
    make, said = HOSTILE[what]
    outside = desk.platform.directory / "outside"
    outside.mkdir(exist_ok=True)
    content = make(outside) + (b"" if "cut off" in what or what == "nothing" else END)
    before = tree(desk)
    with desk.http as http:
        answer = http.post(f"{BASE}/plan", content=content, headers={"Content-Type": "application/x-tar"})
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["detail"]
    assert "Traceback" not in answer.text
    assert eventually(lambda: tree(desk) == before), "what was half extracted is gone, and nothing is anywhere else"
    assert [*outside.iterdir()] == []


def tree(desk: Desk) -> set[str]:
    """Every path near where sources are unpacked, but for what the platform itself writes all the time."""
    places = [desk.platform.directory, desk.platform.state, *(desk.platform.state / name for name in ("workshop", "uploads"))]
    sources = desk.platform.state / "workshop" / "sources"
    found = {str(path) for place in places for path in place.iterdir()} | {str(path) for path in sources.rglob("*")}
    return {path for path in found if not path.endswith((".new", "-wal", "-shm", "-journal"))}


@pytest.mark.parametrize("row", rows_of("environment"), ids=lambda row: row.id)
def test_a_hostile_variable_of_the_caller_is_refused_by_name_or_changes_nothing(desk: Desk, canary: Canary, row: Row) -> None:
    desk.platform.variables[row.slot] = row.text(**canary.places)
    try:
        answer = desk.shop.mooring("plan", "--dirty", "--json")
        asked = desk.shop.mooring("ps")
    finally:
        del desk.platform.variables[row.slot]
    check_shown(answer)
    if row.expected == "refused":
        assert (answer.code, asked.code) == (2, 2), answer
        assert row.named(**canary.places) in answer.err
    else:
        assert (answer.code, asked.code) == (0, 0), answer
        assert answer.json == desk.shop.mooring("plan", "--dirty", "--json").json
    canary.check()


@pytest.mark.parametrize("row", rows_of("repository"), ids=lambda row: row.id)
def test_a_hostile_setting_of_a_repository_runs_nothing(desk: Desk, canary: Canary, row: Row) -> None:
    shop = desk.shop
    attributes = shop.path / ".gitattributes"
    name = row.slot.split(".")[1]
    attributes.write_text(f"* filter={name} diff={name} merge={name}\n")
    before = {path: path.read_bytes() for path in (shop.path / ".git").glob("config*")}
    shop.git("config", row.slot, row.text(**canary.places))
    os.utime(shop.path / "Procfile")  # git has to look into it again
    try:
        answers = [shop.mooring(*words) for words in (("plan",), ("plan", "--dirty"), ("plan", "--ref", "main"), ("ps",))]
    finally:
        for path, content in before.items():
            path.write_bytes(content)
        attributes.unlink()
    for answer in answers:
        check_shown(answer)
        assert answer.code == 0, answer
    canary.check()
