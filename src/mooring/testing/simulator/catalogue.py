"""The stories of a calm day, and each of them again with every fault before and after every effect and write. Must not: sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from mooring.testing.laws import Moment
from mooring.testing.simulator.stage import Stage
from mooring.testing.simulator.story import (
    AROUND_A_WRITE,
    AROUND_AN_EFFECT,
    AROUND_AN_EFFECT_ON_HOSTS,
    HOST_FAULTS,
    Happening,
    On,
    Setting,
    Story,
    What,
)

_FOR_A_WHILE, _FOR_LONG = 6.0, 120.0  # seconds: within every deadline, and beyond
SICK, MORTAL = 3, 15  # picks of a tree that answers 500, and of one that dies while it is watched
_FULL = Setting(has_worker=True, has_clock=True, release_seconds=0.2)
_SPREAD = Setting(web=1, is_spread=True)
_DEPLOY = Happening(what=What.DEPLOY, number=0.3)


def _story(setting: Setting, *happenings: Happening) -> Story:
    return Story(setting=setting, happenings=happenings)


CALM = {
    "first deploy": _story(msgspec.structs.replace(_FULL, deploys_before=0), _DEPLOY),
    "redeploy": _story(_FULL, _DEPLOY),
    "redeploy under slow requests": _story(Setting(latency=0.6, drain_timeout=2.0), _DEPLOY),
    "redeploy in place": _story(Setting(is_in_place=True, stop_takes=0.5), _DEPLOY),
    "redeploy of a single web": _story(Setting(is_web_single=True, ready_after=0.4), _DEPLOY),
    "redeploy and prune": _story(Setting(web=1, keep_releases=1), _DEPLOY),
    "failing redeploy": _story(Setting(has_clock=True), Happening(what=What.DEPLOY, number=0.3, pick=SICK)),
    "reverted redeploy": _story(Setting(bake=2.0), Happening(what=What.DEPLOY, number=0.3, pick=MORTAL)),
    "failing first deploy": _story(Setting(deploys_before=0), Happening(what=What.DEPLOY, number=0.3, pick=SICK)),
    "cancelled release command": _story(
        Setting(release_seconds=4.0), _DEPLOY, Happening(what=What.CANCEL, number=1.5), Happening(what=What.DEPLOY, number=2.0)
    ),
    "scale up": _story(Setting(), Happening(what=What.SCALE, number=0.3, pick=4)),
    "scale down": _story(Setting(web=3), Happening(what=What.SCALE, number=0.3, pick=2)),
    "restart": _story(Setting(has_clock=True), Happening(what=What.RESTART, number=0.3)),
    "rollback": _story(Setting(deploys_before=2), Happening(what=What.ROLLBACK, number=0.3)),
    "rollback after a scale": _story(
        Setting(deploys_before=2), Happening(what=What.SCALE, number=0.3, pick=4), Happening(what=What.ROLLBACK, number=0.4)
    ),
    "three orders at once": _story(
        Setting(), _DEPLOY, Happening(what=What.SCALE, number=0.4, pick=4), Happening(what=What.RESTART, number=0.5)
    ),
    "memory for one of two": _story(
        Setting(web=1, has_second_environment=True, memory=100_000_000, budget=300_000_000),
        _DEPLOY,
        msgspec.structs.replace(_DEPLOY, pick=1),
    ),
    "destroy": _story(Setting(has_worker=True), Happening(what=What.DESTROY, number=0.3)),
    "sick instance": _story(
        Setting(has_liveness=True), Happening(what=What.FLAP, number=0.3, seconds=6.0), Happening(what=What.DEPLOY, number=7.0)
    ),
    "first deploy to three hosts": _story(msgspec.structs.replace(_SPREAD, deploys_before=0), _DEPLOY),
    "redeploy to three hosts": _story(msgspec.structs.replace(_SPREAD, has_clock=True, release_seconds=0.2), _DEPLOY),
    "redeploy in place on three hosts": _story(msgspec.structs.replace(_SPREAD, is_in_place=True), _DEPLOY),
    "redeploy to hosts that differ": _story(
        msgspec.structs.replace(_SPREAD, web=2, skew=3600.0, slow=2.0, latency=0.3, ready_after=0.4, stop_takes=0.5), _DEPLOY
    ),
    "failing redeploy to three hosts": _story(_SPREAD, Happening(what=What.DEPLOY, number=0.3, pick=SICK)),
    "redeploy and prune on three hosts": _story(msgspec.structs.replace(_SPREAD, keep_releases=1), _DEPLOY),
    "cancelled release command on three hosts": _story(
        msgspec.structs.replace(_SPREAD, release_seconds=4.0), _DEPLOY, Happening(what=What.CANCEL, number=1.5)
    ),
    "destroy on three hosts": _story(_SPREAD, Happening(what=What.DESTROY, number=0.3)),
    "sick instance on three hosts": _story(
        msgspec.structs.replace(_SPREAD, has_liveness=True),
        Happening(what=What.FLAP, number=0.3, seconds=6.0),
        Happening(what=What.DEPLOY, number=7.0),
    ),
}
_ON_HOSTS_IN_FULL = ("redeploy to three hosts", "redeploy and prune on three hosts")


def every_fault() -> Iterator[Story]:
    """Each story of a calm day with each fault at each of its effects and writes, one at a time.

    Most of those on several hosts are like one on a single host but for their hosts, and meet what may happen to a host.
    """
    for name, story in CALM.items():
        if story.setting.is_spread:
            yield from to_hosts(story)
        if not story.setting.is_spread or name in _ON_HOSTS_IN_FULL:
            yield from at_effects(story)
        if not story.setting.is_spread:
            yield from at_writes(story)


def to_hosts(story: Story) -> Iterator[Story]:
    """This one with a host lost in each way before and after each of its effects, for some seconds; and after each, for long."""
    stage = Stage(story)
    stage.play()
    yield from _struck(story, On.EFFECT, stage.effects, AROUND_AN_EFFECT_ON_HOSTS, seconds=_FOR_A_WHILE)
    yield from _struck(story, On.EFFECT, stage.effects, dict.fromkeys(HOST_FAULTS, (Moment.AFTER,)), seconds=_FOR_LONG)


def at_effects(story: Story) -> Iterator[Story]:
    """This one with each fault before and after each of its effects, and with each effect refused until long after every deadline."""
    stage = Stage(story)
    stage.play()
    yield from _struck(story, On.EFFECT, stage.effects, {What.REFUSED: AROUND_AN_EFFECT[What.REFUSED]}, seconds=_FOR_LONG)
    yield from _struck(story, On.EFFECT, stage.effects, AROUND_AN_EFFECT)


def at_writes(story: Story) -> Iterator[Story]:
    """This one with each fault before and after each of its writes."""
    stage = Stage(story)
    stage.play()
    yield from _struck(story, On.WRITE, stage.writes, AROUND_A_WRITE)


def _struck(story: Story, on: On, count: int, around: Mapping[What, tuple[Moment, ...]], *, seconds: float = 1.0) -> Iterator[Story]:
    for number in range(1, count + 1):
        for what, moments in around.items():
            for moment in moments:
                fault = Happening(what=what, on=on, number=number, moment=moment, seconds=seconds, pick=number)
                yield msgspec.structs.replace(story, happenings=(*story.happenings, fault))
