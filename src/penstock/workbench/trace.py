"""``penstock trace``: the hops of ``/admin/v1/trace``, for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

#: So many of a list are shown on a line; all of them with --json.
_SHOWN = 6
#: What a line of the transaction log begins with.
_LOG = (
    "at", "source_system", "target_system", "message_id", "correlation_id", "schema_version", "transformation_rules", "outcome",
)  # fmt: skip


def trace_lines(hops: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each hop: the time, how long after the first, what happened; before them the trace ids."""
    if not hops:
        return ["nothing is known by that name"]
    first = datetime.fromisoformat(hops[0]["at"])
    return [f"trace {', '.join(dict.fromkeys(hop['trace_id'] for hop in hops))}", *(_line(hop, first) for hop in hops)]


def log_lines(page: dict[str, Any]) -> list[str]:
    """A line for each entry of a page of the transaction log, its seven fields first; then how to go on."""
    lines = [f"{_fields(entry)}  {entry['stage']} {entry['what']}" for entry in page["entries"]]
    return [*lines, f"more: cursor={page['next']}"] if page["next"] else lines or ["nothing agrees with that"]


def _fields(entry: dict[str, Any]) -> str:
    return " ".join(f"{name}={_short(entry[name])}" for name in _LOG)


def _line(hop: dict[str, Any], first: datetime) -> str:
    at = datetime.fromisoformat(hop["at"])
    moment = f"{at:%H:%M:%S.%f} {(at - first).total_seconds() * 1000:+10.1f} ms"
    took = {"ms": hop["ms"]} if hop["ms"] is not None else {}
    told = {**hop["details"], "rules": hop["transformation_rules"], **took}
    details = " ".join(f"{name}={_short(value)}" for name, value in told.items() if value != [])
    return f"{moment}  {hop['stage']:<10} {hop['what']} {hop['outcome']}  {details}".rstrip()


def _short(value: Any) -> str:
    """A value on a line: the first few of many."""
    if not isinstance(value, list):
        return str(value)
    shown = [" ".join(map(str, each.values())) if isinstance(each, dict) else str(each) for each in value[:_SHOWN]]
    return ",".join([*shown, f"+{len(value) - _SHOWN}"] if len(value) > _SHOWN else shown)
