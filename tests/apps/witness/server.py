"""Says what it was given: its arguments, its environment, the files around it. Prints the file `lines` first, byte for byte.

Every path of GET answers, since a health check may ask for any. Standard library only.
"""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def seen() -> dict[str, object]:
    """Everything as hexadecimal bytes, so that nothing is lost on the way to whoever asks."""
    return {
        "argv": [os.fsencode(word).hex() for word in sys.argv[1:]],
        "environment": {name.hex(): value.hex() for name, value in os.environb.items()},
        "files": [name.hex() for name in os.listdir(b".")],
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps(seen()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent: the log holds what `lines` says and nothing else."""


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if Path("lines").exists():
        sys.stdout.buffer.write(Path("lines").read_bytes())
        sys.stdout.buffer.flush()
    if "PORT" in os.environ:
        ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
    Path(f"seen-{os.environ['MOORING_PROCESS']}").write_text(json.dumps(seen()))
    while "--stay" in sys.argv:
        time.sleep(3600)


if __name__ == "__main__":
    main()
