"""The shortest stories of the faults that the simulator has found, each mended since: none breaks a law any more."""

from __future__ import annotations

import pytest

from mooring.testing.laws import Moment
from mooring.testing.simulator.catalogue import MORTAL
from mooring.testing.simulator.stage import Stage
from mooring.testing.simulator.story import Happening, On, Setting, Story, What

_MORTAL = Happening(what=What.DEPLOY, number=0.3, pick=MORTAL)
_DEPLOY = Happening(what=What.DEPLOY, number=0.3)
_SPREAD = Setting(web=1, has_clock=True, release_seconds=0.2, is_spread=True)


def _on_hosts(setting: Setting, *happenings: Happening) -> Story:
    return Story(setting=setting, happenings=happenings)


FOUND = {
    "the old went at the watch's end though the new had died and were not ready": Story(
        setting=Setting(bake=2.0),
        happenings=(_MORTAL, Happening(what=What.DISK_FULL, on=On.WRITE, number=31)),
    ),
    "a deploy that was taken up again was refused because the answer to the renewal of its lease was lost": Story(
        setting=Setting(
            is_in_place=True,
            has_liveness=True,
            bake=2.0,
            min_healthy_time=0.0,
            keep_releases=1,
            release_seconds=-1.0,
            build_seconds=1.0,
            ready_after=1.5,
            stop_takes=1.0,
            latency=0.6,
        ),
        happenings=(
            Happening(what=What.DEPLOY, number=0.3, pick=69),
            Happening(what=What.LOST, on=On.WRITE, number=20, moment=Moment.AFTER),
            Happening(what=What.CRASH, number=0.6, seconds=0.5),
        ),
    ),
    "what had been stopping when the controller died was wanted again, and nobody started it": Story(
        setting=Setting(
            web=1,
            is_in_place=True,
            auto_revert=False,
            keep_releases=1,
            release_seconds=1.0,
            build_seconds=1.0,
            ready_after=0.4,
            stop_takes=1.0,
        ),
        happenings=(
            Happening(what=What.RESTART, number=0.3, pick=4),
            Happening(what=What.CANCEL, number=1.1, seconds=1.9, pick=35),
            Happening(what=What.CRASH, number=1.4, seconds=0.0, pick=85),
        ),
    ),
    "what serves was not looked at for 8 seconds after the edge had taken nothing for as long": Story(
        setting=Setting(web=1, has_liveness=True, bake=0.3, drain_timeout=2.0, ready_after=0.0, stop_takes=0.0, latency=0.001),
        happenings=(
            Happening(what=What.DEPLOY, number=0.3, pick=39),
            Happening(what=What.REFUSED, on=On.EFFECT, number=5, seconds=8.0),
            Happening(what=What.CLOCK_JUMP, number=6.9, pick=78),
            Happening(what=What.DIES, number=5.1, seconds=2.0, pick=5),
        ),
    ),
    "the old went on going while they drained though the new had died": Story(
        setting=Setting(bake=0.0, stop_takes=1.0, latency=0.6, min_healthy_time=0.5), happenings=(_MORTAL,)
    ),
    "a restart of which a host gave no answer was sent again unseen": _on_hosts(
        Setting(web=1, has_liveness=True, is_spread=True),
        Happening(what=What.FLAP, number=0.3, seconds=6.0),
        Happening(what=What.DEPLOY, number=7.0),
        Happening(what=What.HOST_CUT, on=On.EFFECT, number=2, seconds=6.0, pick=2),
    ),
    "a deployment ended as failed while its release may have been started on a host that gave no answer": _on_hosts(
        _SPREAD, _DEPLOY, Happening(what=What.HOST_SILENT, on=On.EFFECT, number=7, moment=Moment.AFTER, seconds=120.0, pick=7)
    ),
    "a deployment was taken back to one that may have been stopped on a host that gave no answer": _on_hosts(
        _SPREAD, _DEPLOY, Happening(what=What.HOST_SILENT, on=On.EFFECT, number=10, moment=Moment.AFTER, seconds=120.0, pick=10)
    ),
    "a sick one that was to leave was told to stop and to begin anew at once": _on_hosts(
        Setting(web=3, is_in_place=True, has_liveness=True, min_healthy_time=0.5, stop_takes=1.0, latency=0.15, is_spread=True),
        Happening(what=What.RESTART, number=2.6),
        Happening(what=What.HOST_RESTORED, number=2.7, seconds=20.0, pick=20),
        Happening(what=What.HOST_SILENT, number=7.8, seconds=60.0, pick=65),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_is_found_no_more(name: str) -> None:
    assert Stage(FOUND[name]).play().violations == ()
