"""What is counted, in Prometheus' text format; under gunicorn, summed over all workers of this instance.

It must not be imported before PROMETHEUS_MULTIPROC_DIR is set (gunicorn.conf.py does): the first import decides.
"""

import os
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import REGISTRY

from minitwit.database import Database
from minitwit.jobs import count_jobs

requests = Counter("minitwit_requests_total", "Requests answered.", ["method", "route", "status"])
request_seconds = Histogram("minitwit_request_seconds", "Seconds from a request to its answer.", ["route"])
posts_published = Counter("minitwit_posts_total", "Posts published by this instance.")


def exposition(database: Database, version: str) -> bytes:
    """The whole page: counters of all workers, and what the database says at this moment."""
    return generate_latest(_counted()) + generate_latest(Now(version, count_jobs(database)))


class Now:
    """Facts of this moment, never written down: gunicorn's workers would each leave their own copy."""

    def __init__(self, version: str, jobs_by_state: dict[str, int]) -> None:
        self.version = version
        self.jobs_by_state = jobs_by_state

    def collect(self) -> Iterator[GaugeMetricFamily]:
        build = GaugeMetricFamily("minitwit_build_info", "The release that answers.", labels=["version"])
        build.add_metric([self.version], 1)
        yield build
        queue = GaugeMetricFamily("minitwit_jobs", "Jobs in the queue.", labels=["state"])
        for state, count in self.jobs_by_state.items():
            queue.add_metric([state], count)
        yield queue


def _counted() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
