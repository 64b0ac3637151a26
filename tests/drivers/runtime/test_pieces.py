"""Fencing numbers, ports, sockets, command lines, surroundings: the small pieces, each by itself."""

from __future__ import annotations

import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.drivers.runtime import listeners, shell
from mooring.drivers.runtime.listeners import is_free
from mooring.drivers.runtime.process import kernel, memory, record, surroundings
from mooring.drivers.runtime.process.fences import Fences
from mooring.drivers.runtime.process.ports import Ports
from mooring.errors import StaleFence, StateDamaged, Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.lease import Mark

SHOP = EnvironmentId.parse("shop")


def test_a_fencing_number_is_remembered_by_the_next_controller(tmp_path: Path) -> None:
    Fences(tmp_path).check(Mark(SHOP, "deploy", 5))
    with pytest.raises(StaleFence) as refused:
        Fences(tmp_path).check(Mark(SHOP, "deploy 41", 4))
    assert refused.value.message == "deploy 41: number 4 is older than 5"
    Fences(tmp_path).check(Mark(SHOP, "deploy", 5))
    Fences(tmp_path).check(Mark(SHOP, "deploy", 6))


def test_a_fencing_number_that_cannot_be_read_refuses_rather_than_trusts(tmp_path: Path) -> None:
    Fences(tmp_path).check(Mark(SHOP, "deploy", 5))
    (tmp_path / SHOP.slug).write_text("five")
    with pytest.raises(StateDamaged):
        Fences(tmp_path).check(Mark(SHOP, "deploy", 9))


def a_range(count: int) -> tuple[int, int]:
    """Ports in a row of which the first is free now."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        low = min(int(trial.getsockname()[1]), 65_000)
    return low, low + count - 1


def test_a_port_is_given_once_and_again_only_to_its_owner(tmp_path: Path) -> None:
    low, high = a_range(200)
    ports = Ports(tmp_path, low=low, high=high)
    first, second = ports.take("one"), ports.take("two")
    assert first != second
    assert ports.take("one") == first


def test_a_port_that_was_given_back_is_not_the_next_one_given(tmp_path: Path) -> None:
    low, high = a_range(200)
    ports = Ports(tmp_path, low=low, high=high)
    first = ports.take("one")
    ports.give_back("one")
    assert ports.take("two") != first


def test_owners_at_the_same_time_get_different_ports(tmp_path: Path) -> None:
    low, high = a_range(400)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda number: Ports(tmp_path, low=low, high=high).take(str(number)), range(40)))
    assert len(set(taken)) == 40


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")])
def test_a_port_on_which_a_stranger_listens_is_not_free(family: int, address: str) -> None:
    with socket.socket(family) as stranger:
        stranger.bind((address, 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_no_free_port_is_said_with_the_range(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(Unavailable, match=f"no port of {port}-{port} is free"):
            Ports(tmp_path, low=port, high=port).take("one")


def test_sockets_are_found_with_the_address_they_listen_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as four, socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
        found = listeners.listening([os.getpid()])
        assert ("127.0.0.1", four.getsockname()[1]) in found
        assert ("::1", six.getsockname()[1]) in found


def test_who_holds_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        port = own.getsockname()[1]
        assert listeners.holder(port, besides=()).endswith(f"(pid {os.getpid()})")
        assert listeners.holder(port, besides=[os.getpid()]) == ""
    assert listeners.holder(port, besides=()) == ""


@pytest.mark.parametrize(
    ("command", "is_simple"),
    [
        ("gunicorn app:app --bind 127.0.0.1:$PORT", True),
        ("./bin/serve", True),
        ('node -e "x"', True),
        ("python -c 'a; b'", False),  # the shell would not split there, but to see that is the shell's own business
        ("cd app && gunicorn app", False),
        ("a; b", False),
        ("a | b", False),
        ("serve > log", False),
        ("serve &", False),
        ("FOO=1 gunicorn app", False),
        ("exec gunicorn app", False),
        ("cd app", False),
        ("$SERVER", False),
        ("'quoted name' x", False),
        ("(serve)", False),
        ("serve $(nproc)", False),
        ("one\ntwo", False),
        ("", False),
    ],
)
def test_only_a_simple_command_is_executed_in_the_shells_place(command: str, is_simple: bool) -> None:
    assert shell.argv(command) == ("/bin/sh", "-c", f"exec {command}" if is_simple else command)


def test_nothing_of_the_controllers_environment_reaches_an_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_TOKEN", "s3cr3t")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    found = surroundings.environment({"A": "1"}, address="127.0.0.1", port=4000)
    assert set(found) == {"PATH", "HOME", "LANG", "TMPDIR", "SHELL", "PYTHONUNBUFFERED", "HOST", "PORT", "A"}


def test_the_app_may_change_its_surroundings_but_not_its_port() -> None:
    found = surroundings.environment({"HOST": "0.0.0.0", "PATH": "/venv/bin", "PORT": "80"}, address="127.0.0.1", port=4000)
    assert (found["HOST"], found["PATH"], found["PORT"]) == ("0.0.0.0", "/venv/bin", "4000")
    assert surroundings.environment({"PORT": "80"})["PORT"] == "80"


keys = st.binary(min_size=1).filter(lambda key: b"\0" not in key and b"=" not in key)
values = st.binary().filter(lambda value: b"\0" not in value)


@given(st.lists(st.tuples(keys, values)))
def test_a_record_gives_back_every_byte(pairs: list[tuple[bytes, bytes]]) -> None:
    encoded = record.encoded(pairs)
    assert [tuple(entry.split(b"=", 1)) for entry in encoded.split(b"\0") if entry] == pairs


def test_a_record_that_fails_to_be_written_leaves_the_old_one_and_nothing_beside_it(tmp_path: Path) -> None:
    path = str(tmp_path / "record")
    record.write(path, [(b"a", b"1")])
    with pytest.raises(ValueError, match="cannot be carried"):
        record.write(path, [(b"a", b"\0")])
    assert record.read(path) == [(b"a", b"1")]
    assert [entry.name for entry in tmp_path.iterdir()] == ["record"]


def test_a_process_is_told_from_a_later_one_of_the_same_number() -> None:
    own = kernel.process(os.getpid())
    assert own is not None
    assert kernel.is_same(own.pid, own.ticks)
    assert not kernel.is_same(own.pid, own.ticks + 1)
    assert kernel.process(2**22 + 1) is None


def test_a_process_that_was_forked_just_now_brings_nothing_of_its_parents_group_with_it(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as sibling, subprocess.Popen(["sleep", "60"]) as forked:
        try:
            assert os.getpgid(sibling.pid) == os.getpgid(forked.pid) == os.getpgid(0)
            assert [each.pid for each in kernel.members(str(tmp_path), leader=forked.pid)] == [forked.pid]
        finally:
            sibling.kill()
            forked.kill()


def test_the_memory_budget_leaves_something_for_the_system() -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < memory.budget() <= total * 0.9
