"""A real ACME server for tests: Pebble with its DNS, on ports of its own; and a front before it that can refuse what Pebble would take.

Debian packages it: `apt-get install pebble`.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mooring.drivers.pem import to_pem
from mooring.testing.authority import DAY, PaperAuthority

PROGRAMS = ("pebble", "pebble-challtestsrv")
PATIENCE = 15.0


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Pebble:
    """`http_port` is where it looks for HTTP-01 answers: the edge's port. `validity` seconds live what it issues.

    `nonces_refused` percent of good nonces are refused. With `is_reusing` what was proven once need not be proven again.
    Every name resolves to 127.0.0.1.
    """

    def __init__(
        self, directory: Path, *, http_port: int, validity: int = 90 * 86_400, nonces_refused: int = 0, is_reusing: bool = False
    ) -> None:
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        assert not missing, f"{' and '.join(missing)} must be installed for this test: apt-get install pebble"
        self.directory = directory
        self.port, self.management_port = free_port(), free_port()
        self.dns_port, self.dns_management_port = free_port(socket.SOCK_DGRAM), free_port()
        self._variables = {
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_AUTHZREUSE": "100" if is_reusing else "0",
            "PEBBLE_WFE_NONCEREJECT": str(nonces_refused),
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        directory.mkdir(parents=True, exist_ok=True)
        self.root = directory / "pebble-https.pem"  # its own HTTPS is checked with this, not what it issues
        self.served = directory / "served.pem"
        authority, now = PaperAuthority("Pebble's own HTTPS"), time.time()
        self.root.write_text(authority.root)
        self.served.write_bytes(to_pem(authority.issue(["localhost"], starts_at=now - DAY, expires_at=now + 30 * DAY)))
        settings = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management_port}",
            "certificate": str(self.served),
            "privateKey": str(self.served),
            "httpPort": http_port,
            "tlsPort": 1,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "certificateValidityPeriod": validity,
        }
        self._config = directory / "pebble.json"
        self._config.write_text(json.dumps({"pebble": settings}))

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/dir"

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.root))

    def start(self) -> None:
        names = ["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""]
        places = ["-dns01", f"127.0.0.1:{self.dns_port}", "-management", f"127.0.0.1:{self.dns_management_port}"]
        self._run("dns", ["pebble-challtestsrv", *names, *places])
        self.start_authority()

    def start_authority(self) -> None:
        """Pebble alone; it has forgotten every account, order and root that was before."""
        self._run("pebble", ["pebble", "-config", str(self._config), "-dnsserver", f"127.0.0.1:{self.dns_port}", "-strict"])
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, (self.directory / "pebble.log").read_text()[-2000:]
            time.sleep(0.05)

    def kill_authority(self) -> None:
        self._end("pebble")

    def stop(self) -> None:
        for name in list(self._processes):
            self._end(name)

    def issuing_root(self) -> str:
        """PEM; new at every start."""
        return self._management("GET", "/roots/0").decode()

    def set_address(self, hostname: str, address: str) -> None:
        """Instead of 127.0.0.1."""
        self._dns("clear-a", {"host": hostname})
        self._dns("add-a", {"host": hostname, "addresses": [address]})

    def set_txt(self, place: str, content: str) -> None:
        self._dns("set-txt", {"host": f"{place}.", "value": content})

    def clear_txt(self, place: str) -> None:
        self._dns("clear-txt", {"host": f"{place}."})

    def _run(self, name: str, argv: list[str]) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self._variables}
            )

    def _end(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.wait(PATIENCE)

    def _answers(self) -> bool:
        try:
            self.issuing_root()
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def _management(self, method: str, path: str) -> bytes:
        connection = http.client.HTTPSConnection("localhost", self.management_port, context=self.context, timeout=PATIENCE)
        try:
            connection.request(method, path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def _dns(self, verb: str, body: dict[str, object]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.dns_management_port, timeout=PATIENCE)
        try:
            connection.request("POST", f"/{verb}", body=json.dumps(body))
            assert connection.getresponse().status == 200
        finally:
            connection.close()


Refusal = tuple[int, dict[str, str], bytes]


class Front:
    """Passes everything on to Pebble, but for what `refuse` answers itself: `(path) -> (status, headers, body)` or None.

    Pebble makes its addresses from the Host it is asked by, so all requests come this way.
    """

    def __init__(self, pebble: Pebble) -> None:
        self.pebble = pebble
        self.refuse: Callable[[str], Refusal | None] = lambda path: None
        self.seen: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(pebble.served))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_port}/dir"

    def refuse_once(self, path: str, status: int, kind: str, detail: str, **headers: str) -> None:
        """The next request to this path gets an ACME problem."""
        body = json.dumps({"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail, "status": status}).encode()

        def refuse(asked: str) -> Refusal | None:
            if asked != path:
                return None
            self.refuse = lambda _: None
            return status, {"Content-Type": "application/problem+json", **headers}, body

        self.refuse = refuse

    def fetch(self, path: str) -> bytes:
        """What Pebble answers by this way."""
        connection = http.client.HTTPSConnection("localhost", self._server.server_port, context=self.pebble.context, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                front.seen.append(self.path)
                refused = front.refuse(self.path)
                status, headers, content = refused or self._passed_on(body)
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_HEAD = do_any

            def _passed_on(self, body: bytes) -> Refusal:
                connection = http.client.HTTPSConnection("localhost", front.pebble.port, context=front.pebble.context, timeout=PATIENCE)
                try:
                    connection.request(self.command, self.path, body=body or None, headers=dict(self.headers.items()))
                    answer = connection.getresponse()
                    return answer.status, dict(answer.getheaders()), answer.read()
                finally:
                    connection.close()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: what was asked is in `seen`."""

        return Handler
