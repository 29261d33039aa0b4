"""What other parts call: a plan, and a message through it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

from penstock.convert import engine
from penstock.convert import explain as explaining
from penstock.convert.codes import CodeRow
from penstock.convert.compiled import Plan, Structure
from penstock.convert.compiler import build
from penstock.convert.engine import Converted
from penstock.convert.explain import Explained
from penstock.convert.rows import Row, table
from penstock.convert.run import Context, Resource
from penstock.errors import Problem
from penstock.formats.hl7v2 import Message


@cache
def triggers() -> dict[str, str]:
    """Message structure by type and trigger event (HL7 table 0354)."""
    return {row["trigger"]: row["structure"] for row in table("structures", "triggers")}


#: every structure that a trigger event leads to
STRUCTURES = tuple(sorted(set(triggers().values())))


@lru_cache(maxsize=32)
def _plan(overlay: tuple[Row, ...], codes: tuple[CodeRow, ...], message: bool) -> Plan:
    return build(STRUCTURES, overlay, codes, message=message)


def plan(overlay: Sequence[Row] = (), codes: Sequence[CodeRow] = (), *, message: bool = False) -> Plan:
    """All supported structures under a site's rows and code tables, compiled once for each pair of them.

    Bad rows are raised together as an ExceptionGroup of Problems. With `message` it also makes what tells of the message itself and is
    not stored: MessageHeader, Provenance, assigners of identifiers.
    """
    return _plan(tuple(overlay), tuple(codes), message)


def structure_of(message: Message, plan: Plan) -> Structure:
    """By type and trigger first: MSH-9.3 is often wrong or missing; then by MSH-9.3."""
    type, trigger, named = message.get("MSH-9.1"), message.get("MSH-9.2"), message.get("MSH-9.3")
    if not trigger and "_" in type:
        type, _, trigger = type.partition("_")
    found = triggers().get(f"{type}^{trigger}", "")
    if found not in plan.structures:
        raise Problem("not-supported", "there is no map for this message type and trigger event", at="MSH-9" if not named else "MSH-9.2")
    return plan.structures[found]


def convert(message: Message, plan: Plan, context: Context) -> Converted:
    """One message into resources, with the way back of each value. Problem("not-supported") when no map knows its trigger event."""
    return engine.convert(message, structure_of(message, plan), plan, context)


def explain(message: Message, plan: Plan, context: Context) -> list[Explained]:
    """Rule by rule what the message does, for `penstock convert --explain`."""
    return explaining.explain(message, structure_of(message, plan), plan, context)


def to_bundle(converted: Converted) -> Resource:
    """A transaction Bundle of the resources: each is put under its id. Where the plan told of the message, a message Bundle of all."""
    entries = [
        {
            "fullUrl": f"{one['resourceType']}/{one['id']}",
            "resource": one,
            "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"},
        }
        for one in converted.resources
        if one["resourceType"] != "Bundle"
    ]
    envelope = next((one for one in converted.resources if one["resourceType"] == "Bundle"), None)
    if envelope is None:
        return {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    for entry in entries:
        del entry["request"]
    return {**envelope, "entry": entries}
