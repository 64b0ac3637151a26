"""`up` and `down` with the real supervisor and the real edge: idempotent, told in lines, nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.client import platform
from mooring.client.client import Client
from mooring.client.platform import Progress, Summary
from mooring.errors import InvalidInput, MooringError, PlatformNotRunning, Refused
from mooring.model.access import Role
from mooring.model.environment import EnvironmentId
from mooring.model.secret import Secret
from mooring.server.installation import Installation
from mooring.server.machinery import Machinery
from mooring.server.settings import load
from mooring.store.memory import SqliteMemory


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def pids_of(state: Path) -> list[int]:
    """Every process that was started for this state."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(state) in words:
                found.append(int(entry.name))
    return found


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """One platform for the module; the tests follow its life in order."""
    place = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp")) / "state"
    patch = pytest.MonkeyPatch()
    patch.setenv("MOORING_STATE", str(place))
    patch.setenv("AWS_SECRET_ACCESS_KEY", "exported-in-the-shell")
    yield place
    patch.undo()
    for _ in range(3):
        for pid in pids_of(place):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(place.parent, ignore_errors=True)


@pytest.fixture(scope="module")
def ports() -> list[int]:
    return free_ports(4)


def finish(lines: Iterator[Progress | Summary]) -> Summary:
    *steps, summary = list(lines)
    assert isinstance(summary, Summary)
    assert all(isinstance(step, Progress) and step.message for step in steps)
    return summary


def test_a_taken_port_stops_the_start_and_is_not_remembered(state: Path, ports: list[int]) -> None:
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", 0))
        taker.listen()
        with pytest.raises(InvalidInput, match=rf"is taken by .*\(pid {os.getpid()}\)"):
            finish(platform.start(http_port=taker.getsockname()[1], https_port=ports[1]))
    assert not (state / "settings.json").exists()
    assert pids_of(state) == []


def test_up_starts_everything_in_a_private_directory(state: Path, ports: list[int]) -> None:
    summary = finish(platform.start(http_port=ports[0], https_port=ports[1]))
    assert (summary.is_up, summary.changed, summary.http_port) == (True, True, ports[0])
    status = Client().status()
    assert {part.name for part in status.parts if part.is_up} == {"supervisor", "edge", "edge-attendant", "controller"}
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    kept = [path for path in state.rglob("*") if "workshop" not in path.parts]
    assert state / "edge" / "log" / "access.log" in kept
    modes = {path: path.lstat().st_mode for path in kept}
    private = [path for path, mode in modes.items() if stat.S_ISREG(mode) or stat.S_ISSOCK(mode)]
    assert [path for path in private if modes[path] & 0o077] == []


def test_up_again_changes_nothing_and_needs_no_options(state: Path, ports: list[int]) -> None:
    before = pids_of(state)
    summary = finish(platform.start())
    assert (summary.changed, summary.http_port, summary.https_port) == (False, ports[0], ports[1])
    assert pids_of(state) == before


def test_the_edge_answers_for_an_app_that_is_not_there(ports: list[int], state: Path) -> None:
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: nobody.localhost\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 404")


def test_what_the_shell_exported_does_not_reach_the_platforms_programs(state: Path) -> None:
    environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in pids_of(state)]
    assert len(environments) >= 4
    assert [each for each in environments if b"exported-in-the-shell" in each] == []


def test_a_killed_controller_is_back_by_itself(state: Path) -> None:
    started = Client().status().started_at
    os.kill(pid_of("mooring.server", state), signal.SIGKILL)
    deadline = time.monotonic() + 30
    while True:
        try:
            if Client().status().started_at != started:
                break
        except PlatformNotRunning:
            pass
        assert time.monotonic() < deadline, "the controller does not come back"
        time.sleep(0.1)


def test_a_second_controller_on_the_same_state_is_refused(state: Path) -> None:
    from mooring.server.serve import serve

    with pytest.raises(Refused, match="another controller works on"):
        serve(Installation(state))


def test_the_api_on_tcp_takes_a_token_first(state: Path, ports: list[int]) -> None:
    api = f"127.0.0.1:{ports[2]}"
    with pytest.raises(Refused, match="only when there is a token"):
        finish(platform.start(api=api))
    with pytest.raises(InvalidInput, match="plain HTTP"):
        finish(platform.start(api=f"0.0.0.0:{ports[2]}"))
    finish(platform.start())
    created = Client().create_token("ci", Role.VIEWER)
    edge = pid_of("envoy/_bin/envoy", state)
    assert finish(platform.start(api=api)).api == api
    assert Client(url=f"http://{api}", token=Secret(created.token)).status().http_port == ports[0]
    assert pid_of("envoy/_bin/envoy", state) == edge, "the edge goes on while the controller is renewed"


def test_another_port_moves_the_edge(state: Path, ports: list[int]) -> None:
    assert finish(platform.start(http_port=ports[3])).http_port == ports[3]
    with socket.create_connection(("127.0.0.1", ports[3]), timeout=10):
        pass


def test_that_strangers_code_may_run_as_the_platform_is_said_by_the_operator_and_holds_until_it_is_taken_back(state: Path) -> None:
    assert not load(state).unconfined_strangers
    finish(platform.start(unconfined_strangers=True))
    assert load(state).unconfined_strangers
    assert not finish(platform.start()).changed and load(state).unconfined_strangers
    finish(platform.start(unconfined_strangers=False))
    assert not load(state).unconfined_strangers


def test_a_restore_is_refused_while_the_platform_runs(state: Path, tmp_path: Path) -> None:
    Client().change_config(EnvironmentId.parse("shop"), set={"A": "1"})
    with (tmp_path / "backup").open("wb") as file:
        assert Client().backup(file)[0] > 0
    with pytest.raises(Refused, match="the platform is running"):
        finish(platform.restore(str(tmp_path / "backup")))


def test_down_leaves_nothing_running_and_may_be_asked_twice(state: Path) -> None:
    assert finish(platform.stop()).changed
    assert pids_of(state) == []
    assert not finish(platform.stop()).changed
    with pytest.raises(PlatformNotRunning, match="no platform answers") as absent:
        Client().health()
    assert absent.value.hint == "`mooring up` starts it"


def test_a_backup_brings_back_what_was_there_and_the_platform_starts_with_it(state: Path, ports: list[int], tmp_path: Path) -> None:
    shop = EnvironmentId.parse("shop")
    finish(platform.start())
    Client().set_secret(shop, "KEY", Secret("kept-value"))
    backup = tmp_path / "backup"
    with backup.open("wb") as file:
        Client().backup(file)
    Client().change_config(shop, set={"LATER": "1"})
    finish(platform.stop())
    assert not finish(platform.restore(str(backup))).is_up
    finish(platform.start())
    assert {variable.name for variable in Client().config(shop)} == {"A", "KEY"}
    assert Client().status().http_port == ports[3]
    finish(platform.stop())
    assert pids_of(state) == []


def test_a_backup_with_a_passphrase_is_all_it_takes_on_another_machine(
    state: Path, ports: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = EnvironmentId.parse("shop")
    finish(platform.start())
    Client().set_secret(shop, "KEY", Secret("kept-value"))
    (tmp_path / "passphrase").write_text("correct horse battery staple\n")
    (tmp_path / "wrong").write_text("incorrect horse battery staple\n")
    backup = tmp_path / "backup"
    with backup.open("wb") as file:
        assert Client().backup(file, Secret("correct horse battery staple"))[1] == "", "nothing has to be kept apart"
    finish(platform.stop())
    assert b"kept-value" not in backup.read_bytes()
    other = tmp_path / "other"
    monkeypatch.setenv("MOORING_STATE", str(other))
    with pytest.raises(MooringError, match="passphrase"):
        finish(platform.restore(str(backup), passphrase_file=str(tmp_path / "wrong")))
    assert not other.exists() or not any(other.iterdir())
    finish(platform.restore(str(backup), passphrase_file=str(tmp_path / "passphrase")))
    memory = SqliteMemory.open(other)
    try:
        assert memory.config(shop, memory.config_versions(shop)[-1].version)["KEY"] == Secret("kept-value")
    finally:
        memory.close()


def pid_of(words: str, state: Path) -> int:
    return next(pid for pid in pids_of(state) if words.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))


def test_a_machine_without_state_has_nothing_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_STATE", str(tmp_path / "nowhere"))
    assert not finish(platform.stop()).changed
    assert not (tmp_path / "nowhere").exists()
    assert Machinery(Installation(tmp_path / "nowhere")).apps() == ()
