"""Why something is where nobody wanted it: at which hop it failed, under which identities, by which rule. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.events import Event
from penstock.inbox import Row

#: Why a delivery was given up, in the words of its entry, to the rule that says so. Any other answer is the endpoint's own.
_GIVEN_UP = {
    "it was not confirmed in time": "horizon: what is not confirmed within PENSTOCK_DELIVERY_HORIZON_S is given up",
    "the event is no longer kept": "retention: what PENSTOCK_EVENT_DAYS has removed cannot be told",
}
_REJECTED = "rejections: what an endpoint rejects again and again is given up; "


def of_delivery(entry: Mapping[str, Any], event: Event | None) -> dict[str, Any]:
    """The three facts of a dead letter; without its ``event``, when that is no longer kept, as far as the entry knows them."""
    reason = entry["reason"] or ""
    identity = {"subscriber": entry["subscription"], "resource": entry["reference"]}
    if event is not None:
        identity |= {"event": str(event.id), "source": event.source, "trace_id": event.trace_id}
    return {"hop": "delivered", "identity": identity, "rule": _GIVEN_UP.get(reason) or _REJECTED + reason}


def of_message(row: Row) -> dict[str, Any]:
    """The three facts of a message that was quarantined or waits for another attempt; empty for one that is well."""
    if row.code is None:
        return {}
    identity = {"interface": row.interface, "source": row.source, "control_id": row.control_id, "trace_id": row.trace_id}
    at = f" (at {row.at})" if row.at else ""
    return {"hop": row.stopped, "identity": identity, "rule": f"{row.code}: {row.text}{at}"}
