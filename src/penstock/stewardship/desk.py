"""What a steward asks and does, as JSON: the admin API and the command line speak through this."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from penstock.auth.access import Access
from penstock.clock import Chance, Clock
from penstock.convert import local_codes
from penstock.db import Database, Tx
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.fhir.validate import require_sound
from penstock.stewardship.maps import Mapped, map_id, maps_of, with_mapping
from penstock.stewardship.tasks import SQL, tasks
from penstock.stewardship.upkeep import Upkeep
from penstock.store import Cause, Change, Store

Json = dict[str, Any]
Resource = dict[str, Any]


class Steward:
    """One for a process that serves the admin API. ``settle`` returns when every process knows the concept maps that were written."""

    def __init__(
        self,
        database: Database,
        store: Store,
        upkeep: Upkeep,
        settle: Callable[[], Awaitable[None]],
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._database, self._store, self._upkeep = database, store, upkeep
        self._settle, self._clock, self._chance = settle, clock, chance

    async def listed(self, state: str | None, interface: str | None, limit: int) -> list[Json]:
        """Tasks, those with the most waiting messages first."""
        async with self._database.transaction(readonly=True) as tx:
            found = await tasks(tx, state=state, interface=interface, limit=limit)
        return [one._asdict() | {"examples": list(one.examples)} for one in found]

    async def map(self, access: Access, mapping: Mapped, *, preview: bool) -> Json:
        """Say what a code means, in the ConceptMap of its system, and take up the messages that waited. ``preview`` only counts them."""
        async with self._database.transaction(readonly=True) as tx:
            waiting = await tx.fetchval(SQL["waiting"], [mapping.system], [mapping.code])
            current = await self._current(tx, access, map_id(mapping.system))
        resource = with_mapping(current, mapping)
        told = {"map": f"ConceptMap/{resource['id']}", "waiting": waiting}
        if preview:
            return told | {"taken_up": 0}
        await self._write(access, [resource])
        return told | {"taken_up": waiting}

    async def ignore(self, access: Access, system: str, code: str, interface: str | None) -> Json:
        """Nobody needs to map this code: it is listed no more, and no message waits for it."""
        async with self._database.transaction() as tx:
            numbers = [row["number"] for row in await tx.fetch(SQL["of_code"], system, code, interface)]
            if not numbers:
                raise Problem("not-found", "nobody has sent this code, or it is known")
            await tx.execute(SQL["settle"], numbers, "ignored", self._clock.now(), access.client)
            await tx.execute(SQL["forget"], numbers)
        return {"ignored": len(numbers)}

    async def exported(self, access: Access) -> Json:
        """A Bundle of the ConceptMaps that conversions read."""
        found: list[Resource] = []
        cursor: str | None = ""
        async with self._database.transaction(readonly=True) as tx:
            while cursor is not None:
                query = [("_count", "100"), *([("_cursor", cursor)] if cursor else [])]
                page = await self._store.search(tx, access, "ConceptMap", query)
                found += [json.decode(entry.stored.body) for entry in page.entries]
                cursor = page.next
        return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in found]}

    async def imported(self, access: Access, bundle: Resource) -> Json:
        """Write the ConceptMaps of a Bundle, and take up the messages that waited for what they say."""
        maps = maps_of(bundle)
        codes = [*local_codes(maps, "").codes]
        async with self._database.transaction(readonly=True) as tx:
            waiting = await tx.fetchval(SQL["waiting"], [system for system, _ in codes], [code for _, code in codes])
        await self._write(access, maps)
        return {"maps": len(maps), "taken_up": waiting}

    async def _write(self, access: Access, resources: Sequence[Resource]) -> None:
        """Write concept maps; when this returns, what waited for them is taken up, by this process or another."""
        for one in resources:
            require_sound(one)
        await self._store.ensure(self._database, {"ConceptMap"})
        cause = Cause(f"{self._chance.getrandbits(128):032x}", None, access.client, self._clock.now())
        async with self._database.transaction() as tx:
            changes = [Change("update", "ConceptMap", one["id"], resource=one) for one in resources]
            for outcome in await self._store.write(tx, access, changes, cause):
                if isinstance(outcome, Problem):
                    raise outcome
        await self._settle()
        await self._upkeep.step()

    async def _current(self, tx: Tx, access: Access, id_: str) -> Resource | None:
        found = await self._store.read_many(tx, access, [("ConceptMap", id_)])
        return {key: value for key, value in json.decode(next(iter(found.values())).body).items() if key != "meta"} if found else None
