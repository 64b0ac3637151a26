"""While an instance starts it is asked soon and often, and a command, which costs more than a question, only after each interval."""

from __future__ import annotations

import pytest
from engine.stories import QUICK, deployed, story, told

from mooring.model.events import EventKind
from mooring.model.health import Check, CheckKind, Checks
from mooring.testing.behaviour import Behaviour
from mooring.testing.platform import FakePlatform
from mooring.testing.workshop import Tree, process


@pytest.mark.parametrize(
    ("kind", "takes", "earliest", "latest"),
    [
        (CheckKind.HTTP, 1.0, 1.0, 1.15),
        (CheckKind.TCP, 1.0, 1.0, 1.15),
        (CheckKind.ALIVE, 0.0, 0.5, 0.6),
        (CheckKind.COMMAND, 1.0, 4.0, 4.05),
    ],
)
@story
async def test_noticing_that_it_has_started_adds_a_tenth_at_most(
    platform: FakePlatform, kind: CheckKind, takes: float, earliest: float, latest: float
) -> None:
    check = Check(kind=kind, paths=("/up",), command="bin/check", interval=4.0)
    name = "worker" if kind is CheckKind.ALIVE else "web"
    tree = Tree(processes=(process(name, count=1, checks=Checks(startup=check, readiness=check)),), policy=QUICK)
    platform.runtime.behave = lambda _: Behaviour(ready_after=takes)
    await deployed(platform, tree)
    ready = told(platform, EventKind.INSTANCE_READY)[0]
    assert earliest <= float(str(ready.fields["seconds"])) <= latest
