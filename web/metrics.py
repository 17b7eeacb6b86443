"""What Prometheus is told: requests, streams, parts, live calls, and the engine's own counters.

journal.counters {("calls_total", (("status", "busy"),)): 7} ─▶ dozvon_calls_total{status="busy"} 7
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.ports import Robot

PREFIX = "dozvon_"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Labels = tuple[tuple[str, str], ...]
Counts = Callable[[], Mapping[tuple[str, Labels], int]]
Gauges = Callable[[], Mapping[tuple[str, Labels], float]]


class Metrics:
    """One registry for each application, so that two in one process do not meet. `counts` and `gauges` are the engine's
    own; the panel's page of the state reads them too."""

    def __init__(self, robot: Robot, counts: Counts | None, gauges: Gauges | None = None) -> None:
        self.counts: Counts = counts or dict[tuple[str, Labels], int]
        self.gauges: Gauges = gauges or dict[tuple[str, Labels], float]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            PREFIX + "http_requests_total", "Answered requests", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            PREFIX + "http_request_seconds", "Time to the answer", ["method"], buckets=BUCKETS, registry=self.registry
        )
        self.registry.register(_Robot(robot))
        if counts is not None:
            self.registry.register(_Counts(counts))
        if gauges is not None:
            self.registry.register(_Gauges(gauges))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is the pattern, never the path: the number of its values is bounded."""
        known = method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known).observe(seconds)


class _Robot(Collector):
    def __init__(self, robot: Robot) -> None:
        self._robot = robot

    def collect(self) -> Iterator[Metric]:
        parts = GaugeMetricFamily(PREFIX + "part_up", "1: the part works", labels=["part"])
        for name, (works, _) in self._robot.health().items():
            parts.add_metric([name], float(works))
        yield parts
        yield GaugeMetricFamily(PREFIX + "live_calls", "Calls that live in this engine", value=len(self._robot.live()))


class _Counts(Collector):
    """Counters by name and labels. One with the label `le` is a histogram, counted bucket by bucket, whose sum is
    `NAME_sum_ms`."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        by_name: dict[str, dict[Labels, int]] = defaultdict(dict)
        for (name, labels), count in dict(self._counts()).items():
            by_name[name][labels] = count
        for name, found in sorted(by_name.items()):
            if any(label == "le" for labels in found for label, _ in labels):
                sum_ms = by_name.get(f"{name}_sum_ms", {}).get((), 0)
                yield _histogram(name, found, sum_ms / 1000)
            elif not name.endswith("_sum_ms"):
                yield _counter(name, found)


class _Gauges(Collector):
    """What is so at this moment, by name and labels."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for (name, labels), value in sorted(self._gauges().items()):
            if name not in families:
                families[name] = GaugeMetricFamily(
                    PREFIX + name, name.replace("_", " "), labels=[label for label, _ in labels]
                )
            families[name].add_metric([value for _, value in labels], value)
        yield from families.values()


def _counter(name: str, found: Mapping[Labels, int]) -> Metric:
    keys = sorted({label for labels in found for label, _ in labels})
    family = CounterMetricFamily(PREFIX + name, name.removesuffix("_total").replace("_", " "), labels=keys)
    for labels, count in found.items():
        given = dict(labels)
        family.add_metric([given.get(key, "") for key in keys], count)
    return family


def _histogram(name: str, found: Mapping[Labels, int], total: float) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, name.replace("_", " "))
    counts = {dict(labels)["le"]: count for labels, count in found.items()}
    summed, buckets = 0, list[tuple[str, float]]()
    for bound in sorted(counts | {"+Inf": 0}, key=float):
        summed += counts.get(bound, 0)
        buckets.append((bound, summed))
    family.add_metric([], buckets, total)
    return family


METRICS = web.AppKey("metrics", Metrics)
