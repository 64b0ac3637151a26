"""Static assets on a real S3 server under traffic: pages of both releases find theirs, and a push that fails or dies harms nobody."""

from __future__ import annotations

import functools
import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from e2e.platform import App, Platform, Traffic, eventually, receipt_of
from e2e.test_crashes import pid_of
from services.s3 import KEY_ID, KEY_SECRET, S3Server, s3_server

SERVER = """
const http = require("node:http");
const { version } = require("./package.json");
const page = `<script src="${process.env.ASSETS_URL}/app-${version}.js"></script>`;
const known = Object.keys(process.env).filter((name) => name.startsWith("ASSETS_"));
const answers = { "/": page, "/up": "up", "/version": version + "\\n", "/known": known.join(" ") };
const server = http.createServer((request, response) => {
  const answer = answers[request.url.split("?")[0]];
  response.writeHead(answer ? 200 : 404, { "Content-Type": "text/html" });
  response.end(answer || "not found");
});
process.on("SIGTERM", () => { server.close(() => process.exit(0)); server.closeIdleConnections(); });
server.listen(Number(process.env.PORT), "0.0.0.0");
"""


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path) as found:
        found.make("shop-assets")
        yield found


@contextmanager
def browsers_way(bucket: Path) -> Iterator[str]:
    """What serves a bucket to everybody, as a CDN does; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(bucket))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def an_app(platform: Platform, name: str, s3: S3Server, *, url: str) -> App:
    app = platform.app("node-hello", name)
    app.write("server.js", SERVER)
    settings = {"path": "public", "bucket": "shop-assets", "endpoint": s3.address, "url": url}
    app.write("mooring.toml", "[assets]\nhashed_names = true\n" + "".join(f'{key} = "{value}"\n' for key, value in settings.items()))
    (app.path / "public").mkdir()
    (app.path / "public" / "logo-1.svg").write_text("<svg/>")
    for variable, value in (("ASSETS_ACCESS_KEY_ID", KEY_ID), ("ASSETS_SECRET_ACCESS_KEY", KEY_SECRET)):
        assert app.mooring("secret", "set", variable, stdin=value).code == 0
    return app


def released(app: App, number: int) -> None:
    """A version whose page loads a script of its own."""
    for old in (app.path / "public").glob("app-*"):
        old.unlink()
    (app.path / "public" / f"app-{number}.0.0.js").write_text(f"// version {number}\n" * 1000)
    app.release(number)


def script_of(page: bytes) -> str:
    return page.decode().split('src="')[1].split('"')[0]


def loaded(address: str) -> tuple[int, bytes]:
    where, _, path = address.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(where, timeout=15)
    try:
        connection.request("GET", f"/{path}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_page_of_the_old_release_loads_its_assets_after_the_switch(platform: Platform, s3: S3Server) -> None:
    bucket = s3.directory / "shop-assets"
    (bucket / "payroll.txt").write_text("not Mooring's")
    with browsers_way(bucket) as url:
        app = an_app(platform, "shop", s3, url=url)
        released(app, 1)
        answer = app.deploy()
        assert answer.code == 0, answer
        assert "2 pushed (13.0 kB) · 0 there already" in answer.out, answer
        _, old_page, _ = app.get("/")
        assert app.get("/known")[1] == b"ASSETS_URL", "the keys are not the app's"
        assert f"{url}/shop/production" in app.mooring("config", "show").out
        released(app, 2)
        with Traffic(app, paths=("/version",)) as traffic:
            answer = app.deploy()
        assert answer.code == 0, answer
        assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
        receipt = receipt_of(app)["assets"]
        assert (receipt["pushed"], receipt["skipped"]) == (1, 1)
        _, new_page, _ = app.get("/")
        assert loaded(script_of(old_page)) == (200, b"// version 1\n" * 1000)
        assert loaded(script_of(new_page)) == (200, b"// version 2\n" * 1000)
        logs = b"".join(place.read_bytes() for place in platform.state.rglob("*") if place.is_file() and place.suffix in (".log", ".jsonl"))
        assert KEY_SECRET.encode() not in logs
        assert app.mooring("destroy", "--confirm", app.name).code == 0
    assert [str(place.relative_to(bucket)) for place in bucket.rglob("*") if place.is_file()] == ["payroll.txt"]


def test_a_push_that_fails_leaves_the_old_release_and_one_that_dies_is_gone_on_with(platform: Platform, s3: S3Server) -> None:
    bucket = s3.directory / "shop-assets"
    app = an_app(platform, "store", s3, url=f"{s3.address}/shop-assets")
    released(app, 1)
    assert app.deploy().code == 0
    answer = app.mooring("secret", "set", "ASSETS_SECRET_ACCESS_KEY", stdin="another")
    said = " ".join((answer.out + answer.err).split())
    assert answer.code == 1 and "the bucket does not let Mooring in: SignatureDoesNotMatch" in said, answer
    assert app.version() == 1

    for number in range(400):
        (app.path / "public" / f"part-{number}.js").write_text(f"// part {number}\n" * 500)
    released(app, 2)
    ours = bucket / "store" / "production"
    deploying = platform.start("deploy", cwd=app.path)
    eventually(lambda: len(list(ours.glob("part-*"))) > 20, within=60, every=0.005)
    os.kill(pid_of(platform, "mooring.server serve"), signal.SIGKILL)
    deploying.communicate(timeout=120)
    eventually(lambda: app.version() == 2, within=90)
    listed = json.loads((bucket / ".mooring" / "store" / "production.json").read_text())["objects"]
    there = {str(place.relative_to(bucket)) for place in ours.rglob("*") if place.is_file()}
    assert len(there) > 400 and there == listed.keys()
    assert app.mooring("destroy", "--confirm", app.name).code == 0
    assert not list(bucket.rglob("*.js"))
