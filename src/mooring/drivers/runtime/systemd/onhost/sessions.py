"""A command with somebody attached: a unit that passes, with a terminal or three pipes of its own, while this program is spoken to.

What is said goes over standard input and output in frames: a kind, a length, so many bytes. The first is the question, as JSON.
Where it enters an instance, it is a unit of the same user in the same place and with the same variables, which ends with the instance.
Must not: leave anything running or written when the other side goes away, by whatever way.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from typing import Any

from mooring.drivers.runtime.systemd.onhost import artifacts, instances, record, units
from mooring.drivers.runtime.systemd.onhost.place import Place

HEADER = struct.Struct(">BI")  # kind, length
WINDOW = struct.Struct(">HH")  # rows, columns
INPUT, END_OF_INPUT, RESIZE, ALIVE = range(4)  # kinds of frames to the host
BEGUN, OUT, ERR, ENDED, FAILED = range(10, 15)  # and from it
SILENCE = 60.0  # seconds without a frame after which the other side counts as gone
_CHUNK = 65_536
_STOP_WITHIN = 30.0  # seconds
_LEFT_WITHIN = 0.3  # seconds that output may still come after the command has ended


class _Ends:
    """What the unit's input and outputs are connected to on this side. `source` takes input; `outputs` by kind of frame."""

    def __init__(self, folder: str, window: list[int] | None) -> None:
        self.is_terminal = window is not None
        self.tty = ""
        self.kept: list[int] = []
        if window is not None:
            ours, theirs = os.openpty()
            self.kept.append(theirs)  # so that it is open before the unit is and after
            self.tty, self.source, self.outputs = os.ttyname(theirs), ours, {OUT: ours}
            self.resize(*window)
        else:
            for name in ("stdin", "stdout", "stderr"):
                os.mkfifo(f"{folder}/{name}")
                os.chmod(f"{folder}/{name}", 0o666)  # noqa: S103 - the app's own user may open them again; nobody else comes into the folder
            self.source = os.open(f"{folder}/stdin", os.O_RDWR | os.O_CLOEXEC)
            self.outputs = {
                kind: os.open(f"{folder}/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                for kind, name in ((OUT, "stdout"), (ERR, "stderr"))
            }
        for descriptor in (self.source, *self.outputs.values()):
            os.set_blocking(descriptor, False)

    def resize(self, rows: int, columns: int) -> None:
        if self.is_terminal:
            fcntl.ioctl(self.source, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class _Conversation:
    """Carries input, output and sizes until the unit has ended or nobody speaks any more."""

    def __init__(self, ends: _Ends, unit_ended: int) -> None:
        self._ends = ends
        self._unit_ended = unit_ended
        self._heard = bytearray()
        self._typed = bytearray()
        self._is_ending_input = False
        self.is_begun = False
        self._selector = selectors.DefaultSelector()
        for descriptor in (0, unit_ended, *ends.outputs.values()):
            self._selector.register(descriptor, selectors.EVENT_READ)

    def goes_on(self) -> bool:
        """One look at what came. False: the unit has ended. Raises EOFError when the other side has gone."""
        self._watch_input()
        ready = self._selector.select(SILENCE)
        if not ready:
            raise EOFError
        for key, events in ready:
            if key.fd == 0:
                self._hear()
            elif key.fd != self._unit_ended and events & selectors.EVENT_READ:
                self._tell(key.fd)
        self._type()
        return all(key.fd != self._unit_ended for key, _ in ready)

    def tell_the_rest(self) -> None:
        """What was said before the end, also of what goes on writing for a moment."""
        for descriptor in self._ends.kept:
            os.close(descriptor)
        for descriptor in (0, self._unit_ended):
            if descriptor in self._selector.get_map():
                self._selector.unregister(descriptor)
        while self._selector.get_map() and (ready := self._selector.select(_LEFT_WITHIN)):
            told = [self._tell(key.fd) for key, events in ready if events & selectors.EVENT_READ]
            if not any(told):
                return

    def _watch_input(self) -> None:
        """Nothing more is heard while the command does not take what was typed."""
        source, outputs = self._ends.source, self._ends.outputs.values()
        if source < 0:
            return
        wanted = (selectors.EVENT_READ if source in outputs else 0) | (selectors.EVENT_WRITE if self._typed else 0)
        known = source in self._selector.get_map()
        if known and wanted:
            self._selector.modify(source, wanted)
        elif known:
            self._selector.unregister(source)
        elif wanted:
            self._selector.register(source, wanted)
        is_heard = 0 in self._selector.get_map()
        if is_heard and len(self._typed) > _CHUNK:
            self._selector.unregister(0)
        elif not is_heard and len(self._typed) <= _CHUNK:
            self._selector.register(0, selectors.EVENT_READ)

    def _hear(self) -> None:
        chunk = os.read(0, _CHUNK)
        if not chunk:
            raise EOFError
        self._heard += chunk
        while len(self._heard) >= HEADER.size:
            kind, length = HEADER.unpack_from(self._heard)
            if len(self._heard) < HEADER.size + length:
                return
            content = bytes(self._heard[HEADER.size : HEADER.size + length])
            del self._heard[: HEADER.size + length]
            if kind == INPUT and self._ends.source >= 0:
                self._typed += content
            elif kind == END_OF_INPUT:
                self._is_ending_input = True
            elif kind == RESIZE:
                self._ends.resize(*WINDOW.unpack(content))

    def _type(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._typed and self._ends.source >= 0:
                del self._typed[: os.write(self._ends.source, self._typed)]
        if self._is_ending_input and not self._typed and not self._ends.is_terminal and self._ends.source >= 0:
            if self._ends.source in self._selector.get_map():
                self._selector.unregister(self._ends.source)
            os.close(self._ends.source)
            self._ends.source = -1

    def _tell(self, descriptor: int) -> bool:
        """False: nothing more comes there."""
        try:
            chunk = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:  # a terminal whose last process has gone
            chunk = b""
        if not chunk:
            self._selector.unregister(descriptor)
            return False
        if not self.is_begun:  # launch.py's own first byte
            self.is_begun, chunk = True, chunk[1:]
            say(BEGUN)
        say(next(kind for kind, known in self._ends.outputs.items() if known == descriptor), chunk)
        return True


def converse(place: Place, asked: dict[str, Any]) -> None:
    """Until it has ended, or the other side has gone. Raises Failed where it cannot be begun."""
    with placed(place, asked["name"]) as (folder, unit):
        spec = within(place, asked) if asked["instance"] else _fresh(place, asked)
        lay_out(folder, spec)
        ends = _Ends(folder, asked["window"])
        text = units.session_unit(
            spec, directory=place.directory, run=folder, program=place.program, python=sys.executable, is_root=place.is_root, tty=ends.tty
        )
        put(place, unit, text)
        say(ENDED, json.dumps(_attended(place, unit, ends)).encode())


@contextlib.contextmanager
def placed(place: Place, name: str) -> Iterator[tuple[str, str]]:
    """The folder and the unit of a command that passes; nothing of it is left afterwards."""
    folder, unit = place.path("sessions", name), _unit_name(name)
    with record.locked(place.path("sessions.lock")):
        _sweep(place)
        record.make_directory(folder)
        held = _held(folder)
    assert held is not None
    try:
        yield folder, unit
    finally:
        _remove(place, unit, folder)
        os.close(held)


def lay_out(folder: str, spec: dict[str, Any]) -> None:
    """What its unit reads, and what it needs."""
    instances.lay_out(folder, spec, dict(spec["variables"]))
    record.write(f"{folder}/session.json", {"artifact": spec["artifact"]})


def question() -> bytes:
    """The content of the first frame. Raises EOFError."""
    _, length = HEADER.unpack(_exactly(HEADER.size))
    return _exactly(length)


def _exactly(size: int) -> bytes:
    content = b""
    while len(content) < size:
        piece = os.read(0, size - len(content))
        if not piece:
            raise EOFError
        content += piece
    return content


def say(kind: int, content: bytes = b"") -> None:
    """Raises EOFError when nobody listens."""
    left = memoryview(HEADER.pack(kind, len(content)) + content)
    try:
        while left:
            left = left[os.write(1, left) :]
    except OSError:
        raise EOFError from None


def _fresh(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    place.check()
    spec: dict[str, Any] = asked["spec"]
    artifacts.locate(place, spec)
    return spec


def within(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    """As the instance was started, but for the command. Raises Failed where it does not run."""
    slug = asked["instance"]
    run, unit = place.path("run", slug), instances.unit_name(slug)
    launch, instance = record.read(f"{run}/launch"), record.read(f"{run}/instance.json")
    shown = place.shown([unit], "ActiveState", "MainPID").get(unit, {})
    if not launch or not instance or shown.get("ActiveState") != "active" or not int(shown.get("MainPID") or 0):
        hint = "`mooring ps` shows what does, and `mooring run` starts a fresh process"
        raise record.Failed("unavailable", f"{asked['title']} does not run now", hint)
    instances.refuse_foreign(place, unit)
    spec: dict[str, Any] = {
        **launch,
        "argv": asked["argv"],
        "title": asked["title"],
        "environment_slug": asked["environment_slug"],
        "variables": {**launch["environment"], **asked["variables"]},
        "secret_files": {name: _text_of(f"{run}/secrets/{name}") for name in launch["files"]},
        "memory": instance["memory"],
        "artifact": instance["artifact"],
        "within": unit,
    }
    spec["shown"] = []
    if place.is_root and spec["artifact"]:
        artifacts.locate(place, spec)
    return spec


def _text_of(path: str) -> str:
    with open(path, "rb") as file:
        return file.read().decode("utf-8", "surrogateescape")


def put(place: Place, unit: str, text: str) -> None:
    record.make_directory(place.passing_units, 0o755)
    record.write_whole(f"{place.passing_units}/{unit}", text.encode(), 0o644)


def _attended(place: Place, unit: str, ends: _Ends) -> dict[str, Any]:
    """How it ended."""
    waiting = place.starting(unit)
    ended = os.pidfd_open(waiting.pid)
    conversation = _Conversation(ends, ended)
    while conversation.goes_on():
        pass
    conversation.tell_the_rest()
    said = waiting.communicate()[1].decode(errors="replace").strip()
    if not conversation.is_begun:
        raise record.Failed("unavailable", f"the command was not started: {said[-300:]}", f"`journalctl -u {unit}` on the host may say why")
    return {"code": exit_code(place, unit)}


def exit_code(place: Place, unit: str) -> int:
    """Of one that has ended: 128 + the signal's number when killed."""
    shown = place.shown([unit], "ExecMainStatus", "ExecMainCode").get(unit, {})
    status = int(shown.get("ExecMainStatus") or 0)
    return status if shown.get("ExecMainCode") in ("0", "1", None) else 128 + status


def _remove(place: Place, unit: str, folder: str) -> None:
    """Ended with all that it started, and nothing of it left."""
    with contextlib.suppress(record.Failed, subprocess.TimeoutExpired):
        place.order("stop", "--", unit, within=_STOP_WITHIN)
    record.remove(f"{place.passing_units}/{unit}")
    place.clear(unit)
    shutil.rmtree(folder, ignore_errors=True)


def _sweep(place: Place) -> None:
    """What sessions left whose program was killed: nobody holds their lock."""
    folder = place.path("sessions")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        held = _held(f"{folder}/{name}")
        if held is not None:
            _remove(place, _unit_name(name), f"{folder}/{name}")
            os.close(held)


def _held(folder: str) -> int | None:
    """The lock of a session, as long as it is open; None where its program has it."""
    descriptor = os.open(f"{folder}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _unit_name(name: str) -> str:
    return f"mooring.session.{name}.service"
