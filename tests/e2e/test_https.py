"""Automatic HTTPS as an operator meets it: a real platform, a real ACME server, real handshakes, traffic all the time."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from authority.pebble import Front, Pebble, Refusal
from e2e.platform import App, Platform, eventually

from mooring.client.location import controller_socket
from mooring.drivers.pem import to_pem
from mooring.testing.authority import DAY, PaperAuthority

SHOP, WWW, BLOG = "shop.example.com", "www.shop.example.com", "blog.example.org"
HOOK = """#!{python}
import json, os, sys, urllib.request
verb = {{"present": "set-txt", "cleanup": "clear-txt"}}[sys.argv[2]]
record = {{"host": os.environ["MOORING_DNS_NAME"] + ".", "value": os.environ["MOORING_DNS_VALUE"]}}
urllib.request.urlopen("http://127.0.0.1:" + sys.argv[1] + "/" + verb, json.dumps(record).encode()).close()
with open({log!r}, "a") as log:
    print(verb, record["host"], file=log)
"""


class Site:
    """A platform that orders from a Pebble of its own, through a front that can refuse; every fourth good nonce is refused anyway."""

    def __init__(self, platform: Platform, pebble: Pebble, front: Front) -> None:
        self.platform = platform
        self.pebble = pebble
        self.front = front

    def expiry(self, hostname: str) -> float:
        """As whoever scrapes the platform is told."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(controller_socket(self.platform.state)))) as client:
            told = client.get("http://localhost/metrics").text
        wanted = f'mooring_certificate_expiry_timestamp_seconds{{hostname="{hostname}"}} '
        return next(float(line.removeprefix(wanted)) for line in told.splitlines() if line.startswith(wanted))

    def app(self, name: str, *hostnames: str, https: str = "") -> App:
        app = self.platform.app("procfile-only", name)
        app.write("mooring.toml", f'app = "{name}"\nhostnames = {json.dumps(hostnames)}\n\n[deploy]\nbake = "1s"\n\n[https]\n{https}\n')
        app.commit("hostnames")
        answer = app.deploy()
        assert answer.code == 0, answer
        return app

    def connect(self, hostname: str, root: str) -> ssl.SSLSocket:
        """A client that trusts `root` alone."""
        plain = socket.create_connection(("127.0.0.1", self.platform.https_port), timeout=20)
        return ssl.create_default_context(cadata=root).wrap_socket(plain, server_hostname=hostname)

    def ask(self, hostname: str, root: str, path: str = "/") -> tuple[int, dict[str, str], bytes]:
        """Status, headers, and the certificate that was shown."""
        connection = http.client.HTTPConnection(hostname, self.platform.https_port)
        connection.sock = self.connect(hostname, root)
        try:
            leaf = connection.sock.getpeercert(binary_form=True)
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, leaf
        finally:
            connection.close()

    def is_served(self, hostname: str, root: str) -> bool:
        try:
            return self.ask(hostname, root)[0] == 200
        except (ssl.SSLError, OSError):
            return False

    def plain(self, hostname: str, path: str = "/") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.platform.port, timeout=20)
        try:
            connection.request("GET", path, headers={"Host": hostname})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.getheader("location", "")
        finally:
            connection.close()

    def view(self, hostname: str) -> dict:
        return next(each for each in self.platform.mooring("certs", "--json").json["certificates"] if each["hostname"] == hostname)

    def leaf(self, hostname: str, root: str) -> bytes:
        return self.ask(hostname, root)[2]


class Visitors:
    """One keeps its connection, the others come anew each time; all by HTTPS, until the context ends."""

    def __init__(self, site: Site, hostname: str, root: str) -> None:
        self.site, self.hostname, self.root = site, hostname, root
        self.asked = 0
        self.failures: list[str] = []
        self.leaves: set[bytes] = set()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._keep, self._come, self._come)]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _keep(self) -> None:
        connection = http.client.HTTPConnection(self.hostname, self.site.platform.https_port)
        connection.sock = self.site.connect(self.hostname, self.root)
        connection.auto_open = False  # a connection that was closed is a failure
        while not self._over.wait(0.05):
            self._count(lambda: self._ask(connection))

    def _ask(self, connection: http.client.HTTPConnection) -> int:
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def _come(self) -> None:
        def visit() -> int:
            status, _, leaf = self.site.ask(self.hostname, self.root)
            self.leaves.add(leaf)
            return status

        while not self._over.wait(0.05):
            self._count(visit)

    def _count(self, visit) -> None:
        self.asked += 1
        try:
            status = visit()
            if status != 200:
                self.failures.append(f"status {status}")
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))


class WrongAnswers:
    """A web server that has an answer for everything, and none that is right."""

    def __init__(self, address: str, port: int) -> None:
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"welcome")

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: it is counted."""

        self._server = ThreadingHTTPServer((address, port), Handler)

    def __enter__(self) -> WrongAnswers:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def started(build_cache: Path, *, validity: int) -> Iterator[Site]:
    directory = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp"))
    platform = Platform(directory)
    platform.variables |= {"UV_CACHE_DIR": str(build_cache / "uv"), "npm_config_cache": str(build_cache / "npm")}
    pebble = Pebble(directory / "pebble", http_port=platform.port, validity=validity, nonces_refused=25)
    front = Front(pebble)
    hook = directory / "set txt"
    hook.write_text(HOOK.format(python=sys.executable, log=str(directory / "hook.log")))
    hook.chmod(0o700)
    try:
        pebble.start()
        platform.up()
        account = ("--acme-email", "ops@example.com", "--acme-directory", front.url, "--acme-ca-file", str(pebble.root))
        assert platform.mooring("up", *account, "--acme-dns-hook", f"'{hook}' {pebble.dns_management_port}").code == 0
        yield Site(platform, pebble, front)
        platform.down()
    finally:
        front.close()
        pebble.stop()
        platform.kill_all()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def site(build_cache: Path) -> Iterator[Site]:
    yield from started(build_cache, validity=90 * 86_400)


@pytest.fixture
def hasty_site(build_cache: Path) -> Iterator[Site]:
    """Its certificates live 75 seconds, so that one is renewed after 50."""
    yield from started(build_cache, validity=75)


@pytest.fixture(scope="module")
def shop(site: Site) -> App:
    app = site.app("shop", SHOP, WWW, https='hsts = "1h"')
    root = site.pebble.issuing_root()
    for name in (SHOP, WWW):
        eventually(lambda name=name: site.is_served(name, root), within=60)
    return app


def test_two_hostnames_have_certificates_of_the_authority_soon_after_the_deploy(site: Site, shop: App) -> None:
    root = site.pebble.issuing_root()
    leaves = {name: site.leaf(name, root) for name in (SHOP, WWW)}
    assert leaves[SHOP] != leaves[WWW]
    assert site.ask(SHOP, root)[1]["strict-transport-security"] == "max-age=3600"
    assert site.plain(SHOP, "/a?b=c") == (308, f"https://{SHOP}/a?b=c")
    view = site.view(SHOP)
    assert view["source"] == "acme"
    assert view["issuer"].startswith("Pebble Intermediate CA")
    assert view["next_order_at"] == pytest.approx(time.time() + 60 * 86_400, abs=3600)
    assert site.expiry(SHOP) == view["expires_at"]
    told = site.platform.mooring("certs").out
    assert f"{SHOP}" in told
    assert "89d" in told
    kept = [path for folder in ("certificates", "edge/certificates") for path in (site.platform.state / folder).rglob("*.*")]
    assert {path.name for path in kept} > {f"{SHOP}.pem", f"{WWW}.pem"}
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert [path.name for path in kept if path.name.startswith("account-")]


def test_a_redeploy_is_proven_as_ever_although_plain_http_is_sent_to_https(site: Site, shop: App) -> None:
    root = site.pebble.issuing_root()
    shop.release(2)
    with Visitors(site, SHOP, root) as visitors:
        answer = shop.deploy()
    assert answer.code == 0, answer
    assert (visitors.failures, visitors.asked > 20) == ([], True)
    receipt = next(line["fields"]["receipt"] for line in reversed(shop.mooring("follow", "--json").lines) if line.get("kind") == "receipt")
    assert receipt["probes"]["sent"] > 5
    assert receipt["probes"]["failed"] == 0
    assert receipt["traffic"]["edge_errors"] == receipt["traffic"]["resets"] == 0


def test_a_renewal_in_maintenance_succeeds_under_traffic_without_closing_a_connection(site: Site, shop: App) -> None:
    root = site.pebble.issuing_root()
    before = site.leaf(SHOP, root)
    with Visitors(site, SHOP, root) as visitors:
        assert site.platform.mooring("certs", "renew", SHOP).code == 0
        eventually(lambda: site.leaf(SHOP, root) != before, within=60)
    assert (visitors.failures, len(visitors.leaves)) == ([], 2)
    assert shop.mooring("maintenance", "on").code == 0
    try:
        renewed = site.view(SHOP)["expires_at"]
        assert site.platform.mooring("certs", "renew", SHOP).code == 0
        eventually(lambda: site.view(SHOP)["expires_at"] > renewed, within=60)
    finally:
        assert shop.mooring("maintenance", "off").code == 0


def test_an_authority_that_is_away_or_refuses_costs_nobody_anything(site: Site, shop: App) -> None:
    root = site.pebble.issuing_root()
    site.pebble.set_address(BLOG, "127.0.0.9")  # where nobody listens
    with Visitors(site, SHOP, root) as visitors:
        blog = site.app("blog", BLOG)
        view = eventually(lambda: found if (found := site.view(BLOG))["failures"] else None, within=60)
        assert view["last_error"].startswith("connection: ")
        assert site.plain(BLOG)[0] == 200, "what has no certificate is served by HTTP"
        with WrongAnswers("127.0.0.9", site.platform.port) as elsewhere:
            assert site.platform.mooring("certs", "renew", BLOG).code == 0
            eventually(lambda: site.view(BLOG)["failures"] == 2, within=60)
        assert elsewhere.asked > 0
        assert site.view(BLOG)["last_error"].startswith("unauthorized: ")
        assert site.plain(BLOG)[0] == 200
        site.pebble.kill_authority()
        assert site.platform.mooring("certs", "renew", SHOP).code == 0
        eventually(lambda: "does not answer" in site.view(SHOP)["last_error"], within=60)
        site.pebble.start_authority()
        site.pebble.set_address(BLOG, "127.0.0.1")
        fresh = site.pebble.issuing_root()
        assert site.platform.mooring("certs", "renew", BLOG).code == 0
        eventually(lambda: site.is_served(BLOG, fresh), within=60)
    assert visitors.failures == []
    assert site.leaf(SHOP, root), "its old certificate is still shown"
    assert site.platform.mooring("certs", "renew", SHOP).code == 0
    assert site.platform.mooring("certs", "renew", WWW).code == 0
    for name in (SHOP, WWW):
        eventually(lambda name=name: site.is_served(name, fresh), within=60)
    assert blog.mooring("destroy", "--confirm", "blog").code == 0


def test_a_rate_limit_is_kept_to_whoever_asks_and_the_old_certificate_is_shown_meanwhile(site: Site, shop: App) -> None:
    orders: list[float] = []
    problem = json.dumps({"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many certificates", "status": 429}).encode()

    def refuse(path: str) -> Refusal | None:
        """The first order alone, for ten seconds."""
        if path == "/order-plz":
            orders.append(time.monotonic())
        headers = {"Content-Type": "application/problem+json", "Retry-After": "10"}
        return (429, headers, problem) if path == "/order-plz" and len(orders) == 1 else None

    root = site.pebble.issuing_root()
    before = site.leaf(SHOP, root)
    site.front.refuse = refuse
    try:
        with Visitors(site, SHOP, root) as visitors:
            assert site.platform.mooring("certs", "renew", SHOP).code == 0
            eventually(lambda: site.view(SHOP)["last_error"] == "rateLimited: too many certificates", within=60)
            assert site.platform.mooring("certs", "renew", SHOP).code == 0
            assert site.leaf(SHOP, root) == before
            eventually(lambda: site.leaf(SHOP, root) != before, within=60)
    finally:
        site.front.refuse = lambda path: None
    assert orders[1] - orders[0] >= 10
    assert (visitors.failures, len(visitors.leaves)) == ([], 2)


def test_a_wildcard_is_proven_by_the_operators_hook(site: Site) -> None:
    app = site.app("wild", "*.wild.example.net")
    root = site.pebble.issuing_root()
    eventually(lambda: site.is_served("any.wild.example.net", root), within=60)
    assert site.view("*.wild.example.net")["source"] == "acme"
    told = (site.platform.directory / "hook.log").read_text().splitlines()
    assert told == [f"{verb} _acme-challenge.wild.example.net." for verb in ("set-txt", "clear-txt")]
    assert app.mooring("destroy", "--confirm", "wild").code == 0


def test_with_the_controller_killed_https_goes_on_and_the_next_one_orders_nothing(site: Site, shop: App) -> None:
    root = site.pebble.issuing_root()
    before = site.leaf(SHOP, root)
    with Visitors(site, SHOP, root) as visitors:
        for pid in site.platform.pids():
            if b"mooring.server\0serve" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: site.platform.mooring("status").code == 0, within=60)
        assert site.view(SHOP)["source"] == "acme"
    assert (visitors.failures, visitors.leaves) == ([], {before})


def test_with_edge_attendant_and_controller_killed_at_once_https_comes_back_as_it_was(site: Site, shop: App) -> None:
    root = site.pebble.issuing_root()
    before = site.leaf(SHOP, root)
    asked = len(site.front.seen)
    killed = []
    for pid in site.platform.pids():
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        part = next((name for name in (b"envoy", b"mooring.drivers.edge.envoy.attendant", b"mooring.server") if _is(words, name)), None)
        if part is not None:
            os.kill(pid, signal.SIGKILL)
            killed.append(part)
    assert sorted(killed) == [b"envoy", b"mooring.drivers.edge.envoy.attendant", b"mooring.server"]
    eventually(lambda: site.is_served(SHOP, root), within=60)
    assert site.leaf(SHOP, root) == before
    eventually(lambda: site.platform.mooring("status").code == 0, within=60)
    assert site.view(SHOP)["source"] == "acme"
    assert "/order-plz" not in site.front.seen[asked:]


def _is(words: list[bytes], name: bytes) -> bool:
    return name in words or words[0].endswith(b"/" + name)


def test_a_certificate_of_ones_own_takes_its_place_and_goes_again(site: Site, shop: App, tmp_path: Path) -> None:
    authority = PaperAuthority("Corporate")
    own = authority.issue([SHOP], starts_at=time.time() - DAY, expires_at=time.time() + 30 * DAY)
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_text(own.chain)
    key.write_text(own.key.reveal())
    answer = site.platform.mooring("certs", "add", "--cert", str(chain), "--key", str(key), "--for", SHOP)
    assert answer.code == 0, answer
    assert own.key.reveal() not in answer.out
    eventually(lambda: site.is_served(SHOP, authority.root), within=30)
    chain.write_text(authority.issue([SHOP], starts_at=0, expires_at=DAY).chain)
    assert site.platform.mooring("certs", "add", "--cert", str(chain), "--key", str(key)).code == 2
    assert site.is_served(SHOP, authority.root)
    assert to_pem(own) == (site.platform.state / "certificates" / "own" / f"{SHOP}.pem").read_bytes()
    assert site.platform.mooring("certs", "remove", SHOP).code == 0
    eventually(lambda: site.is_served(SHOP, site.pebble.issuing_root()), within=30)


def test_a_certificate_is_renewed_by_itself_well_before_it_expires_with_no_request_lost(hasty_site: Site) -> None:
    hasty_site.app("shop", SHOP)
    root = hasty_site.pebble.issuing_root()
    eventually(lambda: hasty_site.is_served(SHOP, root), within=40)
    first = hasty_site.leaf(SHOP, root)
    with Visitors(hasty_site, SHOP, root) as visitors:
        eventually(lambda: hasty_site.leaf(SHOP, root) != first, within=75)
    assert visitors.failures == []
    assert visitors.asked > 200
    assert len(visitors.leaves) == 2


def test_a_backup_in_clear_holds_no_key_and_after_restoring_it_the_certificates_are_those_that_were(
    site: Site, shop: App, tmp_path: Path
) -> None:
    root = site.pebble.issuing_root()
    before = site.leaf(SHOP, root)
    file = tmp_path / "backup"
    answer = site.platform.mooring("state", "backup", str(file))
    assert (answer.code, f"{site.platform.state}/certificates" in answer.out) == (0, True), answer
    with zipfile.ZipFile(file) as archive:
        assert [name for name in archive.namelist() if b"PRIVATE" in archive.read(name) or "certificates/" in name] == []
    asked = len(site.front.seen)
    assert site.platform.down().code == 0
    assert site.platform.mooring("state", "restore", str(file)).code == 0
    site.platform.up()
    eventually(lambda: site.is_served(SHOP, root), within=60)
    assert site.leaf(SHOP, root) == before
    assert site.view(SHOP)["source"] == "acme"
    assert "/order-plz" not in site.front.seen[asked:]


def test_settings_of_acme_that_make_no_sense_are_refused_and_change_nothing(site: Site) -> None:
    for words, said in (
        (("--acme-email", "nobody"), "is no mail address"),
        (("--acme-directory", "http://authority.example.com"), "is none"),
        (("--acme-ca-file", "/nonexistent"), "is no file"),
        (("--acme-dns-hook", "relative/hook"), "is no program that can be run"),
        (("--acme-dns-hook", "'open"), "cannot be read"),
        (("--https-port", "0"), "certificates are for HTTPS"),
    ):
        answer = site.platform.mooring("up", *words)
        assert (answer.code, said in answer.err) == (2, True), answer
    assert "already" in site.platform.mooring("up").out + site.platform.mooring("up").err
