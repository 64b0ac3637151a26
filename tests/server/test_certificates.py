"""Certificates over the API: own ones checked and shown, renewal refused with the reason, nobody sees a key, metrics tell the end."""

from __future__ import annotations

import time

import pytest
from server.serving import Served

from mooring.drivers.pem import to_pem
from mooring.errors import InvalidInput, MooringError, NotFound
from mooring.model.access import Role
from mooring.model.certificate import Certificate
from mooring.model.environment import EnvironmentId
from mooring.model.names import Hostname, ProcessName
from mooring.model.routing import PathRoute, RouteTable
from mooring.testing.authority import DAY, PaperAuthority

SHOP = Hostname("shop.example.com")
AUTHORITY = PaperAuthority()


def a_certificate(*names: str, days: float = 30) -> Certificate:
    return AUTHORITY.issue(names or (SHOP,), starts_at=time.time() - 60, expires_at=time.time() + days * DAY)


def route(served: Served, *hostnames: Hostname) -> None:
    environment = EnvironmentId.parse("shop")
    table = RouteTable(environment=environment, hostnames=hostnames, routes=(PathRoute(path="/", process=ProcessName("web")),))
    served.loop.call_soon_threadsafe(served.world.edge._tables.__setitem__, environment, table)


def shown(served: Served, hostname: Hostname, certificate: Certificate | None) -> bool:
    deadline = time.monotonic() + 10
    while served.world.edge.shown.get(hostname) != certificate:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_certificate_of_ones_own_is_shown_listed_measured_and_removed(served: Served) -> None:
    route(served, SHOP)
    own = a_certificate()
    added = served.client.add_certificate(to_pem(own), for_hostname=SHOP)
    assert (added.name, added.shown_for) == (SHOP, (SHOP,))
    assert shown(served, SHOP, own)
    (view,) = served.client.certificates()
    assert (view.source, view.issuer, view.expires_at) == ("own", "Paper authority 1", own.expires_at)
    assert "--acme-email" in view.hindrance
    line = f'mooring_certificate_expiry_timestamp_seconds{{hostname="{SHOP}"}} '
    (told,) = [each for each in served.client.metrics().splitlines() if each.startswith(line)]
    assert float(told.removeprefix(line)) == own.expires_at
    newer = a_certificate(days=60)
    served.client.add_certificate(to_pem(newer))
    assert shown(served, SHOP, newer)
    served.client.remove_certificate(SHOP)
    assert shown(served, SHOP, None)
    assert line not in served.client.metrics()
    with pytest.raises(NotFound):
        served.client.remove_certificate(SHOP)


def test_a_certificate_that_would_not_work_is_refused_and_the_old_one_stays(served: Served) -> None:
    route(served, SHOP)
    good = a_certificate()
    served.client.add_certificate(to_pem(good))
    assert shown(served, SHOP, good)
    with pytest.raises(InvalidInput, match="the certificate is not for www"):
        served.client.add_certificate(to_pem(a_certificate()), for_hostname=Hostname("www.example.com"))
    with pytest.raises(InvalidInput, match="expired on"):
        served.client.add_certificate(to_pem(AUTHORITY.issue([SHOP], starts_at=0, expires_at=DAY)))
    for garbage in (b"", b"garbage", good.chain.encode(), good.key.reveal().encode()):
        with pytest.raises(InvalidInput):
            served.client.add_certificate(garbage)
    assert shown(served, SHOP, good)
    served.client.remove_certificate(SHOP)


def test_renewal_says_what_stands_in_its_way(served: Served) -> None:
    route(served, SHOP)
    with pytest.raises(InvalidInput, match=r"no certificate is ordered for shop\.example\.com: there is no ACME account"):
        served.client.renew_certificate(SHOP)
    with pytest.raises(NotFound, match="no app is reached under"):
        served.client.renew_certificate(Hostname("nobody.example.com"))


def test_no_answer_event_or_audit_line_holds_a_key(served: Served) -> None:
    route(served, SHOP)
    own = a_certificate()
    with served.http as http:
        said = http.post("/v1/certificates", content=to_pem(own), headers={"Content-Type": "application/octet-stream"}).text
        said += http.get("/v1/certificates").text + http.get("/metrics").text + http.get("/v1/events").text
    said += str(served.world.memory.audit())
    secret = own.key.reveal().splitlines()[1]
    assert "certs add" in said
    assert secret not in said
    assert "PRIVATE" not in said
    served.client.remove_certificate(SHOP)


@pytest.mark.parametrize(
    ("method", "path", "least"),
    [
        ("GET", "/v1/certificates", Role.VIEWER),
        ("POST", "/v1/certificates", Role.ADMIN),
        ("POST", "/v1/certificates/shop.example.com/renewal", Role.DEPLOYER),
        ("DELETE", "/v1/certificates/shop.example.com", Role.ADMIN),
    ],
)
def test_who_may_do_what(served: Served, method: str, path: str, least: Role) -> None:
    for role in Role:
        with served.tcp(served.token(role)) as http:
            status = http.request(method, path, content=b"x" if method == "POST" and "renewal" not in path else None).status_code
        assert (status == 403) == (not role.reaches(least)), (role, status)


@pytest.mark.parametrize("name", ["*", "a..b", "UPPER.example.com", "-a.example.com", "a_b.example.com", "..%2f..%2fetc"])
def test_a_hostile_hostname_is_refused(served: Served, name: str) -> None:
    with pytest.raises(MooringError) as caught:
        served.client.remove_certificate(Hostname(name))
    assert caught.value.status in (400, 404)
