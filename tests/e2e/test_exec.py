"""`mooring exec` as people use it: at a real terminal, and in scripts. Whatever happens, the terminal is as before and nothing stays."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e.platform import MOORING, App, Platform, eventually

PATIENCE = 40.0


class Person:
    """Somebody at a terminal of their own."""

    def __init__(self, app: App, *words: str) -> None:
        self._ours, self.terminal = os.openpty()
        self.resize(30, 100)
        self.before = termios.tcgetattr(self.terminal)
        self.seen = b""
        self.process = subprocess.Popen(
            [*MOORING, *words],
            cwd=app.path,
            env={**app.platform.variables, "TERM": "xterm"},
            stdin=self.terminal,
            stdout=self.terminal,
            stderr=self.terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def types(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def sees(self, text: str) -> None:
        """Wait until it stands there; what stood before it is read then."""
        deadline = time.monotonic() + PATIENCE
        while text.encode() not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} never came: {self.seen!r}"
            if select.select([self._ours], [], [], left)[0]:
                self.seen += os.read(self._ours, 65_536)
        self.seen = self.seen.partition(text.encode())[2]

    def ends(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.seen
            if select.select([self._ours], [], [], 0.05)[0]:
                self.seen += os.read(self._ours, 65_536)
        return self.process.returncode

    @property
    def is_as_before(self) -> bool:
        return termios.tcgetattr(self.terminal) == self.before

    def leaves(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.terminal)
        os.close(self._ours)


@contextmanager
def at_terminal(app: App, *words: str) -> Iterator[Person]:
    person = Person(app, *words)
    try:
        yield person
    finally:
        person.leaves()


@pytest.fixture(scope="module")
def app(platform: Platform) -> App:
    app = platform.app("witness", "inside")
    app.write("Procfile", "web: exec python3 -m http.server --bind 127.0.0.1 $PORT\n")
    app.commit("an app")
    answer = app.deploy()
    assert answer.code == 0, answer
    assert app.mooring("config", "set", "COLOUR=blue").code == 0
    return app


def lives(seconds: str) -> bool:
    return any(_arguments(entry) == f"sleep\0{seconds}\0".encode() for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _arguments(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def instance(app: App) -> dict:
    return app.mooring("ps", "--json").json["instances"][0]


def test_in_scripts_input_both_outputs_and_the_exit_code_are_apart(app: App) -> None:
    view = instance(app)
    answer = app.mooring("exec", "web.1", "--", "sh", "-c", 'cat; echo "$PORT $COLOUR"; pwd; echo oh >&2; exit 5', stdin="in\n")
    assert (answer.code, answer.err) == (5, "oh\n"), answer
    cwd = os.readlink(f"/proc/{view['pid']}/cwd")
    assert answer.out.splitlines() == ["in", f"{view['port']} blue", cwd]
    assert app.mooring("exec", "inside.web", "--json", "--", "printf", "%s", "a b").json["stdout"] == "a b"


def test_what_is_not_there_is_refused_with_what_is(app: App) -> None:
    absent = app.mooring("exec", "web.7", "--", "true")
    assert (absent.code, absent.out) == (2, ""), absent
    assert "has no web.7" in absent.err
    assert "it runs web.1" in absent.err
    assert "-t takes a terminal" in app.mooring("exec", "-t", "web", "--", "sh").err
    assert "is no instance" in app.mooring("exec", "a.b.c.1", "--", "sh").err
    missing = app.mooring("exec", "web", "--", "no-such-program")
    assert (missing.code, "no-such-program" in missing.err) == (127, True), missing


def test_a_shell_at_a_terminal_has_its_size_its_keys_and_its_exit_code(app: App) -> None:
    with at_terminal(app, "exec", "-it", "web", "--", "sh") as person:
        person.types("stty size; echo $((40+2))\n")
        person.sees("30 100")
        person.sees("42")
        person.resize(50, 132)
        person.types("until [ \"$(stty size)\" = '50 132' ]; do sleep 0.1; done; echo $((50+1))\n")
        person.sees("51")
        person.types("sh -c 'trap \"exit 3\" INT; echo $((60+1)); while :; do sleep 0.1; done'\n")
        person.sees("61")
        person.types("\x03")
        person.types("echo $COLOUR $? $((70+1))\n")
        person.sees("blue 3 71")
        person.types("exit 9\n")
        assert person.ends() == 9
        assert person.is_as_before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_who_is_killed_leaves_nothing_running_and_the_terminal_as_it_was(app: App, number: signal.Signals) -> None:
    seconds = f"86{int(number):02d}"
    with at_terminal(
        app, "exec", "-it", "web", "--", "sh", "-c", f"setsid sleep {seconds} & trap '' HUP; echo ready; sleep {seconds}"
    ) as person:
        person.sees("ready")
        eventually(lambda: lives(seconds))
        assert not person.is_as_before
        person.process.send_signal(number)
        assert person.ends() == (-number if number is signal.SIGKILL else 128 + number)
        assert person.is_as_before or number is signal.SIGKILL  # then it is the shell's to restore it
    eventually(lambda: not lives(seconds))
    assert instance(app)["restarts"] == 0


def test_a_controller_that_is_killed_gives_the_terminal_back_with_the_reason(app: App) -> None:
    with at_terminal(app, "exec", "-it", "web", "--", "sh", "-c", "trap '' HUP TERM; setsid sleep 8700 & echo ready; sleep 8700") as person:
        person.sees("ready")
        for pid in app.platform.pids():
            if b"mooring.server\0serve" in _arguments(Path(f"/proc/{pid}")):
                os.kill(pid, signal.SIGKILL)
        assert person.ends() == 1
        person.seen = person.seen.replace(b"\r\n", b" ")
        assert b"the connection broke" in person.seen
        assert person.is_as_before
    eventually(lambda: app.mooring("exec", "web", "--", "echo", "again").out == "again\n")  # the supervisor starts the controller anew
    eventually(lambda: not lives("8700"))
