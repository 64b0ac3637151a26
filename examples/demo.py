"""The demonstration behind bin/demo: what a new user would type, typed for them. Must not: use anything but the command line.

Everything it makes lives in .state/demo of the clone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".state" / "demo"
APP = HOME / "minitwit"
MOORING = [str(Path(sys.executable).with_name("mooring"))]
VARIABLES = {**os.environ, "MOORING_STATE": str(HOME / "state")}
RATE = 100


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/demo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--down", action="store_true", help="stop what an earlier demonstration started, and remove it")
    parser.add_argument("--stop", action="store_true", help="stop and remove everything at the end")
    options = parser.parse_args()
    if options.down:
        return take_down("The demonstration is stopped, and what it made is removed.")
    port = set_up()
    deploy_first()
    code = deploy_second_under_traffic(port)
    say(f"It runs at http://minitwit.localhost:{port} and goes on running; `bin/demo --down` stops and removes it.")
    if options.stop:
        take_down("The demonstration is stopped, and what it made is removed.")
    return code


def set_up() -> int:
    """The platform in the background, and the app as a repository of its own; the edge's port."""
    take_down()
    shutil.copytree(ROOT / "examples" / "minitwit", APP, ignore=shutil.ignore_patterns("__pycache__", "data", ".*_cache"))
    git("init", "--quiet")
    commit("Minitwit, first version")
    port = free_port(8080)
    say("1. The platform: a server and an edge in the background")
    mooring("up", "--http-port", str(port), "--https-port", str(free_port(8443)))
    return port


def deploy_first() -> None:
    say("2. An app that knows nothing of Mooring: a Procfile and requirements.txt")
    mooring("config", "set", f"DATA_DIR={HOME / 'data'}")
    mooring("deploy")


def deploy_second_under_traffic(port: int) -> int:
    say(f"3. A second version, deployed while {RATE} requests a second come in from a client that forgives nothing")
    (APP / "VERSION").write_text("2.0.0\n")
    commit("Minitwit, second version")
    traffic = start_traffic(port)
    try:
        code = mooring("deploy", must_succeed=False)
    finally:
        report = stop_traffic(traffic)
    versions = ", ".join(f"{count} by {version}" for version, count in report["by_version"].items())
    counted = f"{report['sent']} requests, {report['failed']} failed; answered {versions}"
    say(f"The client's own count: {counted}; slowest {report['slowest_ms']:.0f} ms")
    return code or (1 if report["failed"] else 0)


def start_traffic(port: int) -> subprocess.Popen[str]:
    script = [sys.executable, str(ROOT / "examples" / "minitwit" / "traffic.py"), "--url", f"http://minitwit.localhost:{port}"]
    options = ["--connect", f"127.0.0.1:{port}", "--rate", str(RATE), "--seconds", "inf", "--json"]
    return subprocess.Popen([*script, *options], stdout=subprocess.PIPE, text=True, env=VARIABLES)


def stop_traffic(traffic: subprocess.Popen[str]) -> dict[str, dict[str, int] | int | float]:
    traffic.send_signal(signal.SIGINT)
    said, _ = traffic.communicate(timeout=30)
    return json.loads(said)


def take_down(said: str = "") -> int:
    """Away with an earlier demonstration; its files stay where it could not be stopped."""
    if (HOME / "state").exists():
        down = subprocess.run([*MOORING, "down"], env=VARIABLES, stdout=subprocess.DEVNULL, check=False)
        if down.returncode:
            sys.exit(down.returncode)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.parent.mkdir(exist_ok=True)
    HOME.mkdir(mode=0o700, exist_ok=True)
    if said:
        say(said)
    return 0


def mooring(*words: str, must_succeed: bool = True) -> int:
    print("$ mooring " + " ".join(words), flush=True)
    code = subprocess.run([*MOORING, *words], cwd=APP, env=VARIABLES, check=False).returncode
    if code and must_succeed:
        sys.exit(code)
    return code


def commit(message: str) -> None:
    git("add", "--all")
    git("-c", "user.name=Demo", "-c", "user.email=demo@localhost", "commit", "--quiet", "--message", message)


def git(*words: str) -> None:
    subprocess.run(["git", *words], cwd=APP, check=True)


def free_port(wished: int) -> int:
    """The usual port, or where it is taken any free one."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wished))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say(text: str) -> None:
    print(f"\n{text}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
