"""The DNS hook: argv as it was given, the challenge in the environment, trouble in its own last words, nothing left running."""

from __future__ import annotations

import os
import stat
import time
import tracemalloc
from pathlib import Path

import pytest

from mooring.drivers.issuer.contract import Challenge, ChallengeKind
from mooring.drivers.issuer.hook import DnsHook
from mooring.errors import Unavailable
from mooring.model.names import Hostname

CHALLENGE = Challenge(
    hostname=Hostname("*.example.com"), kind=ChallengeKind.DNS, place="_acme-challenge.example.com", content="$(touch pwned); `id`"
)


def hook(directory: Path, script: str, *arguments: str, within: float = 20.0) -> DnsHook:
    path = directory / "hook"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return DnsHook((str(path), *arguments), {"PATH": os.environ["PATH"], "OUT": str(directory / "out")}, within=within)


async def test_it_gets_its_arguments_the_verb_and_the_challenge_untouched(tmp_path: Path) -> None:
    script = 'printf "%s|" "$@" "$MOORING_DNS_NAME" "$MOORING_DNS_VALUE" "${SECRET-none}" >>"$OUT"'
    made = hook(tmp_path, script, "--zone", "two words; rm -rf /")
    os.environ["SECRET"] = "of the controller's"
    try:
        await made.present(CHALLENGE)
        await made.withdraw(CHALLENGE)
    finally:
        del os.environ["SECRET"]
    tail = f"{CHALLENGE.place}|{CHALLENGE.content}|none|"
    assert (tmp_path / "out").read_text() == "".join(f"--zone|two words; rm -rf /|{verb}|{tail}" for verb in ("present", "cleanup"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hook", "out"]


async def test_its_failure_is_told_in_its_last_words(tmp_path: Path) -> None:
    made = hook(tmp_path, "echo first; echo the zone is unknown >&2; exit 3")
    with pytest.raises(Unavailable, match=r"the DNS hook ended with 3 \(present _acme-challenge.example.com\): the zone is unknown"):
        await made.present(CHALLENGE)


@pytest.mark.parametrize("how", ["wait", "exit 0"])
async def test_one_that_does_not_end_is_ended_with_all_that_it_started(tmp_path: Path, how: str) -> None:
    made = hook(tmp_path, f'sleep 300 & echo $! >"$OUT"; {how}', within=1.0)
    with pytest.raises(Unavailable, match="did not end within 1 seconds"):
        await made.present(CHALLENGE)
    pid = int((tmp_path / "out").read_text())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_one_that_writes_without_end_costs_no_memory(tmp_path: Path) -> None:
    made = hook(tmp_path, "head -c 50000000 /dev/zero | tr '\\0' x; echo; echo last words; exit 1")
    tracemalloc.start()
    try:
        with pytest.raises(Unavailable, match=r"ended with 1 .*: last words$"):
            await made.present(CHALLENGE)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


async def test_one_that_is_not_there_is_told() -> None:
    with pytest.raises(Unavailable, match="cannot be run"):
        await DnsHook(("/nonexistent/hook",), {}).present(CHALLENGE)
