"""What is odd and allowed arrives byte for byte in the process; what is not is refused in words, and what serves goes on serving.

Hostile inputs of every class are in `tests/hostile`.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from e2e.platform import App, Platform, Traffic

from mooring.server.installation import Installation

ODD_FILES = {
    "new\nline": b"1",
    "$(touch canary); `id` | true && 'x' \"y\"": b"2",
    " leading and trailing ": b"3",
    "-rf": b"4",
    "ünïcödé ☃ \u202e.txt": b"5",
    "back\\slash": b"6",
    "*?[a-z]{x,y}~": b"7",
}
NOT_UTF8 = b"latin-\xe9.txt"
ODD_VALUES = {
    "LARGE": "0123456789abcdef" * 4096,  # 64 KB
    "LINES": "-----BEGIN KEY-----\nabc\n\n\r\ndef\n-----END KEY-----\n",
    "QUOTES": 'it\'s a "value" with `backticks`, $(id), ${HOME}, %(x)s, {y}, \\n and a # at the end #',
    "BLANK": "  spaces around\t ",
    "UNICODE": "ünïcödé ☃ 𝒳 \u202e\u200b\ufeff",
    "CONTROL": "\x01\x07\x1b[31mred\x7f",
    "EQUALS": "a=b=c",
}
PROGRAM = """
import os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote_to_bytes

class Files(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        name = unquote_to_bytes(self.path[1:])
        kind, _, rest = name.partition(b"/")
        try:
            body = {b"file": lambda: open(rest, "rb").read(), b"variable": lambda: os.environb[rest], b"up": lambda: b"up"}[kind]()
            status = 200
        except (OSError, KeyError):
            status, body = 404, b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Files).serve_forever()
"""


@pytest.fixture(scope="module")
def app(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app that gives away its files and variables, with odd ones among them, from an odd branch."""
    origin = tmp_path_factory.mktemp("origin")
    (origin / "program.py").write_text(PROGRAM)
    (origin / "Procfile").write_text("web: exec python3 program.py\n")
    for name, content in ODD_FILES.items():
        (origin / name).write_bytes(content)
    Path(os.fsdecode(os.fsencode(origin) + b"/" + NOT_UTF8)).write_bytes(b"8")
    here = platform.app(origin, "odd")
    here.git("checkout", "--quiet", "-b", "feature/it's;$(touch${IFS}canary)`id`&-ü☃")
    here.write("mooring.toml", 'hostnames = ["odd.localhost", "*.odd.localhost", "xn--mnchen-3ya.localhost"]\n[deploy]\nbake = "0s"\n')
    here.commit('a message with "quotes",\n\n$(touch canary) and ☃\x1b[31m')
    answer = here.deploy()
    assert answer.code == 0, answer
    yield here
    here.mooring("destroy", "--confirm", "odd")


def got(app: App, kind: str, name: bytes) -> bytes | None:
    status, body, _ = app.get(f"/{kind}/{quote(name, safe='')}")
    return body if status == 200 else None


def test_every_file_arrives_under_its_own_name_and_no_shell_saw_it(app: App) -> None:
    arrived = {name: got(app, "file", os.fsencode(name)) for name in ODD_FILES}
    assert arrived == ODD_FILES
    assert got(app, "file", NOT_UTF8) == b"8"
    assert got(app, "file", b"canary") is None
    assert list(app.platform.directory.rglob("canary")) == []


@pytest.mark.parametrize("name", ["odd.localhost", "anything.odd.localhost", "xn--mnchen-3ya.localhost", "ODD.localhost"])
def test_every_hostname_leads_there(app: App, name: str) -> None:
    status, body, _ = app.get("/up", headers={"Host": name})
    assert (status, body) == (200, b"up")


def test_every_value_arrives_byte_for_byte_as_config_and_as_secret(app: App, tmp_path: Path) -> None:
    assert app.mooring("config", "set", *(f"{name}={value}" for name, value in ODD_VALUES.items())).code == 0
    shown = {row["name"]: row["value"] for row in app.mooring("config", "show", "--json").json}
    assert {name: shown[name] for name in ODD_VALUES} == ODD_VALUES
    secrets = {**{name: value.encode() for name, value in ODD_VALUES.items()}, "RAW": b"\xff\xfe no text\r\n"}
    for name, value in secrets.items():
        (tmp_path / name).write_bytes(value)
        assert app.mooring("secret", "set", f"SECRET_{name}", "--file", str(tmp_path / name)).code == 0
    assert {name: got(app, "variable", name.encode()) for name in ODD_VALUES} == {
        name: value.encode() for name, value in ODD_VALUES.items()
    }
    assert {name: got(app, "variable", f"SECRET_{name}".encode()) for name in secrets} == secrets


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["config", "set", "BAD-NAME=1"], "BAD-NAME"),
        (["config", "set", "=1"], "name"),
        (["config", "set", f"HUGE={'x' * 125_000}"], "HUGE"),
        (["config", "set", "PORT=80"], "PORT"),
        (["deploy", "--app", "Grüße"], "app name"),
        (["deploy", "--app", "../../etc"], "app name"),
        (["deploy", "--app", "a" * 41], "app name"),
        (["deploy", "--env", "x;id"], "environment name"),
    ],
)
def test_what_cannot_be_is_refused_in_words(app: App, words: list[str], told: str) -> None:
    answer = app.mooring(*words)
    assert answer.code == 2, answer
    assert told in answer.out + answer.err
    assert "Traceback" not in answer.out + answer.err
    assert app.get("/up")[1] == b"up"


def refused(app: App, *told: str) -> None:
    """The commit is not deployed, under traffic of which nothing fails; then it is taken back."""
    with Traffic(app, paths=("/up",), rate=30) as traffic:
        answer = app.deploy()
    said = answer.out + answer.err
    app.git("reset", "--quiet", "--hard", "HEAD~1")
    app.git("clean", "--quiet", "-ffd")
    assert answer.code in (1, 2), answer
    for words in told:
        assert words in said, said
    assert "Traceback" not in said
    assert traffic.report["failed"] == 0, traffic.report["failures"][:3]


def test_a_submodule_is_refused_by_name(app: App, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    subprocess.run(["git", "clone", "--quiet", str(app.path), str(inner)], check=True)
    app.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "vendor/inner")
    app.commit("with a submodule")
    refused(app, "vendor/inner", "submodule")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside"])
def test_a_link_out_of_the_tree_is_refused_by_name(app: App, target: str) -> None:
    (app.path / "leading-out").symlink_to(target)
    app.commit("with a link")
    refused(app, "leading-out")


def test_an_archive_that_climbs_is_refused_by_the_controller_too(app: App) -> None:
    """Sent past the command line, which would not make it."""
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        entry = tarfile.TarInfo("../../climbed")
        entry.size = 1
        archive.addfile(entry, BytesIO(b"x"))
    transport = httpx.HTTPTransport(uds=str(Installation(app.platform.state).socket))
    with httpx.Client(transport=transport, base_url="http://mooring") as api:
        answer = api.post(
            "/v1/environments/odd/production/deployments", content=content.getvalue(), headers={"Content-Type": "application/x-tar"}
        )
    assert (answer.status_code, answer.json()["code"]) == (400, "source-invalid"), answer.text
    assert "climbed" in answer.text
    assert list(app.platform.directory.rglob("climbed")) == []
    assert app.get("/up")[1] == b"up"
