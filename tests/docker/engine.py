"""A real container engine of the tests' own: dockerd with its state in a temporary directory and a bridge of its own, ended afterwards.
What is asked of it works with any engine that has its API.

Needs root, `dockerd` and a static `busybox` (Debian: docker.io, busybox-static). No image is fetched: they are made of busybox here.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
import urllib.parse
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

PATIENCE = 60.0  # seconds until it answers, and until it has ended
APPLETS = ("sh", "sleep", "cat", "echo", "id", "httpd", "setsid", "kill", "touch", "head", "grep", "stty", "tr", "wget")
NEEDED = ("dockerd", "containerd", "docker-registry", "busybox", "ip")


Engine = TypeVar("Engine", bound="ContainerEngine")


def missing() -> str:
    """What keeps an engine from being started here; empty when nothing does."""
    return absent_of(NEEDED, packages="docker.io docker-registry busybox-static iproute2")


def absent_of(programs: Sequence[str], *, packages: str) -> str:
    """Why an engine that needs these cannot be started here; empty when it can."""
    if os.geteuid() != 0:
        return "only root can start a container engine"
    absent = [program for program in programs if shutil.which(program, path=environment()["PATH"]) is None]
    return f"there is no {', '.join(absent)} (Debian: apt-get install {packages})" if absent else ""


class ContainerEngine(ABC):
    """One that has Docker's API, and is asked directly. `directory` has to be short: a socket's path may have 107 bytes."""

    kept_in = "containers"
    address = "127.0.0.1"  # where containers that publish a port are reached

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "engine.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._make_network()
        self._launch()

    def start_again(self) -> None:
        """After `kill`."""
        self._launch()

    def kill(self) -> None:
        """The engine alone, as when it crashes: what ran goes on, or is ended by the next start."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """It and everything that it started; its mounts and its network."""
        with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
            for each in self.ask("GET", "/containers/json?all=1"):
                self.ask("DELETE", f"/containers/{each['Id']}?force=1&v=1")
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pid in _pids_below(self.directory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for mount in _mounts_below(self.directory):
            subprocess.run(["umount", "-l", mount], check=False)
        self._remove_network()
        shutil.rmtree(self.directory, ignore_errors=True)

    def ask(self, method: str, path: str, body: bytes | dict[str, Any] = b"", *, kind: str = "application/json") -> Any:
        """An answer of its API; an AssertionError with its own words when it refuses."""
        connection = _Connection(self.socket)
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        connection.request(method, f"/v1.41{path}", content, {"Content-Type": kind})
        response = connection.getresponse()
        said = response.read()
        connection.close()
        assert response.status < 400, f"{method} {path}: {response.status} {said.decode()}"
        return json.loads(said) if said[:1] in (b"{", b"[") and said.strip().count(b"\n") == 0 else said

    def make_base(self, tag: str, *, marker: str = "", config: tuple[str, ...] = (), size: int = 0) -> str:
        """An image of one layer that holds busybox, and `size` bytes which do not compress; its id."""
        parameters = urllib.parse.urlencode({"fromSrc": "-", "changes": list(config)}, doseq=True)
        made = self.ask("POST", f"/images/create?{parameters}", base(marker, size), kind="application/x-tar")["status"]
        name, _, version = tag.partition(":")
        self.ask("POST", f"/images/{made}/tag?repo={name}&tag={version}")
        return str(made)

    def build(self, tag: str, dockerfile: str, **files: bytes) -> str:
        """By its own classic builder; the image's id."""
        context = tar({"Dockerfile": dockerfile.encode(), **files})
        self.ask("POST", f"/build?{urllib.parse.urlencode({'t': tag, 'rm': 1})}", context, kind="application/x-tar")
        return str(self.ask("GET", f"/images/{tag}/json")["Id"])

    def make_foreign(self, tag: str) -> str:
        """One that says it is for a machine of a kind that none of these tests run on."""
        image = self.make_base(tag, marker=tag)
        with tarfile.open(fileobj=io.BytesIO(self.ask("GET", f"/images/{tag}/get", kind="application/x-tar"))) as saved:
            files = {member.name: file.read() for member in saved if (file := saved.extractfile(member)) is not None}
        name = image.removeprefix("sha256:") + ".json"
        changed = json.dumps({**json.loads(files.pop(name)), "architecture": "riscv64"}).encode()
        named = hashlib.sha256(changed).hexdigest()
        manifest = json.loads(files["manifest.json"])
        manifest[0]["Config"] = f"{named}.json"
        self.ask("POST", "/images/load", tar({**files, f"{named}.json": changed, "manifest.json": json.dumps(manifest).encode()}))
        return f"sha256:{named}"

    def clear(self) -> None:
        """No container is left, no volume, and no image but the one called base."""
        self._remove("containers", lambda: self.ask("GET", "/containers/json?all=1"), "?force=1&v=1")
        for each in self.ask("GET", "/volumes")["Volumes"] or ():
            self.ask("DELETE", f"/volumes/{each['Name']}?force=1")
        self._remove("images", self._images, "?force=1")

    def events(self, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
        """All that it remembers."""
        asked = {"since": 1, **self._until_now(), "filters": json.dumps(filters)}
        said = self.ask("GET", f"/events?{urllib.parse.urlencode(asked)}")
        return [said] if isinstance(said, dict) else [json.loads(line) for line in said.splitlines()]

    def _until_now(self) -> dict[str, object]:
        return {"until": time.time()}

    def records(self) -> list[Path]:
        """The files in which it keeps what it knows of containers."""
        return [path for path in (self.directory / "data" / self.kept_in).rglob("*") if path.is_file()]

    @contextlib.contextmanager
    def occupied(self, port: int) -> Iterator[None]:
        """Another program listens there, where containers publish theirs."""
        with contextlib.closing(socket.create_server((self.address, port))):
            yield

    def pids(self, container: str) -> list[int]:
        """Of all its processes, the init among them, as the host sees them."""
        table = self.ask("GET", f"/containers/{container}/top")
        return [int(row[table["Titles"].index("PID")]) for row in table["Processes"]]

    def _images(self) -> list[dict[str, Any]]:
        """All that are not called base."""
        every = self.ask("GET", "/images/json")
        return [each for each in every if not any(tag.rpartition("/")[2].startswith("base:") for tag in each["RepoTags"] or [])]

    def _remove(self, kind: str, found: Callable[[], list[dict[str, Any]]], how: str) -> None:
        """Until none is left: a container may be on its way already, an image waits for those that were made from it."""
        deadline = time.monotonic() + PATIENCE
        while left := found():
            assert time.monotonic() < deadline, left
            for each in left:
                with contextlib.suppress(AssertionError):
                    self.ask("DELETE", f"/{kind}/{each['Id']}{how}")

    @abstractmethod
    def _argv(self) -> tuple[str, ...]:
        """What serves its API in the foreground."""

    @abstractmethod
    def _make_network(self) -> None: ...

    @abstractmethod
    def _remove_network(self) -> None:
        """Also where it was only half made."""

    def _launch(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._argv(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=environment(),
            )
        self._until_it_answers()

    def _until_it_answers(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self._process is not None and self._process.poll() is None, (self.directory / "log").read_text()[-3000:]
            try:
                self.ask("GET", "/_ping")
                return
            except OSError:
                assert time.monotonic() < deadline, (self.directory / "log").read_text()[-3000:]
                time.sleep(0.05)


class DockerEngine(ContainerEngine):
    """dockerd, whose containers are reached on loopback."""

    def __init__(self, directory: Path, *, bridge: str, subnet: str) -> None:
        super().__init__(directory)
        self._bridge = bridge
        self._subnet = subnet

    def start_again(self) -> None:
        for stale in ("pid", "exec/containerd/containerd.pid"):  # what died may still be a zombie, which the engine takes for alive
            (self.directory / stale).unlink(missing_ok=True)
        super().start_again()

    def _argv(self) -> tuple[str, ...]:
        place = self.directory.absolute()
        return (
            "dockerd", "--data-root", f"{place}/data", "--exec-root", f"{place}/exec", "--pidfile", f"{place}/pid",
            "--host", f"unix://{self.socket}", "--bridge", self._bridge, "--iptables=false", "--ip-masq=false",
            "--ip-forward=false", "--shutdown-timeout", "1", "--log-level", "warn",
        )  # fmt: skip

    def _make_network(self) -> None:
        execute("ip", "link", "add", self._bridge, "type", "bridge")
        execute("ip", "address", "add", self._subnet, "dev", self._bridge)
        execute("ip", "link", "set", self._bridge, "up")

    def _remove_network(self) -> None:
        subprocess.run(["ip", "link", "delete", self._bridge], check=False, env=environment())


@contextlib.contextmanager
def serving(engine: Engine) -> Iterator[Engine]:
    """With an image `base:1`."""
    try:
        engine.start()
        engine.make_base("base:1")
        yield engine
    finally:
        engine.stop()


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("engine", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def base(marker: str = "", size: int = 0) -> bytes:
    """A file system with busybox; `marker` makes it differ from others."""
    busybox = shutil.which("busybox")
    assert busybox is not None
    files = {"bin/busybox": Path(busybox).read_bytes(), "etc/passwd": b"root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n"}
    if marker:
        files["marker"] = marker.encode()
    if size:
        files["filling"] = os.urandom(size)
    return tar(files, links={f"bin/{name}": "busybox" for name in APPLETS})


def tar(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as target:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            target.addfile(entry, io.BytesIO(content))
        for name, aim in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, aim
            target.addfile(entry)
    return archive.getvalue()


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def execute(*argv: str) -> None:
    subprocess.run(argv, check=True, env=environment())


def _pids_below(directory: Path) -> list[int]:
    """Processes that were started with this directory among their arguments: the engine's containerd and its shims."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"{directory}/".encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
    return found


def _mounts_below(directory: Path) -> list[str]:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((mount for mount in mounts if mount.startswith(f"{directory}/")), reverse=True)
