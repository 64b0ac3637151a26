"""What Envoy sends again: only what no instance has seen, because a connection was refused, or because the waiting room says so.

It is said once for each cluster, not for each virtual host: a thousand copies made Envoy slow to take a new hostname, and large.
"""

from __future__ import annotations

Json = dict[str, object]

RETRY_HEADER = "x-mooring-retry"  # from the waiting room, with the token as its value: an instance is there now, send it again
ATTEMPTS = 12


def retry_policy(token: str) -> Json:
    """Twice among the instances, then waiting; `token` is the waiting room's word."""
    return {
        "retry_on": "connect-failure,refused-stream,reset-before-request,retriable-headers",
        "num_retries": ATTEMPTS,
        "retriable_headers": [{"name": RETRY_HEADER, "string_match": {"exact": token}}],
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
                "update_frequency": 2,
            },
        },
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
            }
        ],
        "host_selection_retry_max_attempts": 3,
        "retry_back_off": {"base_interval": "0.010s", "max_interval": "0.050s"},
    }
