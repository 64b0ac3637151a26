"""The operator's program that lends hosts: told what it must know, believed only where it says a machine, ended in time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from drivers.capacity.lender import lender_of_the_page

from mooring.drivers.capacity.command import CommandCapacity
from mooring.errors import Unavailable
from mooring.model.host import HostAddress
from mooring.testing.capacity_contract import FIRST, NEED, CapacityContract

GOOD = f'{{"key": "{FIRST}", "address": "root@203.0.113.7", "host_key": "ssh-ed25519 AAAA"}}'


def command(path: Path, *arguments: str, pool: Path, within: float = 20.0) -> CommandCapacity:
    return CommandCapacity(
        (str(path), *arguments),
        {"PATH": os.environ["PATH"], "POOL": str(pool)},
        controller=lambda: "c0ffee",
        public_key=lambda: "ssh-ed25519 AAAA mooring",
        redact=lambda text: text.replace("sesame", "(redacted)"),
        within=within,
    )


def script(directory: Path, text: str, *arguments: str, within: float = 20.0) -> CommandCapacity:
    path = directory / "lender"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return command(path, *arguments, pool=directory, within=within)


class TestTheProgramOfThePage(CapacityContract):
    """As it stands in docs/how-to/capacity.md, with machines that stand ready."""

    @pytest.fixture
    def capacity(self, tmp_path: Path) -> CommandCapacity:
        spare = tmp_path / "spare"
        spare.mkdir()
        for number in (7, 8, 9):
            (spare / f"box{number}.free").write_text(f"root@10.0.0.{number} ssh-ed25519 AAAA\n")
        return command(lender_of_the_page(tmp_path), str(spare), pool=tmp_path)

    async def test_it_says_when_no_machine_stands_ready(self, capacity: CommandCapacity) -> None:
        for number in (1, 2, 3):
            await capacity.add(f"c0ffee-{number}", NEED)
        with pytest.raises(Unavailable, match=r"ended with 1 \(add c0ffee-4\): no machine stands ready in /"):
            await capacity.add("c0ffee-4", NEED)


async def test_it_is_told_key_region_runtime_memory_and_whom_to_let_in_and_nothing_of_the_controllers(tmp_path: Path) -> None:
    names = ("CONTROLLER", "SSH_KEY", "KEY", "REGION", "RUNTIME", "MEMORY")
    said = "|".join(f"$MOORING_CAPACITY_{name}" for name in names)
    made = script(tmp_path, f'printf "%s|" "$@" "{said}" "${{SECRET-none}}" >"$POOL/told"; echo \'{GOOD}\'', "--zone", "two words; id")
    os.environ["SECRET"] = "of the controller's"
    try:
        lent = await made.add(FIRST, NEED)
    finally:
        del os.environ["SECRET"]
    told = f"c0ffee|ssh-ed25519 AAAA mooring|{FIRST}|eu|systemd|2000000000|none|"
    assert (tmp_path / "told").read_text() == f"--zone|two words; id|add|{told}"
    assert lent.address == HostAddress("root", "203.0.113.7")


async def test_it_is_told_which_to_take_back(tmp_path: Path) -> None:
    told = 'printf "%s|" "$1" "$MOORING_CAPACITY_KEY" "$MOORING_CAPACITY_ADDRESS" >"$POOL/told"'
    made = script(tmp_path, f"[ $1 = remove ] && {told} || echo '{GOOD}'")
    await made.remove(FIRST, await made.add(FIRST, NEED))
    assert (tmp_path / "told").read_text() == f"remove|{FIRST}|root@203.0.113.7|"


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("", "and said none"),
        ("made it", "what is no machine: 'made it': JSON is malformed"),
        (f"{GOOD}\n{GOOD}", f"and said {FIRST}, {FIRST}"),
        (GOOD.replace(FIRST, "c0ffee-00000009"), "was asked for the machine of c0ffee-00000001, and said c0ffee-00000009"),
        (GOOD.replace("root@203.0.113.7", "203.0.113.7"), "'203.0.113.7' is no address of a host"),
        (GOOD.replace("ssh-ed25519 AAAA", "yes"), "that is no host key"),
        (GOOD.replace(', "host_key": "ssh-ed25519 AAAA"', ""), "missing required field `host_key`"),
        (GOOD.replace('"key"', '"password": "x", "key"'), "unknown field `password`"),
        (GOOD.replace("}", ', "memory": -1}'), "Expected `int` >= 0"),
        ('{"sesame": 1}', "(redacted)"),
    ],
)
async def test_what_is_no_machine_is_told_and_nothing_of_it_is_used(tmp_path: Path, said: str, complaint: str) -> None:
    (tmp_path / "said").write_text(said)
    with pytest.raises(Unavailable) as refused:
        await script(tmp_path, 'cat "$POOL/said"').add(FIRST, NEED)
    assert complaint in refused.value.message
    assert "sesame" not in refused.value.message.replace("`sesame`", "")
    assert "host_key" in refused.value.hint


async def test_its_failure_is_told_in_its_last_words_without_secrets(tmp_path: Path) -> None:
    made = script(tmp_path, f"echo '{GOOD}'; echo first >&2; echo the quota of sesame is reached >&2; exit 3")
    with pytest.raises(Unavailable) as refused:
        await made.add(FIRST, NEED)
    assert refused.value.message == f"the capacity command ended with 3 (add {FIRST}): the quota of (redacted) is reached"


async def test_one_that_does_not_end_is_ended(tmp_path: Path) -> None:
    made = script(tmp_path, f"echo '{GOOD}'; exec sleep 300", within=1.0)
    with pytest.raises(Unavailable, match=r"the capacity command did not end within 1 seconds \(list\)"):
        await made.lent()


async def test_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="the capacity command /nonexistent/lender cannot be run"):
        await command(Path("/nonexistent/lender"), pool=tmp_path).lent()
