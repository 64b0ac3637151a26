"""A real machine that stands ready is lent by the program of docs/how-to/capacity.md: used by a review app that waits, and given back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from drivers.capacity.lender import lender_of_the_page
from e2e.platform import App, Platform, eventually, running, short_directory
from fleet.rig import Fleet, Host
from fleet.test_platform import SERVE, add

MANIFEST = """\
runtime = "systemd"

[regions.eu]

[processes.web]
command = "python3 serve.py"
memory = "300MB"

[processes.web.health]
path = "/up"

[deploy]
bake = 0.5
drain_timeout = 2

[review]
sleep = "0s"
access = "open"
"""


@pytest.fixture
def platform() -> Iterator[Platform]:
    with short_directory() as directory, running(Platform(directory)) as here:
        yield here


@pytest.fixture
def spare(platform: Platform, fleet: Fleet) -> Iterator[Host]:
    """A machine that lets the platform in and is none of its hosts; another is its only one, with room for one review app."""
    own, ready = fleet.hosts[0], fleet.hosts[1]
    key = platform.mooring("host", "key").out
    for host in (own, ready):
        host.says("sh", "-c", "cat >> /root/.ssh/authorized_keys", stdin=key.encode())
    assert add(platform, own, "--memory", "400MB").code == 0
    yield ready
    for host in (own, ready):
        host.reset()
        host.start()


@pytest.fixture
def folder(platform: Platform, spare: Host) -> Path:
    """Of the program that lends, with the one machine in it."""
    lend, folder = lender_of_the_page(platform.directory), platform.directory / "spare"
    folder.mkdir()
    (folder / "box.free").write_text(f"root@{spare.address} {spare.key}\n")
    answer = platform.mooring("up", "--capacity", f"{lend} {folder}", "--capacity-idle", "10s")
    assert answer.code == 0, answer
    return folder


def brought_up(app: App, branch: str) -> tuple[str, str]:
    """The host that it runs on, and what it answers there."""
    app.git("switch", "--quiet", "--create", branch)
    app.commit(branch)
    answer = app.mooring("review", "up", branch)
    assert answer.code == 0, answer
    summary = next(each["summary"] for each in app.mooring("review", "ls", "--json").json["reviews"] if each["branch"] == branch)
    (view,) = app.mooring("ps", "-e", summary["environment"]["environment"], "--json").json["instances"]
    _, body, _ = app.get(headers={"Host": urlsplit(summary["urls"][0]).netloc})
    return view["key"]["host"], body.decode()


def test_a_review_app_without_room_gets_a_machine_which_is_given_back_as_it_was(platform: Platform, spare: Host, folder: Path) -> None:
    source = platform.directory / "origin"
    source.mkdir()
    for name, text in {"mooring.toml": MANIFEST, "serve.py": SERVE, "VERSION": "1\n"}.items():
        (source / name).write_text(text)
    app = platform.app(source, "shop")

    assert brought_up(app, "first") == ("host1", "1 host1")
    lent, said = brought_up(app, "second")
    assert (lent.startswith("lent-"), said) == (True, "1 host2")
    assert f"{lent} (root@{spare.address}) is borrowed: shop/second-" in " ".join(platform.mooring("status").out.split())
    assert f"{lent} borrowed" in platform.mooring("host", "ls").out
    assert [path.name[:6] for path in folder.iterdir()] == ["lent-c"]

    assert app.mooring("review", "down", "second").code == 0
    eventually(lambda: [each["host"]["name"] for each in platform.mooring("host", "ls", "--json").json["hosts"]] == ["host1"], within=90)
    eventually(lambda: [path.suffix for path in folder.iterdir()] == [".free"], within=30)
    assert spare.run("test", "-e", "/var/lib/mooring/controller").returncode == 1, "it serves nobody any more"
