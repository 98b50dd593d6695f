"""Figures for Prometheus. Routes are counted by their template: names would be too many series."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REQUESTS: Final = Counter("kubedash_http_requests", "Requests answered.", ("method", "route", "status"))
SECONDS: Final = Histogram(
    "kubedash_http_request_seconds",
    "Seconds until the answer was sent; live streams count too.",
    ("route",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
STREAMS: Final = Gauge("kubedash_live_streams", "Open live streams.")
_WEBHOOKS: Final = Counter("kubedash_webhook_posts", "Webhook posts by what became of them.", ("outcome",))
STORED: Final = _WEBHOOKS.labels("stored")
STRANGE: Final = _WEBHOOKS.labels("strange")
REFUSED: Final = _WEBHOOKS.labels("refused")
FAILED: Final = _WEBHOOKS.labels("failed")
REGISTRIES: Final = Gauge("kubedash_registries", "Registries by the state of the last contact.", ("status",))
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def request_done(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answer; unknown methods share one series."""
    requests, durations = _series(method if method in _METHODS else "other", route, status)
    requests.inc()
    durations.observe(seconds)


@lru_cache(maxsize=1024)
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Looked up once: finding a series costs more than counting in it."""
    return REQUESTS.labels(method, route, str(status)), SECONDS.labels(route)
