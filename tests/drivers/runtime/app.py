"""The kinds of instance and task that the runtime's contract speaks of: `python app.py KIND`. Standard library only, quick to start."""

import os
import signal
import socket
import sys
import time


def listen() -> socket.socket | None:
    port = int(os.environ.get("PORT", "0"))
    if not port:
        return None
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener


def stay() -> None:
    while True:
        time.sleep(3600)


def fork_deaf_child() -> None:
    """In a session of its own."""
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stay()


kind = sys.argv[1]
if kind == "crashing":
    sys.exit(3)
elif kind == "succeeding":
    print("done")
elif kind == "failing":
    sys.exit(5)
elif kind == "endless":
    stay()
else:
    if kind == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if kind == "forking":
        fork_deaf_child()
    listener = listen()
    print("hello", flush=True)
    stay()
