"""``penstock trace``: the hops of ``/admin/v1/trace``, for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any


def trace_lines(hops: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each hop: the time, how long after the first, what happened; before them the trace ids."""
    if not hops:
        return ["nothing is known by that name"]
    first = datetime.fromisoformat(hops[0]["at"])
    return [f"trace {', '.join(dict.fromkeys(hop['trace_id'] for hop in hops))}", *(_line(hop, first) for hop in hops)]


def _line(hop: dict[str, Any], first: datetime) -> str:
    at = datetime.fromisoformat(hop["at"])
    moment = f"{at:%H:%M:%S.%f} {(at - first).total_seconds() * 1000:+10.1f} ms"
    details = " ".join(f"{name}={_short(value)}" for name, value in hop["details"].items())
    return f"{moment}  {hop['stage']:<10} {hop['what']} {hop['outcome']}  {details}".rstrip()


def _short(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
