"""HTTPS with a real Envoy and a real HAProxy: certificates of the local authority, HTTP/2, no HTTP/3, and no app hurting another."""

from __future__ import annotations

import asyncio
import ssl

import httpx
import msgspec
import pytest

from mooring.drivers.edge.layout import EdgeLayout
from mooring.model.names import Hostname
from mooring.testing.edge_contract import Shop
from mooring.testing.proxy import ProxyRig


@pytest.fixture
def shop(rig: ProxyRig) -> Shop:
    return Shop(rig)


def _layout(rig: ProxyRig) -> EdgeLayout:
    return EdgeLayout(rig.platform.directory, rig.platform.run_directory)


def _context(rig: ProxyRig, *protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(rig.edge.trust().certificate))
    context.set_alpn_protocols(list(protocols or ("http/1.1",)))
    return context


class Secure:
    """A kept-alive HTTPS connection."""

    def __init__(self, rig: ProxyRig, hostname: str) -> None:
        self.rig = rig
        self.hostname = hostname

    async def __aenter__(self) -> Secure:
        port = self.rig.platform.https_port
        opening = asyncio.open_connection("127.0.0.1", port, ssl=_context(self.rig), server_hostname=self.hostname)
        self.reader, self.writer = await asyncio.wait_for(opening, 15)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def ask(self) -> str:
        """Head and body; the body's length must be given."""
        self.writer.write(f"GET / HTTP/1.1\r\nhost: {self.hostname}\r\n\r\n".encode())
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 15)).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        return head + (await self.reader.readexactly(length)).decode()


async def test_a_local_hostname_is_served_by_https_with_a_certificate_of_its_own(rig: ProxyRig, shop: Shop) -> None:
    app = await rig.listen("one")
    await shop.apply(shop.table(shop.endpoint(app)))
    async with Secure(rig, shop.hostname) as connection:
        answer = await connection.ask()
        names = connection.writer.get_extra_info("peercert")["subjectAltName"]
    assert answer.endswith("one")
    assert names == (("DNS", shop.hostname),)
    assert "alt-svc" not in answer  # browsers speak HTTP/3 only with a certificate of the wide web


async def test_http_2_is_spoken(rig: ProxyRig, shop: Shop) -> None:
    app = await rig.listen("one")
    await shop.apply(shop.table(shop.endpoint(app)))
    url = f"https://127.0.0.1:{rig.platform.https_port}/"
    async with httpx.AsyncClient(http2=True, verify=_context(rig, "h2"), trust_env=False) as client:
        response = await client.get(url, headers={"host": shop.hostname}, extensions={"sni_hostname": shop.hostname})
    assert (response.http_version, response.text) == ("HTTP/2", "one")


async def test_a_wildcard_hostname_has_a_certificate_too(rig: ProxyRig, shop: Shop) -> None:
    app = await rig.listen("one")
    domain = f"{shop.environment.app}.localhost"
    await shop.apply(msgspec.structs.replace(shop.table(shop.endpoint(app)), hostnames=(Hostname(f"*.{domain}"),)))
    for label in ("any", "other"):
        async with Secure(rig, f"{label}.{domain}") as connection:
            assert (await connection.ask()).endswith("one")


async def test_a_new_app_closes_nobodys_connection(rig: ProxyRig, shop: Shop) -> None:
    app, other = await rig.listen("one"), Shop(rig)
    await shop.apply(shop.table(shop.endpoint(app)))
    async with Secure(rig, shop.hostname) as connection:
        assert (await connection.ask()).endswith("one")
        await other.apply(other.table(other.endpoint(await rig.listen("two"))))
        async with Secure(rig, other.hostname) as second:
            assert (await second.ask()).endswith("two")
        answer = await connection.ask()
        assert answer.endswith("one")
        assert "connection: close" not in answer


async def test_an_unknown_name_is_shown_the_platforms_own_certificate(rig: ProxyRig) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        async with Secure(rig, "stranger.localhost"):
            pass


async def test_certificates_are_gone_with_their_environment(rig: ProxyRig, shop: Shop) -> None:
    await shop.apply(shop.table())
    path = _layout(rig).certificate(shop.hostname)
    assert path.stat().st_mode & 0o077 == 0
    await shop.remove()
    assert not path.exists()


async def test_a_hostname_of_the_wide_web_is_served_by_http_alone(rig: ProxyRig, shop: Shop) -> None:
    app = await rig.listen("one")
    await shop.apply(msgspec.structs.replace(shop.table(shop.endpoint(app)), hostnames=(Hostname(f"{shop.environment.app}.example.com"),)))
    assert (await rig.ask(f"{shop.environment.app}.example.com")).text == "one"
    assert not _layout(rig).certificate(f"{shop.environment.app}.example.com").exists()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_old_tls_is_refused(rig: ProxyRig, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", rig.platform.https_port, ssl=context, server_hostname="localhost")
