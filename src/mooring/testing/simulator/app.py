"""The app of a story: its trees, and how what comes of them behaves. Must not: know what goes wrong around it."""

from __future__ import annotations

import msgspec

from mooring.errors import BuildFailed
from mooring.model.health import Check, CheckKind, Checks
from mooring.model.instance import InstanceSpec, TaskSpec
from mooring.model.names import RegionName
from mooring.model.placement import Region
from mooring.model.policy import Policy
from mooring.model.quantity import Share
from mooring.model.release import ProcessType
from mooring.testing.behaviour import Behaviour
from mooring.testing.simulator.story import Setting
from mooring.testing.workshop import Tree, process

GOOD = "well"
WELL = Behaviour()
_BAD = {
    "sick": Behaviour(answers=500),
    "mute": Behaviour(listens_on=()),
    "crashing": Behaviour(exits_after=0.05, ready_after=10.0, exit_code=3),
    "mortal": Behaviour(ready_after=0.1, exits_after=1.7),  # ready at first, and dead a moment later
}
_UNFIT = ("misguided", "unbuildable")  # its release command fails; it cannot be built
REGIONS = (Region(name=RegionName("eu")), Region(name=RegionName("us")))
KINDS = (GOOD, *_BAD, *_UNFIT)
PROGRESS_DEADLINE, RELEASE_TIMEOUT, KILL_TIMEOUT = 20.0, 6.0, 2.0  # seconds

_COMMAND = Check(kind=CheckKind.COMMAND, command="true", interval=0.1)
_COMMAND_CHECKS = Checks(startup=_COMMAND, readiness=msgspec.structs.replace(_COMMAND, interval=1.0))
_HTTP = Check(kind=CheckKind.HTTP, paths=("/up",), interval=0.1)
_WEB_CHECKS = Checks(startup=_HTTP, readiness=msgspec.structs.replace(_HTTP, interval=0.5))
_LIVENESS = msgspec.structs.replace(_HTTP, interval=0.5, failures=2)


def kind_of(pick: int) -> str:
    """Three of four trees are good."""
    return KINDS[1 + pick // 4 % (len(KINDS) - 1)] if pick % 4 == 3 else GOOD


def tree(setting: Setting, kind: str, *, weight: int = 1) -> Tree:
    """What is pushed; `weight` times the memory that the setting says."""
    return Tree(
        processes=_processes(setting, kind, weight=weight),
        policy=policy(setting),
        release_command=f"migrate {kind}" if setting.release_seconds >= 0 or kind == "misguided" else "",
        build_seconds=setting.build_seconds,
        regions=REGIONS if setting.is_spread else (),
        build_error=BuildFailed("it does not compile") if kind == "unbuildable" else None,
    )


def policy(setting: Setting) -> Policy:
    return Policy(
        max_surge=Share(amount=0) if setting.is_in_place else Share(amount=100, is_percent=True),
        max_unavailable=Share(amount=1 if setting.is_in_place else 0),
        min_healthy_time=setting.min_healthy_time,
        healthy_deadline=5.0,
        progress_deadline=PROGRESS_DEADLINE,
        auto_revert=setting.auto_revert,
        bake=setting.bake,
        drain_timeout=setting.drain_timeout,
        stream_drain_timeout=setting.drain_timeout,
        kill_timeout=KILL_TIMEOUT,
        release_timeout=RELEASE_TIMEOUT,
        keep_releases=setting.keep_releases,
    )


def instance(setting: Setting, spec: InstanceSpec, *, slow: float = 1.0) -> Behaviour:
    """How it behaves by the kind its command names; `slow` times as slowly as the setting says."""
    _, _, kind = spec.command.rpartition(" ")
    stop_takes = slow * setting.stop_takes
    if spec.key.process == "web" and kind in _BAD:
        return msgspec.structs.replace(_BAD[kind], stop_takes=stop_takes)
    return Behaviour(ready_after=slow * setting.ready_after, stop_takes=stop_takes, latency=slow * setting.latency)


def task(setting: Setting, spec: TaskSpec) -> Behaviour:
    is_bad = spec.command.endswith("misguided")
    return Behaviour(exits_after=max(0.0, setting.release_seconds), exit_code=1 if is_bad else 0)


def _processes(setting: Setting, kind: str, *, weight: int) -> tuple[ProcessType, ...]:
    checks = msgspec.structs.replace(_WEB_CHECKS, liveness=_LIVENESS) if setting.has_liveness else _WEB_CHECKS
    web = process("web", count=setting.web, is_single=setting.is_web_single, memory=weight * setting.memory, checks=checks)
    every = [msgspec.structs.replace(web, command=f"run web {kind}")]
    every += [process("worker", checks=_COMMAND_CHECKS)] if setting.has_worker else []
    every += [process("clock", is_single=True, checks=_COMMAND_CHECKS)] if setting.has_clock else []
    return tuple(every)
