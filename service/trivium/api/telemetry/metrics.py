"""Prometheus metrics. Every label has a closed set of values: route templates, statuses, versions, codes."""

from __future__ import annotations

import platform
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

import trivium
from trivium.api.reloader import Serving
from trivium.rendering import Outcome


BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds; a recommendation takes well under a millisecond, a large batch some hundreds."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"


class Decisions(Collector):
    """Counts decisions, one addition each, and spreads them over strategies and codes when scraped."""

    def __init__(self) -> None:
        self._counts: defaultdict[Outcome, int] = defaultdict(int)

    def add(self, outcome: Outcome) -> None:
        """Count one decision."""
        self._counts[outcome] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        by_strategy: Counter[tuple[str, str, str]] = Counter()
        by_code: Counter[str] = Counter()
        for outcome, count in list(self._counts.items()):
            by_strategy[outcome.policy.version, outcome.strategy, outcome.status] += count
            for code in outcome.codes:
                by_code[code] += count
        strategies = CounterMetricFamily(
            "trivium_recommendations",
            "Recommendations made, single and in batches.",
            labels=["policy_version", "strategy", "status"],
        )
        for labels, count in sorted(by_strategy.items()):
            strategies.add_metric(labels, count)
        yield strategies
        codes_family = CounterMetricFamily("trivium_rationale_codes", "Rationale codes given.", labels=["code"])
        for code, count in sorted(by_code.items()):
            codes_family.add_metric([code], count)
        yield codes_family


class Requests(Collector):
    """Counts requests in plain numbers, and makes series of them when scraped: cheaper per request than series."""

    def __init__(self) -> None:
        self.in_progress = 0
        self._counts: dict[tuple[str, str, int], list[int]] = {}  # per bucket; the last one is beyond all
        self._seconds: dict[tuple[str, str, int], float] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; a method outside HTTP's usual ones counts as OTHER."""
        key = (method if method in METHODS else "OTHER", route, status)
        counts = self._counts.get(key)
        if counts is None:
            self._seconds[key] = 0.0
            counts = self._counts[key] = [0] * (len(BUCKETS) + 1)
        counts[bisect_left(BUCKETS, seconds)] += 1
        self._seconds[key] += seconds

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        total = CounterMetricFamily("http_requests", "Requests answered.", labels=["method", "route", "status"])
        by_route: dict[tuple[str, str], tuple[list[int], float]] = {}
        for (method, route, status), counts in sorted(self._counts.items()):
            total.add_metric([method, route, str(status)], sum(counts))
            others, seconds = by_route.get((method, route), ([0] * len(counts), 0.0))
            merged = [one + other for one, other in zip(counts, others, strict=True)]
            by_route[method, route] = (merged, seconds + self._seconds[method, route, status])
        yield total
        durations = HistogramMetricFamily(
            "http_request_duration_seconds",
            "Time from the request's arrival to the end of its answer.",
            labels=["method", "route"],
        )
        for labels, (counts, seconds) in by_route.items():
            limits = [*map(str, BUCKETS), "+Inf"]
            durations.add_metric(labels, list(zip(limits, accumulate(counts), strict=True)), seconds)
        yield durations
        busy = GaugeMetricFamily("http_requests_in_progress", "Requests being answered.")
        busy.add_metric([], self.in_progress)
        yield busy


class Policies(Collector):
    """Tells which policies serve at the moment of the scrape, and how their reloads went."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        info = GaugeMetricFamily("trivium_policy_info", "Policies served.", labels=["version", "digest", "status"])
        for version, advisor in self._serving.service.advisors.items():
            info.add_metric([version, advisor.policy.digest, advisor.reference.status], 1)
        yield info
        reloads = CounterMetricFamily("trivium_policy_reloads", "Reloads of changed policies.", labels=["result"])
        for result, count in self._serving.reloads.items():
            reloads.add_metric([result], count)
        yield reloads
        failed = GaugeMetricFamily("trivium_policy_reload_failed", "1 while changed policies cannot be served, else 0.")
        failed.add_metric([], bool(self._serving.stale))
        yield failed


class Metrics:
    """The metrics of one application."""

    def __init__(self, serving: Serving) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.decisions = Decisions()
        self.registry.register(self.decisions)
        self.requests = Requests()
        self.registry.register(self.requests)
        self.registry.register(Policies(serving))
        build = Gauge("trivium_build_info", "The running build.", ["version", "python"], registry=self.registry)
        build.labels(trivium.__version__, platform.python_version()).set(1)

    def render(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
