"""What ingress counts. Labels are names of interfaces, codes and reasons of ours: never something that a message says."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter("penstock_ingress_messages", "Messages answered, by interface and acknowledgement code.", ["interface", "code"])
BYTES = Counter("penstock_ingress_bytes", "Bytes of messages received, by interface.", ["interface"])
NOISE = Counter("penstock_ingress_noise_bytes", "Bytes that belonged to no frame, by interface.", ["interface"])
CLOSED = Counter("penstock_ingress_closed", "Connections closed by us, by interface and reason.", ["interface", "reason"])
CONNECTIONS = Gauge("penstock_ingress_connections", "Connections open now, by interface.", ["interface"], multiprocess_mode="livesum")
SECONDS = Histogram(
    "penstock_ingress_answer_seconds",
    "Seconds from the last byte of a message to its acknowledgement.",
    ["interface"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

#: Codes and why a connection was closed: every label value that there can be.
CODES = ("AA", "AE", "AR", "CA", "CE", "CR", "none")
REASONS = ("idle", "slow-frame", "slow-reader", "too-many", "too-much", "not-framed", "stopping")


class Meters:
    """The counters of one interface, looked up once."""

    __slots__ = ("bytes", "closed", "connections", "messages", "noise", "seconds")

    def __init__(self, interface: str) -> None:
        self.messages = {code: MESSAGES.labels(interface, code) for code in CODES}
        self.closed = {reason: CLOSED.labels(interface, reason) for reason in REASONS}
        self.bytes = BYTES.labels(interface)
        self.noise = NOISE.labels(interface)
        self.connections = CONNECTIONS.labels(interface)
        self.seconds = SECONDS.labels(interface)
