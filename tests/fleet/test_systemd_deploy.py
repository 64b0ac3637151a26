"""The main job on hosts with the runtime `systemd`: deployed, redeployed under traffic, and serving while there is no controller."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.platform import Platform, Traffic, eventually, receipt_of
from fleet.image import USER
from fleet.rig import Fleet, Host

from mooring.model.host import fingerprint

MANIFEST = """
runtime = "systemd"
release = "test -s public/version"

[regions.default]

[processes.web]
count = 2
"""
KEYS = {"root": "/root/.ssh/authorized_keys", USER: f"/home/{USER}/.ssh/authorized_keys"}
LEFT = """
cp "$2" "$1"; rm "$2"
systemctl stop 'mooring*.service'
runuser -u deploy -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user stop 'mooring*.service'
rm -rf /var/lib/mooring /var/lib/private/mooring-apps /var/lib/mooring-apps /home/deploy/.local/share/mooring
for place in /etc/systemd/system /home/deploy/.config/systemd/user; do rm -f $place/mooring* $place/*.wants/mooring*; done
rm -f /var/lib/systemd/linger/deploy
systemctl daemon-reload
"""


@pytest.fixture
def platform() -> Iterator[Platform]:
    directory = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp"))
    here = Platform(directory)
    try:
        here.up()
        yield here
    finally:
        here.kill_all()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["root", USER])
def hosts(request: pytest.FixtureRequest, fleet: Fleet, platform: Platform) -> Iterator[tuple[Host, ...]]:
    """Two, added as that account."""
    user = request.param
    chosen = fleet.hosts[:2]
    key = platform.mooring("host", "key").out.strip()
    for host in chosen:
        host.says("sh", "-c", 'cp "$1" "$1.before"; cat >> "$1"', "sh", KEYS[user], stdin=f"{key}\n".encode())
    try:
        for host in chosen:
            if user == USER:
                host.says("touch", f"/var/lib/systemd/linger/{USER}")
                host.says("systemctl", "start", "user@1000.service")
            words = ("--runtime", "systemd", "--name", host.name, "--fingerprint", fingerprint(host.key), "--memory", "1GB", "--yes")
            answer = platform.mooring("host", "add", f"{user}@{host.address}", *words)
            assert answer.code == 0, answer
        yield chosen
    finally:
        for host in chosen:
            host.run("sh", "-c", LEFT, "sh", KEYS[user], f"{KEYS[user]}.before")


def test_an_app_is_redeployed_on_two_hosts_under_traffic_and_serves_without_a_controller(
    platform: Platform, hosts: tuple[Host, ...]
) -> None:
    app = platform.app("procfile-only", name="shop")
    app.write("mooring.toml", MANIFEST)
    app.write("Procfile", "web: exec python3 -m http.server $PORT --bind $HOST --directory public\n")
    app.write("public/version", "1\n")
    app.commit("version 1")
    answer = app.deploy()
    assert answer.code == 0, answer
    assert app.version() == 1
    app.write("public/version", "2\n")
    app.commit("version 2")
    with Traffic(app, rate=30, paths=("/version",)) as traffic:
        answer = app.deploy()
    assert answer.code == 0, answer
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
    assert traffic.report["sent"] > 30
    assert receipt_of(app)["probes"]["failed"] == 0
    assert app.version() == 2
    shown = app.mooring("ps").out
    assert all(host.name in shown for host in hosts), shown
    ran = app.mooring("run", "--", "sh", "-c", "cat public/version; exit 3")
    assert (ran.code, ran.out) == (3, "2\n"), ran
    places = [app.mooring("exec", f"web.{slot}", "--", "sh", "-c", 'echo "$HOST"; cat').out.strip() for slot in (1, 2)]
    assert sorted(places) == sorted(host.address for host in hosts)
    assert "GET /version" in app.mooring("logs", "--lines", "50").out
    controller = next(pid for pid in platform.pids() if b"mooring.server\0serve" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(controller, signal.SIGSTOP)
    try:
        hosts[0].kill()
        hosts[0].start()
        eventually(lambda: all(serves(host) for host in hosts), within=60)
        assert app.version() == 2
    finally:
        os.kill(controller, signal.SIGCONT)


def serves(host: Host) -> bool:
    """Whether the host's own instance answers on its address, asked from this machine."""
    listening = host.says("sh", "-c", "ss -Hltn | grep -o '[0-9.]*:2[0-9]\\{4\\}'; true").split()
    return any(each.startswith(host.address) for each in listening)
