"""A Dockerfile deployed to two real hosts with container engines of their own: built here once, sent over SSH, switched under traffic."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from docker.engine import ContainerEngine, DockerEngine, serving
from docker.registry import PASSWORD, USERNAME, Registry
from e2e.platform import App, Platform, Traffic, eventually, receipt_of, running, short_directory
from fleet.faults import Deployments, is_preparing
from fleet.rig import Fleet, Host
from fleet.test_platform import is_at_rest
from services.s3 import KEY_ID, KEY_SECRET, s3_server

from mooring.drivers.runtime.docker.engine import Engine
from mooring.drivers.runtime.docker.registry import push
from mooring.drivers.transport.local import LocalTransport
from mooring.model.host import fingerprint
from mooring.model.registry import Registry as Known
from mooring.model.registry import RegistryLogin
from mooring.model.secret import Secret

MANIFEST = """\
runtime = "docker"

[build]
builder = "dockerfile"

[regions.default]

[processes.web]
command = "COMMAND"
count = 2

[deploy]
bake = 1
drain_timeout = 5
"""
COMMAND = "echo listening; exec httpd -f -p 0.0.0.0:$PORT -h /www"
ASKS_FOR_NOTES = "wget -q -O /tmp/index.html http://$NOTES_HOST:$NOTES_PORT/; exec httpd -f -p 0.0.0.0:$PORT -h /tmp"
NOTES = """
[accessories.notes]
image = "base:1"
command = "echo begun >> /data/index.html; exec httpd -f -p 0.0.0.0:$PORT -h /data"
port = 8000
volume = "/data"
host = "host2"
"""
DOCKERFILE = "FROM base:1\nCOPY large /www/large\nCOPY VERSION /www/index.html\n"
SERVES = ["httpd", "-f", "-p", "8080", "-h", "/www"]
PUBLISHED = """\
runtime = "docker"

[build]
image = "{image}"

[regions.default]

[deploy]
bake = 1
drain_timeout = 5
"""
WITH_ASSETS = """
[assets]
path = "{path}"
bucket = "shop-assets"
endpoint = "{address}"
hashed_names = true
"""
LARGE = 3_000_000  # bytes of a layer that does not change
IN_FLIGHT = 3  # requests that were on a container of an engine in the moment in which it died
ACCOUNTS = {"host1": ("root", "/root"), "host2": ("deploy", "/home/deploy")}  # the second may use the engine, and is no root


@pytest.fixture(scope="module")
def engine() -> Iterator[ContainerEngine]:
    """The controller's own."""
    directory = Path(tempfile.mkdtemp(prefix="e-", dir="/tmp"))
    with serving(DockerEngine(directory, bridge="mooring-own", subnet="10.77.250.1/24")) as engine:
        yield engine


@pytest.fixture(scope="module")
def platform(engine: ContainerEngine) -> Iterator[Platform]:
    with short_directory() as directory:
        here = Platform(directory)
        here.variables["DOCKER_HOST"] = f"unix://{engine.socket}"
        with running(here):
            yield here


@pytest.fixture(scope="module")
def hosts(fleet: Fleet, platform: Platform) -> Iterator[tuple[Host, ...]]:
    chosen, key = fleet.hosts[:2], platform.mooring("host", "key").out
    for host in chosen:
        account, home = ACCOUNTS[host.name]
        host.start_docker()
        host.says("sh", "-c", 'cp "$1" "$1.before"; cat >> "$1"', "sh", f"{home}/.ssh/authorized_keys", stdin=key.encode())
        words = ["--name", host.name, "--runtime", "docker", "--fingerprint", fingerprint(host.key)]
        added = platform.mooring("host", "add", f"{account}@{host.address}", *words)
        assert added.code == 0, added
    yield tuple(chosen)
    for host in chosen:
        host.says("sh", "-c", 'cat "$1.before" > "$1"; rm "$1.before"', "sh", f"{ACCOUNTS[host.name][1]}/.ssh/authorized_keys")
        host.says(
            "sh",
            "-c",
            "docker ps -aq | xargs -r docker rm -f; docker image prune -af; systemctl stop docker.socket docker; "
            "rm -rf /var/lib/mooring /home/deploy/.local/share/mooring /run/user/1000/mooring /var/lib/systemd/linger/deploy",
        )


@pytest.fixture(scope="module")
def app(platform: Platform, hosts: tuple[Host, ...]) -> App:
    source = platform.directory / "origin"
    source.mkdir()
    for name, text in {"mooring.toml": MANIFEST.replace("COMMAND", COMMAND), "Dockerfile": DOCKERFILE, "VERSION": "0\n"}.items():
        (source / name).write_text(text)
    (source / "large").write_bytes(os.urandom(LARGE))
    return platform.app(source, "crate")


def containers(host: Host) -> list[str]:
    return host.says("docker", "ps", "--format", "{{.Names}}").split()


def answers(app: App) -> set[str]:
    return {app.get("/")[1].decode().strip() for _ in range(20)}


def test_an_image_is_built_here_and_runs_on_every_host(app: App, hosts: tuple[Host, ...]) -> None:
    app.release(1)
    answer = app.deploy()
    assert answer.code == 0, answer
    assert answers(app) == {"1"}
    assert [len(containers(host)) for host in hosts] == [1, 1]
    assert receipt_of(app)["bytes_sent"] > 2 * LARGE


def test_an_engine_restarted_in_the_middle_of_a_deploy_ends_in_one_release_on_both_hosts(
    app: App, hosts: tuple[Host, ...], platform: Platform
) -> None:
    """As Debian ships it, its containers die with it. What the other host serves is not lost."""
    app.release(9)
    with Traffic(app) as traffic:
        following, _ = Deployments(platform).begun(app, until=is_preparing)
        hosts[0].says("systemctl", "restart", "docker.service")
        out, err = following.communicate(timeout=150)
        serving = {0: {"9"}, 1: {"1"}}[following.returncode]
        eventually(lambda: [len(containers(host)) for host in hosts] == [1, 1] and is_at_rest(app), within=90)
        assert answers(app) == serving, out + err
    lost = traffic.report["failures"]
    assert len(lost) == traffic.report["failed"] <= IN_FLIGHT, lost[:20]
    told = receipt_of(app)
    assert told["outcome"] in ("succeeded", "failed", "reverted")
    assert told["traffic"]["edge_errors"] + told["traffic"]["resets"] + told["traffic"]["cancelled"] >= len(lost), "none is kept quiet"


def test_a_redeploy_sends_what_has_changed_and_loses_no_request(app: App, hosts: tuple[Host, ...]) -> None:
    app.release(2)
    with Traffic(app) as traffic:
        answer = app.deploy()
    assert answer.code == 0, answer
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
    assert answers(app) == {"2"}
    receipt = receipt_of(app)
    assert 0 < receipt["bytes_sent"] < LARGE, "the large layer is there already"
    assert receipt["traffic"]["edge_errors"] == receipt["traffic"]["resets"] == receipt["probes"]["failed"] == 0


def test_a_command_runs_beside_the_app_on_a_host_as_nobody_in_particular(app: App) -> None:
    answer = app.mooring("run", "--", "sh", "-c", "id -u; cat /www/index.html; exit 7")
    assert answer.code == 7, answer
    assert answer.out.split() == ["65532", "2"]


def test_a_secret_lies_in_the_memory_of_the_account_and_reaches_the_app_on_each_host(app: App, hosts: tuple[Host, ...]) -> None:
    assert app.mooring("secret", "set", "TOKEN", stdin="s3ntinel").code == 0
    for host, memory in zip(hosts, ("/run/mooring/", "/run/user/1000/mooring/"), strict=True):
        (name,) = containers(host)
        host.says("docker", "exec", name, "sh", "-c", "grep -q TOKEN=s3ntinel /proc/[0-9]*/environ")
        inspected = host.says("docker", "inspect", name)
        assert f'"Source": "{memory}' in inspected
        assert "s3ntinel" not in inspected
    assert hosts[1].says("ls", "-A", "/home/deploy/.local/share/mooring/docker"), "its fencing numbers"


def test_a_command_runs_in_the_container_of_an_instance_on_its_own_host(app: App, hosts: tuple[Host, ...]) -> None:
    for slot in (1, 2):
        answer = app.mooring("exec", f"web.{slot}", "--", "sh", "-c", "id -u; cat /www/index.html; hostname; exit 7")
        assert answer.code == 7, answer
        user, version, container = answer.out.split()
        assert (user, version) == ("65532", "2")
        assert hosts[slot - 1].says("docker", "ps", "-q", "--no-trunc").startswith(container)


def test_a_file_goes_into_a_container_and_comes_out_and_a_read_only_place_is_named(app: App) -> None:
    (app.path / "note.txt").write_text("a note")
    assert app.mooring("cp", "note.txt", "web.2:/tmp").code == 0
    assert app.mooring("exec", "web.2", "--", "cat", "/tmp/note.txt").out == "a note"
    assert app.mooring("cp", "web.2:/tmp/note.txt", "back.txt").code == 0
    assert (app.path / "back.txt").read_text() == "a note"
    refused = app.mooring("cp", "note.txt", "web.2:/www/")
    assert (refused.code, "/www cannot be written to" in refused.err) == (1, True), refused


def test_logs_of_both_hosts_are_told_with_where_they_were_said(app: App) -> None:
    said = {(line["source"], line["host"], line["text"]) for line in app.mooring("logs", "--json").lines}
    assert said == {("web.1", "host1", "listening"), ("web.2", "host2", "listening")}


def test_an_accessory_on_one_host_is_reached_from_containers_on_both_and_outlives_what_is_deployed(
    app: App, hosts: tuple[Host, ...]
) -> None:
    app.write("mooring.toml", MANIFEST.replace("COMMAND", ASKS_FOR_NOTES) + NOTES)
    app.release(3)
    answer = app.deploy()
    assert answer.code == 0, answer
    assert answers(app) == {"begun"}
    (notes,) = app.mooring("accessory", "ls", "--json").json
    assert (notes["place"]["host"], notes["place"]["address"]) == ("host2", hosts[1].address)
    (before,) = [name for name in containers(hosts[1]) if "notes" in name]
    app.release(4)
    with Traffic(app) as traffic:
        assert app.deploy().code == 0
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])
    assert [name for name in containers(hosts[1]) if "notes" in name] == [before]
    assert answers(app) == {"begun"}
    answer = app.mooring("accessory", "restart", "notes")
    assert answer.code == 0, answer
    assert app.mooring("restart").code == 0
    assert answers(app) == {"begun\nbegun"}, "at the same place, with what it had kept"


def test_an_image_of_a_registry_is_deployed_as_who_is_known_there_and_the_password_is_written_nowhere(
    platform: Platform, hosts: tuple[Host, ...], engine: ContainerEngine, tmp_path: Path
) -> None:
    registry = Registry(tmp_path / "registry")
    registry.start()
    try:
        reference = asyncio.run(published(registry, engine))
        source = platform.directory / "published"
        source.mkdir()
        (source / "mooring.toml").write_text(PUBLISHED.format(image=reference))
        app = platform.app(source, "ready-made")
        assert app.deploy().code == 1, "nobody has said as whom to come"
        words = ("registry", "add", registry.host, "--username", USERNAME)
        assert platform.mooring(*words, stdin=PASSWORD).code == 0
        answer = app.deploy()
        assert answer.code == 0, answer
        assert answers(app) == {"ready made"}
        told = [path for path in platform.directory.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
        assert (told, PASSWORD in app.mooring("events", "--json").out) == ([], False)
        assert app.mooring("destroy", "--confirm", "ready-made").code == 0
    finally:
        registry.stop()


async def published(registry: Registry, engine: ContainerEngine) -> str:
    """An image that the controller's engine does not have any more."""
    page = {"index.html": b"ready made\n"}
    image = engine.build("ready:1", f"FROM base:1\nCOPY index.html /www/\nEXPOSE 8080\nCMD {json.dumps(SERVES)}\n", **page)
    known = Known(host=registry.host, username=USERNAME, images="team/ready")
    talking = Engine(LocalTransport(), PurePosixPath(engine.socket))
    try:
        return await push(talking, image, RegistryLogin(registry=known, password=Secret(PASSWORD)), tag="first")
    finally:
        await talking.close()
        engine.ask("DELETE", f"/images/{image}?force=1")


def test_the_assets_of_a_dockerfiles_image_are_in_the_bucket_and_a_folder_that_is_not_there_changes_nothing(
    platform: Platform, hosts: tuple[Host, ...], engine: ContainerEngine, tmp_path: Path
) -> None:
    with s3_server(tmp_path) as s3:
        bucket, source = s3.make("shop-assets"), platform.directory / "posters-origin"
        (source / "public" / "css").mkdir(parents=True)
        (source / "public" / "css" / "site-1.css").write_text("body {}")
        (source / "Dockerfile").write_text("FROM base:1\nWORKDIR /app\nCOPY public public\nCOPY VERSION /www/index.html\n")
        (source / "VERSION").write_text("0\n")
        app = platform.app(source, "posters")
        for variable, value in (("ASSETS_ACCESS_KEY_ID", KEY_ID), ("ASSETS_SECRET_ACCESS_KEY", KEY_SECRET)):
            assert app.mooring("secret", "set", variable, stdin=value).code == 0
        plain = MANIFEST.replace("COMMAND", COMMAND)
        app.write("mooring.toml", plain + WITH_ASSETS.format(path="public", address=s3.address))
        app.release(1)
        answer = app.deploy()
        assert answer.code == 0, answer
        receipt = receipt_of(app)["assets"]
        assert (receipt["pushed"], receipt["pushed_bytes"], receipt["skipped"]) == (1, 7, 0)
        assert (bucket / "posters" / "production" / "css" / "site-1.css").read_text() == "body {}"
        app.write("mooring.toml", plain + WITH_ASSETS.format(path="/srv/absent", address=s3.address))
        app.release(2)
        refused = app.deploy()
        said = " ".join((refused.out + refused.err).split())
        assert (refused.code, "/srv/absent cannot be taken out of the image" in said) == (1, True), refused
        assert answers(app) == {"1"}
        assert engine.ask("GET", "/containers/json?all=1") == []
        assert app.mooring("destroy", "--confirm", "posters").code == 0
        assert not list(bucket.rglob("*.css"))


def test_somebody_elses_container_is_left_alone_and_nothing_of_the_app_stays(app: App, hosts: tuple[Host, ...]) -> None:
    image = hosts[0].says("docker", "images", "-q").split()[0]
    hosts[0].says("docker", "run", "-d", "--name", "foreign", "--entrypoint", "sleep", image, "1000")
    assert app.mooring("destroy", "--confirm", "crate").code == 0
    assert containers(hosts[0]) == ["foreign"]
    assert containers(hosts[1]) == []
    assert [host.says("docker", "volume", "ls", "-q") for host in hosts] == ["", ""]
    assert hosts[0].says("docker", "ps", "-aq").split() == hosts[0].says("docker", "ps", "-aqf", "name=foreign").split()
