"""The keys of where an app runs: its regions, and how its hosts are to run it. Must not: read a file."""

from __future__ import annotations

from mooring.manifest.keys.key import Key, Section
from mooring.manifest.keys.names import HOST_NAME
from mooring.manifest.kinds.numbers import Whole
from mooring.manifest.kinds.texts import ListOf

REGIONS = Section(
    path="regions.NAME",
    noun="a region",
    summary="a group of hosts that the app runs on",
    text="Without any, the app runs on the machine of the controller. With one or more, its instances are spread over the hosts of each "
    "(`mooring host add … --region NAME`), and a deployment is to all of them or to none. A process type that is `single` runs in the "
    "first region only. `[regions.eu]` with nothing below it stands for all hosts of that region.",
    keys=(
        Key(
            path="regions.NAME.hosts",
            kind=ListOf(item=HOST_NAME, noun="names of hosts"),
            summary="the hosts of the region that this app may use",
            text="In the order in which they are filled.",
            default_text="every host of the region that is not draining",
            example='[regions.eu]\nhosts = ["web-1", "web-2"]',
        ),
        Key(
            path="regions.NAME.count.PROCESS",
            kind=Whole(noun="a count", most=1000, fix="set it to 0 to run none there, or leave it out for as many as elsewhere"),
            summary="how many instances of a process type run in this region",
            text="It goes over `processes.NAME.count`, and over `mooring scale`.",
            default_text="`processes.NAME.count`, as scaled",
            example="[regions.us.count]\nweb = 1",
        ),
    ),
)
