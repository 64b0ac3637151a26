"""How often an address may come with a wrong token: a bound on guessing. Must not: believe a header, or lock out an address for long."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from mooring.errors import Refused

MOST = 30  # wrong tokens an address may send
WITHIN = 60.0  # seconds
_MOST_ADDRESSES = 10_000


class TooManyAttempts(Refused):
    """HTTP 429."""

    code = "too-many-attempts"
    status = 429


class Attempts:
    """`now` gives monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Raises TooManyAttempts, also for a right token: else the refusals would tell wrong from right."""
        failed = self._failed.get(address)
        while failed and failed[0] < self._now() - WITHIN:
            failed.popleft()
        if failed is not None and len(failed) >= MOST:
            raise TooManyAttempts(
                f"{MOST} wrong tokens came from {address}", hint="wait a minute; `mooring token ls` shows which are valid"
            )

    def failed(self, address: str) -> None:
        self._failed.setdefault(address, deque(maxlen=MOST)).append(self._now())
        self._failed.move_to_end(address)
        while len(self._failed) > _MOST_ADDRESSES:
            self._failed.popitem(last=False)
