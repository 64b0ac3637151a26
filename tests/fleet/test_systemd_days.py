"""What the runtime `systemd` does besides the contract, and on its bad days: a plug, a cable, a full disk, a stranger's unit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from fleet.image import USER
from fleet.rig import Host
from fleet.systemd_rig import SystemdRig

from mooring.drivers.runtime.contract import LogQuery
from mooring.drivers.runtime.systemd.runtime import SystemdRuntime, SystemdSettings
from mooring.drivers.transport.ssh import SshTransport
from mooring.errors import CapacityExceeded, DriverError, InvalidInput, NeedsPerson, OutcomeUnknown, StaleFence, Unavailable
from mooring.model.instance import InstanceSpec, ProcessState, TaskState
from mooring.model.secret import Secret, SecretFile
from mooring.testing.runtime_contract import SHOP, Kind, a_key, a_mark, started, view_of

UNIT = "mooring-shop--production--web.1.v1.0.service"


@pytest.fixture
async def rig(host: Host, ssh: SshTransport, tmp_path: Path) -> AsyncIterator[SystemdRig]:
    rig = SystemdRig(host, "root", ssh, tmp_path)
    try:
        yield rig
    finally:
        rig.remove()


def with_command(rig: SystemdRig, command: str, **changed: float) -> InstanceSpec:
    return msgspec.structs.replace(rig.instance(a_key()), command=command, **changed)


async def test_an_instance_runs_as_a_user_of_its_own_that_cannot_write_outside_its_home_or_gain_rights(rig: SystemdRig) -> None:
    touching = "touch /etc/x 2>/dev/null || echo no; touch $HOME/x && echo yes"
    trial = f"id -u; grep NoNewPrivs /proc/self/status; {touching}; test -e /home/deploy || echo hidden"
    await started(rig, with_command(rig, f"{trial}; {rig.command(Kind.STEADY)}"))
    await rig.until(lambda: said(rig, "hello"))
    lines = [line.text for line in [line async for line in rig.runtime.logs(LogQuery(environment=SHOP))]]
    assert int(lines[0]) >= 61184, "a user that systemd made. Source: systemd, docs/UIDS-GIDS"
    assert lines[1].split() == ["NoNewPrivs:", "1"]
    assert lines[2:] == ["no", "yes", "hidden", "hello"]


async def test_secrets_stand_in_no_unit_file_no_argument_and_no_file_that_others_can_read(rig: SystemdRig) -> None:
    await started(rig, rig.instance(a_key()), {"TOKEN": Secret("s3ntinel-value"), "TLS_KEY": SecretFile("s3ntinel-file")})
    assert "s3ntinel" not in rig.host.says("systemctl", "show", UNIT)
    assert "s3ntinel" not in rig.host.says("systemctl", "cat", UNIT)
    assert b"s3ntinel" not in rig.host.run("sh", "-c", "cat /proc/[0-9]*/cmdline").stdout
    holding = rig.host.says("sh", "-c", "grep -rl s3ntinel /etc /var/lib /run /tmp 2>/dev/null; true").split()
    assert holding, "they have to lie somewhere"
    for path in holding:
        owners = rig.host.run("runuser", "-u", USER, "--", "cat", path)
        assert owners.returncode == 1, f"{path} can be read by others"


async def test_what_takes_more_memory_than_it_declared_is_ended_and_says_so(rig: SystemdRig) -> None:
    greedy = "python3 -c 'print(len(b\"x\" * 300_000_000))'"
    await rig.runtime.start(a_mark(), with_command(rig, greedy, memory=64_000_000), {})

    async def was_ended() -> bool:
        view = await view_of(rig, a_key())
        return view is not None and view.end_reason != ""

    await rig.until(was_ended)
    inspection = await rig.runtime.inspect(a_key())
    assert inspection.is_out_of_memory
    assert inspection.view is not None
    assert inspection.view.end_reason == "OOM: used more than 64 MB declared"


async def test_what_wants_more_of_the_processors_than_it_declared_has_to_wait(rig: SystemdRig) -> None:
    """A loop without end would take one of its own: the kernel says how often it made it wait."""
    await rig.runtime.start(a_mark(), with_command(rig, "while :; do :; done", cpus=0.2), {})

    async def has_waited() -> bool:
        told = rig.host.run("sh", "-c", f"find /sys/fs/cgroup -path '*/{UNIT}/cpu.stat' -exec cat {{}} +").stdout.decode()
        return any(int(line.split()[1]) > 0 for line in told.splitlines() if line.startswith("nr_throttled "))

    await rig.until(has_waited)


async def test_standard_error_is_told_apart_and_every_line_arrives_whole(rig: SystemdRig) -> None:
    await started(rig, with_command(rig, f"echo '<3>out'; echo ' err' >&2; printf 'a\\033[1mb\\n'; {rig.command(Kind.STEADY)}"))
    await rig.until(lambda: said(rig, "hello"))
    lines = [(line.stream, line.text) async for line in rig.runtime.logs(LogQuery(environment=SHOP))]
    assert sorted(lines) == sorted([("stdout", "<3>out"), ("stderr", " err"), ("stdout", "a\033[1mb"), ("stdout", "hello")])


async def test_two_controllers_cannot_both_act(rig: SystemdRig) -> None:
    other_way = SshTransport(rig.host.ssh())
    other = SystemdRuntime(other_way, SystemdSettings(memory_budget=1, directory=rig.directory))
    await rig.runtime.start(a_mark(8), rig.instance(a_key()), {})
    with pytest.raises(StaleFence, match="older than 8"):
        await other.stop(a_mark(7), a_key(), grace=1)
    numbers = range(10, 20)
    done = await asyncio.gather(*(other.reclaim(a_mark(number), keep=frozenset()) for number in numbers), return_exceptions=True)
    assert all(result == 0 or isinstance(result, StaleFence) for result in done)
    with pytest.raises(StaleFence, match="older than 19"):
        await rig.runtime.restart(a_mark(18), a_key(), grace=1)
    await other_way.close()


async def test_an_artifact_whose_interpreter_the_host_lacks_is_refused_before_anything_is_sent(rig: SystemdRig) -> None:
    artifact = rig.artifact("venv")
    (Path(artifact.directory) / "bin").mkdir()
    (Path(artifact.directory) / "bin/python").symlink_to("/opt/python9.99/bin/python")
    with pytest.raises(InvalidInput, match=r"needs /opt/python9.99/bin/python, which is not on this host"):
        await rig.runtime.deliver(a_mark(), artifact)


async def test_an_environment_of_python_runs_where_the_host_has_the_same_python(rig: SystemdRig) -> None:
    python = rig.host.says("readlink", "-f", "/usr/bin/python3").strip()
    artifact = rig.artifact("venv")
    place = Path(artifact.directory) / "bin"
    place.mkdir()
    (place / "python").symlink_to(python)
    (place / "serve").write_text(f"#!{place}/python\nimport runpy\nrunpy.run_path('{artifact.directory}/app.py')\n")
    (place / "serve").chmod(0o700)
    await rig.runtime.deliver(a_mark(), artifact)
    spec = msgspec.structs.replace(rig.from_artifact(a_key(), artifact), command="serve steady")
    await started(rig, spec, {"PATH": f"{place}:/usr/bin:/bin"})
    await rig.until(lambda: said(rig, "hello"))


async def test_an_account_whose_units_would_end_with_its_session_needs_a_person(host: Host, ssh: SshTransport, tmp_path: Path) -> None:
    assert (await ssh.run(["loginctl", "disable-linger", USER])).code == 0
    transport = SshTransport(host.ssh(USER))
    rig = SystemdRig(host, USER, transport, tmp_path)
    try:
        with pytest.raises(
            NeedsPerson, match=r"units of deploy would end when it logs out \(run once as root: loginctl enable-linger deploy\)"
        ):
            await rig.runtime.start(a_mark(), rig.instance(a_key()), {})
        assert await rig.runtime.observe() == ()
    finally:
        await ssh.run(["loginctl", "enable-linger", USER])
        rig.remove()
        await transport.close()


async def test_an_artifact_and_what_it_depends_on_lie_under_the_paths_where_they_were_built(rig: SystemdRig, tmp_path: Path) -> None:
    library = tmp_path / "shared/library"
    library.mkdir(parents=True)
    (library / "word").write_text("found\n")
    artifact = msgspec.structs.replace(rig.artifact("app"), dependencies=(str(library),))
    (Path(artifact.directory) / "link").symlink_to(library / "word")
    await rig.runtime.deliver(a_mark(), artifact)
    spec = rig.from_artifact(a_key(), artifact)
    await started(rig, msgspec.structs.replace(spec, command=f"cat {artifact.directory}/link; {spec.command}"))
    await rig.until(lambda: said(rig, "found"))
    again = msgspec.structs.replace(rig.artifact("next"), dependencies=(str(library),))
    assert (await rig.runtime.deliver(a_mark(), again)).sent < 50_000
    await rig.runtime.stop(a_mark(), a_key(), grace=5)
    assert await rig.runtime.reclaim(a_mark(), keep=frozenset()) > 0
    assert rig.host.says("ls", f"{rig.directory}/artifacts", f"{rig.directory}/dependencies").split() == [
        f"{rig.directory}/artifacts:",
        f"{rig.directory}/dependencies:",
    ]


async def test_on_a_full_disk_nothing_begins_and_what_runs_goes_on_and_can_be_stopped(rig: SystemdRig) -> None:
    rig.host.says("sh", "-c", f"mkdir -p {rig.directory} && mount -t tmpfs -o size=4M,mode=755 tmpfs {rig.directory}")
    try:
        before = await started(rig, rig.instance(a_key(1)))
        with pytest.raises(CapacityExceeded, match=r"needs .* bytes, and 0 are free"):
            await rig.runtime.deliver(a_mark(), rig.artifact("large", size=8_000_000))
        rig.host.run("sh", "-c", f"cat /dev/zero > {rig.directory}/ballast")
        with pytest.raises(Unavailable, match="No space left on device"):
            await rig.runtime.start(a_mark(), rig.instance(a_key(2)), {})
        views = await rig.runtime.observe()
        assert [(view.key, view.pid) for view in views] == [(a_key(1), before.pid)]
        assert not rig.host.run("systemctl", "cat", UNIT.replace("web.1", "web.2")).stdout
        await rig.runtime.stop(a_mark(), a_key(1), grace=5)
        assert await rig.runtime.observe() == ()
    finally:
        rig.host.says("umount", "-l", rig.directory)


async def test_a_stranger_s_unit_of_the_same_name_is_not_touched(rig: SystemdRig) -> None:
    theirs = "[Service]\nExecStart=/bin/sleep infinity\n"
    rig.host.says("tee", f"/etc/systemd/system/{UNIT}", stdin=theirs.encode())
    rig.host.says("systemctl", "start", UNIT)
    pid = rig.host.says("systemctl", "show", "-P", "MainPID", UNIT)
    with pytest.raises(Unavailable, match="that is not this platform's stands in /etc/systemd/system"):
        await rig.runtime.start(a_mark(), rig.instance(a_key()), {})
    await rig.runtime.stop(a_mark(), a_key(), grace=1)
    assert await rig.runtime.observe() == ()
    assert rig.host.says("systemctl", "show", "-P", "MainPID", UNIT) == pid
    assert rig.host.says("cat", f"/etc/systemd/system/{UNIT}") == theirs


async def test_after_the_plug_was_pulled_instances_are_back_by_themselves_and_a_one_off_is_lost_and_not_repeated(rig: SystemdRig) -> None:
    before = await started(rig, rig.instance(a_key()), {"COLOUR": "blue"})
    await rig.runtime.start(a_mark(), rig.instance(a_key(2)), {})
    await rig.runtime.stop(a_mark(), a_key(2), grace=5)
    task = rig.task("slow", Kind.ENDLESS)
    await rig.runtime.run_task(a_mark(), task, {})
    await rig.until(lambda: said(rig, "hello"))
    await asyncio.to_thread(rig.host.kill)
    await asyncio.to_thread(rig.host.start)

    async def is_back() -> bool:
        try:
            view = await view_of(rig, a_key())
        except DriverError:
            return False
        return view is not None and view.state is ProcessState.RUNNING

    await rig.until(is_back)
    assert [(view.key, view.port) for view in await rig.runtime.observe()] == [(a_key(), before.port)], "what was stopped stays away"
    assert await rig.variable(a_key(), "COLOUR") == b"blue"
    assert (await rig.runtime.observe_task(SHOP, "slow")).state is TaskState.LOST
    await rig.runtime.run_task(a_mark(), task, {})
    assert (await rig.runtime.observe_task(SHOP, "slow")).state is TaskState.LOST


async def test_a_cable_cut_in_the_middle_of_a_stop_leaves_it_unknown_and_it_is_seen_afterwards(rig: SystemdRig) -> None:
    await started(rig, with_command(rig, f"trap 'sleep 3; exit' TERM; echo hello; while :; do sleep 0.1; done # {rig.app}"))
    await rig.until(lambda: said(rig, "hello"))
    stopping = asyncio.create_task(rig.runtime.stop(a_mark(), a_key(), grace=20))
    await asyncio.to_thread(
        rig.host.until, lambda: rig.host.says("systemctl", "show", "-P", "ActiveState", UNIT) == "deactivating\n", within=30
    )
    rig.host.cut()
    try:
        with pytest.raises(OutcomeUnknown):
            await stopping
        with pytest.raises(DriverError):
            await rig.runtime.start(a_mark(), rig.instance(a_key(2)), {})
    finally:
        rig.host.mend()

    async def is_gone() -> bool:
        try:
            return await rig.runtime.observe() == ()
        except DriverError:
            return False

    await rig.until(is_gone)
    assert await rig.processes(a_key()) == 0


async def said(rig: SystemdRig, text: str) -> bool:
    return any([line.text == text async for line in rig.runtime.logs(LogQuery(environment=SHOP))])
