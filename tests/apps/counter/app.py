"""Counts visits in a Redis that it finds by REDIS_URL; /version says which release answers. Needs nothing but Python."""

import http.server
import os
import socket
import urllib.parse

PLACE = urllib.parse.urlsplit(os.environ["REDIS_URL"])
VERSION = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "VERSION")).read().strip()


def asked(*words: str) -> str:
    """One command on a connection of its own; the answer's first line. Source: the Redis serialization protocol."""
    with socket.create_connection((PLACE.hostname, PLACE.port), timeout=5) as connection:
        lines = connection.makefile("rwb")
        for command in (("AUTH", PLACE.password or ""), words):
            lines.write(b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in command))
            lines.flush()
            answer = lines.readline().decode().strip()
            if answer.startswith("-"):
                raise OSError(answer)
        return answer


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        try:
            status, text = 200, VERSION if self.path == "/version" else asked("INCR", "visits").removeprefix(":")
        except OSError as error:
            status, text = 500, str(error)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Version", VERSION)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler)
    server.serve_forever()
