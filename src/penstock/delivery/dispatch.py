"""From the log to what is due: each event becomes a row for each subscriber that asked for it, exactly once.

Strategy: one durable cursor, locked by its row. Reading events, inserting what is due and moving the cursor are one transaction,
so a crash repeats nothing and forgets nothing, and several processes take turns. Subscription resources are events like all
others: the table of subscribers changes at their place in the log, so that who is told of an event does not depend on timing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from itertools import groupby

import msgspec

from penstock.clock import Clock
from penstock.db import Database, Tx
from penstock.delivery import registry
from penstock.delivery.registry import SQL
from penstock.delivery.secrets import Vault
from penstock.delivery.subscription import Subscription
from penstock.errors import Problem, explain
from penstock.events import Event, Horizon, follow, follow_types
from penstock.events.feed import Bodies
from penstock.log import get

log = get("delivery")

#: Whether a resource (type and body) matches R4 criteria such as ``Observation?code=x``; a Problem where they cannot be understood.
Matches = Callable[[str, str, bytes], bool]

Keys = Mapping[tuple[str, str, int], bytes]

_IDLE_S = (0.01, 0.2)
_ABOUT_US = "Subscription"


class Dispatcher:
    """Follows the log with the cursor ``dispatch``."""

    def __init__(
        self,
        database: Database,
        horizon: Horizon,
        vault: Vault,
        *,
        matches: Matches,
        bodies: Bodies,
        clock: Clock,
        limit: int = 1000,
        hear: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._horizon = horizon
        self._vault = vault
        self._matches = matches
        self._bodies = bodies
        self._clock = clock
        self._limit = limit
        self._hear = hear
        self._changed = False
        self._asked = False

    async def run(self, wake: Callable[[], None], changed: Callable[[], None]) -> None:
        """Follow for ever; ``wake`` is called when something new is due, ``changed`` when subscribers are others now.

        The wait grows while the log is quiet, up to 0.2 s; ``hear`` may end it earlier.
        """
        wait = _IDLE_S[0]
        while True:
            try:
                self._changed = False
                moved = await self.step()
                if self._changed:
                    changed()
            except Problem as problem:
                log.warning("dispatch.failed", code=problem.code)
                moved, wait = 0, _IDLE_S[1]
            if moved:
                wake()
                wait = _IDLE_S[0]
                if moved < self._limit:
                    # Each step is a commit: under load the next one takes along what comes meanwhile; where nobody asked, nobody waits.
                    await asyncio.sleep(wait if self._asked else _IDLE_S[1])
            else:
                await self._hear(wait)
                wait = min(wait * 2, _IDLE_S[1])

    async def step(self) -> int:
        """Dispatch up to ``limit`` events, in one transaction; how many it read."""
        upto = await self._horizon.advance()
        async with self._database.transaction() as tx:
            cursor = int(await tx.fetchval(SQL["cursor"]))
            if cursor >= upto:
                return 0
            subscribers = [s for s in await registry.all_of(tx) if s.status != "off"]
            events = await self._concerning(tx, cursor, upto, subscribers)
            for about_us, run in groupby(events, key=lambda event: event.type == _ABOUT_US):
                part = list(run)
                if about_us:
                    self._changed = True
                    await self._take_over(tx, part)
                    subscribers = [s for s in await registry.all_of(tx) if s.status != "off"]
                await self._enqueue(tx, part, subscribers)
            await tx.execute(SQL["move_cursor"], events[-1].seq if len(events) == self._limit else upto)
            self._asked = bool(subscribers)
        return max(1, len(events))

    async def _concerning(self, tx: Tx, after: int, upto: int, subscribers: Sequence[Subscription]) -> list[Event]:
        """Events of the types that somebody asked for, or of all, where one of them changes who asks for what."""
        if all(s.spec.types for s in subscribers):
            types = {_ABOUT_US, *(type_ for s in subscribers for type_ in s.spec.types)}
            events = await follow_types(tx, after, upto, self._limit, sorted(types), tenant=None)
            if all(event.type != _ABOUT_US for event in events):
                return events
        return await follow(tx, after, upto, self._limit)

    async def _take_over(self, tx: Tx, events: Sequence[Event]) -> None:
        bodies = await self._bodies(tx, [event.version_key for event in events if event.op != "delete"])
        for event in events:
            body = bodies.get(event.version_key)
            if event.op == "delete":
                await registry.turn_off(tx, event.subject, "deleted by its owner", self._clock.now())
            elif body is not None:
                after = await registry.register(tx, self._vault, event, msgspec.json.decode(body))
                if after.status == "off":
                    await tx.execute(SQL["discard_pending"], after.number, self._clock.now(), "the subscription has ended")

    async def _enqueue(self, tx: Tx, events: Sequence[Event], subscribers: Sequence[Subscription]) -> None:
        searched = {type_ for s in subscribers if "?" in s.spec.criteria for type_ in s.spec.types}
        wanted = [event.version_key for event in events if event.type in searched and event.op != "delete"]
        bodies = await self._bodies(tx, wanted) if wanted else {}
        due = [(s.number, e) for s in subscribers for e in await self._due(tx, s, events, bodies)]
        await enqueue(tx, due, self._clock.now())

    async def _due(self, tx: Tx, subscriber: Subscription, events: Sequence[Event], bodies: Keys) -> list[Event]:
        try:
            return [event for event in events if self._concerns(subscriber, event, bodies)]
        except Problem as problem:
            await tx.execute(SQL["set_status"], subscriber.number, "error", problem.text)
            return []
        except Exception as error:
            log.warning("dispatch.criteria", subscription=subscriber.number, error=explain(error).text)
            await tx.execute(SQL["set_status"], subscriber.number, "error", "the criteria could not be evaluated")
            return []

    def _concerns(self, subscriber: Subscription, event: Event, bodies: Keys) -> bool:
        spec = subscriber.spec
        if event.tenant != spec.tenant or event.seq <= subscriber.since or (spec.types and event.type not in spec.types):
            return False
        if subscriber.until is not None and event.at >= subscriber.until:
            return False
        if event.op == "delete" and not spec.takes_deletions:
            return False  # R4 tells of what is created or updated
        if "?" not in spec.criteria:
            return True
        body = bodies.get(event.version_key)
        return body is not None and self._matches(spec.criteria, event.type, body)


async def enqueue(tx: Tx, due: Sequence[tuple[int, Event]], now: datetime, *, replay: int = 0) -> None:
    """Insert what is due, (number of the subscription, event), and count it."""
    if due:
        await tx.execute(
            SQL["enqueue"],
            [number for number, _ in due],
            [event.seq for _, event in due],
            [event.key for _, event in due],
            [f"{event.subject}/_history/{event.ver}" for _, event in due],
            now,
            replay,
        )
