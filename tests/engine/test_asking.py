"""The command of a check is run by the runtime of the instance, where that runs, and its answer is a probe's like any other."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from engine.stories import QUICK, SHOP, deployed, serving, story, until, web

from mooring.drivers.probe.network import NetworkProber
from mooring.drivers.runtime.contract import Heard
from mooring.model.deployment import Deployment, Outcome
from mooring.model.health import Check, CheckKind, Checks, Health, ProbeResult, ProbeTarget
from mooring.model.names import HostId, RegionName
from mooring.model.placement import Region
from mooring.testing.behaviour import Behaviour
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process

CHECK = Check(kind=CheckKind.COMMAND, command="bin/check", interval=0.5, timeout=2.0)
ASKED = Tree(processes=(process("web", count=1, checks=Checks(startup=CHECK, readiness=CHECK)),), policy=QUICK)
AWAY = msgspec.structs.replace(ASKED, regions=(Region(name=RegionName("eu")),))


def probes(ended: Deployment) -> tuple[ProbeResult, ...]:
    assert ended.receipt is not None
    return ended.receipt.diagnoses[0].probes


@story
async def test_the_runtime_of_its_own_host_is_asked_and_no_other(platform: FakePlatform) -> None:
    there = platform.add_host("eu-1")
    await deployed(platform, AWAY)
    assert there.asked == {(msgspec.structs.replace(web(), host=HostId("eu-1")), "bin/check")}
    assert platform.runtime.asked == set() and platform.prober.asked == {}


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (Behaviour(answers=0), "no answer within 2 s"),
        (Behaviour(ready_after=1000.0), "not ready"),
    ],
)
@story
async def test_what_it_answers_is_told_where_it_does_not_become_ready(platform: FakePlatform, behaviour: Behaviour, said: str) -> None:
    platform.runtime.behave = lambda _: behaviour
    ended = await platform.end(platform.deploy(SHOP, ASKED))
    assert ended.outcome is Outcome.FAILED
    assert {probe.said for probe in probes(ended)} == {said}


@story
async def test_one_that_says_nothing_is_told_with_its_code(platform: FakePlatform) -> None:
    async def silent(*_: object, within: float) -> Heard:
        return Heard(code=4)

    platform.runtime.ask = silent  # type: ignore[method-assign]  # what a fake app has no word for
    ended = await platform.end(platform.deploy(SHOP, ASKED))
    assert {(probe.status, probe.said) for probe in probes(ended)} == {(4, "ended with code 4")}


@story
async def test_a_host_that_cannot_be_asked_is_an_answer_that_did_not_come(platform: FakePlatform) -> None:
    there = platform.add_host("eu-1")
    await deployed(platform, AWAY)
    platform.laws.is_calm = False
    there.faults.is_down = True
    await until(platform, lambda: serving(platform) == [], within=10)
    there.faults.is_down = False
    await until(platform, lambda: serving(platform) == ["v1 web.1 on eu-1"], within=10)


async def test_nothing_on_this_machine_runs_the_command(tmp_path: Path) -> None:
    check = msgspec.structs.replace(CHECK, command=f"touch {tmp_path}/here")
    with pytest.raises(ValueError, match=r"Runtime\.ask"):
        await NetworkProber().probe(ProbeTarget(address="127.0.0.1", port=1, hostname=""), check)
    assert not (tmp_path / "here").exists()


@story
async def test_what_asks_for_nothing_runs_on_its_host_while_that_says_so(platform: FakePlatform) -> None:
    """No process of this machine is looked at: it is none, whatever has its number here."""
    there = platform.add_host("eu-1")
    worker = process("worker", checks=Checks(startup=Check(), readiness=Check()))
    await deployed(platform, msgspec.structs.replace(AWAY, processes=(worker,)))
    assert platform.prober.asked == {}
    platform.laws.is_calm = False
    for is_down, expected in ((True, Health.UNREADY), (False, Health.READY)):
        there.faults.is_down = is_down
        await until(platform, lambda expected=expected: health_of(platform) is expected, within=60)


def health_of(platform: FakePlatform) -> Health:
    health = platform.controller._parts.health
    (view,) = (life.view(platform.clock.monotonic()) for life in platform.world.lives())
    return health.judged(view).health
