"""Lineage: which rule of which map version made which element from which field of which message.

One record a message, written in the transaction that stores what the message became. A resource is a fold over messages, so
the origin of an element is the newest version at or below the asked one whose message produced that element.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import zstandard

from penstock.db import Tx, named_sql

SQL = named_sql(__package__)
#: What of a record is packed into one value.
_PACKED = ("made", "remainder", "steward", "structure", "stages")


class Made(NamedTuple):
    """What one message made of one resource: ``steps`` are (element path, rule id, source path)."""

    type: str
    id: str
    ver: int
    steps: Sequence[tuple[str, str, str]]


class Record(NamedTuple):
    """The lineage of one message. ``remainder`` is (source path, reason); ``steward`` the codes that no table knows.

    ``structure`` is what the message was read as; ``stages`` are those that it passed: name, when it began (microseconds since 1970), and
    how long it took.
    """

    inbox_id: int
    plan: str
    at: datetime
    made: Sequence[Made]
    remainder: Sequence[tuple[str, str]]
    steward: Sequence[Any]
    structure: str = ""
    stages: Sequence[tuple[str, int, int]] = ()


class Origin(NamedTuple):
    """Where one element of a resource came from."""

    element: str
    rule: str
    source: str
    inbox_id: int
    ver: int
    plan: str


async def record(tx: Tx, records: Sequence[Record]) -> None:
    """Keep the lineage of a batch of messages, in the transaction that stores them."""
    pack = zstandard.ZstdCompressor(level=3).compress
    bodies = [pack(msgspec.json.encode({name: getattr(r, name) for name in _PACKED})) for r in records]
    await tx.execute(SQL["record"], [r.inbox_id for r in records], [r.plan for r in records], [r.at for r in records], bodies)
    made = [(m.type, m.id, m.ver, r.inbox_id) for r in records for m in r.made]
    if made:
        await tx.execute(SQL["record_versions"], *map(list, zip(*made, strict=True)))


def unpack(body: bytes) -> dict[str, Any]:
    """The record of one message: ``made`` [[type, id, ver, [[element, rule, source]…]]…], and the rest of :class:`Record`."""
    record: dict[str, Any] = msgspec.json.decode(zstandard.ZstdDecompressor().decompress(body))
    return record


async def origins(tx: Tx, type_: str, id_: str, ver: int) -> list[Origin]:
    """The origin of every element of one resource version, newest message first to claim an element; sorted by element."""
    found: dict[str, Origin] = {}
    for row in await tx.fetch(SQL["of_resource"], type_, id_, ver):
        for made_type, made_id, _, steps in unpack(row["record"])["made"]:
            if (made_type, made_id) == (type_, id_):
                for element, (rule, source) in decided(steps).items():
                    found.setdefault(element, Origin(element, rule, source, row["inbox_id"], row["ver"], row["plan"]))
    return [found[element] for element in sorted(found)]


def decided(steps: Iterable[tuple[str, str, str]]) -> dict[str, tuple[str, str]]:
    """By element the rule that wrote it last, and the first place that this rule read."""
    found: dict[str, tuple[str, str]] = {}
    for element, rule, source in steps:
        if element not in found or found[element][0] != rule:
            found[element] = rule, source
    return found


async def of_messages(tx: Tx, inbox_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Inbox id to its unpacked record, with ``plan`` and ``at``, for the messages that were stored."""
    rows = await tx.fetch(SQL["of_messages"], list(inbox_ids))
    return {row["inbox_id"]: unpack(row["record"]) | {"plan": row["plan"], "at": row["at"]} for row in rows}


async def messages_of(tx: Tx, type_: str, id_: str) -> list[int]:
    """The inbox ids of every message that made or changed a resource, oldest first."""
    return [row["inbox_id"] for row in await tx.fetch(SQL["messages_of_resource"], type_, id_)]
