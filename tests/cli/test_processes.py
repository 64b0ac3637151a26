"""The program itself as a process: pipes that close, Ctrl-C, what it imports, completion in a shell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer

import pytest

MOORING = [sys.executable, "-c", "from mooring.cli.main import main; main()"]


def variables(tmp_path: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOORING")}
    return {**kept, "MOORING_STATE": str(tmp_path / "s"), "HOME": str(tmp_path), "TERM": "dumb", **more}


def answered(tmp_path: Path, *words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MOORING, *words],
        capture_output=True,
        text=True,
        env=variables(tmp_path, **more),
        cwd=cwd or tmp_path,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def test_help_and_version_answer_at_once(tmp_path: Path) -> None:
    assert "mooring COMMAND" in answered(tmp_path).stdout
    assert answered(tmp_path, "--help").returncode == 0
    assert answered(tmp_path, "version").stdout.startswith("mooring ")


def test_without_a_platform_a_command_says_how_to_start_it(tmp_path: Path) -> None:
    answer = answered(tmp_path, "ps", "-a", "shop")
    assert answer.returncode == 2
    assert "mooring up" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_from_a_directory_that_is_gone_it_says_so(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    answer = subprocess.run(
        ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", *MOORING, "status"],
        cwd=gone,
        capture_output=True,
        text=True,
        env=variables(tmp_path),
    )
    assert answer.returncode == 2
    assert "has been removed" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    pipeline = f"{{ {' '.join(map(_quoted, [*MOORING, 'explain', '--json']))}; echo $? >&3; }} 3>&2 | true"
    answer = subprocess.run(["sh", "-c", pipeline], capture_output=True, text=True, env=variables(tmp_path), timeout=60)
    assert answer.stderr.strip() in ("0", "141")  # 0 when all was written before the reader went


def test_a_listing_imports_neither_the_server_nor_what_only_live_output_needs(tmp_path: Path) -> None:
    script = (
        "import sys; from mooring.cli.main import run; run(['ps', '-a', 'shop']);"
        "print({'fastapi', 'sqlalchemy', 'rich', 'typer', 'pydantic', 'httpx', 'websockets', 'asyncio'} & sys.modules.keys())"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=variables(tmp_path))
    assert answer.stdout == "set()\n"


@pytest.mark.parametrize(
    ("words", "position", "expected"),
    [
        ("mooring ro", 1, "plain,rollback"),
        ("mooring config s", 2, "plain,set"),
        ("mooring certs re", 2, "plain,renew"),
        ("mooring deploy --di", 2, "plain,--dirty"),
        ("mooring maintenance o", 2, "plain,on"),
    ],
)
def test_bash_completes_commands_options_and_choices(tmp_path: Path, words: str, position: int, expected: str) -> None:
    answer = answered(tmp_path, _MOORING_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(position))
    assert expected in answer.stdout.splitlines()


def test_the_completion_script_is_one_that_bash_reads(tmp_path: Path) -> None:
    script = answered(tmp_path, "completion", "bash").stdout
    assert "_mooring_completion" in script
    assert subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True).returncode == 0


class Platform(ThreadingMixIn, UnixStreamServer):
    """A socket with a deployment behind it that never ends."""

    daemon_threads = True


class Endless(BaseHTTPRequestHandler):
    def address_string(self) -> str:
        return "local"

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path.endswith("/d-1"):
            body = (
                b'{"id":"d-1","environment":{"app":"shop","environment":"production"},"number":1,"trigger":"deploy",'
                b'"requested_at":1800000000.0,"requested_by":"ada"}'
            )
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b'id: 1\ndata: {"sequence":1,"at":1800000000.5,"kind":"phase.started","fields":{"phase":"build"}}\n\n')
        self.wfile.flush()
        time.sleep(30)


def test_ctrl_c_while_following_ends_with_130_and_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "s" / "run").mkdir(parents=True)
    for directory in (tmp_path / "s", tmp_path / "s" / "run"):
        directory.chmod(0o700)
    with Platform(str(tmp_path / "s" / "run" / "controller.sock"), Endless) as platform:
        threading.Thread(target=platform.serve_forever, daemon=True).start()
        process = subprocess.Popen(
            [*MOORING, "follow", "d-1"], env=variables(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            while "building" not in process.stdout.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, trouble = process.communicate(timeout=20)
        finally:
            process.kill()
            platform.shutdown()
    assert process.returncode == 130
    assert "d-1 goes on in the server: nothing was stopped." in trouble
    assert "mooring abort d-1" in trouble


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
