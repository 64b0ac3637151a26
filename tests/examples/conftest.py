"""What the tests of the examples start by hand: minitwit's processes, the trouble server, the traffic simulator.

It must not use Mooring: these tests show that the examples are what they claim to be without it.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
MINITWIT = ROOT / "examples" / "minitwit"
APPS = ROOT / "tests" / "apps"


class Process:
    """A started program whose output goes to a file; stopped at the end of the test whatever happens."""

    def __init__(self, words, *, directory, environment, output, port=None):
        self.output = output
        self.url = f"http://127.0.0.1:{port}"
        inherited = {"PATH": os.environ["PATH"], "HOME": str(output.parent), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                words,
                cwd=directory,
                env=inherited | ({"PORT": str(port)} if port else {}) | environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self):
        return self.output.read_text(errors="replace")

    @property
    def log(self):
        """The lines of JSON it has written."""
        return [json.loads(line) for line in self.text.splitlines()]

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def kill(self):
        """The whole session, gunicorn's workers too."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self, seconds=10):
        """The exit code."""
        return self.process.wait(seconds)

    def wait_until(self, condition, what, seconds=10):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"no {what} after {seconds} s:\n{self.text}"
            time.sleep(0.02)

    def wait_until_answers(self, path):
        self.wait_until(lambda: self._answers(path), f"answer at {path}")
        return self

    def _answers(self, path):
        try:
            return httpx.get(self.url + path, timeout=5).status_code == 200
        except httpx.TransportError:
            return False


class Minitwit:
    """One release of minitwit in a folder of its own, on a data directory that releases may share."""

    def __init__(self, python, start, directory, data_directory, version):
        self.python, self._start, self.directory = python, start, directory
        self.environment = {"DATA_DIR": str(data_directory), "WEB_CONCURRENCY": "1"}
        shutil.copytree(MINITWIT, directory, ignore=shutil.ignore_patterns("__pycache__", ".venv", "data"))
        (directory / "VERSION").write_text(version + "\n")

    def release(self):
        """Runs the release command and returns its log."""
        process = self._process("release", "-m", "minitwit.release")
        assert process.wait() == 0, process.text
        return process.log

    def web(self):
        port = free_port()
        words = ("-m", "gunicorn", "--bind", f"0.0.0.0:{port}", "minitwit.wsgi:application")
        return self._process("web", *words, port=port).wait_until_answers("/health")

    def worker(self):
        worker = self._process("worker", "-m", "minitwit.worker")
        worker.wait_until(lambda: "worker-started" in worker.text, "start of the worker")
        return worker

    def _process(self, name, *words, port=None):
        return self._start(name, [self.python, *words], self.directory, self.environment, port)


@pytest.fixture(scope="session")
def minitwit_python(request, tmp_path_factory):
    """A Python with what minitwit requires: made once for each content of its requirements, kept in pytest's cache."""
    requirements = MINITWIT / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = request.config.cache.mkdir("minitwit") / digest
    if not (home / "bin" / "python").exists():
        draft = tmp_path_factory.mktemp("minitwit") / "environment"
        uv = [shutil.which("uv")] if shutil.which("uv") else [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, draft], check=True)
        install = [*uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", draft / "bin" / "python"]
        subprocess.run([*install, "-r", requirements], check=True)
        with contextlib.suppress(OSError):  # another test process was first
            shutil.move(draft, home)
    return home / "bin" / "python"


@contextlib.contextmanager
def starting(directory_of_output):
    """Gives a function that starts a program by words; all are killed in the end."""
    started = []

    def start_process(name, words, directory, environment, port=None):
        output = directory_of_output / f"{name}-{len(started)}.log"
        started.append(Process(words, directory=directory, environment=environment, output=output, port=port))
        return started[-1]

    try:
        yield start_process
    finally:
        for process in started:
            process.kill()


@pytest.fixture
def start(tmp_path):
    with starting(tmp_path) as start_process:
        yield start_process


@pytest.fixture
def minitwit(minitwit_python, start, tmp_path):
    """Makes a release: minitwit("2.0.0"). All releases of a test share one data directory."""

    def make(version="1.0.0"):
        release = Minitwit(minitwit_python, start, tmp_path / f"release-{version}", tmp_path / "data", version)
        release.release()
        return release

    return make


@pytest.fixture(scope="session")
def shared_web(minitwit_python, tmp_path_factory):
    """A running minitwit for tests that only add to it, each with people of its own."""
    home = tmp_path_factory.mktemp("shared")
    with starting(home) as start_process:
        release = Minitwit(minitwit_python, start_process, home / "release", home / "data", "1.2.3")
        release.release()
        yield release.web()


@pytest.fixture
def data_directory(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def trouble(start):
    """Starts the trouble server: trouble("slow-start=1"). It may not listen; that is its point."""

    def start_trouble(name="", **environment):
        settings = {"TROUBLE": name} | environment
        return start("trouble", [sys.executable, "server.py"], APPS / "trouble", settings, free_port())

    return start_trouble


@pytest.fixture(scope="session")
def traffic():
    """The simulator as a module, as other tests import it."""
    found = importlib.util.spec_from_file_location("minitwit_traffic", MINITWIT / "traffic.py")
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
