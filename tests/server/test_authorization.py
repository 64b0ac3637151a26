"""Who may call what: every route, every role, no token, a page in a browser, a strange Host. Nothing forgotten is reachable."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
from server.serving import Served, serving

from mooring.errors import Forbidden, Unauthorized
from mooring.model.access import Actor, Role
from mooring.model.environment import EnvironmentId
from mooring.server.attempts import MOST, WITHIN, Attempts, TooManyAttempts
from mooring.server.authorization import TABLE, Signature, UnauthorizedRoute, check_complete
from mooring.server.callers import UnixPeer, identify
from mooring.server.endpoints import ENDPOINTS
from mooring.usecases.permission import Permission, require

PATHS = {"{app}": "nobody", "{environment}": "production", "{id}": "0000000000", "{name}": "NOTHING"}
NOT_OURS = 61_234


def address(path: str) -> str:
    for name, value in PATHS.items():
        path = path.replace(name, value)
    return path


@pytest.fixture(scope="module")
def tokens(served: Served) -> dict[Role, str]:
    return {role: served.token(role) for role in Role}


ROUTES = sorted(TABLE, key=lambda route: (route[1], route[0]))
GUARDED = [route for route in ROUTES if isinstance(TABLE[route], Permission)]


@pytest.mark.parametrize("route", GUARDED, ids=" ".join)
def test_without_a_token_every_route_but_the_open_ones_is_refused(served: Served, route: tuple[str, str]) -> None:
    with served.tcp() as http:
        answer = http.request(route[0], address(route[1]))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
@pytest.mark.parametrize("route", GUARDED, ids=" ".join)
def test_a_role_reaches_what_the_table_gives_it_and_nothing_else(
    served: Served, tokens: dict[Role, str], route: tuple[str, str], role: Role
) -> None:
    permission = TABLE[route]
    assert isinstance(permission, Permission)
    with served.tcp(tokens[role]) as http, http.stream(route[0], address(route[1])) as answer:
        refused = answer.status_code == 403
        status = answer.status_code
    assert refused is not role.reaches(permission.value), status
    assert status != 500


@pytest.mark.parametrize("route", [route for route in ROUTES if TABLE[route] is None], ids=" ".join)
def test_an_open_route_answers_anybody(served: Served, route: tuple[str, str]) -> None:
    with served.tcp() as http:
        assert http.request(route[0], route[1]).status_code == 200


@pytest.mark.parametrize("route", [route for route in ROUTES if isinstance(TABLE[route], Signature)], ids=" ".join)
def test_a_signed_route_believes_nobody_without_a_signature(served: Served, tokens: dict[Role, str], route: tuple[str, str]) -> None:
    for token in (None, tokens[Role.ADMIN]):
        with served.tcp(token) as http:
            assert http.request(route[0], address(route[1]), content=b"{}").status_code == 401


def test_a_route_that_is_not_in_the_table_stops_the_start() -> None:
    stranger = dataclasses.replace(ENDPOINTS[0], path="/v1/forgotten")
    with pytest.raises(UnauthorizedRoute, match=r"not in the authorization table.*forgotten"):
        check_complete(endpoint.route for endpoint in (*ENDPOINTS, stranger))


def test_a_line_of_the_table_without_a_route_stops_the_start() -> None:
    with pytest.raises(UnauthorizedRoute, match="but no route"):
        check_complete(endpoint.route for endpoint in ENDPOINTS[1:])


def test_a_route_that_is_registered_twice_stops_the_start() -> None:
    with pytest.raises(UnauthorizedRoute, match="twice"):
        check_complete(endpoint.route for endpoint in (*ENDPOINTS, ENDPOINTS[0]))


def test_a_use_case_refuses_even_when_a_table_would_let_the_caller_in(served: Served) -> None:
    viewer = Actor("vera", Role.VIEWER)
    with pytest.raises(Forbidden, match="vera has the role viewer, and this takes deployer"):
        require(viewer, Permission.CHANGE)
    with pytest.raises(Forbidden, match="takes admin"):
        require(Actor("dora", Role.DEPLOYER), Permission.ADMINISTER)


def test_another_user_of_the_machine_is_refused_on_the_socket(served: Served) -> None:
    with pytest.raises(Forbidden, match="belongs to another user"):
        identify(UnixPeer(uid=NOT_OURS, pid=1), {}, memory=served.world.memory, now=time.time)


def test_the_owner_of_the_socket_is_an_admin_under_their_own_name(served: Served) -> None:
    served.client.create_token("named", Role.VIEWER)
    entry = served.world.memory.audit(limit=1)[0]
    assert entry.what == "token create"
    assert entry.who not in ("", "named")


@pytest.mark.parametrize("token", ["", "x", "mooring_000000000000_" + "A" * 43, "mooring__", "é" * 60], ids=repr)
def test_a_token_that_is_none_is_refused(served: Served, token: str) -> None:
    with pytest.raises(Unauthorized):
        identify(None, {"authorization": f"Bearer {token}"}, memory=served.world.memory, now=time.time)


def test_an_expired_and_a_revoked_token_are_refused(served: Served) -> None:
    memory = served.world.memory
    _, short = memory.create_token("short", Role.ADMIN, at=time.time() - 10, expires_at=time.time() - 1)
    _, ended = memory.create_token("ended", Role.ADMIN, at=time.time())
    memory.revoke_token("ended", at=time.time())
    for token in (short, ended):
        with served.tcp(token.reveal()) as http:
            assert http.get("/v1/status").status_code == 401


@pytest.mark.parametrize("header", ["Origin", "Sec-Fetch-Site"])
def test_what_a_browser_sends_is_refused_with_a_valid_token_and_on_the_socket(served: Served, header: str) -> None:
    token = served.token(Role.ADMIN)
    with served.tcp(token) as tcp, served.http as unix:
        for http in (tcp, unix):
            answer = http.get("/v1/status", headers={header: "http://evil.example"})
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "127.0.0.1@evil.example"])
def test_a_host_that_is_not_ours_is_refused_over_tcp(served: Served, host: str) -> None:
    with served.tcp(served.token(Role.ADMIN)) as http:
        answer = http.get("/health", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:9"])
def test_our_own_addresses_are_taken_as_host(served: Served, host: str) -> None:
    with served.tcp() as http:
        assert http.get("/health", headers={"Host": host}).status_code == 200


def test_who_asked_for_what_is_in_the_audit_log_even_when_it_was_refused_later(served: Served) -> None:
    deployer = served.token(Role.DEPLOYER, "ci-audit")
    with served.tcp(deployer) as http:
        assert http.post("/v1/environments/absent/production/restart", json={}).status_code == 404
    entry = served.world.memory.audit(limit=1)[0]
    assert (entry.who, entry.what, entry.environment) == ("ci-audit", "restart", EnvironmentId.parse("absent"))


def test_an_address_that_guesses_tokens_is_stopped_for_a_while(served: Served) -> None:
    moments = [1000.0]
    attempts = Attempts(lambda: moments[0])
    for _ in range(MOST):
        attempts.check("192.0.2.7")
        attempts.failed("192.0.2.7")
    with pytest.raises(TooManyAttempts):
        attempts.check("192.0.2.7")
    attempts.check("192.0.2.8")
    moments[0] += WITHIN + 1
    attempts.check("192.0.2.7")


def test_guessing_over_tcp_ends_in_429_also_for_the_right_token_and_the_socket_goes_on(tmp_path: Path) -> None:
    with serving(tmp_path) as here:
        right = here.token(Role.ADMIN)
        with here.tcp("mooring_guess_" + "x" * 40) as http:
            statuses = [http.get("/v1/status").status_code for _ in range(MOST + 1)]
        assert statuses == [401] * MOST + [429]
        with here.tcp(right) as http:
            assert http.get("/v1/status").status_code == 429
            assert http.get("/health").status_code == 200
        assert here.client.health().status == "ok"
