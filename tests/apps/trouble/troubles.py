"""What can go wrong, by name: each trouble changes one moment in the life of the server.

TROUBLE is a name, or name=number where a number makes sense (slow-start=8). The default numbers are below.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import ThreadingHTTPServer
from types import FrameType

SECRET = "SECRET_TOKEN"

SignalHandler = Callable[[int, FrameType | None], object]


def nothing(*_: object) -> None:
    """The moment passes as in a healthy server."""


@dataclass(frozen=True)
class Trouble:
    """The moments at which a server can go wrong; as they are, it is healthy."""

    host: str = "0.0.0.0"
    port: int = field(default_factory=lambda: int(os.environ.get("PORT", "8000")))
    before_listening: Callable[[], object] = nothing
    when_listening: Callable[[ThreadingHTTPServer], object] = nothing
    after_closing: Callable[[], object] = nothing
    on_sigterm: SignalHandler | None = None
    request_seconds: float = 0.0
    status: int | None = None


def named(text: str) -> Trouble:
    """Raises SystemExit with the names there are when this is none of them."""
    name, _, number = text.partition("=")
    if not name:
        return Trouble()
    if name not in TROUBLES:
        raise SystemExit(f"TROUBLE={text}: choose one of {', '.join(TROUBLES)}")
    make, usual = TROUBLES[name]
    return make(Trouble(), float(number or usual))


def current() -> Trouble:
    return named(os.environ.get("TROUBLE", ""))


def _never_listens(healthy: Trouble, _: float) -> Trouble:
    return replace(healthy, before_listening=_hang)


def _wrong_port(healthy: Trouble, offset: float) -> Trouble:
    return replace(healthy, port=healthy.port + int(offset))


def _ipv6_only(healthy: Trouble, _: float) -> Trouble:
    return replace(healthy, host="::1")


def _answers(healthy: Trouble, status: float) -> Trouble:
    return replace(healthy, status=int(status))


def _dies_after(healthy: Trouble, seconds: float) -> Trouble:
    return replace(healthy, when_listening=lambda _server: _later(seconds, lambda: _die(f"died after {seconds:g} s")))


def _ignores_sigterm(healthy: Trouble, _: float) -> Trouble:
    return replace(healthy, on_sigterm=lambda _signal, _frame: print("SIGTERM ignored", flush=True))


def _slow_start(healthy: Trouble, seconds: float) -> Trouble:
    return replace(healthy, before_listening=lambda: time.sleep(seconds))


def _slow_requests(healthy: Trouble, seconds: float) -> Trouble:
    return replace(healthy, request_seconds=seconds)


def _closes_listener_early(healthy: Trouble, seconds: float) -> Trouble:
    """Some seconds after the start it stops accepting without a signal; the process lives on."""
    return replace(
        healthy,
        when_listening=lambda server: _later(seconds, lambda: threading.Thread(target=server.shutdown).start()),
        after_closing=_hang,
    )


def _leaks_memory(healthy: Trouble, megabytes_a_second: float) -> Trouble:
    return replace(healthy, when_listening=lambda _server: _later(0, lambda: _leak(int(megabytes_a_second))))


def _forks_children(healthy: Trouble, count: float) -> Trouble:
    """Children in sessions of their own, deaf to SIGTERM: they outlive a stop that only asks their parent."""
    return replace(healthy, before_listening=lambda: [_fork_child() for _ in range(int(count))])


def _floods_output(healthy: Trouble, lines_a_second: float) -> Trouble:
    return replace(healthy, when_listening=lambda _server: _later(0, lambda: _flood(int(lines_a_second))))


def _exits_at_once(healthy: Trouble, code: float) -> Trouble:
    return replace(healthy, before_listening=lambda: _exit(int(code)))


def _prints_secret(healthy: Trouble, _: float) -> Trouble:
    return replace(healthy, before_listening=lambda: print(f"connecting with {os.environ.get(SECRET)}", flush=True))


# Name: the trouble, and its number when none is given.
TROUBLES: dict[str, tuple[Callable[[Trouble, float], Trouble], float]] = {
    "never-listens": (_never_listens, 0),
    "wrong-port": (_wrong_port, 1),
    "ipv6-only": (_ipv6_only, 0),
    "answers-500": (_answers, 500),
    "dies-after-3s": (_dies_after, 3),
    "ignores-sigterm": (_ignores_sigterm, 0),
    "slow-start": (_slow_start, 5),
    "slow-requests": (_slow_requests, 2),
    "closes-listener-early": (_closes_listener_early, 1),
    "leaks-memory": (_leaks_memory, 20),
    "forks-children": (_forks_children, 3),
    "floods-output": (_floods_output, 20_000),
    "exits-at-once": (_exits_at_once, 3),
    "prints-secret": (_prints_secret, 0),
}


def _later(seconds: float, act: Callable[[], object]) -> None:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()


def _hang() -> None:
    print("alive, not listening", flush=True)
    while True:
        time.sleep(3600)


def _die(message: str) -> None:
    """As a crash does: a traceback's worth of words, and no goodbye to anybody."""
    print(f"RuntimeError: {message}", file=sys.stderr, flush=True)
    os._exit(1)


def _exit(code: int) -> None:
    print("cannot start: the setting DATABASE_URL is missing", file=sys.stderr, flush=True)
    sys.exit(code)


def _leak(megabytes_a_second: int) -> None:
    kept = []
    while True:
        kept.append(bytearray(b"x") * (megabytes_a_second * 1024 * 1024))
        time.sleep(1)


def _fork_child() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    print(f"child {child.pid}", flush=True)


def _flood(lines_a_second: int) -> None:
    line = "all work and no play makes the log a dull place " * 3 + "\n"
    while True:
        sys.stdout.write(line * (lines_a_second // 20))
        sys.stdout.flush()
        time.sleep(0.05)
