"""The highest fencing number seen of each environment, on this host: an effect with a lower one is refused. Must not: decide who leads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from mooring.drivers.runtime.systemd.onhost import record
from mooring.drivers.runtime.systemd.onhost.place import Place


@contextlib.contextmanager
def held(place: Place, mark: dict[str, Any]) -> Iterator[None]:
    """Compared and raised under a lock that lasts as long as the effect: no older number can land between the two."""
    slug = mark["environment"]
    with record.locked(place.path("fences", f"{slug}.lock")):
        path = place.path("fences", f"{slug}.json")
        seen = int(record.read(path).get("fence", 0))
        if mark["fence"] < seen:
            message = f"{mark['operation']}: number {mark['fence']} is older than {seen}"
            raise record.Failed("stale-fence", message, "another controller has taken over; this one stops here")
        if mark["fence"] > seen:
            record.write(path, {"fence": mark["fence"]})
        yield
