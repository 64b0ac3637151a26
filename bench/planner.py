"""How long the planner thinks about 1,000 environments with 5,000 instances: all at rest, all in the middle of a deploy, and the budget.

    bin/bench planner [--environments 1000] [--rounds 5]

Every environment has a routed web process of four and a worker. At rest the planner must find nothing to do; in a deploy it starts
the first new instances of each; the budget is asked for one deploy beside all the others.

Takes about 2 s.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import msgspec
from parts.showing import Figure, show

from mooring.model.deployment import Phase
from mooring.model.environment import EnvironmentId
from mooring.model.health import Check, Checks, Health
from mooring.model.instance import InstanceKey, InstanceView, ProcessState
from mooring.model.names import LOCAL, ArtifactId, Hostname, ProcessName
from mooring.model.policy import Policy
from mooring.model.release import Artifact, ProcessType, Release, Source
from mooring.model.steps import SetRoutes
from mooring.planner.capacity import check_memory
from mooring.planner.goal import Current, Goal, Plan, Progress, Wanted
from mooring.planner.rollout import plan

NOW = 10_000.0  # monotonic seconds, as the planner is told
TARGET = 1.0  # seconds
CHECKS = Checks(startup=Check(), readiness=Check())
PROCESSES = (
    ProcessType(name=ProcessName("web"), command="web", count=4, is_routed=True, checks=CHECKS, memory=100_000_000),
    ProcessType(name=ProcessName("worker"), command="worker", checks=CHECKS, memory=100_000_000),
)
Question = tuple[Goal, Current]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--environments", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    resting = [at_rest(number) for number in range(asked.environments)]
    deploying = [in_a_deploy(*question) for question in resting]
    wanted = [goal.target for goal, _ in resting if goal.target]
    instances = sum(len(current.instances) for _, current in resting)
    steps = sum(len(found.steps) for found in plans(resting))
    if steps:
        raise SystemExit(f"at rest there is nothing to do, and the planner found {steps} steps")
    started = sum(len(found.steps) for found in plans(deploying))
    if started < asked.environments:
        raise SystemExit(f"a deploy starts something, and the planner found {started} steps for {asked.environments}")
    world = f"{asked.environments:,} environments, {instances:,} instances"
    rest = [seconds(lambda: plans(resting)) for _ in range(asked.rounds)]
    moving = [seconds(lambda: plans(deploying)) for _ in range(asked.rounds)]
    budget = [
        seconds(lambda: check_memory(wanted[0], wanted[0], others=[(each, None) for each in wanted[1:]], budgets={LOCAL: 2**50}))
        for _ in range(asked.rounds)
    ]
    figures = [
        Figure(f"{world}, at rest: planned in", statistics.median(rest), "s", at_most=TARGET, beside=f"slowest {max(rest):.3f} s"),
        Figure(f"{world}, all deploying: planned in", statistics.median(moving), "s", at_most=TARGET, beside=f"{started:,} steps"),
        Figure("memory budget of one deploy beside all others", statistics.median(budget), "s"),
    ]
    return show("planner", figures, {"rest": rest, "deploying": moving, "budget": budget, "steps": started})


def at_rest(number: int) -> Question:
    """What it should be, and that it is so: routes as the planner itself asks for them."""
    wanted = Wanted(release=release(number, 1))
    views = tuple(view(key, number) for key in wanted.instances())
    goal = Goal(environment=wanted.release.environment, target=wanted)
    current = Current(instances=views, started_since={each.key.slug: 1.0 for each in views})
    routed = next(step for step in plan(goal, current, now=NOW).steps if isinstance(step, SetRoutes))
    return goal, msgspec.structs.replace(current, table=routed.table)


def in_a_deploy(goal: Goal, current: Current) -> Question:
    assert goal.target is not None
    release = msgspec.structs.replace(goal.target.release, number=2)
    progress = Progress(phase=Phase.PREPARE, baseline=goal.target, started_at=NOW, phase_since=NOW)
    return msgspec.structs.replace(goal, target=Wanted(release=release), progress=progress), current


def release(number: int, version: int) -> Release:
    return Release(
        environment=EnvironmentId.parse(f"app-{number}"),
        number=version,
        artifact=Artifact(id=ArtifactId(f"a{number}"), builder="procfile", reason="", directory="/nowhere", size=1),
        source=Source(digest=f"d{number}"),
        config_version=0,
        processes=PROCESSES,
        hostnames=(Hostname(f"app-{number}.localhost"),),
        policy=Policy(),
        release_command="",
    )


def view(key: InstanceKey, number: int) -> InstanceView:
    port = 20_000 + 5 * number + key.slot if key.process == "web" else 0
    return InstanceView(key=key, state=ProcessState.RUNNING, port=port, pid=1, health=Health.READY, ready_since=1.0)


def plans(questions: list[Question]) -> list[Plan]:
    return [plan(goal, current, now=NOW) for goal, current in questions]


def seconds(work: Callable[[], object]) -> float:
    """Of the processor: what others do beside is no part of it."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
