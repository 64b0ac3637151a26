"""Gives its secret away by every way an app has: its output in seven encodings, in two halves, across the cut of a long line, in a
traceback, in its answers. The file `mode` says how it goes wrong besides: `ok`, `sick` (answers 500), `dies`, `release` (that fails).

Standard library only.
"""

import base64
import json
import os
import shlex
import signal
import sys
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

LONGEST_LINE = 64 * 1024  # bytes after which Mooring cuts a line
SECRET = os.environ["SECRET"]
MODE = Path("mode").read_text().strip()


def encoded(value: str) -> list[str]:
    raw = value.encode()
    return [
        value,
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        raw.hex(),
        quote(value, safe=""),
        json.dumps({"key": value}),
        shlex.quote(value),
        base64.b64encode(b"user:" + raw).decode(),
        os.environ["DATABASE_URL"],
    ]


def leak() -> None:
    for text in encoded(SECRET):
        print(f"settings: {text}", flush=True)
        print(f"settings: {text}", file=sys.stderr, flush=True)
    half = len(SECRET) // 2
    print(f"in two pieces: {SECRET[:half]}", end="", flush=True)
    time.sleep(0.2)
    print(SECRET[half:], flush=True)
    for inside in (1, half, len(SECRET.encode()) - 1):
        print("x" * (LONGEST_LINE - inside) + SECRET, flush=True)
    try:
        raise RuntimeError(f"cannot connect with {SECRET}")
    except RuntimeError:
        traceback.print_exc()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{MODE} {SECRET}".encode()
        self.send_response(500 if MODE == "sick" else 200, f"because {quote(SECRET)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    leak()
    if "release" in sys.argv:
        sys.exit(3 if MODE == "release" else 0)
    if MODE == "dies":
        sys.exit(f"cannot start with {SECRET}")
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    main()
