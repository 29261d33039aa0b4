"""A page costs about what is on it, however many resources there are: what a statement reads is counted, not timed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

import msgspec
import pytest

from penstock.auth.access import SYSTEM
from penstock.db import Database, Tx
from penstock.store import Change
from penstock.store.batch import Item
from tests.unit.store.conftest import CAUSE, Shelf

MANY, CODES, EACH = 6_000, 12, 200
UNIT = {"system": "http://unitsofmeasure.org", "code": "mg/dL"}


class Watched:
    """A transaction that remembers the selects of rows."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.selects: list[tuple[str, Sequence[object]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    async def fetch(self, sql: str, *args: object) -> Any:
        if "r_observation r" in sql:
            self.selects.append((sql, args))
        return await self._tx.fetch(sql, *args)


def observation(number: int) -> dict[str, Any]:
    chance = Random(number)
    return {
        "resourceType": "Observation", "id": f"o{number}", "status": "final", "subject": {"reference": f"Patient/p{number // EACH}"},
        "code": {"coding": [{"system": "urn:c", "code": f"c{chance.randrange(CODES)}"}]},
        "effectiveDateTime": f"20{chance.randrange(10, 30)}-0{chance.randrange(1, 9)}-01T10:00:00Z",
        "valueQuantity": {"value": chance.randrange(1000)} | UNIT,
    }  # fmt: skip


@pytest.fixture
async def shelf(database: Database) -> AsyncIterator[Shelf]:
    shelf = Shelf(database)
    await shelf.store.ensure(database, ["Observation"])
    changes = [Change("update", "Observation", f"o{number}", observation(number)) for number in range(MANY)]
    async with database.transaction() as tx:
        await shelf.store.load(tx, [Item(SYSTEM, change, CAUSE) for change in changes])
        await tx.execute("analyze r_observation")
    yield shelf


async def looked_at(shelf: Shelf, query: str) -> tuple[int, int]:
    """How many resources a search finds, and how many rows of the table it looks at for them."""
    async with shelf.database.transaction(readonly=True) as tx:
        watched = Watched(tx)
        page = await shelf.store.search(watched, SYSTEM, "Observation", query)  # type: ignore[arg-type]
        [(sql, args)] = watched.selects
        plan = msgspec.json.decode(await tx.fetchval(f"explain (analyze, timing off, format json) {sql}", *args))
    return len(page.entries), _rows(plan[0]["Plan"])


def _rows(node: dict[str, Any]) -> int:
    """Rows that the scans of the table read: those that a filter took away, too."""
    own = 0
    if re.search("(Index|Seq|Heap) Scan$", node["Node Type"]) and node.get("Relation Name") == "r_observation":
        own = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)) * node[
            "Actual Loops"
        ]
    return round(own) + sum(map(_rows, node.get("Plans", [])))


#: Searches that find a page of ten, and how many rows they may look at for it. To read all of a patient may be cheaper than an index.
QUERIES = {
    "code=urn:c|c3": 60,
    "code=urn:c|c3&date=ge2029": 60,
    "code=urn:c|c3&date=lt2011&_sort=-date": 60,
    "code=urn:c|c3&value-quantity=gt950": 60,
    "code=urn:c|c3&value-quantity=lt50&status=final": 60,
    "code=urn:c|c3&value-quantity=gt9.5|http://unitsofmeasure.org|g/L": 60,
    "code-value-quantity=urn:c|c3$gt950": 60,
    "code=urn:c|c3&value-quantity=gt950&date=ge2020&_sort=-_lastUpdated": 60,
    "code=urn:c|c3&_sort=-date": 60,
    "patient=p3&code=urn:c|c3&_sort=-date": EACH + 60,
    "patient=p3&_sort=-date": 60,
    "status=final&code:not=urn:c|c3&_sort=-_lastUpdated": 60,
    "status=final&category:missing=true": 60,
}
#: Searches that find nothing, in the index alone.
NOWHERE = ("code=urn:c|c3&value-quantity=5000", "code=urn:c|c3&value-quantity=gt5000", "code=urn:c|c3&date=gt2040")


async def test_a_page_is_found_by_looking_at_little_more_than_what_is_on_it(shelf: Shelf) -> None:
    looked = {query: await looked_at(shelf, f"{query}&_count=10") for query in QUERIES}
    assert {query: found for query, (found, _) in looked.items()} == dict.fromkeys(QUERIES, 10)
    assert {query: rows for query, (_, rows) in looked.items() if rows >= QUERIES[query]} == {}
    assert {query: await looked_at(shelf, query) for query in NOWHERE} == dict.fromkeys(NOWHERE, (0, 0))
