"""How much longer a deploy takes to many hosts than to one, when each is a round trip away: in virtual time, so the same on any machine.

    bin/bench many_hosts [--round-trip 0.05] [--hosts 1 3 20]

The engine, planner and fleet are the real ones; hosts, edge and apps are the fakes of the tests, each answer of a host a round trip
later. One web instance a host, ready 0.3 s after its start, a release command of 0.2 s, no watch. Counted is from the order until the
new release serves on all, and to the end; and how many calls a host gets.

Takes about 5 s.
"""

from __future__ import annotations

import argparse
import sys

import msgspec
from parts.showing import Figure, show

from mooring.model.deployment import Outcome
from mooring.model.environment import EnvironmentId
from mooring.model.names import RegionName
from mooring.model.placement import Region
from mooring.model.policy import Policy
from mooring.testing.behaviour import Behaviour
from mooring.testing.distant import DistantRuntime
from mooring.testing.platform import FakePlatform, play
from mooring.testing.workshop import Tree, process

SHOP = EnvironmentId.parse("shop")
AT_MOST = {3: 1.5, 20: 2.0}  # times the deploy to one host


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--round-trip", type=float, default=0.05)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 3, 20])
    asked = parser.parse_args()
    found = {count: play(lambda platform, count=count: deploys(platform, count, asked.round_trip)) for count in asked.hosts}
    one = found[asked.hosts[0]]
    figures = []
    for count, (serving, ended, calls) in found.items():
        hosts = f"{count} host" + ("" if count == 1 else "s")
        figures += [
            Figure(name=f"{hosts}: until the new release serves", value=round(serving, 2), unit="s"),
            Figure(
                name=f"{hosts}: to the end", value=round(ended / one[1], 2), unit="×", at_most=AT_MOST.get(count), beside=f"{ended:.2f} s"
            ),
            Figure(name=f"{hosts}: calls to each", value=calls),
        ]
    return show("many_hosts", figures, {"round_trip": asked.round_trip})


async def deploys(platform: FakePlatform, count: int, round_trip: float) -> tuple[float, float, float]:
    """Virtual seconds of a second deployment until it serves and until it has ended; calls to each host meanwhile."""
    lines = []
    for number in range(1, count + 1):
        runtime = platform.add_host(f"h{number}")
        runtime.behave = lambda _: Behaviour(ready_after=0.3, stop_takes=0.2)
        runtime.behave_task = lambda _: Behaviour(exits_after=0.2, exit_code=0)
        lines.append(DistantRuntime(runtime, platform.clock, round_trip=round_trip))
        platform.controller.fleet.add(next(name for name, each in platform.world.hosts.items() if each is runtime), lines[-1])
    tree = Tree(
        processes=(process("web", count=count),),
        policy=Policy(bake=0.0, drain_timeout=5.0),
        release_command="migrate",
        regions=(Region(name=RegionName("eu")),),
    )
    await platform.end(platform.deploy(SHOP, tree))
    for line in lines:
        line.calls.clear()
    ended = await platform.end(platform.deploy(SHOP, msgspec.structs.replace(tree, build_seconds=0.1)))
    if ended.outcome is not Outcome.SUCCEEDED or ended.receipt is None or ended.receipt.first_answer is None:
        raise SystemExit(f"the deployment to {count} hosts came to {ended.outcome}: {ended.error}")
    calls = sum(number for line in lines for number in line.calls.values()) / count
    return ended.receipt.first_answer, ended.receipt.seconds, round(calls, 1)


if __name__ == "__main__":
    sys.exit(main())
