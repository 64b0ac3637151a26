"""The one place where lots are drawn: a seed's story, the same on every machine. Must not: draw for anybody else."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

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

Choice = TypeVar("Choice")

_LONGEST = 8.0  # seconds from the first order to the last
_MOST_EFFECTS, _MOST_WRITES = 30, 150  # about what two rollouts send and write
_PICKS = 96  # divisible by every number of things there is to pick from
_UNIT = 100_000_000  # bytes that an instance declares, where it declares any


def story_of(seed: int) -> Story:
    """One app, one to three orders, and up to four things that go wrong."""
    chance = Random(seed)
    setting = _setting(chance)
    orders = [_order(chance, at=0.3 if number == 0 else chance.uniform(0.3, _LONGEST)) for number in range(chance.choice((1, 1, 2, 3)))]
    faults = [_fault(chance, setting) for _ in range(chance.choice((0, 1, 1, 2, 2, 3, 4)))]
    return Story(seed=seed, setting=setting, happenings=(*orders, *faults))


def _setting(chance: Random) -> Setting:
    web = chance.choice((1, 2, 2, 3))
    is_scarce, is_in_place = chance.random() < 0.25, chance.random() < 0.2
    is_spread = chance.random() < 0.3 and not is_scarce  # a budget is one host's
    web = 1 if is_spread and is_in_place else web  # in each region, one after the other, within one deadline
    return Setting(
        web=web,
        has_worker=chance.random() < 0.2,
        has_clock=chance.random() < 0.35,
        is_web_single=chance.random() < 0.1,
        is_in_place=is_in_place,
        has_liveness=chance.random() < 0.3,
        has_second_environment=chance.random() < (0.6 if is_scarce else 0.05),
        deploys_before=chance.choice((0, 1, 1, 1, 2)),
        bake=chance.choice((0.0, 0.3, 0.3, 2.0)),
        min_healthy_time=chance.choice((0.0, 0.0, 0.5)),
        auto_revert=chance.random() < 0.85,
        drain_timeout=chance.choice((2.0, 5.0)),
        keep_releases=chance.choice((1, 2, 5)),
        release_seconds=chance.choice((-1.0, -1.0, 0.0, 1.0)),
        build_seconds=chance.choice((0.0, 0.0, 1.0)),
        ready_after=chance.choice((0.0, 0.0, 0.4, 1.5)),
        stop_takes=chance.choice((0.0, 0.0, 1.0)),
        latency=chance.choice((0.001, 0.15, 0.6)),
        memory=_UNIT if is_scarce else 0,
        budget=_UNIT * (chance.choice((2, 3, 4)) * web + chance.randrange(2)) if is_scarce else 0,
        is_spread=is_spread,
        skew=chance.choice((0.0, 3600.0)) if is_spread else 0.0,
        slow=chance.choice((1.0, 2.0)) if is_spread and not is_in_place else 1.0,
    )


def _order(chance: Random, *, at: float) -> Happening:
    what = _one_of(chance, (What.DEPLOY, 8), (What.SCALE, 2), (What.RESTART, 2), (What.ROLLBACK, 2), (What.DESTROY, 1))
    return Happening(what=what, number=round(at, 1), pick=chance.randrange(_PICKS))


def _fault(chance: Random, setting: Setting) -> Happening:
    if setting.is_spread and chance.random() < 0.4:
        return _host_fault(chance)
    on = _one_of(chance, (On.EFFECT, 5), (On.WRITE, 2), (On.TIME, 3))
    pick, seconds = chance.randrange(_PICKS), round(chance.choice((0.0, 0.5, 2.0, chance.uniform(0.0, 8.0))), 1)
    if on is On.TIME:
        what = chance.choice([each for each in AROUND_AN_EFFECT if each not in _NEEDS_AN_EFFECT])
        return Happening(what=what, number=round(chance.uniform(0.3, _LONGEST), 1), seconds=seconds, pick=pick)
    around = AROUND_AN_EFFECT if on is On.EFFECT else AROUND_A_WRITE
    what = chance.choice(list(around))
    if what is What.REFUSED and chance.random() < 0.2:
        seconds = 120.0  # beyond every deadline
    number = 1 + chance.randrange(_MOST_EFFECTS if on is On.EFFECT else _MOST_WRITES)
    return Happening(what=what, on=on, number=number, moment=chance.choice(around[what]), seconds=seconds, pick=pick)


def _host_fault(chance: Random) -> Happening:
    what, seconds, pick = chance.choice(HOST_FAULTS), round(chance.choice((0.5, 4.0, 20.0, 60.0)), 1), chance.randrange(_PICKS)
    if chance.random() < 0.5:
        return Happening(what=what, number=round(chance.uniform(0.3, _LONGEST), 1), seconds=seconds, pick=pick)
    moment = chance.choice(AROUND_AN_EFFECT_ON_HOSTS[what])
    return Happening(what=what, on=On.EFFECT, number=1 + chance.randrange(_MOST_EFFECTS), moment=moment, seconds=seconds, pick=pick)


_NEEDS_AN_EFFECT = (What.ZOMBIE, What.LOST, What.LATE, What.TWICE, What.REFUSED)


def _one_of(chance: Random, *weighted: tuple[Choice, int]) -> Choice:
    options: Sequence[Choice] = [option for option, _ in weighted]
    return chance.choices(options, weights=[weight for _, weight in weighted])[0]
