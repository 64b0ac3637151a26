"""Whether the new release does worse than the old one, from what the edge counted. Must not: count by itself.

A few requests prove nothing: the rate is compared only from MINIMUM requests on, so that one error page in three hits is no alarm;
requests that the edge failed count at once, since none may.
"""

from __future__ import annotations

from mooring.model.policy import Policy
from mooring.model.routing import Traffic

MINIMUM = 20
NOTICEABLE = 0.2  # seconds; a slower tail below this is no regression


def regression(before: Traffic, after: Traffic, policy: Policy) -> str:
    """A sentence saying what got worse, or empty. `before` and `after` are windows of the old and the new release."""
    if after.failed:
        return f"{after.failed} requests failed at the edge since the switch"
    if after.requests < MINIMUM:
        return ""
    was = before.app_errors / before.requests if before.requests else 0.0
    rate = after.app_errors / after.requests
    if rate > was + policy.bake_error_rate:
        return f"the app's own errors rose from {was:.1%} to {rate:.1%} of requests"
    if before.requests >= MINIMUM and after.p99 > max(before.p99 * policy.bake_latency_factor, before.p99 + NOTICEABLE):
        return f"the slowest 1 % of answers went from {before.p99:.2f} s to {after.p99:.2f} s"
    return ""
