"""What codes mean now, and messages that waited for it taken up again."""

from __future__ import annotations

import asyncio

from penstock import inbox, log
from penstock.clock import Clock
from penstock.conformance import Registry
from penstock.convert import LocalCodes, local_codes
from penstock.db import Bell, Database
from penstock.stewardship.tasks import SQL

_log = log.get("stewardship")
_EVERY_S = 2.0
_BATCH = 500


class CodesInForce:
    """The concept maps that the site stores, as conversions read them; made again when one of them changes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._revision = -1
        self._codes = LocalCodes()

    def __call__(self) -> LocalCodes:
        revision = self._registry.revision_of("ConceptMap")
        if revision != self._revision:
            own = [entry for entry in self._registry.entries("ConceptMap") if entry.source.package is None]
            bodies = [self._registry.find("ConceptMap", f"{one.definition.url}|{one.definition.version}".rstrip("|")) for one in own]
            self._codes, self._revision = local_codes([one for one in bodies if one], str(revision)), revision
        return self._codes


class Upkeep:
    """One for each process with a flow. Whoever does it, it is done once: messages are taken up in one transaction with their leave."""

    def __init__(self, database: Database, codes: CodesInForce, inbox_bell: Bell, clock: Clock) -> None:
        self._database, self._codes, self._inbox_bell, self._clock = database, codes, inbox_bell, clock

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.step()
            await asyncio.sleep(_EVERY_S)

    async def step(self) -> int:
        """Settle the tasks whose codes a concept map knows, and take up the messages that waited; how many."""
        known, total = self._codes(), 0
        async with self._database.transaction() as tx:
            rows = await tx.fetch(SQL["unsettled"])
            for state in ("mapped", "open"):
                changed = [row["number"] for row in rows if (known.find(row["system"], row["code"]) is not None) == (state == "mapped")]
                await tx.execute(SQL["settle"], changed, state, self._clock.now(), "penstock")
        while True:
            async with self._database.transaction() as tx:
                due = [row["inbox_id"] for row in await tx.fetch(SQL["due"], _BATCH)]
                if due:
                    await inbox.replay(tx, due)
                    await tx.execute(SQL["taken_up"], due)
            if not due:
                break
            total += len(due)
            self._inbox_bell.ring()
        if total:
            _log.info("codes.taken_up", count=total)
        return total
