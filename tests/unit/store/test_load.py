"""Bulk loading writes what every other write writes, whoever else writes at the same moment."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from penstock import events
from penstock.auth.access import SYSTEM
from penstock.db import Database, Tx
from penstock.errors import Problem
from penstock.store import Cause, Change, Store, Written
from penstock.store.batch import Item

CAUSE = Cause("0" * 32, None, "test", datetime(2026, 1, 1, tzinfo=UTC))
TYPES = ("Organization", "Patient", "Observation")
UCUM = {"system": "http://unitsofmeasure.org"}
VALUES = ({"value": 5}, {"value": 7, "unit": "spoons"}, {"value": 5, "comparator": "<"}, {"value": 2, "code": "g"} | UCUM)
COLUMNS = "id, ver, tenant, self, pat, code, dlo, dhi, num, common, unit, has, ix, tok, rid"


async def announce(tx: Tx, written: Any, causes: Any, *, tenant: str) -> None:
    await events.append(tx, written, list(causes), tenant=tenant)


def resources(count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number in range(count):
        found.append({"resourceType": "Organization", "id": f"o{number % 5}", "name": "Clinic"})
        found.append({"resourceType": "Patient", "id": f"p{number}", "name": [{"family": f"Family{number}"}], "gender": "female"})
        subject = {"reference": f"Patient/p{number}"}
        value = {"valueQuantity": VALUES[number % len(VALUES)]}
        found.append(
            {"resourceType": "Observation", "id": f"x{number}", "status": "final", "code": {"text": "c"}, "subject": subject} | value
        )
    return found


def items(given: list[dict[str, Any]]) -> list[Item]:
    return [Item(SYSTEM, Change("update", each["resourceType"], each["id"], each), CAUSE) for each in given]


async def made(database: Database) -> Store:
    store = Store(announce)
    await store.ensure(database, TYPES)
    return store


def _comparable(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else "NaN" if value != value else value


async def dump(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that was written but for what differs by time: what rows are found by in the side tables is counted for each resource."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    async with database.connection() as tx:
        for type in TYPES:
            rows = await tx.fetch(f"select {COLUMNS} from r_{type.lower()} order by id")
            for row in rows:
                sides = [await tx.fetchval(f"select count(*) from {side} where rid = $1", row["rid"]) for side in ("ident", "str", "rng")]
                found.setdefault(type, []).append((*map(_comparable, tuple(row)[:-1]), *sides))
        told = await tx.fetch("select type, resource_id, ver, op, key from event order by type, resource_id, ver")
        found["event"] = [tuple(row) for row in told]
    return found


async def test_a_load_writes_what_a_write_writes(database: Database) -> None:
    store = await made(database)
    async with database.transaction() as tx:
        outcomes = await store.load(tx, items(resources(20)))
    assert all(isinstance(each, Written) for each in outcomes)
    loaded = await dump(database)
    async with database.transaction() as tx:
        for type in TYPES:
            await tx.execute(f"truncate r_{type.lower()}, h_{type.lower()}")
        await tx.execute("truncate ident, str, rng, event")
    async with database.transaction() as tx:
        await store.write_items(tx, items(resources(20)))
    assert await dump(database) == loaded


async def test_two_loads_of_the_same_resources_at_once_make_one_version_of_each(database: Database) -> None:
    store, other = await made(database), await made(database)

    async def load(store: Store) -> None:
        try:
            async with database.transaction() as tx:
                await store.load(tx, items(resources(30)))
        except Problem as problem:
            assert problem.code in ("duplicate", "conflict")
            async with database.transaction() as tx:
                await store.write_items(tx, items(resources(30)))

    await asyncio.gather(*(load(each) for each in (store, other, store, other)))
    found = await dump(database)
    assert [len(found[type]) for type in TYPES] == [5, 30, 30]
    assert all(row[1] == 1 for type in TYPES for row in found[type])
    assert len(found["event"]) == 65


async def test_what_is_there_is_updated_or_stays_the_same(database: Database) -> None:
    store = await made(database)
    write = partial(store.load)
    async with database.transaction() as tx:
        await write(tx, items(resources(3)))
    changed = [{**each, "active": True} if each["id"] == "p1" else each for each in resources(4)]
    async with database.transaction() as tx:
        outcomes = await write(tx, items(changed))
    deeds = [each.op for each in outcomes if isinstance(each, Written)]
    assert sorted(deeds) == ["create"] * 3 + ["same"] * 8 + ["update"]
    async with database.transaction() as tx:
        assert await write(tx, items(resources(0))) == []
        await store.write(tx, SYSTEM, [Change("delete", "Patient", "p0")], CAUSE)
    async with database.transaction() as tx:
        (outcome,) = await write(tx, items([resources(1)[1]]))
    assert isinstance(outcome, Written) and outcome.ver == 3


@pytest.mark.parametrize("bad", [{"resourceType": "Patient", "id": "not an id"}, {"resourceType": "Patient", "id": "m", "meta": []}])
async def test_a_bad_one_does_not_fail_its_neighbours(database: Database, bad: dict[str, Any]) -> None:
    store = await made(database)
    async with database.transaction() as tx:
        outcomes = await store.load(tx, items([bad, *resources(2)]))
    assert isinstance(outcomes[0], Problem)
    assert all(isinstance(each, Written) for each in outcomes[1:])
