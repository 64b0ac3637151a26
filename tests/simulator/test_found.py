"""The shortest stories of the faults that the simulator has found, each mended since: none breaks a law any more."""

from __future__ import annotations

import pytest

from mooring.testing.simulator.catalogue import MORTAL
from mooring.testing.simulator.stage import Stage
from mooring.testing.simulator.story import Happening, On, Setting, Story, What

_MORTAL = Happening(what=What.DEPLOY, number=0.3, pick=MORTAL)
FOUND = {
    "the old went at the watch's end though the new had died and were not ready": Story(
        setting=Setting(bake=2.0),
        happenings=(_MORTAL, Happening(what=What.DISK_FULL, on=On.WRITE, number=31)),
    ),
    "the old went on going while they drained though the new had died": Story(
        setting=Setting(bake=0.0, stop_takes=1.0, latency=0.6, min_healthy_time=0.5), happenings=(_MORTAL,)
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_is_found_no_more(name: str) -> None:
    assert Stage(FOUND[name]).play().violations == ()
