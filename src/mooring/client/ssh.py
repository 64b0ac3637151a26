"""The way to a platform on another machine: OpenSSH runs `mooring dial` there, whose input and output are the connection.

No port is open for it, and whoever may log in as the platform's user may do what that user may. OpenSSH itself is used because it brings a
person's keys, agent, bastions and known hosts along. The first connection stays open for a minute and carries the next ones.
Must not: accept a host key that is not known, or ask for a password.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from mooring.client.contexts import SshTarget
from mooring.client.location import check_private
from mooring.errors import InvalidInput, PlatformNotRunning

GREETING = b"mooring dial 1\n"
KEPT_OPEN = 60  # seconds that a connection waits for another command
_ANSWER_WITHIN = 30.0
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\Z")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._:-]{0,252})\Z")  # a name, an address, or a word of the person's ssh_config
_PROGRAM = re.compile(r"[A-Za-z0-9_./~][A-Za-z0-9_./~+@-]{0,254}\Z")
_SSH_FAILED = 255  # source: ssh(1), EXIT STATUS
_NOT_FOUND = (126, 127)  # source: POSIX, Shell Command Language, 2.8.2
_SHOWN = 3  # lines of what ssh said


def parse_target(url: str, *, program: str = "mooring") -> SshTarget:
    """From `ssh://[user@]host[:port][/directory/of/the/state]`. Raises InvalidInput."""
    try:
        parts = urlsplit(url)
        port = parts.port or 0
    except ValueError:
        raise _wrong(url, "that is no address") from None
    host, user, state = parts.hostname or "", unquote(parts.username or ""), unquote(parts.path).rstrip("/")
    if parts.scheme != "ssh" or not _HOST.match(host):
        raise _wrong(url, "it needs ssh:// and a host")
    if parts.password is not None:
        raise _wrong(parts._replace(netloc=f"{user}:…@{host}").geturl(), "a password has no place in it: use a key")
    if user and not _USER.match(user):
        raise _wrong(url, f"{user!r} is no user's name")
    if parts.query or parts.fragment or not state.isprintable():
        raise _wrong(url, "nothing may follow the directory")
    if not _PROGRAM.match(program):
        raise InvalidInput(f"{program!r} is no program's path", hint="letters, digits and . _ - + @ ~ /, like /opt/mooring/bin/mooring")
    return SshTarget(host=_as_written(parts.netloc, host), user=user, port=port, state=state, program=program)


def ssh_command(target: SshTarget, control: Path, *, asks: bool = False) -> list[str]:
    """The argument list. `asks`: ssh may ask the person at the terminal for a password, or about an unknown host key."""
    options = {
        "BatchMode": "no" if asks else "yes",
        "StrictHostKeyChecking": "ask" if asks else "yes",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "PermitLocalCommand": "no",
        "ControlMaster": "auto",
        "ControlPath": str(control / "%C"),
        "ControlPersist": str(KEPT_OPEN),
    }
    words = ["ssh", "-T", "-e", "none"]
    words += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    words += ["-l", target.user] if target.user else []
    words += ["-p", str(target.port)] if target.port else []
    return [*words, "--", target.host, remote_command(target)]


def remote_command(target: SshTarget) -> str:
    """What the shell there reads, quoted here word by word; only `~/` at a program's beginning stays a home directory."""
    words = ["dial", *(["--state", target.state] if target.state else [])]
    program = target.program if target.program.startswith("~/") else shlex.quote(target.program)
    return f"{program} {shlex.join(words)}"


class SshWay:
    """Each connection is a process of ssh; `asks` as for `ssh_command`."""

    def __init__(self, target: SshTarget, *, asks: bool = False) -> None:
        self._target = target
        self._asks = asks
        self._children: list[subprocess.Popen[bytes]] = []

    @property
    def place(self) -> str:
        return str(self._target)

    def connect(self) -> socket.socket:
        """Raises PlatformNotRunning with what ssh, or the other side's `mooring`, said."""
        self._children = [child for child in self._children if child.poll() is None]
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as said:
            child = self._started(theirs, said)
            self._children.append(child)
            try:
                _greeted(ours)
            except OSError as lost:
                ours.close()
                raise self._failure(_ended(child), said) from lost
        return ours

    def _started(self, theirs: socket.socket, said: IO[bytes]) -> subprocess.Popen[bytes]:
        command = ssh_command(self._target, control_directory(), asks=self._asks)
        try:
            with theirs:
                return subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=said)  # noqa: S603 (an argument list)
        except FileNotFoundError:
            raise PlatformNotRunning("there is no program `ssh` here", hint="install OpenSSH's client") from None

    def _failure(self, code: int, said: IO[bytes]) -> PlatformNotRunning:
        said.seek(0)
        text = said.read(20_000).decode("utf-8", "replace")
        lines = ["".join(letter for letter in line if letter.isprintable()).strip() for line in text.splitlines()]
        words = " ".join([line for line in lines if line][-_SHOWN:])
        host = self._target.host
        if code == _SSH_FAILED:
            why, hint = _explained(text, self._target) or (
                words or "it said nothing",
                "try it with ssh itself; what works there works here",
            )
            return PlatformNotRunning(f"ssh did not reach {self.place}: {why}", hint=hint)
        if code in _NOT_FOUND:
            hint = f"say where it is: mooring context add NAME {self.place} --program /path/to/mooring"
            return PlatformNotRunning(f"{host} has no program {self._target.program!r} for that user", hint=hint)
        hint = "start it there with `mooring up`"
        return PlatformNotRunning(f"no platform answers at {self.place}: {words or f'its mooring ended with exit code {code}'}", hint=hint)


def control_directory() -> Path:
    """A private directory with a short name for ssh's shared connections. Raises Forbidden when it is somebody else's."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    base = Path(runtime) if runtime.startswith("/") and len(runtime) <= 30 and Path(runtime).is_dir() else None
    directory = base / "mooring-ssh" if base else Path(f"/tmp/mooring-{os.getuid()}-ssh")  # noqa: S108 (owner and mode are checked)
    directory.mkdir(mode=0o700, exist_ok=True)
    check_private(directory)
    return directory


def _greeted(connection: socket.socket) -> None:
    """Until the other side says that it is connected; what a login script prints before is passed over. Raises OSError."""
    connection.settimeout(_ANSWER_WITHIN)
    heard = b""
    while not heard.endswith(GREETING):
        if len(heard) > 100_000:
            raise ConnectionError("something else speaks")
        if not (byte := connection.recv(1)):
            raise ConnectionError("it ended")
        heard += byte


def _ended(child: subprocess.Popen[bytes]) -> int:
    try:
        return child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _explained(text: str, target: SshTarget) -> tuple[str, str] | None:
    """Why, and what to do, for what ssh says most often."""
    if "IDENTIFICATION HAS CHANGED" in text:
        hint = f"find out why before you take the old one away with `ssh-keygen -R {target.host}`"
        return "its host key is another than before", hint
    if "Host key verification failed" in text:
        hint = f"`mooring context add` at a terminal shows it; or connect once with ssh to {target.host}"
        return "its host key is not known here", hint
    if "Permission denied" in text:
        return "it accepts none of your keys", "give your public key to that user (ssh-copy-id), or load it into your agent (ssh-add)"
    return None


def _as_written(netloc: str, host: str) -> str:
    """The host with its capitals, which may matter in an ssh_config."""
    written = netloc.rpartition("@")[2]
    return written[: len(host)] if written.lower().startswith(host) else host


def _wrong(url: str, why: str) -> InvalidInput:
    return InvalidInput(f"{url!r} is not the address of a platform: {why}", hint="write it like ssh://deploy@203.0.113.7")
