"""A server that goes wrong in the way the variable TROUBLE names; healthy without it. Standard library only.

Routes: /up /version /sleep?s=3 /status?code=500 /stream?chunks=5&pause=0.2 /environment?name=X /echo /websocket
On SIGTERM it stops accepting, finishes the requests under way, says goodbye to WebSockets and exits with 0, unless
that is its trouble.
It must not need anything installed, and each trouble must be one function below.
"""

import os
import signal
import socket
import sys
import threading
from http.server import ThreadingHTTPServer
from types import FrameType
from typing import BinaryIO

import troubles
import websocket
from routes import Routes

STEP_SECONDS = 0.02


class Server(ThreadingHTTPServer):
    """Counts the requests under way, so that a stop can wait for them and for nothing else."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], family: socket.AddressFamily) -> None:
        self.address_family = family
        self.is_stopping = False
        self.under_way = 0
        self.websockets: set[BinaryIO] = set()
        self.changed = threading.Condition()
        super().__init__(address, Routes)

    def begin_request(self) -> None:
        with self.changed:
            self.under_way += 1

    def end_request(self) -> None:
        with self.changed:
            self.under_way -= 1
            self.changed.notify_all()

    def wait_until_quiet(self) -> None:
        for open_websocket in list(self.websockets):
            websocket.say_goodbye(open_websocket)
        with self.changed:
            self.changed.wait_for(lambda: self.under_way == 0)


def main() -> None:
    trouble = troubles.named(os.environ.get("TROUBLE", ""))
    signal.signal(signal.SIGTERM, trouble.on_sigterm or _exit_at_once)
    trouble.before_listening()
    server = Server((trouble.host, trouble.port), socket.AF_INET6 if ":" in trouble.host else socket.AF_INET)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # Not here: shutdown() waits for the loop that this very thread runs.
        server.is_stopping = True
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, trouble.on_sigterm or stop)
    print(f"listening on {trouble.host} port {trouble.port}", flush=True)
    trouble.when_listening(server)
    server.serve_forever(poll_interval=STEP_SECONDS)
    server.server_close()
    trouble.after_closing()
    server.wait_until_quiet()
    print("stopped", flush=True)


def _exit_at_once(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
