"""Whether a disk takes one more review app: so much stays free, and what is copied onto this machine has its place besides."""

from __future__ import annotations

import pytest
from core.planner.world import process, release

from mooring.errors import CapacityExceeded
from mooring.model.names import LOCAL, HostId, ServerName
from mooring.model.service import ServiceKind, ServiceServer
from mooring.planner.disk import check_disk, full_disks
from mooring.planner.goal import Wanted
from mooring.planner.hosts import LEAST_DISK

HERE = Wanted(release=release(1, process("web")))
EU = HostId("eu-1")


def test_a_host_is_full_below_the_least_that_a_host_has_to_have_and_not_where_nobody_knows() -> None:
    assert full_disks({LOCAL: LEAST_DISK - 1, EU: LEAST_DISK}) == {LOCAL}
    check_disk(HERE, free={LOCAL: LEAST_DISK, EU: 0})
    check_disk(HERE, free={})
    with pytest.raises(CapacityExceeded, match=r"disk does not do on this host: 5 B are free, and 1\.0 GB have to be"):
        check_disk(HERE, free={LOCAL: 5})


def test_what_is_copied_onto_this_machine_needs_its_place_beside_what_stays_free() -> None:
    check_disk(HERE, free={LOCAL: LEAST_DISK + 500}, copied=500)
    check_disk(HERE, free={}, copied=500)
    with pytest.raises(CapacityExceeded, match=r"the copy of its data takes 500 B, 1\.0 GB are free"):
        check_disk(HERE, free={LOCAL: LEAST_DISK + 499}, copied=500)


@pytest.mark.parametrize(
    ("place", "is_here"),
    [
        ("127.0.0.1:5432", True),
        ("/var/run/postgresql:5432", True),
        ("/srv/data", True),
        ("localhost:3306", True),
        ("[::1]:6379", True),
        ("::1:5432", True),
        ("db.internal:5432", False),
        ("localhost.example.com:5432", False),
        ("", False),
    ],
)
def test_a_server_is_here_where_its_place_is_of_this_machine(place: str, is_here: bool) -> None:
    assert ServiceServer(name=ServerName("main"), kind=ServiceKind.POSTGRES, place=place).is_here is is_here
