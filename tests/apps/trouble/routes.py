"""The answers of the trouble server: what a test needs to look at from outside."""

import json
import os
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import troubles
import websocket

VERSION = Path(__file__).with_name("VERSION")


class Routes(BaseHTTPRequestHandler):
    """Keep-alive HTTP/1.1; a path is a method's name."""

    protocol_version = "HTTP/1.1"
    # An idle kept-alive connection is closed after this many seconds.
    timeout = 75
    # Head and body are two writes: without this, the second waits for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def parse_request(self) -> bool:
        """The first moment at which a request is under way."""
        self.server.begin_request()
        if super().parse_request():
            return True
        self.server.end_request()
        return False

    def answer_request(self) -> None:
        try:
            self._route()
            self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            self.server.end_request()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer_request

    def log_message(self, format: str, *arguments: object) -> None:
        print(f"{self.address_string()} {format % arguments}", flush=True)

    def _route(self) -> None:
        trouble = troubles.current()
        path, self.query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        # Reads before it answers: a body left unread would be taken for the next request.
        self.content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(trouble.request_seconds)
        if trouble.status:
            return self.send(trouble.status, b"as asked by TROUBLE\n")
        return getattr(self, "at_" + path.strip("/"), self.at_unknown)()

    def send(self, status: int, body: bytes, media_type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Trouble-Version", _version())
        if self.server.is_stopping:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def at_(self) -> None:
        self.send(200, f"trouble {_version()}\n".encode())

    def at_up(self) -> None:
        self.send(200, b"up\n")

    def at_version(self) -> None:
        self.send(200, f"{_version()}\n".encode())

    def at_sleep(self) -> None:
        time.sleep(float(self.query.get("s", "3")))
        self.send(200, b"slept\n")

    def at_status(self) -> None:
        self.send(int(self.query.get("code", "200")), b"as asked\n")

    def at_environment(self) -> None:
        """The value of one variable, byte for byte."""
        value = os.environb.get(self.query.get("name", "").encode())
        self.send(404 if value is None else 200, value or b"", "application/octet-stream")

    def at_echo(self) -> None:
        seen = {
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers.items()),
            "body": self.content.decode(errors="replace"),
        }
        self.send(200, json.dumps(seen).encode(), "application/json")

    def at_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(int(self.query.get("chunks", "5"))):
            chunk = f"chunk {number}\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            time.sleep(float(self.query.get("pause", "0.2")))
        self.wfile.write(b"0\r\n\r\n")

    def at_websocket(self) -> None:
        """Echoes every message until the other side closes."""
        if self.headers.get("Upgrade", "").lower() != "websocket":
            self.send(426, b"a WebSocket is spoken here\n")
            return
        self.close_connection = True
        self.send_response(101)
        for name, value in websocket.handshake(self.headers["Sec-WebSocket-Key"]).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        self.server.websockets.add(self.wfile)
        try:
            websocket.echo(self.rfile, self.wfile)
        finally:
            self.server.websockets.discard(self.wfile)

    def at_unknown(self) -> None:
        self.send(404, b"not found\n")


def _version() -> str:
    return os.environ.get("VERSION") or VERSION.read_text(encoding="utf-8").strip()
