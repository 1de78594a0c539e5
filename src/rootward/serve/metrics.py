"""Counters of a server in the text format of Prometheus, over one process or several."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """What a server counts. With several processes any of them tells the sums, see `prometheus_client.multiprocess`."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()
        route, status, run = "route", "status", "run"
        self.requests = Counter("rootward_requests", "Requests answered.", (route, status), registry=own)
        self.seconds = Histogram("rootward_request_seconds", "To an answer.", (route,), buckets=_SECONDS, registry=own)
        self.texts = Counter("rootward_texts", "Texts searched.", registry=own)
        self.calls = Histogram("rootward_texts_per_search", "Texts of one call.", buckets=_TEXTS, registry=own)
        self.shed = Counter("rootward_shed", "Requests refused because too many were in flight.", registry=own)
        self.in_flight = Gauge("rootward_in_flight", "Requests in work.", multiprocess_mode="livesum", registry=own)
        self.generation = Gauge(
            "rootward_generation", "Of each run.", (run,), multiprocess_mode="livemin", registry=own
        )
        self.takeovers = Counter("rootward_takeovers", "New runs, by what became of them.", ("outcome",), registry=own)

    def answered(self, scope: Mapping[str, Any], status: int, seconds: float) -> None:
        """Count an answer of a route."""
        route = getattr(scope.get("route"), "path", "none")
        self.requests.labels(route, status or "none").inc()
        self.seconds.labels(route).observe(seconds)

    def searched(self, n_texts: int) -> None:
        """Count a call that searches so many texts."""
        self.texts.inc(n_texts)
        self.calls.observe(n_texts)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        if FOLDER not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
