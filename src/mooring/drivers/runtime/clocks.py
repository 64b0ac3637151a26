"""The clock of another host beside this one's: lines of several hosts are merged by time. Must not: read a clock."""

from __future__ import annotations

_NEAR = 1.0  # seconds of which nothing is made: the way there and back is no more certain


class HostClock:
    """How far a host's clock is ahead of this machine's. In whole seconds, and kept until it is clearly another: a line has the same
    time whenever it is told.
    """

    def __init__(self) -> None:
        self._ahead = 0.0

    def heard(self, host: float, *, before: float, after: float) -> None:
        """The host said this time somewhen between these two of ours. All are wall seconds."""
        is_near = before - _NEAR <= host <= after + _NEAR
        ahead = 0.0 if is_near else float(round(host - (before + after) / 2))
        if abs(ahead - self._ahead) > _NEAR:
            self._ahead = ahead

    def ours(self, at: float) -> float:
        """When that was by this machine's clock; 0.0, which is no time, stays."""
        return at - self._ahead if at else at
