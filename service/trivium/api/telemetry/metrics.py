"""Prometheus metrics. Every label has a closed set of values: route templates, statuses, versions, codes."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

import trivium
from trivium.api.reloader import PolicyReloader
from trivium.api.telemetry.decisions import Decisions
from trivium.api.telemetry.log_writer import LogWriter
from trivium.rendering import Outcome


BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds; most recommendations take less than half a millisecond, a large batch some hundreds."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"

FROM_THE_START = (200, 500, 503)
"""Statuses whose series exist before the first such answer: a counter that starts at 1 hides its first increase."""


class PolicyCollector(Collector):
    """Collects which policies serve at the moment of the scrape, how their reloads went, and what the log has lost."""

    def __init__(self, reloader: PolicyReloader, log: LogWriter) -> None:
        self._reloader = reloader
        self._log = log

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        info = GaugeMetricFamily("trivium_policy_info", "Policies served.", labels=["version", "digest", "status"])
        for version, advisor in self._reloader.current.advisors.items():
            info.add_metric([version, advisor.reference.digest, advisor.reference.status], 1)
        yield info
        reloads = CounterMetricFamily("trivium_policy_reloads", "Reloads of changed policies.", labels=["result"])
        for result, count in self._reloader.reloads.items():
            reloads.add_metric([result], count)
        yield reloads
        failed = GaugeMetricFamily("trivium_policy_reload_failed", "1 while changed policies cannot be served, else 0.")
        failed.add_metric([], bool(self._reloader.stale))
        yield failed
        lost = CounterMetricFamily("trivium_log_lines_dropped", "Log lines dropped, because they could not be written.")
        lost.add_metric([], self._log.dropped)
        yield lost


class Registry(CollectorRegistry):
    """A registry without `_created` series, which are as many as the counters and which no alert uses."""

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        for family in super().collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


class Metrics:
    """The metrics of one application.

    Args:
        reloader: holds the policies served.
        log: the writer of the log.

    Attributes:
        registry: all metrics, to be scraped by `render`.
        in_progress: number of requests being answered.
    """

    def __init__(self, reloader: PolicyReloader, log: LogWriter) -> None:
        self.registry = registry = Registry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        registry.register(PolicyCollector(reloader, log))
        build = Gauge("trivium_build_info", "The running build.", ["version", "python"], registry=registry)
        build.labels(trivium.__version__, platform.python_version()).set(1)
        self.in_progress = 0
        in_progress = Gauge("http_requests_in_progress", "Requests being answered.", registry=registry)
        in_progress.set_function(lambda: self.in_progress)
        self._requests = Counter(
            "http_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self._durations = Histogram(
            "http_request_duration_seconds",
            "Time from the request's arrival to the end of its answer.",
            ["method", "route"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._recommendations = Counter(
            "trivium_recommendations",
            "Recommendations made, single and in batches.",
            ["policy_version", "strategy", "status"],
            registry=registry,
        )
        self._codes = Counter("trivium_rationale_codes", "Rationale codes given.", ["code"], registry=registry)
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._decisions = Decisions()

    def create_series(self, routes: Iterable[tuple[str, str]]) -> None:
        """Create the series of requests that are known beforehand, at 0.

        Args:
            routes: method and path template of each route.
        """
        for method, route in [*routes, ("GET", UNMATCHED), ("POST", UNMATCHED)]:
            for status in FROM_THE_START:
                self._child(method, route, status)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; a method outside HTTP's usual ones counts as OTHER."""
        child = self._children.get((method, route, status))
        requests, durations = child or self._child(method if method in METHODS else "OTHER", route, status)
        requests.inc()
        durations.observe(seconds)

    def count_decision(self, outcome: Outcome) -> None:
        """Count one decision; `render` adds it to the series, which takes longer than counting."""
        self._decisions.count(outcome)

    def count_decisions(self, decisions: Decisions) -> None:
        """Count the decisions of a batch."""
        self._decisions.add(decisions)

    def render(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        self._add_decisions()
        return generate_latest(self.registry)

    def _child(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        """Return the series of such requests; looking them up by labels takes longer than counting."""
        key = (method, route, status)
        if key not in self._children:
            self._children[key] = (
                self._requests.labels(method, route, str(status)),
                self._durations.labels(method, route),
            )
        return self._children[key]

    def _add_decisions(self) -> None:
        decisions, self._decisions = self._decisions, Decisions()
        for kind, count in decisions.kinds.items():
            self._recommendations.labels(*kind).inc(count)
        for code, count in decisions.codes.items():
            self._codes.labels(code).inc(count)
