"""The feed behind ``/events``: pages with a cursor, and a live stream. It knows no HTTP: the API frames what it yields.

A reader keeps its own cursor, the number of the last event it has seen; it is the ``next`` of a page and the ``id`` of a
server-sent event. What it may see is decided by its Access: types it may read, and its one patient where it has one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from penstock.auth.access import Access
from penstock.db import Database, Tx
from penstock.errors import Problem
from penstock.events.cloudevents import Payload, encode, envelope
from penstock.events.horizon import Horizon
from penstock.events.log import SQL, Event

#: The bodies of versions, by (type, id, version): the store's.
Bodies = Callable[[Tx, Sequence[tuple[str, str, int]]], Awaitable[Mapping[tuple[str, str, int], bytes]]]

#: The most events of one page.
MAX_PAGE = 1000

_IDLE_S = (0.02, 0.5)  # first and longest wait between two looks at a quiet log
_HEARTBEAT_S = 15.0


class FeedPage(NamedTuple):
    """Events as CloudEvents in JSON; ``next`` is the cursor to go on from; ``more``: whether there are more at once."""

    events: list[bytes]
    next: str
    more: bool


@dataclass(frozen=True)
class Filter:
    """What a reader asks for: resource types (empty: all), the payload, and the size of a page."""

    types: tuple[str, ...] = ()
    payload: Payload = "none"
    limit: int = 100


class Feed:
    """Serves readers of the log. ``source`` is the URI of this server, ``bodies`` gives the resources of full payloads."""

    def __init__(self, database: Database, horizon: Horizon, bodies: Bodies, *, source: str) -> None:
        self._database = database
        self._horizon = horizon
        self._bodies = bodies
        self._source = source

    async def page(self, access: Access, cursor: str, wanted: Filter) -> FeedPage:
        """The events after ``cursor`` ("" or "0": from the oldest kept). Problem ``deleted`` (410): they are no longer kept."""
        allowed = _allowed(access, wanted)
        after, limit = parse_cursor(cursor), max(1, min(wanted.limit, MAX_PAGE))
        upto = await self._horizon.advance()
        async with self._database.transaction(readonly=True) as tx:
            floor = int(await tx.fetchval(SQL["floor"]))
            if 0 < after < floor:
                raise Problem("deleted", "the events after this cursor are no longer kept", at="cursor")
            rows = await tx.fetch(SQL["follow_some"], after, upto, limit, access.tenant, allowed, _patient_key(access))
            events = [Event(*row) for row in rows]
            rendered = await self._render(tx, events, wanted.payload)
        more = len(events) == limit
        return FeedPage(rendered, str(events[-1].seq if more else max(after, upto)), more)

    async def stream(self, access: Access, cursor: str, wanted: Filter, *, heartbeat_s: float = _HEARTBEAT_S) -> AsyncIterator[bytes]:
        """Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) without an end.

        ``cursor`` is the reader's ``Last-Event-ID``; "" begins with what happens from now on. A comment is sent when there was
        nothing else to say, so that both sides notice a dead connection.
        """
        position = cursor or str(await self._horizon.advance())
        wait, quiet = _IDLE_S[0], 0.0
        while True:
            page = await self.page(access, position, wanted)
            position = page.next
            if page.events:
                wait, quiet = _IDLE_S[0], 0.0
                for event in page.events:
                    yield frame(event)
            elif quiet >= heartbeat_s:
                quiet = 0.0
                yield b": \n\n"
            if not page.more:
                await asyncio.sleep(wait)
                quiet += wait
                wait = min(wait * 2, _IDLE_S[1])

    async def _render(self, tx: Tx, events: Sequence[Event], payload: Payload) -> list[bytes]:
        keys = [event.version_key for event in events if event.op != "delete"] if payload == "full" else []
        bodies = await self._bodies(tx, keys) if keys else {}
        return [encode(envelope(e, source=self._source, payload=payload, body=bodies.get(e.version_key))) for e in events]


def frame(event: bytes) -> bytes:
    """One server-sent event; its id is the event's number, so that Last-Event-ID is our cursor."""
    sequence = event.index(b'"sequence":"') + len(b'"sequence":"')
    return b"id: %d\nevent: message\ndata: %b\n\n" % (int(event[sequence : sequence + 20]), event)


def parse_cursor(text: str) -> int:
    """The number that a cursor holds; anything else than a decimal number of ours is ``value``."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) < 2**63):
        raise Problem("value", "this is not a cursor of the feed", at="cursor")
    return int(text)


def _allowed(access: Access, wanted: Filter) -> list[str] | None:
    """The types to show (None: all); ``forbidden`` where the access does not reach what was asked for."""
    for type_ in wanted.types:
        access.require("read", type_)
    if wanted.types:
        return list(wanted.types)
    if access.permits("read", "*"):
        return None
    mine = sorted({scope.type for scope in access.scopes if access.permits("read", scope.type)})
    if not mine:
        raise Problem("forbidden", "this token does not allow to read any resource type")
    return mine


def _patient_key(access: Access) -> str | None:
    return f"Patient/{access.patient}" if access.patient is not None else None
