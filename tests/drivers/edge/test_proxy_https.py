"""Certificates of the wide web and challenges, with a real Envoy and a real HAProxy; and what only a real one can do."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from mooring.drivers.edge.layout import EdgeLayout
from mooring.errors import Unavailable
from mooring.model.certificate import Certificate
from mooring.model.secret import Secret
from mooring.testing.proxy import ProxyRig
from mooring.testing.secure_edge_contract import PublicShop, SecureEdgeContract, a_certificate, leaf_of


class TestProxySecureEdge(SecureEdgeContract):
    pass


@pytest.fixture
def shop(rig: ProxyRig) -> PublicShop:
    return PublicShop(rig)


async def test_a_client_that_named_the_port_is_sent_to_the_edges_own(rig: ProxyRig, shop: PublicShop) -> None:
    await shop.apply(shop.with_https(shop.table()))
    await rig.edge.show({shop.hostname: a_certificate(rig, shop.hostname)})
    ports = rig.platform
    for host, wanted in (
        (f"{shop.hostname}:{ports.http_port}", f"{shop.hostname}:{ports.https_port}"),
        (shop.hostname, shop.hostname),
    ):
        answer = await rig.raw(f"POST /a?b=c HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 308 ")
        assert f"location: https://{wanted}/a?b=c\r\n".encode() in answer


async def test_a_client_cannot_say_by_itself_that_it_came_by_https(rig: ProxyRig, shop: PublicShop) -> None:
    await shop.apply(shop.with_https(shop.table(shop.endpoint(await rig.listen("one")))))
    await rig.edge.show({shop.hostname: a_certificate(rig, shop.hostname)})
    head = f"GET / HTTP/1.1\r\nhost: {shop.hostname}\r\nx-forwarded-proto: https\r\nconnection: close\r\n\r\n"
    assert (await rig.raw(head.encode())).startswith(b"HTTP/1.1 308 ")


async def test_a_certificate_that_the_proxy_refuses_spoils_no_other_and_the_last_good_one_stays(rig: ProxyRig, shop: PublicShop) -> None:
    await shop.apply(shop.with_https(shop.table(shop.endpoint(await rig.listen("one")))))
    good = a_certificate(rig, shop.hostname)
    await rig.edge.show({shop.hostname: good})
    other, foreign = a_certificate(rig, shop.other), a_certificate(rig, shop.hostname)
    broken = Certificate(chain=foreign.chain, key=good.key, hostnames=foreign.hostnames, expires_at=foreign.expires_at)
    with pytest.raises(Unavailable, match=rf"does not take the certificate of {shop.hostname}"):
        await rig.edge.show({shop.hostname: broken, shop.other: other})
    assert (await rig.visit(shop.hostname, is_secure=True)).leaf == leaf_of(good)
    assert (await rig.visit(shop.other, is_secure=True)).leaf == leaf_of(other)


async def test_an_open_connection_outlives_every_change_of_certificates(rig: ProxyRig, shop: PublicShop) -> None:
    await shop.apply(shop.with_https(shop.table(shop.endpoint(await rig.listen("one")))))
    await rig.edge.show({shop.hostname: a_certificate(rig, shop.hostname)})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = rig.platform.https_port
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=shop.hostname)
    for names in ([shop.hostname, shop.other], [shop.other], [shop.hostname]):
        writer.write(f"GET / HTTP/1.1\r\nhost: {shop.hostname}\r\n\r\n".encode())
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 15)).decode().lower()
        assert head.startswith("http/1.1 200")
        assert "connection: close" not in head
        await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
        await rig.edge.show({name: a_certificate(rig, name) for name in names})
    writer.close()


async def test_certificates_are_for_the_owner_only_and_gone_with_their_environment(rig: ProxyRig, shop: PublicShop) -> None:
    await shop.apply(shop.with_https(shop.table()))
    await rig.edge.show({shop.hostname: a_certificate(rig, shop.hostname)})
    path = EdgeLayout(rig.platform.directory, rig.platform.run_directory).certificate(shop.hostname)
    assert path.stat().st_mode & 0o777 == 0o600
    await shop.remove()
    assert not path.exists()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(("version", "is_taken"), [("TLSv1", False), ("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
async def test_tls_is_spoken_from_1_2_up(rig: ProxyRig, shop: PublicShop, version: str, is_taken: bool) -> None:
    """The same client with the same ciphers each time, so that nothing but the version decides."""
    await shop.apply(shop.with_https(shop.table()))
    await rig.edge.show({shop.hostname: a_certificate(rig, shop.hostname)})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with socket.create_connection(("127.0.0.1", rig.platform.https_port), timeout=15) as plain:
        loop = asyncio.get_running_loop()
        handshake = loop.run_in_executor(None, lambda: context.wrap_socket(plain, server_hostname=shop.hostname).version())
        if is_taken:
            assert await handshake == version.replace("_", ".")
        else:
            with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                await handshake


async def test_a_certificates_key_is_shown_by_no_text_of_it(rig: ProxyRig) -> None:
    certificate = a_certificate(rig, "shop.example.com")
    assert isinstance(certificate.key, Secret)
    assert "PRIVATE" not in f"{certificate!r} {certificate} {certificate.key}"
