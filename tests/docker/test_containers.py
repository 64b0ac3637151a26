"""What the contract does not ask: what a container may do, what the engine shows, whose a container is, and worse days of an engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import pytest
from docker.engine import ContainerEngine
from docker.rig import DockerRig

from mooring.drivers.runtime.contract import Heard, LogQuery
from mooring.drivers.runtime.docker.engine import Engine
from mooring.drivers.runtime.docker.runtime import DockerRuntime
from mooring.drivers.runtime.docker.settings import DockerSettings
from mooring.drivers.transport.contract import Completed
from mooring.drivers.transport.local import LocalTransport
from mooring.errors import CapacityExceeded, InvalidInput, StateDamaged, Unavailable
from mooring.model.instance import InstanceSpec, InstanceView, LogLine, ProcessState, TaskSpec, TaskState
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact
from mooring.model.secret import Secret, SecretFile
from mooring.testing.lasting_contract import CACHE
from mooring.testing.runtime_contract import SHOP, Kind, a_key, a_mark, started, view_of

pytestmark = pytest.mark.docker


@pytest.fixture
def rig(runtime: DockerRuntime, host_engine: ContainerEngine, own_engine: ContainerEngine) -> DockerRig:
    return DockerRig(runtime, host_engine, own_engine)


def running(rig: DockerRig, command: str, **changes: Any) -> InstanceSpec:
    return msgspec.structs.replace(rig.instance(a_key()), command=command, **changes)


def from_image(image: str, command: str, **changes: Any) -> InstanceSpec:
    artifact = Artifact(id=ArtifactId("own"), builder="image", reason="", directory="", size=1, image=image)
    spec = InstanceSpec(key=a_key(), command=command, directory="", is_routed=False, artifact=artifact)
    return msgspec.structs.replace(spec, **changes)


async def said(rig: DockerRig, *, lines: int = 100) -> list[LogLine]:
    return [line async for line in rig.runtime.logs(LogQuery(environment=SHOP, lines=lines))]


async def has_said(rig: DockerRig, text: str) -> bool:
    return text in [line.text for line in await said(rig)]


async def output_of(rig: DockerRig, command: str) -> tuple[str, ...]:
    """What a task says, which runs as any container of ours."""
    task = TaskSpec(environment=SHOP, name="look", command=command, directory="", timeout=20, release=1, artifact=rig.present)
    await rig.runtime.run_task(a_mark(), task, {})

    async def has_ended() -> bool:
        return (await rig.runtime.observe_task(SHOP, "look")).state is not TaskState.RUNNING

    await rig.until(has_ended)
    return (await rig.runtime.observe_task(SHOP, "look")).last_lines


class TestWhatAContainerMayDo:
    async def test_it_has_no_capability_no_root_and_can_get_no_more(self, rig: DockerRig) -> None:
        lines = await output_of(rig, "grep -E '^(Cap|NoNew|Uid)' /proc/self/status")
        status = dict(line.split(":\t", 1) for line in lines)
        assert [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")] == [0, 0, 0]
        assert status["NoNewPrivs"] == "1"
        assert status["Uid"].split() == ["65532"] * 4

    async def test_the_command_of_a_check_is_in_it_and_sees_nothing_of_this_machine(self, rig: DockerRig, tmp_path: Path) -> None:
        (tmp_path / "here").touch()
        await started(rig, running(rig, "echo its own >/tmp/mine; exec sleep 1000"))
        assert await rig.runtime.ask(a_key(), f"test ! -e {tmp_path}/here && cat /tmp/mine", within=60) == Heard(code=0, said="its own")
        assert (await rig.runtime.ask(a_key(), "id -u", within=60)).said == "65532"
        heard = await rig.runtime.ask(a_key(), "grep -E '^(CapEff|CapBnd|NoNew)' /proc/self/status | tr -s '\n\t' ' '", within=60)
        assert heard.said.split()[1::2] == ["0" * 16, "0" * 16, "1"]

    async def test_it_writes_to_tmp_and_nowhere_else(self, rig: DockerRig, host_engine: ContainerEngine) -> None:
        """Not even to what belongs to its account."""
        image = host_engine.build("own:1", "FROM base:1\nCOPY --chown=65532 place /place\nCMD sh\n", **{"place/file": b""})
        look = "touch /place/here 2>/dev/null && echo written; touch /tmp/here && echo temporary; exec sleep 1000"
        await started(rig, from_image(image, look))
        await rig.until(lambda: has_said(rig, "temporary"))
        assert [line.text for line in await said(rig)] == ["temporary"]

    async def test_an_image_that_names_an_account_runs_as_it(self, rig: DockerRig, host_engine: ContainerEngine) -> None:
        image = host_engine.build("own:1", "FROM base:1\nUSER app\n")
        await started(rig, from_image(image, "id -u; exec sleep 1000"))
        await rig.until(lambda: has_said(rig, "1000"))

    async def test_children_that_nobody_waits_for_are_reaped(self, rig: DockerRig) -> None:
        orphans = "for each in 1 2 3; do (sleep 0.2 &); done; echo hello; exec sleep 1000"
        await started(rig, running(rig, orphans))
        await rig.until(lambda: has_said(rig, "hello"))

        async def only_two_are_left() -> bool:
            return await rig.processes(a_key()) == 2  # the engine's init, and the app

        await rig.until(only_two_are_left)

    async def test_the_app_hears_the_stop_signal_and_ends_by_itself(self, rig: DockerRig) -> None:
        await started(rig, running(rig, "trap 'echo bye; exit 0' USR1; echo hello; while :; do sleep 0.1; done", stop_signal="USR1"))
        await rig.until(lambda: has_said(rig, "hello"))
        await rig.runtime.stop(a_mark(), a_key(), grace=20)
        assert [line.text for line in await said(rig)] == ["hello", "bye"]

    async def test_more_memory_than_declared_ends_it_and_says_so(self, rig: DockerRig) -> None:
        hungry = "x=0123456789abcdef; while :; do x=$x$x; done"
        await rig.runtime.start(a_mark(), running(rig, hungry, memory=16_000_000), {})

        async def is_told() -> bool:
            view = await view_of(rig, a_key())
            return view is not None and view.end_reason == "OOM: used more than the 16.0 MB declared"

        await rig.until(is_told)

    async def test_an_instance_is_held_to_the_processors_that_it_declares(self, rig: DockerRig) -> None:
        """A loop without end would take one of its own: the kernel says when it made it wait."""
        files = " ".join(f"/sys/fs/cgroup/{place}cpu.stat" for place in ("", "cpu/", "cpu,cpuacct/"))
        waits = f"until grep -qsE '^nr_throttled [1-9]' {files}; do sleep 0.1; done"
        await started(rig, running(rig, f"(while :; do :; done) & {waits}; echo held back; exec sleep 1000", cpus=0.05))
        await rig.until(lambda: has_said(rig, "held back"))
        (container,) = rig.engine.ask("GET", "/containers/json")
        assert rig.engine.ask("GET", f"/containers/{container['Id']}/json")["HostConfig"]["NanoCpus"] == 50_000_000

    async def test_memory_that_is_used_is_told(self, rig: DockerRig) -> None:
        await started(rig, rig.instance(a_key()))
        view = await view_of(rig, a_key())
        assert view is not None
        assert 10_000 < view.memory < 100_000_000


class TestHowItIsReached:
    async def test_it_answers_on_the_port_that_is_told_and_another_programs_port_is_passed_over(
        self, rig: DockerRig, settings: DockerSettings
    ) -> None:
        with rig.engine.occupied(settings.ports[0]):
            view = await started(rig, rig.instance(a_key()))
            assert view.port > settings.ports[0]
            assert b"root" in await answer_of(rig, view, "/passwd")

    async def test_the_one_port_that_an_image_names_is_where_the_app_is_to_listen(
        self, rig: DockerRig, host_engine: ContainerEngine
    ) -> None:
        image = host_engine.build("own:1", 'FROM base:1\nEXPOSE 8080\nCMD ["httpd", "-f", "-p", "8080", "-h", "/etc"]\n')
        view = await started(rig, from_image(image, "httpd -f -p 8080 -h /etc", is_routed=True))
        assert await rig.variable(a_key(), "PORT") == b"8080"
        assert b"root" in await answer_of(rig, view, "/passwd")
        assert [each.port for each in (await rig.runtime.inspect(a_key())).listening] == [view.port]


async def answer_of(rig: DockerRig, view: InstanceView, path: str) -> bytes:
    """From outside, as the edge and its checks reach it: the image needs no program for that."""
    found: list[bytes] = []

    async def answers() -> bool:
        with contextlib.suppress(OSError):
            found.append(await asyncio.to_thread(_get, f"http://{view.address}:{view.port}{path}"))
        return bool(found)

    await rig.until(answers)
    return found[0]


def _get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=5) as response:
        content: bytes = response.read()
        return content


class TestSecrets:
    async def test_no_secret_stands_in_what_the_engine_shows_or_keeps(self, rig: DockerRig, host_engine: ContainerEngine) -> None:
        await started(rig, rig.instance(a_key()), {"A": Secret("s3cret-of-a"), "B": SecretFile("s3cret-of-b"), "C": "plain"})
        shown = json.dumps(rig.inspected(a_key()))
        assert "C=plain" in shown
        assert "s3cret" not in shown
        kept = host_engine.records()
        assert kept
        assert [path for path in kept if b"s3cret" in path.read_bytes()] == []
        assert await rig.variable(a_key(), "A") == b"s3cret-of-a"

    async def test_they_go_with_the_instance_and_with_the_task(self, rig: DockerRig, memory_place: Path) -> None:
        await started(rig, rig.instance(a_key()), {"A": Secret("x")})
        await rig.runtime.run_task(a_mark(), rig.task("one", Kind.SUCCEEDING), {"A": Secret("x")})
        assert len(list((memory_place / "tests").iterdir())) == 2

        async def has_ended() -> bool:
            return (await rig.runtime.observe_task(SHOP, "one")).state is TaskState.SUCCEEDED

        await rig.until(has_ended)
        await rig.runtime.stop(a_mark(), a_key(), grace=5)
        assert list((memory_place / "tests").iterdir()) == []

    async def test_after_the_hosts_memory_was_lost_it_is_not_run_without_them_and_can_be_started_again(
        self, rig: DockerRig, memory_place: Path
    ) -> None:
        await started(rig, rig.instance(a_key()), {"A": Secret("x")})
        shutil.rmtree(memory_place / "tests")
        await rig.kill(a_key())

        async def is_gone() -> bool:
            return await rig.runtime.observe() == ()

        await rig.until(is_gone)
        await started(rig, rig.instance(a_key()), {"A": Secret("x")})
        assert await rig.variable(a_key(), "A") == b"x"

    async def test_they_are_not_written_to_a_disk(self, rig: DockerRig, settings: DockerSettings, tmp_path: Path) -> None:
        on_disk = DockerRuntime(LocalTransport(), msgspec.structs.replace(settings, secrets=PurePosixPath(tmp_path)))
        with pytest.raises(Unavailable, match="is on a disk: no secret is written there"):
            await on_disk.start(a_mark(), rig.instance(a_key()), {"A": Secret("x")})
        await on_disk.close()
        assert await rig.runtime.observe() == ()

    async def test_an_image_without_a_shell_runs_its_own_command_and_finds_its_secrets_as_files(
        self, rig: DockerRig, host_engine: ContainerEngine
    ) -> None:
        spec = self._without_shell(host_engine, 'CMD ["/busybox", "sleep", "1000"]')
        with pytest.raises(InvalidInput, match="the image has no /bin/sh, which secrets need"):
            await rig.runtime.start(a_mark(), spec, {"A": Secret("x")})
        assert await rig.runtime.observe() == ()
        await started(rig, spec, {"A": SecretFile("x")})
        assert await rig.secret_file(a_key(), "A") == b"x"

    async def test_a_command_line_for_an_image_without_a_shell_is_refused(self, rig: DockerRig, host_engine: ContainerEngine) -> None:
        spec = msgspec.structs.replace(self._without_shell(host_engine, 'CMD ["/busybox"]'), command="/busybox sleep 1")
        with pytest.raises(InvalidInput, match="no /bin/sh to run this command line"):
            await rig.runtime.start(a_mark(), spec, {})

    async def test_an_image_without_a_shell_cannot_be_asked_by_a_command(self, rig: DockerRig, host_engine: ContainerEngine) -> None:
        await started(rig, self._without_shell(host_engine, 'CMD ["/busybox", "sleep", "1000"]'))
        with pytest.raises(Unavailable, match="has no /bin/sh to run a command") as refused:
            await rig.runtime.ask(a_key(), "true", within=60)
        assert "health.path" in refused.value.hint

    def _without_shell(self, engine: ContainerEngine, line: str) -> InstanceSpec:
        busybox = Path(shutil.which("busybox") or "").read_bytes()
        image = engine.build("own:1", f"FROM scratch\nCOPY busybox /busybox\n{line}\n", busybox=busybox)
        return from_image(image, "/busybox sleep 1000")


class TestWhoseItIs:
    async def test_what_is_not_ours_is_neither_seen_nor_touched(
        self, rig: DockerRig, settings: DockerSettings, host_engine: ContainerEngine
    ) -> None:
        host_engine.build("foreign:1", "FROM base:1\nLABEL a=b\n")
        created = host_engine.ask("POST", "/containers/create?name=foreign", {"Image": "foreign:1", "Cmd": ["sleep", "1000"]})
        host_engine.ask("POST", f"/containers/{created['Id']}/start")
        other = DockerRuntime(LocalTransport(), msgspec.structs.replace(settings, controller="other"))
        await other.start(a_mark(), rig.instance(a_key()), {})
        assert await rig.runtime.observe() == ()
        await rig.runtime.stop(a_mark(), a_key(), grace=1)
        assert await rig.runtime.forget(a_mark(), SHOP, releases=None) == 0
        assert await rig.runtime.reclaim(a_mark(), keep=frozenset()) == 0
        assert len(await other.observe()) == 1
        assert {each["State"] for each in host_engine.ask("GET", "/containers/json?all=1")} == {"running"}
        assert host_engine.ask("GET", "/images/foreign:1/json")["RepoTags"]
        await other.close()

    async def test_a_name_that_somebody_else_has_is_not_taken_from_them(self, rig: DockerRig, host_engine: ContainerEngine) -> None:
        name = f"tests.{a_key().slug}"
        host_engine.ask("POST", f"/containers/create?name={name}", {"Image": "base:1", "Cmd": ["sleep", "1000"]})
        with pytest.raises(Unavailable, match="a container of somebody else is called"):
            await rig.runtime.start(a_mark(), rig.instance(a_key()), {})
        assert host_engine.ask("GET", f"/containers/{name}/json")["State"]["Status"] == "created"

    async def test_a_volume_that_somebody_else_has_is_not_used(self, rig: DockerRig, host_engine: ContainerEngine) -> None:
        key = a_key(process="cache", environment=CACHE)
        host_engine.ask("POST", "/volumes/create", {"Name": f"tests.volume.{CACHE.slug}"})
        with pytest.raises(Unavailable, match="a volume of somebody else is called"):
            await rig.runtime.start(a_mark(environment=CACHE), rig.lasting(key), {})
        await rig.runtime.forget(a_mark(), SHOP, releases=None, volumes=True)
        assert [each["Name"] for each in host_engine.ask("GET", "/volumes")["Volumes"]] == [f"tests.volume.{CACHE.slug}"]


class TestWorseDays:
    async def test_after_the_engine_crashed_what_it_does_not_bring_back_can_be_started_again(
        self, rig: DockerRig, host_engine: ContainerEngine
    ) -> None:
        await started(rig, rig.instance(a_key()), {"A": Secret("x")})
        host_engine.kill()
        with pytest.raises(Unavailable, match="the container engine"):
            await rig.runtime.observe()
        host_engine.start_again()
        await rig.until(lambda: can_be_asked(rig))
        await started(rig, rig.instance(a_key()), {"A": Secret("x")})
        assert await rig.variable(a_key(), "A") == b"x"

    async def test_what_was_put_away_is_not_brought_back_by_the_engine(self, rig: DockerRig, host_engine: ContainerEngine) -> None:
        await started(rig, rig.instance(a_key()))
        await rig.runtime.stop(a_mark(), a_key(), grace=5)
        (left,) = host_engine.ask("GET", "/containers/json?all=1")
        policy = host_engine.ask("GET", f"/containers/{left['Id']}/json")["HostConfig"]["RestartPolicy"]["Name"]
        assert (left["State"], policy) == ("exited", "no")

    async def test_one_that_was_made_and_never_started_is_made_anew(self, rig: DockerRig, host_engine: ContainerEngine) -> None:
        name = f"tests.{a_key().slug}"
        left = {"Image": "base:1", "Cmd": ["sh"], "Labels": {"mooring.controller": "tests", "mooring.kind": "instance"}}
        host_engine.ask("POST", f"/containers/create?name={name}", left)
        assert (await started(rig, rig.instance(a_key()))).state is ProcessState.RUNNING

    async def test_one_that_a_person_stopped_can_be_started_again(self, rig: DockerRig, host_engine: ContainerEngine) -> None:
        await started(rig, rig.instance(a_key()))
        host_engine.ask("POST", f"/containers/tests.{a_key().slug}/stop?t=0")

        async def is_gone() -> bool:
            return await rig.runtime.observe() == ()

        await rig.until(is_gone)
        await started(rig, rig.instance(a_key()))

    async def test_an_engine_that_is_not_there_is_unavailable(self, settings: DockerSettings, tmp_path: Path) -> None:
        nowhere = DockerRuntime(LocalTransport(), msgspec.structs.replace(settings, socket=PurePosixPath(tmp_path / "none")))
        with pytest.raises(Unavailable, match="there is no socket"):
            await nowhere.observe()
        await nowhere.close()

    async def test_a_garbled_fencing_number_needs_a_person(self, rig: DockerRig, settings: DockerSettings) -> None:
        await rig.runtime.start(a_mark(3), rig.instance(a_key()), {})
        fence = Path(settings.directory / "tests" / "fences" / SHOP.slug)
        assert fence.read_text() == "3\n"
        fence.write_text("3x\n")
        with pytest.raises(StateDamaged, match="cannot be read"):
            await rig.runtime.stop(a_mark(3), a_key(), grace=1)

    async def test_what_is_no_image_is_refused_with_what_to_do(self, rig: DockerRig) -> None:
        directory = Artifact(id=ArtifactId("a1"), builder="python", reason="", directory="/srv", size=1)
        with pytest.raises(InvalidInput, match="no image: a container engine cannot run it") as refused:
            await rig.runtime.deliver(a_mark(), directory)
        assert "builder dockerfile" in refused.value.hint


async def can_be_asked(rig: DockerRig) -> bool:
    with contextlib.suppress(Unavailable):
        await rig.runtime.observe()
        return True
    return False


async def test_a_task_that_cannot_be_started_leaves_nothing_behind(
    rig: DockerRig, host_engine: ContainerEngine, memory_place: Path
) -> None:
    image = host_engine.build("own:1", "FROM base:1\nUSER stranger\n")
    artifact = Artifact(id=ArtifactId("own"), builder="image", reason="", directory="", size=1, image=image)
    task = TaskSpec(environment=SHOP, name="look", command="true", directory="", timeout=20, release=1, artifact=artifact)
    with pytest.raises(Unavailable, match="unable to find user stranger"):
        await rig.runtime.run_task(a_mark(), task, {"A": SecretFile("x")})
    assert host_engine.ask("GET", "/containers/json?all=1") == []
    assert list((memory_place / "tests").iterdir()) == []


class TestLogs:
    async def test_both_streams_and_lines_longer_than_the_engines_pieces(self, rig: DockerRig) -> None:
        long = "head -c 40000 /dev/zero | tr '\\0' x; echo"
        await started(rig, running(rig, f"echo error >&2; {long}; printf '\\377\\n'; echo end; exec sleep 1000"))
        await rig.until(lambda: has_said(rig, "end"))
        lines = await said(rig)
        assert ("stderr", "error") in [(line.stream, line.text) for line in lines]
        assert [line.text for line in lines if line.stream == "stdout"] == ["x" * 40_000, "\ufffd", "end"]

    async def test_a_last_line_that_was_never_ended_is_told(self, rig: DockerRig) -> None:
        assert await output_of(rig, "echo one; printf two") == ("one", "two")

    async def test_a_talkative_app_takes_no_more_of_the_disk_than_its_share(self, rig: DockerRig) -> None:
        flood = "head -c 25000000 /dev/zero | tr '\\0' a; echo; echo the-end; exec sleep 100000"
        await rig.runtime.start(a_mark(), running(rig, flood, is_routed=False), {})
        await rig.until(lambda: has_said(rig, "the-end"))
        kept = Path(rig.inspected(a_key())["LogPath"]).parent.glob("*-json.log*")
        sizes = [path.stat().st_size for path in kept]
        assert len(sizes) == 2, "the oldest of it is gone"
        assert sum(sizes) < 12_000_000

    async def test_the_newest_lines_are_told_and_following_goes_on_after_them(self, rig: DockerRig) -> None:
        more = "until [ -e /tmp/go ]; do sleep 0.1; done; echo 5"
        await started(rig, running(rig, f"for each in 1 2 3 4; do echo $each; done; {more}; exec sleep 1000"))
        await rig.until(lambda: has_said(rig, "4"))
        assert [line.text for line in await said(rig, lines=2)] == ["3", "4"]
        seen = []
        async for line in rig.runtime.logs(LogQuery(environment=SHOP, lines=1, follow=True)):
            seen.append(line.text)
            if line.text == "5":
                break
            Path(f"/proc/{(await rig.pids(a_key()))[-1]}/root/tmp/go").touch()
        assert seen == ["4", "5"]

    async def test_lines_of_an_engine_whose_clock_is_wrong_are_told_by_ours(self, rig: DockerRig, monkeypatch: pytest.MonkeyPatch) -> None:
        await started(rig, running(rig, "echo hello; exec sleep 1000"))
        await rig.until(lambda: has_said(rig, "hello"))
        (right,) = await said(rig)
        really = Engine.get

        async def an_hour_behind(engine: Engine, path: str, *rest: Any) -> Any:
            answer = await really(engine, path, *rest)
            hour_ago = datetime.fromtimestamp(time.time() - 3600, UTC).isoformat().replace("+00:00", "Z")
            return {**answer, "SystemTime": hour_ago} if path == "info" else answer

        monkeypatch.setattr(Engine, "get", an_hour_behind)
        (moved,) = await said(rig)
        assert 3598 <= moved.at - right.at <= 3602


class TestSessions:
    async def test_with_pipes_what_goes_in_comes_out_and_the_code_is_told(self, rig: DockerRig) -> None:
        session = await rig.docker.attach(self._task(rig, 'cat; echo "$A" >&2; exit 7'), {"A": Secret("x")}, terminal=False)
        await session.write(b"hello\n")
        await session.close_input()
        chunks = [chunk async for chunk in session.output()]
        assert (b"".join(data for name, data in chunks if name == "stdout")) == b"hello\n"
        assert (b"".join(data for name, data in chunks if name == "stderr")) == b"x\n"
        assert await session.wait() == 7
        await session.close()

    async def test_a_terminal_has_its_size_and_hanging_up_ends_everything(self, rig: DockerRig, host_engine: ContainerEngine) -> None:
        command = "until [ \"$(stty size)\" = '40 120' ]; do sleep 0.1; done; echo resized; exec sleep 1000"
        session = await rig.docker.attach(self._task(rig, command), {}, terminal=True)
        await session.resize(rows=40, columns=120)
        async for _, chunk in session.output():
            if b"resized" in chunk:
                break
        await session.close()
        assert host_engine.ask("GET", "/containers/json?all=1") == []

    def _task(self, rig: DockerRig, command: str) -> TaskSpec:
        return TaskSpec(environment=SHOP, name="run", command=command, directory="", timeout=60, release=1, artifact=rig.present)


class TestDelivery:
    async def test_only_layers_that_are_missing_are_sent(self, rig: DockerRig, own_engine: ContainerEngine) -> None:
        artifact = self._layered(own_engine)
        delivery = await rig.runtime.deliver(a_mark(), artifact)
        assert delivery.total > 1_900_000  # busybox lies in the layer below, which the host has
        assert 100_000 < delivery.sent < 120_000
        await started(rig, rig.from_artifact(a_key(), artifact))

    async def test_what_does_not_fit_is_refused_with_numbers_before_anything_is_sent(
        self, rig: DockerRig, settings: DockerSettings, own_engine: ContainerEngine
    ) -> None:
        class FullDisk(LocalTransport):
            async def run(self, argv: Any, **options: Any) -> Completed:
                return Completed(code=0, out=b"10 4096\n") if argv[0] == "stat" else await super().run(argv, **options)

        full = DockerRuntime(FullDisk(), settings)
        with pytest.raises(CapacityExceeded, match=r"needs 200\.\d MB on the engine's disk, and 41\.0 kB are free"):
            await full.deliver(a_mark(), self._layered(own_engine))
        await full.close()

    async def test_an_image_for_another_kind_of_machine_is_refused(self, rig: DockerRig, own_engine: ContainerEngine) -> None:
        image = own_engine.make_foreign("strange:1")
        artifact = Artifact(id=ArtifactId("a1"), builder="image", reason="", directory="", size=1, image=image)
        with pytest.raises(InvalidInput, match="the image is for linux/riscv64, and the host is linux/"):
            await rig.runtime.deliver(a_mark(), artifact)

    def _layered(self, own_engine: ContainerEngine) -> Artifact:
        own_engine.make_base("base:1")
        image = own_engine.build("app:1", "FROM base:1\nCOPY filling /filling\n", filling=os.urandom(100_000))
        return Artifact(id=ArtifactId("layered"), builder="dockerfile", reason="", directory="", size=1, image=image)
