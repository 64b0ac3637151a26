"""A secret as a file, down to real processes: byte for byte where it is wanted, and nowhere else."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

from e2e.platform import Platform

VALUE = b"-----BEGIN\0KEY-----\r\nsentinel-in-a-file-4711\n\xff\xfe second line of it\n\n"
SENTINELS = (b"sentinel-in-a-file-4711", b"second line of it")
SERVER = """
import hashlib, http.server, json, os
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = os.environ["TLS_KEY_FILE"]
        value = open(path, "rb").read()
        os.write(1, value)
        found = {"path": path, "digest": hashlib.sha256(value).hexdigest(), "plain": os.environ.get("TLS_KEY"),
                 "made": os.environ["SECRET_KEY"], "mode": oct(os.stat(path).st_mode & 0o777)}
        self.send_response(200); self.end_headers(); self.wfile.write(json.dumps(found).encode())
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answers).serve_forever()
"""


def test_a_secret_reaches_every_process_as_a_file_and_goes_with_it(platform: Platform) -> None:
    app = platform.app("procfile-only", "files")
    app.write("server.py", SERVER)
    digest = hashlib.sha256(VALUE).hexdigest()
    app.write("Procfile", f'web: python3 server.py\nrelease: test "$(sha256sum < "$TLS_KEY_FILE" | cut -c1-64)" = {digest}\n')
    app.write("mooring.toml", '[secrets]\nfiles = ["TLS_KEY"]\n')
    app.write("app.json", json.dumps({"env": {"SECRET_KEY": {"generator": "secret"}}}))
    app.commit("reads its key from a file")

    refused = app.deploy()
    assert refused.code == 2, refused
    assert "TLS_KEY" in refused.err and "mooring secret set TLS_KEY" in refused.err

    key = platform.directory / "key.pem"
    key.write_bytes(VALUE)
    assert app.mooring("secret", "set", "TLS_KEY", "--file", str(key)).code == 0
    key.unlink()
    answer = app.deploy()
    assert answer.code == 0, answer

    first = json.loads(app.get("/")[1])
    assert (first["digest"], first["plain"], first["mode"]) == (digest, None, "0o600")
    assert len(first["made"]) == 64
    ran = app.mooring("run", "--", "sh", "-c", 'sha256sum < "$TLS_KEY_FILE"; cat "$TLS_KEY_FILE"')
    assert digest in ran.out
    assert "sentinel-in-a-file-4711" not in ran.out and "[redacted]" in ran.out

    app.release(2)
    assert app.deploy().code == 0
    second = json.loads(app.get("/")[1])
    assert second["made"] == first["made"], "made up once"
    assert second["digest"] == first["digest"]
    assert not Path(first["path"]).exists(), "gone with the release before"

    everything = [
        app.mooring(*words) for words in (("logs",), ("events", "--json"), ("config", "show", "--origin"), ("releases", "--json"))
    ]
    assert "[redacted]" in everything[0].out
    assert all(sentinel.decode() not in each.out + each.err for each in everything for sentinel in SENTINELS)

    places = [path for path in platform.state.rglob("*") if path.is_file() and path.name != "mooring.db-shm"]
    holding = [path for path in places if any(sentinel in path.read_bytes() for sentinel in SENTINELS)]
    logs = platform.state / "processes" / "logs"  # as the app wrote them; readers get them redacted
    assert {path for path in holding if not path.is_relative_to(logs)} == {Path(second["path"])}, "in no artifact, database or record"
    private = [path for path in platform.state.rglob("*") if "workshop" not in path.relative_to(platform.state).parts]
    assert [path for path in private if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077] == []

    assert app.mooring("destroy", "--confirm", app.name).code == 0
    assert not Path(second["path"]).parent.exists()
