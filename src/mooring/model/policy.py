"""How a rollout may behave, in Nomad's words. All durations in seconds. Must not: hold what runs."""

from __future__ import annotations

import msgspec

from mooring.model.quantity import Share

_FOR_ROOM = 60.0  # seconds in which others go to sleep for one that wakes
_LONGEST_WAKE = 300.0  # seconds; hardly a client waits longer


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The rollout's limits; each deadline has an action, named at the planner's rule that takes it."""

    max_surge: Share = Share(amount=100, is_percent=True)
    max_unavailable: Share = Share(amount=0)
    min_healthy_time: float = 0.0
    healthy_deadline: float = 60.0
    progress_deadline: float = 600.0
    auto_revert: bool = True
    bake: float = 5.0
    bake_error_rate: float = 0.01
    bake_latency_factor: float = 3.0
    drain_timeout: float = 30.0
    stream_drain_timeout: float = 30.0
    kill_timeout: float = 10.0
    release_timeout: float = 600.0
    keep_releases: int = 5
    keep_bytes: int = 5_000_000_000

    @property
    def wakes_within(self) -> float:
        """How long a request waits for a review app that sleeps: what it has to become ready in, and some time to find room."""
        return min(self.healthy_deadline + _FOR_ROOM, _LONGEST_WAKE)
