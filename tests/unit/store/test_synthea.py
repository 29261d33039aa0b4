"""Whole synthetic people go in as one batch and come back equal."""

from __future__ import annotations

import lzma
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from penstock.auth.access import SYSTEM
from penstock.formats.fhir import json
from penstock.store import Change
from tests.unit.store.conftest import CAUSE, Shelf


def people(data_sets: Path, number: int) -> list[dict[str, Any]]:
    """The resources of the first ``number`` bundles."""
    found = []
    with lzma.open(data_sets / "synthea" / "smart-r4-100.bundles.ndjson.xz") as lines:
        for line, _ in zip(lines, range(number), strict=False):
            bundle = json.encode(json.decode(line)["bundle"])
            found += [entry["resource"] for entry in json.decode(bundle)["entry"]]
    return found


async def test_synthetic_people_read_back_equal(shelf: Shelf, data_sets: Path) -> None:
    resources = people(data_sets, 3)
    assert len(resources) > 500
    await shelf.store.ensure(shelf.database, {each["resourceType"] for each in resources})
    changes = [Change("update", each["resourceType"], each["id"], each) for each in resources]
    async with shelf.database.transaction() as tx:
        outcomes = await shelf.store.write(tx, SYSTEM, changes, CAUSE)
    assert Counter(w.op for w in outcomes) == {"create": len(resources)}
    async with shelf.database.transaction(readonly=True) as tx:
        stored = await shelf.store.read_many(tx, SYSTEM, [(each["resourceType"], each["id"]) for each in resources])
    for each in resources:
        back = stored[each["resourceType"], each["id"]].resource()
        meta = back.pop("meta")
        assert meta.pop("versionId") == "1" and meta.pop("lastUpdated")
        assert orjson.dumps(back, default=str, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
            {key: value for key, value in each.items() if key != "meta"}, default=str, option=orjson.OPT_SORT_KEYS
        )
        assert meta == each.get("meta", {})
    for type, count in Counter(each["resourceType"] for each in resources).items():
        assert (await shelf.search(type, "_summary=count")).total == count
    async with shelf.database.transaction() as tx:
        again = await shelf.store.write(tx, SYSTEM, changes, CAUSE)
    assert {w.op for w in again} == {"same"}
