"""The history of everything: of all types the newest, whatever order the types are read in."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

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
