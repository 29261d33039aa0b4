"""What Prometheus sees of delivery. The label is the number of the subscription: endpoints and criteria may hold patient data."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

DELIVERED = Counter("penstock_delivery_delivered", "Events that a subscriber confirmed.", ["subscription"])
FAILED = Counter("penstock_delivery_failed", "Attempts that failed.", ["subscription"])
DEAD = Counter("penstock_delivery_dead", "Events that became dead letters.", ["subscription"])
PENDING = Gauge("penstock_delivery_pending", "Events that wait for a subscriber.", ["subscription"], multiprocess_mode="livesum")
OLDEST = Gauge(
    "penstock_delivery_oldest_pending_seconds",
    "Age of the oldest event that waits for a subscriber.",
    ["subscription"],
    multiprocess_mode="livesum",
)
