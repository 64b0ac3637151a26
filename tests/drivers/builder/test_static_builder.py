"""Static sites, built and then served by the real Caddy as an instance would run it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mooring.drivers.builder.contract import Builder, BuildRequest
from mooring.drivers.builder.static import StaticBuilder
from mooring.drivers.builder.surroundings import Surroundings
from mooring.errors import BuildFailed
from mooring.model.release import Artifact

Request = Callable[..., BuildRequest]
Write = Callable[..., Path]

SITE = {
    "index.html": "<h1>Harbour</h1>\n",
    "404.html": "<h1>No such pier</h1>\n",
    "about/index.html": "about\n",
    "files/a.txt": "plain\n",
    "files/a.txt.gz": "zipped\n",
    ".env": "SECRET=1\n",
    ".well-known/security.txt": "Contact: us\n",
    "deep/.hidden/x": "hidden\n",
    "mooring.toml": "",
    "app.json": "{}",
}


class Server:
    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", path, headers=headers)
        return connection.getresponse()

    def text(self, path: str, **headers: str) -> tuple[int, str]:
        response = self.get(path, **headers)
        return response.status, response.read().decode()


@contextlib.contextmanager
def serving(artifact: Artifact, home: Path) -> Iterator[Server]:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    environment = {**artifact.environment, "PORT": str(port), "HOME": str(home)}
    argv = ["sh", "-c", artifact.processes["web"]]
    process = subprocess.Popen(argv, cwd=artifact.directory, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.02)
        yield Server(process, port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def static(builders: dict[str, Builder]) -> Builder:
    return builders["static"]


async def test_a_site_is_served_with_its_own_page_for_what_is_not_there(
    static: Builder, request_for: Request, write_tree: Write, lines: list[str], tmp_path: Path
) -> None:
    artifact = await static.build(request_for(write_tree(SITE)), lines.append)
    home = tmp_path / "caddy-home"
    home.mkdir()
    with serving(artifact, home) as server:
        assert server.text("/") == (200, "<h1>Harbour</h1>\n")
        assert server.text("/about/") == (200, "about\n")
        assert server.text("/.well-known/security.txt") == (200, "Contact: us\n")
        assert server.text("/files/a.txt", **{"Accept-Encoding": "gzip"}) == (200, "zipped\n")
        hidden = (
            "/.env",
            "/mooring.toml",
            "/app.json",
            "/caddy.json",
            "/../caddy.json",
            "/%2e%2e/caddy.json",
            "/deep/.hidden/x",
            "/files/",
        )
        for path in ("/nothing", *hidden):
            assert server.text(path) == (404, "<h1>No such pier</h1>\n"), path
    assert list(home.rglob("*")) == []
    assert sorted(path.name for path in Path(artifact.directory).iterdir()) == ["caddy.json", "site"]


async def test_a_download_finishes_when_its_instance_is_stopped(
    static: Builder, request_for: Request, write_tree: Write, lines: list[str], tmp_path: Path
) -> None:
    source = write_tree(SITE)
    with (source / "large.bin").open("wb") as file:
        file.truncate(30_000_000)
    artifact = await static.build(request_for(source), lines.append)
    with serving(artifact, tmp_path) as server:
        response = server.get("/large.bin")
        received = len(response.read(1000))
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert server.process.poll() is None
        while chunk := response.read(1 << 20):
            received += len(chunk)
        assert received == 30_000_000
        assert server.process.wait(20) == 0


async def test_a_site_is_built_by_its_command_and_only_the_result_is_kept(
    static: Builder, request_for: Request, write_tree: Write, lines: list[str]
) -> None:
    source = write_tree({"page.txt": "made\n"})
    request = request_for(source, command="mkdir -p out && cp page.txt out/index.html", static_directory="out")
    artifact = await static.build(request, lines.append)
    assert (Path(artifact.directory) / "site" / "index.html").read_text() == "made\n"
    assert sorted(path.name for path in Path(artifact.directory).iterdir()) == ["caddy.json", "site"]
    assert lines == ["serving out"]


@pytest.mark.parametrize("name", ["missing", "..", "/etc", "link"])
async def test_a_directory_that_is_not_in_the_source_is_refused(
    name: str, static: Builder, request_for: Request, write_tree: Write, lines: list[str], tmp_path: Path
) -> None:
    source = write_tree({"index.html": ""})
    (source / "link").symlink_to(tmp_path)
    with pytest.raises(BuildFailed, match="which is no folder of the source"):
        await static.build(request_for(source, static_directory=name), lines.append)


async def test_a_tree_without_an_index_says_what_to_set(static: Builder, request_for: Request, write_tree: Write, lines: list[str]) -> None:
    with pytest.raises(BuildFailed, match=r"no index\.html") as failure:
        await static.build(request_for(write_tree({"a.txt": ""}), builder="static"), lines.append)
    assert "build.static_directory" in failure.value.hint


async def test_the_server_is_kept_for_old_releases(static: Builder, request_for: Request, apps: Path, lines: list[str]) -> None:
    one = await static.build(request_for(apps / "static-site"), lines.append)
    two = await static.build(request_for(apps / "static-site"), lines.append)
    assert one.dependencies == two.dependencies
    assert os.access(Path(one.dependencies[0]) / "caddy", os.X_OK)


async def test_a_missing_server_is_told(request_for: Request, apps: Path, lines: list[str], tmp_path: Path) -> None:
    builder = StaticBuilder(Surroundings(variables={}), caddy=tmp_path / "none")
    with pytest.raises(BuildFailed, match="Caddy is not installed"):
        await builder.build(request_for(apps / "static-site"), lines.append)
