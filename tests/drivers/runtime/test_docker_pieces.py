"""What the runtime `docker` decides without an engine: for whoever has none to run its other tests on."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mooring.drivers.runtime.docker import labels, times, views
from mooring.drivers.runtime.docker.archive import shorten
from mooring.drivers.runtime.docker.carried import carried, started_by
from mooring.drivers.runtime.docker.containers import Container, body
from mooring.drivers.runtime.docker.delivery import check_platform
from mooring.drivers.runtime.docker.dialect import DOCKER, PODMAN, dialect_of
from mooring.drivers.runtime.docker.host import listeners
from mooring.drivers.runtime.docker.images import image, layer_sizes, shared
from mooring.drivers.runtime.docker.layout import lay_out
from mooring.drivers.runtime.docker.observing import memory_of
from mooring.drivers.runtime.docker.settings import DockerSettings
from mooring.drivers.runtime.docker.views import End, instance_view, task_state
from mooring.errors import InvalidInput, Unavailable
from mooring.model.health import Listening
from mooring.model.instance import InstanceView, ProcessState, TaskState
from mooring.model.secret import Secret, SecretFile
from mooring.testing.runtime_contract import a_key

SETTINGS = DockerSettings(controller="c1", memory_budget=1)
values = some.text(some.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=50) | some.binary(max_size=50).map(
    lambda content: content.replace(b"\0", b"").decode("utf-8", "surrogateescape")
)


class TestSecrets:
    @given(values)
    def test_a_shell_reads_every_secret_as_it_was(self, value: str) -> None:
        script = carried({"A": Secret(value), "Z": Secret("last")}).files[".exports"] + b'printf %s "$A"\n'
        said = subprocess.run(["/bin/sh"], input=script, capture_output=True, check=True, env={"LC_ALL": "C"})
        assert said.stdout == value.encode("utf-8", "surrogateescape")

    def test_what_may_be_seen_and_what_may_not_go_different_ways(self) -> None:
        goods = carried({"PLAIN": "x", "BYTES": "\udcff", "TOKEN": Secret("t"), "KEY": SecretFile("k\0")})
        assert goods.environment == {"PLAIN": "x", "KEY_FILE": "/run/secrets/KEY"}
        assert goods.files == {"KEY": b"k\0", ".exports": b"export BYTES='\xff'\nexport TOKEN='t'\n"}
        assert started_by(("/app",), goods)[-1] == "/app"
        assert started_by(("/app",), carried({"PLAIN": "x"})) == ("/app",)

    def test_no_body_for_the_engine_holds_one(self) -> None:
        goods = carried({"TOKEN": Secret("s3ntinel"), "KEY": SecretFile("s3ntinel")})
        container = Container(image="i", argv=started_by(("/app",), goods), environment=goods.environment, labels={})
        assert "s3ntinel" not in json.dumps(body(container, SETTINGS))


class TestViews:
    def answer(self, restarts: int = 0, **state: object) -> dict[str, Any]:
        marks = labels.of_instance("c1", a_key(), port=30_000, memory=512_000_000)
        whole = {"Running": True, "StartedAt": "2026-11-21T16:00:00.5Z", "FinishedAt": "2026-11-21T16:00:01Z", "Pid": 7, **state}
        return {"State": whole, "Config": {"Labels": marks}, "RestartCount": restarts}

    def view(self, end: End | None = None, *, is_retired: bool = False, dies_often: bool = False, **answer: Any) -> InstanceView | None:
        return instance_view(self.answer(**answer), end=end, is_retired=is_retired, dies_often=dies_often, address="10.0.0.1", memory=5)

    def test_one_that_runs(self) -> None:
        view = self.view()
        assert view is not None
        assert (view.key, view.state, view.address, view.port, view.pid, view.memory) == (
            a_key(),
            ProcessState.RUNNING,
            "10.0.0.1",
            30_000,
            7,
            5,
        )
        assert view.started_at == 1795276800.5

    @pytest.mark.parametrize(("restarts", "state", "wait"), [(1, ProcessState.STARTING, 0.0), (5, ProcessState.BACKOFF, 1.6)])
    def test_waits_are_told_once_it_died_often(self, restarts: int, state: ProcessState, wait: float) -> None:
        view = self.view(restarts=restarts, Restarting=True, ExitCode=3)
        assert view is not None
        assert (view.state, view.exit_code) == (state, 3)
        assert view.retry_at == pytest.approx(1795276801 + wait if wait else 0)

    def test_with_an_engine_that_does_not_wait_it_is_told_that_it_dies_often(self) -> None:
        view = self.view(End(code=3), dies_often=True, restarts=20)
        assert view is not None
        assert (view.state, view.exit_code, view.retry_at) == (ProcessState.BACKOFF, 3, 1795276801)

    def test_what_podman_calls_stopped_it_starts_again_unless_it_was_put_away_or_is_a_task(self) -> None:
        stopped = {"Running": False, "Status": "stopped", "ExitCode": 3}
        kept = {**self.answer(**stopped), "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}}}
        found = [
            instance_view(each, end=None, is_retired=is_retired, dies_often=False, address="", memory=0)
            for each, is_retired in ((kept, False), (kept, True), (self.answer(**stopped), False))
        ]
        assert [view.state if view else None for view in found] == [ProcessState.STARTING, None, None]

    def test_why_it_ended_last(self) -> None:
        killed, hungry = self.view(End(code=137)), self.view(End(code=137, is_out_of_memory=True))
        assert killed is not None and hungry is not None
        assert (killed.signal, killed.exit_code, killed.end_reason) == ("SIGKILL", None, "")
        assert hungry.end_reason == "OOM: used more than the 512.0 MB declared"

    def test_what_the_engine_will_not_run_again_is_no_instance(self) -> None:
        assert self.view(Running=False) is None

    def test_what_was_put_away_and_still_runs_is_stopping(self) -> None:
        view = self.view(is_retired=True)
        assert view is not None
        assert view.state is ProcessState.STOPPING

    def test_labels_that_somebody_else_wrote_are_no_key(self) -> None:
        for marks in ({}, {labels.ENVIRONMENT: "../x"}, {**labels.of_instance("c", a_key(), port=0, memory=0), labels.SLOT: "x"}):
            assert labels.key_of(marks) is None

    @pytest.mark.parametrize(
        ("state", "expected"),
        [
            ({"Running": True}, (TaskState.RUNNING, None)),
            ({"StartedAt": "0001-01-01T00:00:00Z"}, (TaskState.ABSENT, None)),
            ({"ExitCode": 0}, (TaskState.SUCCEEDED, 0)),
            ({"ExitCode": 5}, (TaskState.FAILED, 5)),
            ({"ExitCode": 143, "FinishedAt": "2026-11-21T16:01:00Z"}, (TaskState.FAILED, views.TIMED_OUT)),
            ({"Dead": True}, (TaskState.LOST, None)),
        ],
    )
    def test_how_a_task_is(self, state: dict[str, object], expected: tuple[TaskState, int | None]) -> None:
        answer = self.answer(**{"Running": False, **state})
        answer["Config"]["Labels"] = {labels.TIMEOUT: "60"} if "FinishedAt" not in state else {labels.TIMEOUT: "30"}
        assert task_state(answer) == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("1970-01-01T00:00:01.25Z", 1.25), ("1970-01-01T01:00:00.123456789+01:00", 0.123456789), ("0001-01-01T00:00:00Z", 0), ("x", 0)],
    )
    def test_the_engines_times(self, text: str, expected: float) -> None:
        assert times.seconds(text) == pytest.approx(expected)


class TestImages:
    def test_layers_are_shared_from_the_lowest_on(self) -> None:
        assert shared(("a", "b", "c"), [("a", "c"), ("a", "b"), ("b", "c")]) == 2
        assert shared(("a",), []) == 0

    def test_a_step_without_a_layer_has_no_bytes(self) -> None:
        assert layer_sizes([{"Size": 5}, {"Size": 0}, {"Size": 90}], 2) == (90, 5)
        assert layer_sizes([{"Size": 0}, {"Size": 90}], 2) == (45, 45)
        assert layer_sizes([], 0) == ()

    def test_the_images_own_command_needs_no_shell_and_another_has_one(self) -> None:
        told = image({"Id": "i", "Config": {"Entrypoint": ["/run"], "Cmd": ["a b"], "ExposedPorts": {"80/tcp": {}, "53/udp": {}}}})
        assert told.argv_of("/run 'a b'") == ("/run", "a b")
        assert told.argv_of("other") == ("/bin/sh", "-c", "exec other")
        assert (told.port_inside(30_000), told.is_root) == (80, True)

    def test_several_ports_leave_the_published_one(self) -> None:
        told = image({"Id": "i", "Config": {"User": "app", "ExposedPorts": {"80/tcp": {}, "81/tcp": {}}}})
        assert (told.port_inside(30_000), told.is_root) == (30_000, False)

    def test_another_kind_of_machine_is_told(self) -> None:
        check_platform("linux/arm64/v8", {"OSType": "linux", "Architecture": "aarch64"}, "h")
        with pytest.raises(InvalidInput, match="the image is for linux/arm64, and the host is linux/amd64"):
            check_platform("linux/arm64", {"OSType": "linux", "Architecture": "x86_64"}, "h")


def test_an_engine_says_what_it_is() -> None:
    assert dialect_of({"Components": [{"Name": "Podman Engine", "Version": "4.3.1"}, {"Name": "Conmon"}]}) is PODMAN
    assert dialect_of({"Components": [{"Name": "Engine", "Version": "20.10.24"}]}) is DOCKER
    assert dialect_of({"Version": "20.10.24"}) is DOCKER


class TestArchive:
    def shortened(self, files: dict[str, bytes], layers: list[str], present: int) -> dict[str, bytes]:
        manifest = json.dumps([{"Config": "config.json", "RepoTags": ["app:1"], "Layers": layers}]).encode()
        whole, packed = io.BytesIO(_tar({**files, "manifest.json": manifest})), io.BytesIO()
        shorten(whole, packed, tag="mooring-c1:a1", present=present)
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed.getvalue()))) as tar:
            return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}

    def test_layers_that_are_there_are_left_out_and_it_has_its_new_name(self) -> None:
        found = self.shortened({"one": b"1", "two": b"2", "config.json": b"{}", "repositories": b"{}"}, ["one", "two"], 1)
        assert found.keys() == {"two", "config.json", "manifest.json"}
        assert json.loads(found["manifest.json"])[0]["RepoTags"] == ["mooring-c1:a1"]

    def test_a_layer_that_comes_twice_stays_for_its_second_place(self) -> None:
        assert "same" in self.shortened({"same": b"1"}, ["same", "same"], 1)

    def test_the_newer_index_goes_where_layers_are_missing(self) -> None:
        files = {"index.json": b"{}", "blobs/sha256/1": b"1", "blobs/sha256/2": b"2"}
        names = ["blobs/sha256/1", "blobs/sha256/2"]
        assert "index.json" in self.shortened(files, names, 0)
        assert self.shortened(files, names, 1).keys() == {"blobs/sha256/2", "manifest.json"}

    @pytest.mark.parametrize("content", [b"", os.urandom(2000), b"\0" * 10_240])
    def test_what_is_no_archive_of_an_image_is_unavailable(self, content: bytes) -> None:
        with pytest.raises(Unavailable, match="cannot be read"):
            shorten(io.BytesIO(content), io.BytesIO(), tag="t", present=0)


class TestLayout:
    """As OCI lays out an image, for an engine that takes no archive of Docker's without all layers."""

    def laid_out(self, layers: list[bytes], present: int, directory: Path) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
        """What its manifest says of layers, and the blobs that it holds."""
        digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
        files = {f"{number}/layer.tar": layer for number, layer in enumerate(layers)}
        manifest = json.dumps([{"Config": "config.json", "RepoTags": ["app:1"], "Layers": list(files)}]).encode()
        config = json.dumps({"rootfs": {"diff_ids": digests}}).encode()
        target = io.BytesIO()
        whole = io.BytesIO(_tar({**files, "config.json": config, "manifest.json": manifest}))
        lay_out(whole, target, present=present, spool=directory)
        with tarfile.open(fileobj=io.BytesIO(target.getvalue())) as tar:
            found = {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
        blobs = {f"sha256:{name.rpartition('/')[2]}": content for name, content in found.items() if name.startswith("blobs/")}
        assert all(digest == f"sha256:{hashlib.sha256(content).hexdigest()}" for digest, content in blobs.items())
        described = json.loads(blobs[json.loads(found["index.json"])["manifests"][0]["digest"]])
        assert blobs[described["config"]["digest"]] == config
        return described["layers"], blobs

    def test_a_layer_that_is_there_is_named_by_its_content_and_left_out(self, tmp_path: Path) -> None:
        layers, blobs = self.laid_out([b"one", b"two"], 1, tmp_path)
        assert layers[0] == {
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": f"sha256:{hashlib.sha256(b'one').hexdigest()}",
            "size": 3,
        }
        assert layers[0]["digest"] not in blobs
        assert gzip.decompress(blobs[layers[1]["digest"]]) == b"two"
        assert layers[1]["size"] == len(blobs[layers[1]["digest"]])

    def test_a_layer_that_comes_twice_is_there_where_it_is_needed(self, tmp_path: Path) -> None:
        layers, blobs = self.laid_out([b"same", b"same"], 1, tmp_path)
        assert [gzip.decompress(blobs[each["digest"]]) for each in layers] == [b"same", b"same"]

    def test_what_is_no_archive_of_an_image_is_unavailable(self, tmp_path: Path) -> None:
        with pytest.raises(Unavailable, match="cannot be read"):
            lay_out(io.BytesIO(_tar({"x": b""})), io.BytesIO(), present=0, spool=tmp_path)


def _tar(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def test_a_container_may_do_little() -> None:
    host: Any = body(Container(image="i", argv=("a",), environment={}, labels={}), SETTINGS)["HostConfig"]
    assert (host["CapDrop"], host["ReadonlyRootfs"], host["Init"], host["SecurityOpt"]) == (["ALL"], True, True, ["no-new-privileges"])
    assert "Privileged" not in host and "NetworkMode" not in host


def test_where_something_listens_is_read_from_the_kernels_tables() -> None:
    rows = (Path("/proc/net/tcp").read_text().splitlines()[0], "0: 0100007F:1F90 00000000:0000 0A x", "1: 0B00007F:0035 00000000:0000 0A x")
    assert listeners("\n".join(rows)) == (Listening("127.0.0.1", 8080),)


def test_memory_that_the_kernel_gives_back_is_not_counted() -> None:
    assert memory_of({"memory_stats": {"usage": 100, "stats": {"total_inactive_file": 30}}}) == 70
    assert memory_of({}) == 0


def test_a_controller_that_could_not_be_a_name_is_refused() -> None:
    for name in ("", "-a", "a/b", "A", "a" * 41):
        with pytest.raises(InvalidInput):
            DockerSettings(controller=name, memory_budget=1)
