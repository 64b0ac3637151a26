"""WebSockets drain by a budget of their own: apart from requests, on the real edge, in a real deployment."""

from __future__ import annotations

import socket
import threading
import time

import websockets.exceptions
import websockets.sync.client
from e2e.platform import App, Platform

ROUNDS = 0.05  # seconds between two messages


class Conversation:
    """A WebSocket that sends and receives until the other side closes; `ended_at` in monotonic seconds."""

    def __init__(self, app: App) -> None:
        self.rounds = 0
        self.ended_at = 0.0
        self._has_begun = threading.Event()
        self._thread = threading.Thread(target=self._talk, args=(app,), daemon=True)
        self._thread.start()
        assert self._has_begun.wait(10)

    def _talk(self, app: App) -> None:
        connection = socket.create_connection(("127.0.0.1", app.platform.port))
        address = f"ws://{app.host}:{app.platform.port}/websocket"
        try:
            with websockets.sync.client.connect(address, sock=connection, proxy=None) as talk:
                while True:
                    talk.send("hello")
                    assert talk.recv(timeout=10) == "hello"
                    self.rounds += 1
                    self._has_begun.set()
                    time.sleep(ROUNDS)
        except websockets.exceptions.ConnectionClosed:
            self.ended_at = time.monotonic()

    def wait(self, seconds: float) -> None:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the WebSocket still lives"


def test_a_websocket_has_its_own_budget_and_a_deployment_waits_no_longer(platform: Platform) -> None:
    app = platform.app("trouble")
    app.write("mooring.toml", '[deploy]\ndrain_timeout = "2m"\nstream_drain_timeout = "4s"\nkill_timeout = "1s"\n')
    app.release(1)
    assert app.deploy().code == 0
    talk = Conversation(app)
    app.release(2)
    began = time.monotonic()
    answer = app.deploy()
    took = time.monotonic() - began
    assert answer.code == 0, answer
    assert app.version() == 2
    assert "1 stream ended" in answer.out
    talk.wait(5)
    assert talk.ended_at - began > 4, "it was cut before its budget was spent"
    assert took < 60, "the deployment waited for it as for a request"
    assert talk.rounds > 4 / ROUNDS / 4
