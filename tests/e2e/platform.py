"""A whole platform for a test: its own state, its own ports, the real command line; gone at the end, whatever happened."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = ROOT / "tests" / "apps"
MOORING = [str(Path(sys.executable).with_name("mooring"))]


class Answer:
    """What a command printed and how it ended."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        """JSON lines of a stream."""
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Platform:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.port = free_port()
        self.https_port = free_port()
        self.program = MOORING
        self.variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MOORING")},
            "MOORING_STATE": str(self.state),
            "HOME": str(directory),
            "NO_COLOR": "1",
        }

    def mooring(self, *words: str, cwd: Path | None = None, stdin: str = "", timeout: float = 150) -> Answer:
        command = [*self.program, *words]
        return Answer(
            subprocess.run(
                command, cwd=cwd or self.directory, env=self.variables, input=stdin, capture_output=True, text=True, timeout=timeout
            )
        )

    def start(self, *words: str, cwd: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.program, *words],
            cwd=cwd,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def up(self) -> Answer:
        answer = self.mooring("up", "--http-port", str(self.port), "--https-port", str(self.https_port))
        assert answer.code == 0, answer
        return answer

    def down(self) -> Answer:
        return self.mooring("down")

    def app(self, source: str | Path, name: str | None = None) -> App:
        origin = APPS / source if isinstance(source, str) else source
        return App(self, origin, name or origin.name)

    def pids(self) -> list[int]:
        """Every process that works on this state directory."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                words += os.fsencode(os.readlink(entry / "cwd"))  # what writes its title over both is known by where it works
            except OSError:
                continue
            if os.fsencode(self.state) in words:
                found.append(int(entry.name))
        return found

    def kill_all(self) -> None:
        for _ in range(3):
            for pid in self.pids():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)


class App:
    """A copy of an app as a git repository of its own."""

    def __init__(self, platform: Platform, origin: Path, name: str) -> None:
        self.platform = platform
        self.name = name
        self.path = platform.directory / name
        shutil.copytree(origin, self.path, ignore=shutil.ignore_patterns("__pycache__", "data", ".*_cache", "node_modules"))
        self.git("init", "--quiet", "--initial-branch", "main")
        self.commit("first version")

    @property
    def host(self) -> str:
        return f"{self.name}.localhost"

    def git(self, *words: str) -> str:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
        done = subprocess.run(["git", *identity, *words], cwd=self.path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def release(self, number: int) -> None:
        """Commit a version whose /version answers `number`."""
        package = self.path / "package.json"
        if package.exists():
            package.write_text(json.dumps({**json.loads(package.read_text()), "version": f"{number}.0.0"}))
        else:
            self.write("version" if (self.path / "index.html").exists() else "VERSION", f"{number}\n")
        self.commit(f"version {number}")

    def version(self) -> int:
        """Which version answers now."""
        status, body, _ = self.get("/version")
        assert status == 200, body
        return int(body.decode().strip().split(".")[0])

    def mooring(self, *words: str, stdin: str = "", timeout: float = 150) -> Answer:
        return self.platform.mooring(*words, cwd=self.path, stdin=stdin, timeout=timeout)

    def deploy(self, *words: str) -> Answer:
        return self.mooring("deploy", *words)

    def get(self, path: str = "/", *, headers: dict[str, str] | None = None, timeout: float = 15) -> tuple[int, bytes, dict[str, str]]:
        return self.send("GET", path, headers=headers, timeout=timeout)

    def send(
        self, method: str, path: str, body: bytes | None = None, *, headers: dict[str, str] | None = None, timeout: float = 15
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.platform.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers={"Host": f"{self.host}:{self.platform.port}", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()


@contextmanager
def short_directory() -> Iterator[Path]:
    """Where a platform and its apps live; gone at the end. Its path is short: a socket's has 107 bytes at most."""
    directory = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def running(here: Platform) -> Iterator[Platform]:
    """It is up, and goes down at the end of what went well; whatever happens no process of it is left."""
    try:
        here.up()
        yield here
        here.down()
    finally:
        here.kill_all()


class Traffic:
    """Constant traffic on an app from another thread, as a context: `with Traffic(app) as traffic: ...`, then `traffic.report`.

    `at` is the edge that is asked, `address:port`; else the controller's own.
    """

    def __init__(
        self, app: App, *, rate: float = 100, paths: tuple[str, ...] = ("/",), version_header: str = "X-Version", at: str = ""
    ) -> None:
        script = [sys.executable, str(ROOT / "examples" / "minitwit" / "traffic.py"), "--url", f"http://{app.host}:{app.platform.port}"]
        options = ["--connect", at or f"127.0.0.1:{app.platform.port}", "--rate", str(rate), "--seconds", "inf", "--json"]
        reads = [word for path in paths for word in ("--path", path)]
        self._app = app
        self._command = [*script, *options, *reads, "--version-header", version_header]
        self.report: dict = {}

    def __enter__(self) -> Traffic:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(1.0)
        assert self._process.poll() is None, self._process.communicate()
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(0.5)
        self._process.send_signal(signal.SIGINT)
        said, trouble = self._process.communicate(timeout=60)
        assert said, trouble
        self.report = json.loads(said)
        if self.report["failed"]:
            print(self._circumstances())  # pytest shows it with a test that fails

    def _circumstances(self) -> str:
        """How many failed in which second and how, what the edge wrote of such requests, and what had happened on the platform."""
        failures = Counter(
            (int(each["second"]), each["problem"], each["headers"].get("x-mooring-edge", "")) for each in self.report["failures"]
        )
        figures = {name: value for name, value in self.report.items() if name != "failures"}
        log = self._app.platform.state / "edge" / "log" / "access.log"
        refused = (
            [line for line in log.read_text(errors="replace").splitlines() if re.search(r'"status":(?!2)', line)] if log.exists() else []
        )
        seconds = [f"second {second}: {count} × {problem} {page}" for (second, problem, page), count in sorted(failures.items())]
        events = self._app.mooring("events", "--all", "--lines", "150").out.splitlines()
        return "\n".join(
            [str(figures), *seconds, f"the edge's own lines, {len(refused)} in all:", *refused[-20:], "what happened:", *events]
        )


def receipt_of(app: App) -> dict:
    """The newest deployment's receipt, by the API's own word."""
    answer = app.mooring("follow", "--json")
    return next(line["fields"]["receipt"] for line in reversed(answer.lines) if line.get("kind") == "receipt")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(check, *, within: float = 20, every: float = 0.1):
    """What `check` gives once it is true; fails with the last answer."""
    deadline = time.monotonic() + within
    while True:
        answer = check()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {within} s; the last answer was {answer!r}"
        time.sleep(every)
