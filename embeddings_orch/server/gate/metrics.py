"""What the server counts, for Prometheus; each application has a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PREFIX = "embeddings_orch_"


class Metrics:
    """Counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            f"{_PREFIX}requests", "Requests that were answered.", ["route", "method", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            f"{_PREFIX}request_seconds",
            "Seconds from a request's first byte to its answer's last.",
            ["route", "method"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(f"{_PREFIX}requests_in_flight", "Requests in work.", registry=self.registry)
        self.searches = Counter(
            f"{_PREFIX}searches",
            "Searches that were answered, by what was asked for: text, image, vector, id, keyword, hybrid.",
            ["pipeline", "index", "kind"],
            registry=self.registry,
        )
        self._batches = Histogram(
            f"{_PREFIX}model_batch_size",
            "Queries that shared one call of a model.",
            ["model"],
            buckets=_BATCHES,
            registry=self.registry,
        )
        self.thumbnails = Counter(
            f"{_PREFIX}thumbnails",
            "Thumbnails that were asked for: kept, made, or none.",
            ["result"],
            registry=self.registry,
        )
        self.thumbnail_bytes = Gauge(
            f"{_PREFIX}thumbnail_cache_bytes", "Bytes of thumbnails in memory.", registry=self.registry
        )

    def count_answer(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request by its route's template."""
        # Any client can make up a method, and each would be a series of its own.
        method = method if method in _METHODS else "other"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def batch(self, model: str, size: int) -> None:
        """Count one call of a model with so many queries."""
        self._batches.labels(model).observe(size)

    def answer(self) -> Response:
        """All of it in Prometheus's text format."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
