"""Invented messages for the tests of the inbox."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from penstock.inbox import Arrival, digest, lane_of

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
_numbers = count(1)


def arrival(control_id: str | None = None, *, patient: str = "p1", body: str = "", source: str = "LAB|A", **more: Any) -> Arrival:
    number = next(_numbers)
    name = f"M{number}" if control_id is None else control_id
    raw = f"MSH|^~\\&|{source}|||{name}\r{patient}\r{body}".encode("utf-8", "replace")
    given: dict[str, Any] = {
        "interface": "mllp", "source": source, "control_id": name, "type": "ADT", "trigger": "A01", "hash": digest(raw),
        "lane": lane_of(source, patient), "raw": raw, "received_at": START + timedelta(milliseconds=number), "trace_id": f"{number:032x}",
        "keys": (("control", name), ("patient", patient)),
    }  # fmt: skip
    return Arrival(**(given | more))
