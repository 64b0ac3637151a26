"""Every way to fail is a problem document with a code and a hint: never a traceback, never HTML, never a 500 for what a caller did."""

from __future__ import annotations

import json

import pytest
from server.serving import Served, raw_exchange

from mooring.model.access import Role

BASE = "/v1/environments/shop/production"


def is_problem(answer) -> bool:
    document = answer.json()
    return (
        answer.headers["content-type"] == "application/problem+json"
        and document["status"] == answer.status_code
        and bool(document["code"] and document["detail"] and document["title"])
        and "Traceback" not in answer.text
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not-found"),
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/v1/status/", 404, "not-found"),
        ("GET", BASE, 404, "not-found"),
        ("GET", "/v1/deployments/unknown", 404, "not-found"),
        ("GET", "/v1/deployments/unknown/events", 404, "not-found"),
        ("POST", "/v1/status", 405, "method-not-allowed"),
        ("BREW", "/v1/status", 405, "method-not-allowed"),
        ("GET", "/v1/environments/Shop/production", 400, "invalid-name"),
        ("GET", "/v1/environments/a--b/production", 400, "invalid-name"),
        ("GET", "/v1/deployments?limit=0", 400, "invalid-input"),
        ("GET", "/v1/deployments?limit=1&limit=2", 400, "invalid-input"),
        ("GET", "/v1/deployments?limt=1", 400, "invalid-input"),
        ("GET", "/v1/deployments?app=%00", 400, "invalid-input"),
        ("GET", "/v1/events?after=99999999999999999999999", 400, "invalid-input"),
        ("GET", f"{BASE}/logs?follow=maybe", 400, "invalid-input"),
        ("GET", f"{BASE}/run", 400, "invalid-input"),
        ("DELETE", BASE, 400, "invalid-input"),
        ("DELETE", "/v1/tokens/absent", 404, "not-found"),
        ("DELETE", f"{BASE}/secrets/0NAME", 400, "invalid-name"),
    ],
)
def test_a_request_that_cannot_be_served_gets_its_code_and_status(served: Served, method: str, path: str, status: int, code: str) -> None:
    with served.http as http:
        answer = http.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert is_problem(answer)


def test_a_method_that_is_not_possible_is_told_which_are(served: Served) -> None:
    with served.http as http:
        answer = http.put("/v1/environments/shop/production")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "DELETE"}


HOSTILE = [
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "..",
    "shop%00",
    "shop%0d%0aX-Injected:%201",
    "shop;id",
    "shop%24%28id%29",
    "shop'%22",
    "%C3%BCber",
    "%ff",
    "a" * 3000,
    "shop%20production",
    "-rf",
    "shop%5c..%5c",
    "%252e%252e",
    "<script>",
]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: name[:24])
@pytest.mark.parametrize("place", ["/v1/environments/{}/production", f"{BASE}/secrets/{{}}", "/v1/tokens/{}", "/v1/deployments/{}"])
def test_a_hostile_name_in_an_address_is_refused_as_a_problem(served: Served, place: str, name: str) -> None:
    method = "DELETE" if "tokens" in place or "secrets" in place else "GET"
    sent = f"{method} {place.format(name)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    head, _, body = raw_exchange(served, sent).partition(b"\r\n\r\n")
    assert int(head.split()[1]) in (400, 404), head
    assert b"application/problem+json" in head
    assert b"X-Injected: 1" not in head
    assert json.loads(body)["code"] in ("invalid-input", "invalid-name", "not-found")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"x"', b'{"counts": 1}', b'{"counts": {"web": "3"}}', b'{"counts": {"web": -1}}', b"\xff\xfe", b"{}"]
)
def test_a_body_of_the_wrong_shape_is_refused_with_its_place(served: Served, body: bytes) -> None:
    with served.http as http:
        answer = http.post(f"{BASE}/scale", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert is_problem(answer)


def test_deep_nesting_is_refused_and_not_a_crash(served: Served) -> None:
    deep = b'{"counts":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with served.http as http:
        answer = http.post(f"{BASE}/scale", content=deep, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert is_problem(answer)


@pytest.mark.parametrize("path", [f"{BASE}/scale", f"{BASE}/secrets/BIG"])
def test_a_body_that_is_too_large_is_refused_whether_announced_or_not(served: Served, path: str) -> None:
    method = "PUT" if "secrets" in path else "POST"
    with served.http as http:
        announced = http.request(method, path, content=b"x" * 2_000_000, headers={"Content-Type": "application/json"})
        streamed = http.request(method, path, content=iter([b"x" * 500_000] * 4), headers={"Content-Type": "application/json"})
    assert [(answer.status_code, answer.json()["code"]) for answer in (announced, streamed)] == [(413, "too-large")] * 2


def test_an_upload_that_is_too_large_is_refused_and_leaves_no_file(served: Served) -> None:
    with served.http as http:
        answer = http.post(f"{BASE}/deployments", content=iter([b"x" * 60_000] * 2), headers={"Content-Type": "application/x-tar"})
    assert answer.status_code == 413
    assert list(served.services.uploads.iterdir()) == []


@pytest.mark.parametrize(("kind", "status"), [("text/plain", 415), ("application/json", 415), ("", 415)])
def test_an_upload_of_another_type_is_refused(served: Served, kind: str, status: int) -> None:
    with served.http as http:
        answer = http.post(f"{BASE}/deployments", content=b"x", headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (status, "wrong-content-type")


def test_an_empty_upload_is_refused(served: Served) -> None:
    with served.http as http:
        answer = http.post(f"{BASE}/deployments", content=b"", headers={"Content-Type": "application/x-tar"})
    assert (answer.status_code, answer.json()["detail"]) == (400, "the body is empty")


def test_json_sent_as_text_is_refused_since_a_browser_may_send_that_unasked(served: Served) -> None:
    with served.http as http:
        answer = http.post(f"{BASE}/restart", content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "sent",
    [
        b"not http at all\r\n\r\n",
        b"GET / HTTP/x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA" * 3 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_problem_and_the_connection_ends(served: Served, sent: bytes) -> None:
    head, _, body = raw_exchange(served, sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["code"] == "invalid-input"


HANDSHAKE = "GET /v1/environments/shop/production/run HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "detail"),
    [
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX-Filler: " + b"x" * 66_000, 431, "head is larger than 65536 bytes"),
        (b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "only chunked"),
        (f"{HANDSHAKE}\r\n".encode(), 400, "missing Sec-WebSocket-Key header"),
        (f"{HANDSHAKE}Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n\r\n".encode(), 400, "invalid Sec-WebSocket-Key header"),
        (
            f"{HANDSHAKE}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 8\r\n\r\n".encode(),
            400,
            "invalid Sec-WebSocket-Version header: 8",
        ),
    ],
)
def test_what_the_protocol_refuses_below_the_application_is_a_problem_too(served: Served, sent: bytes, status: int, detail: str) -> None:
    head, _, body = raw_exchange(served, sent).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"content-type: application/problem+json" in head.lower()
    assert json.loads(body)["status"] == status
    assert detail in json.loads(body)["detail"]


def test_a_request_with_two_lengths_is_refused(served: Served) -> None:
    sent = b"POST /v1/environments/shop/production/restart HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}"
    assert raw_exchange(served, sent).startswith(b"HTTP/1.1 400")


def test_a_defect_of_ours_is_a_problem_with_an_identity_and_no_details(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise ZeroDivisionError("the private detail")

    held = served.world.memory.environments
    served.world.memory.environments = broken  # type: ignore[method-assign,assignment]  # the defect
    try:
        with served.http as http:
            answer = http.get("/v1/environments")
    finally:
        served.world.memory.environments = held  # type: ignore[method-assign]  # as it was
    assert answer.status_code == 500
    assert is_problem(answer)
    assert "private detail" not in answer.text
    identity = answer.json()["detail"].split("(")[1].rstrip(")")
    assert any(getattr(record, "fields", {}).get("id") == identity for record in caplog.records)


def test_a_refused_token_does_not_say_whether_the_route_or_app_exists(served: Served) -> None:
    with served.tcp() as http:
        existing = http.get("/v1/environments").json()
        absent = http.get(BASE).json()
    assert existing["code"] == absent["code"] == "unauthorized"


def test_a_viewer_is_told_which_role_it_takes(served: Served) -> None:
    with served.tcp(served.token(Role.VIEWER)) as http:
        answer = http.post(f"{BASE}/restart", json={})
    assert "takes deployer" in answer.json()["detail"]
    assert "mooring token create" in answer.json()["hint"]
