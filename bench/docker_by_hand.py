"""A code-only redeploy to one container host until the new release answers, against the script that a person would write, in one run.

    bin/bench docker_by_hand [--rounds 8]

By hand: docker build, docker save | ssh docker load, ssh docker run, a loop until it answers, a new haproxy.cfg and a reload, over one kept
SSH connection; until the proxy's first answer by the new release. Mooring: from the start of `mooring deploy` until the same, with the same
Dockerfile, from the same engine to the same host. Rounds alternate, so that both meet the same machine.

Needs root, and what tests/fleet and tests/docker need; a real host is booted.
Takes about 90 s.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from parts.showing import Figure, show

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from docker.engine import ContainerEngine, DockerEngine  # noqa: E402 (the tests' own hosts and engines are those measured)
from docker.engine import missing as engine_missing  # noqa: E402
from e2e.platform import App, Platform, free_port  # noqa: E402
from fleet.rig import Fleet, Host  # noqa: E402
from fleet.rig import missing as fleet_missing  # noqa: E402

from mooring.model.host import fingerprint  # noqa: E402

PATIENCE = 60.0  # seconds
LARGE = 3_000_000  # bytes of a layer that does not change
INSIDE = 8080
DOCKERFILE = f"""\
FROM base:1
COPY large /www/large
COPY VERSION /www/index.html
EXPOSE {INSIDE}
CMD ["httpd", "-f", "-p", "{INSIDE}", "-h", "/www"]
"""
MANIFEST = 'runtime = "docker"\n\n[build]\nbuilder = "dockerfile"\n\n[regions.default]\n\n[deploy]\nbake = 1\ndrain_timeout = 5\n'
HAPROXY = """\
global
  master-worker
  pidfile {directory}/pid
defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
frontend front
  bind 127.0.0.1:{port}
  default_backend app
backend app
  server one {address}:{app_port} check
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    rounds = parser.parse_args().rounds
    reason = (
        engine_missing() or fleet_missing() or ("" if shutil.which("haproxy") else "there is no haproxy (Debian: apt-get install haproxy)")
    )
    if reason:
        raise SystemExit(reason)
    directory = Path(tempfile.mkdtemp(prefix="b-", dir="/tmp"))
    engine, fleet, here = (
        DockerEngine(directory / "e", bridge="mooring-bench", subnet="10.77.251.1/24"),
        Fleet(),
        Platform(directory / "m"),
    )
    script = None
    try:
        engine.start()
        engine.make_base("base:1")
        (host,) = fleet.start(1)
        host.start_docker()
        here.directory.mkdir()
        here.variables["DOCKER_HOST"] = f"unix://{engine.socket}"
        here.up()
        script = ByHand(directory / "h", host, engine)
        return measure(app_on(here, host), script, rounds)
    finally:
        if script is not None:
            script.end()
        here.down()
        here.kill_all()
        fleet.stop()
        engine.stop()
        shutil.rmtree(directory, ignore_errors=True)


def app_on(here: Platform, host: Host) -> App:
    """Deployed once; its edge is Mooring's."""
    add(here, host)
    source = here.directory / "origin"
    write_app(source)
    (source / "mooring.toml").write_text(MANIFEST)
    app = here.app(source, "crate")
    expect(app.deploy())
    return app


def add(here: Platform, host: Host) -> None:
    """As a host with containers."""
    host.says("sh", "-c", "cat >> ~root/.ssh/authorized_keys", stdin=here.mooring("host", "key").out.encode())
    words = ("--name", host.name, "--runtime", "docker", "--fingerprint", fingerprint(host.key))
    expect(here.mooring("host", "add", f"root@{host.address}", *words))


def write_app(directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / "Dockerfile").write_text(DOCKERFILE)
    (directory / "VERSION").write_text("1\n")
    (directory / "large").write_bytes(os.urandom(LARGE))


def measure(app: App, script: ByHand, rounds: int) -> int:
    script.deploy(1)
    by_hand, answered, ended = [], [], []
    for number in range(2, rounds + 2):
        by_hand.append(script.deploy(number))
        first, total = deploy(app, number)
        answered.append(first)
        ended.append(total)
        print(f"round {number - 1}: by hand {by_hand[-1]:.2f} s, first answer {first:.2f} s, deploy ended {total:.2f} s", flush=True)
    middle = statistics.median
    figures = [
        Figure("by hand: start to the new release's first answer, median", middle(by_hand), "s", beside=f"slowest {max(by_hand):.2f} s"),
        Figure(
            "mooring deploy: start to the new release's first answer, median",
            middle(answered),
            "s",
            beside=f"slowest {max(answered):.2f} s",
        ),
        Figure("the same, over the script", middle(answered) - middle(by_hand), "s", at_most=1.0),
        Figure("mooring deploy: start to its end, with watch and drain, median", middle(ended), "s", beside=f"slowest {max(ended):.2f} s"),
    ]
    return show("docker_by_hand", figures, {"by_hand_s": by_hand, "first_answer_s": answered, "ended_s": ended})


def deploy(app: App, number: int) -> tuple[float, float]:
    """Seconds until the first answer of the new release, and until the command ended."""
    (app.path / "VERSION").write_text(f"{number}\n")
    app.commit(f"version {number}")
    began = time.monotonic()
    deploying = app.platform.start("deploy", "--json", cwd=app.path)
    until_it_says(str(number), app.platform.port, host=app.host)
    first = time.monotonic() - began
    said = deploying.communicate(timeout=PATIENCE)
    if deploying.returncode:
        raise SystemExit(f"deploy failed: {said}")
    return first, time.monotonic() - began


class ByHand:
    """What a person would script: commands of docker and ssh, a loop, and a proxy that is reloaded."""

    def __init__(self, directory: Path, host: Host, engine: ContainerEngine) -> None:
        self._directory = directory
        self._host = host
        self._engine = engine
        self._port = free_port()
        self._proxy: subprocess.Popen[bytes] | None = None
        write_app(directory / "app")
        (directory / "known").write_text(f"{host.address} {host.key}\n")
        kept = ("-o", "ControlMaster=auto", "-o", "ControlPersist=600", "-o", f"ControlPath={directory}/ssh")
        pinned = ("-o", f"UserKnownHostsFile={directory}/known", "-o", "StrictHostKeyChecking=yes", "-i", str(host.identity))
        self._ssh = ("ssh", "-F", "none", *kept, *pinned, f"root@{host.address}")

    def deploy(self, number: int) -> float:
        """Seconds until the proxy's first answer by this version; then the one before it is stopped."""
        (self._directory / "app/VERSION").write_text(f"{number}\n")
        image, port = f"by-hand:{number}", 29_000 + number
        began = time.monotonic()
        docker = ("docker", "--host", f"unix://{self._engine.socket}")
        run(*docker, "build", "--quiet", "--tag", image, str(self._directory / "app"))
        with subprocess.Popen([*docker, "save", image], stdout=subprocess.PIPE) as saving:
            subprocess.run([*self._ssh, "docker", "load", "--quiet"], stdin=saving.stdout, check=True, stdout=subprocess.DEVNULL)
        published = f"{self._host.address}:{port}:{INSIDE}"
        run(*self._ssh, "docker", "run", "--detach", "--name", f"by-hand-{number}", "--publish", published, image)
        until_it_says(str(number), port, address=self._host.address)
        self._reload(port)
        until_it_says(str(number), self._port)
        took = time.monotonic() - began
        if number > 1:
            run(*self._ssh, "docker", "rm", "--force", f"by-hand-{number - 1}")
        return took

    def end(self) -> None:
        if self._proxy is not None:
            self._proxy.terminate()
            self._proxy.wait(PATIENCE)
        subprocess.run([*self._ssh, "-O", "exit"], check=False, stderr=subprocess.DEVNULL)

    def _reload(self, app_port: int) -> None:
        config = self._directory / "haproxy.cfg"
        text = HAPROXY.format(directory=self._directory, port=self._port, address=self._host.address, app_port=app_port)
        config.write_text(text)
        if self._proxy is None:
            self._proxy = subprocess.Popen(["haproxy", "-W", "-f", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        else:
            self._proxy.send_signal(signal.SIGUSR2)


def until_it_says(version: str, port: int, *, address: str = "127.0.0.1", host: str = "localhost") -> None:
    deadline = time.monotonic() + PATIENCE
    while said(port, address=address, host=host) != version:
        if time.monotonic() > deadline:
            raise SystemExit(f"{address}:{port} did not answer as version {version} within {PATIENCE:.0f} s")
        time.sleep(0.01)


def said(port: int, *, address: str, host: str) -> str:
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().read().decode().strip()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def run(*words: str) -> None:
    """Silent, unless it fails: then with what it said."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        raise SystemExit(f"{words[0]} ended with {done.returncode}: {done.stderr}")


def expect(answer: object) -> None:
    if getattr(answer, "code", 1):
        raise SystemExit(repr(answer))


if __name__ == "__main__":
    sys.exit(main())
