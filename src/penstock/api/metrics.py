"""What is counted of each request: how many and how long, by route template, method and status. Never a path with values."""

from __future__ import annotations

import os

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request

_COUNT = Counter("penstock_http_requests", "HTTP requests answered.", ("route", "method", "status"))
_SECONDS = Histogram(
    "penstock_http_request_seconds",
    "Seconds from the first byte of a request to the last of its answer.",
    ("route", "method"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}


def observe(route: str, method: str, status: int, seconds: float) -> None:
    """Count one request. The children are kept: looking one up by its labels costs four times as much."""
    pair = _children.get((route, method, status))
    if pair is None:
        known = method if method in _METHODS else "other"
        pair = _COUNT.labels(route, known, str(status)), _SECONDS.labels(route, known)
        if known == method:
            _children[route, method, status] = pair
    pair[0].inc()
    pair[1].observe(seconds)


async def metrics(parts: Parts, request: Request) -> Reply:
    """``GET /metrics``: everything that the program counts, as Prometheus reads it."""
    return Reply(200, generate_latest(_registry()), CONTENT_TYPE_LATEST.encode())


def _registry() -> CollectorRegistry:
    """What this process counts, or the sum of all processes of the program where there are several (see :mod:`penstock.workers`)."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the library leaves it untyped
    return registry
