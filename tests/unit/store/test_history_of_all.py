"""The history of everything: of all types the newest, whatever order the types are read in."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from penstock.auth.access import SYSTEM
from penstock.errors import Problem
from penstock.store import Window
from tests.unit.store.conftest import Shelf

TYPES = ("Basic", "Organization", "Patient", "Practitioner", "Location")


def resource(type: str, number: int) -> dict[str, Any]:
    needed = {"code": {"text": "x"}} if type == "Basic" else {}
    return {"resourceType": type, "id": str(number % 7), "language": f"x-{number}", **needed}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [1, 3, 10])
async def test_its_pages_are_everything_newest_first(shelf: Shelf, seed: int, count: int) -> None:
    random, made = Random(seed), []
    for number in range(60):
        (written,) = await shelf.put(resource(random.choices(TYPES, weights=(1, 1, 2, 8, 20))[0], number))
        made.append((written.type, written.id, written.ver))
    found, before = [], None
    while True:
        page = await shelf.history(count=count, window=Window(before=before))
        found += [(each.type, each.id, each.ver) for each in page.entries]
        before = page.before
        if before is None:
            break
    assert found == made[::-1]


async def test_a_history_that_takes_too_long_is_refused_and_leaves_its_connection_usable(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shelf.put(*(resource("Patient", number) for number in range(5)))
    monkeypatch.setattr("penstock.store.read._HISTORY_S", 0.000_01)
    async with shelf.database.transaction(readonly=True) as tx:
        for type in (None, "Patient"):
            with pytest.raises(Problem, match="longer than it may") as caught:
                await shelf.store.history(tx, SYSTEM, type)
            assert caught.value.code == "too-costly"
        assert await tx.fetchval("select 1") == 1
