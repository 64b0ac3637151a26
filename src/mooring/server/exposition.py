"""The controller's numbers in Prometheus' text format. Must not: take one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from mooring.server.metrics import Numbers


def exposed(numbers: Numbers) -> bytes:
    return generate_latest(_Taken(numbers))


class _Taken(Collector):
    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterable[Metric]:
        numbers = self._numbers
        deployments = CounterMetricFamily("mooring_deployments", "Deployments that ended.", labels=["outcome"])
        for outcome, count in numbers.deployments.items():
            deployments.add_metric([outcome], count)
        seconds = HistogramMetricFamily("mooring_deployment_seconds", "From the request to the end.", labels=["trigger"])
        for trigger, spread in numbers.seconds.items():
            seconds.add_metric([trigger], spread.buckets, spread.sum)
        requests = CounterMetricFamily("mooring_http_requests", "Requests to the API.", labels=["method", "route", "status"])
        for labels, count in numbers.requests.items():
            requests.add_metric(labels, count)
        instances = GaugeMetricFamily("mooring_instances", "Instances by what they do.", labels=["state"])
        for state, count in numbers.instances.items():
            instances.add_metric([state], count)
        expiry = GaugeMetricFamily(
            "mooring_certificate_expiry_timestamp_seconds",
            "When the certificate shown for a hostname expires, in seconds since 1970.",
            labels=["hostname"],
        )
        for hostname, at in numbers.expiry.items():
            expiry.add_metric([hostname], at)
        return (
            deployments,
            seconds,
            requests,
            instances,
            GaugeMetricFamily("mooring_environments", "Environments that are remembered.", numbers.environments),
            GaugeMetricFamily("mooring_deployments_under_way", "Deployments that have not ended.", numbers.under_way),
            GaugeMetricFamily("mooring_http_streams", "Streams that are open.", numbers.streams),
            GaugeMetricFamily("mooring_loop_lag_seconds", "How much later than asked the controller's loop woke up last.", numbers.lag),
            expiry,
        )
