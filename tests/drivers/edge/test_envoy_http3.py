"""HTTP/3 with a real Envoy and a real client: requests over QUIC with the certificate checked; who is told of it and who is not."""

from __future__ import annotations

import asyncio
import json
import socket

import httpx
import pytest
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent

from mooring.drivers.edge.envoy.settings import Layout
from mooring.testing.edge_contract import Shop
from mooring.testing.envoy import EnvoyRig
from mooring.testing.secure_edge_contract import AUTHORITY, PublicShop, a_certificate

PROXIES = ("envoy",)


class Http3(QuicConnectionProtocol):
    """A client of one request at a time."""

    def __init__(self, *words, **named) -> None:
        super().__init__(*words, **named)
        self._http = H3Connection(self._quic)
        self._answer: asyncio.Future[tuple[str, bytes]] = asyncio.get_running_loop().create_future()
        self._status, self._body = "", b""

    def quic_event_received(self, event: QuicEvent) -> None:
        for said in self._http.handle_event(event):
            if isinstance(said, HeadersReceived):
                self._status = dict(said.headers)[b":status"].decode()
            if isinstance(said, DataReceived):
                self._body += said.data
            if getattr(said, "stream_ended", False) and not self._answer.done():
                self._answer.set_result((self._status, self._body))

    async def get(self, authority: str, path: str = "/") -> tuple[str, bytes]:
        head = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", authority.encode()), (b":path", path.encode())]
        self._http.send_headers(self._quic.get_next_available_stream_id(), head, end_stream=True)
        self.transmit()
        return await asyncio.wait_for(self._answer, 15)


async def ask(rig: EnvoyRig, hostname: str) -> tuple[str, bytes]:
    """By a client that trusts the paper authority and the local one."""
    trust = AUTHORITY.root.encode() + rig.edge.trust().certificate.read_bytes()
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name=hostname, cadata=trust)
    port = rig.platform.settings.https_port
    async with connect("127.0.0.1", port, configuration=configuration, create_protocol=Http3) as client:
        return await client.get(hostname)


async def told(rig: EnvoyRig, hostname: str) -> str:
    """What an answer by HTTPS says of HTTP/3."""
    address = f"https://127.0.0.1:{rig.platform.https_port}/"
    async with httpx.AsyncClient(verify=False, trust_env=False, timeout=15) as client:
        answer = await client.get(address, headers={"host": hostname}, extensions={"sni_hostname": hostname})
    return answer.headers.get("alt-svc", "")


async def test_a_name_with_a_certificate_of_the_wide_web_is_served_by_http_3_and_says_so(rig: EnvoyRig) -> None:
    shop = PublicShop(rig)
    await shop.apply(shop.with_https(shop.table(shop.endpoint(await rig.listen("one"))), redirect=False))
    await rig.edge.show({shop.hostname: a_certificate(rig, shop.hostname)})
    async with asyncio.timeout(30):
        while True:  # the workers take a new certificate a moment after the listener
            try:
                answer = await ask(rig, shop.hostname)
                break
            except ConnectionError:
                await asyncio.sleep(0.2)
    assert answer == ("200", b"one")
    assert await told(rig, shop.hostname) == f'h3=":{rig.platform.https_port}"; ma=86400'
    assert await told(rig, shop.other) == ""


async def test_a_name_of_the_local_authority_is_not_served_by_http_3_and_changes_nothing_of_it(rig: EnvoyRig) -> None:
    shop = Shop(rig)
    before = http_3(rig)
    await shop.apply(shop.table(shop.endpoint(await rig.listen("one"))))
    assert http_3(rig) == before
    assert await told(rig, shop.hostname) == ""
    with pytest.raises((ConnectionError, TimeoutError)):
        await asyncio.wait_for(ask(rig, shop.hostname), 20)


def http_3(rig: EnvoyRig) -> object:
    """The listener for it, as Envoy was told."""
    written = json.loads(Layout(rig.platform.directory, rig.platform.run_directory).listeners.read_bytes())
    return next(each for each in written["resources"] if each["name"] == "http3")


async def test_a_name_that_no_app_has_gets_no_trusted_connection_over_http_3(rig: EnvoyRig) -> None:
    with pytest.raises((ConnectionError, TimeoutError)):
        await asyncio.wait_for(ask(rig, "nobody.example.com"), 20)


async def test_http_3_answers_on_the_same_port_by_udp(rig: EnvoyRig) -> None:
    """A client of an unknown QUIC version is told the known ones; source: RFC 9000, 6.1 and 17.2.1."""
    hello = b"\xc0" + b"\x1a\x2a\x3a\x4a" + b"\x08" + b"d" * 8 + b"\x08" + b"s" * 8
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendto(client, hello.ljust(1200, b"\0"), ("127.0.0.1", rig.platform.https_port))
        answer = await asyncio.wait_for(loop.sock_recv(client, 2000), 15)
    version, known = answer[1:5], answer[5 + 9 + 9 :]
    assert version == b"\0\0\0\0"
    assert b"\0\0\0\1" in [known[start : start + 4] for start in range(0, len(known), 4)]
