"""Codes of a value set, codes above and below others, places within places: criteria that mean more than they list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock.auth.access import Access, parse_scope
from penstock.db import Database
from penstock.errors import Problem
from penstock.formats.fhir.canonical import Shelf as Definitions
from penstock.formats.fhir.searchparams import extract
from penstock.store import Change, Store
from penstock.store.index import Index
from penstock.store.search.match import matches
from penstock.store.search.parse import parse
from tests.unit.store.conftest import Shelf, Told

DRINKS, CLASS = "http://example.org/drinks", "http://terminology.hl7.org/CodeSystem/v3-ActCode"
SYSTEM: dict[str, Any] = {
    "resourceType": "CodeSystem", "url": DRINKS, "status": "active", "content": "complete", "caseSensitive": True,
    "hierarchyMeaning": "is-a",
    "concept": [{"code": "hot", "concept": [{"code": "tea", "concept": [{"code": "green|tea"}]}, {"code": "coffee"}]}, {"code": "cold"}],
}  # fmt: skip
SET: dict[str, Any] = {
    "resourceType": "ValueSet", "id": "teas", "url": "http://example.org/vs/teas", "status": "active",
    "compose": {"include": [{"system": DRINKS, "filter": [{"property": "concept", "op": "is-a", "value": "tea"}]}]},
}  # fmt: skip


def drunk(code: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": code.replace("|", "-"),
        "status": "final",
        "code": {"coding": [{"system": DRINKS, "code": code}]},
    }


def place(id: str, within: str | None = None) -> dict[str, Any]:
    return {"resourceType": "Location", "id": id} | ({"partOf": {"reference": f"Location/{within}"}} if within else {})


def visit(id: str, where: str) -> dict[str, Any]:
    return {"resourceType": "Encounter", "id": id, "status": "finished", "class": {"system": CLASS, "code": "AMB"},
            "location": [{"location": {"reference": f"Location/{where}"}}]}  # fmt: skip


@pytest.fixture
async def house(database: Database) -> AsyncIterator[Shelf]:
    shelf = Shelf(database)
    shelf.store = Store(Told(), index=Index(Definitions((SYSTEM, SET))))
    await shelf.put(*map(drunk, ("hot", "tea", "green|tea", "coffee", "cold")), SET)
    await shelf.put(place("hospital"), place("ward", "hospital"), place("room", "ward"), place("garden", "hospital"), place("elsewhere"))
    await shelf.put(*(visit(f"in-{where}", where) for where in ("hospital", "ward", "room", "garden", "elsewhere")))
    yield shelf


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("code:in=http://example.org/vs/teas", "green-tea tea"),
        ("code:in=ValueSet/teas", "green-tea tea"),
        ("code:not-in=http://example.org/vs/teas", "coffee cold hot"),
        (f"code:below={DRINKS}|tea", "green-tea tea"),
        (f"code:below={DRINKS}|hot", "coffee green-tea hot tea"),
        (f"code:above={DRINKS}|tea", "hot tea"),
        (f"code:above={DRINKS}|coffee,{DRINKS}|cold", "coffee cold hot"),
        (f"code:below={DRINKS}|tea&code:not-in=http://example.org/vs/teas", ""),
    ],
)
async def test_codes_are_found_by_what_they_mean(house: Shelf, query: str, ids: str) -> None:
    assert sorted(await house.ids("Observation", query)) == ids.split()
    assert (await house.search("Observation", query + "&_summary=count")).total == len(ids.split())


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("location:below=Location/hospital", "in-garden in-hospital in-room in-ward"),
        ("location:below=ward", "in-room in-ward"),
        ("location:above=Location/room", "in-hospital in-room in-ward"),
        ("location:below=Location/nowhere", ""),
    ],
)
async def test_places_within_places_are_found(house: Shelf, query: str, ids: str) -> None:
    assert sorted(await house.ids("Encounter", query)) == ids.split()


async def test_a_subscription_and_a_conditional_create_know_what_codes_mean(house: Shelf) -> None:
    index = house.store.index
    for query, wanted in [
        ("code:in=http://example.org/vs/teas", True),
        (f"code:above={DRINKS}|coffee", False),
        (f"code:below={DRINKS}|hot", True),
    ]:
        parsed = parse("Observation", query)
        assert matches(parsed, extract(drunk("tea")), drunk("tea"), terminology=index.terminology) is wanted, query
        with pytest.raises(Problem):
            matches(parsed, extract(drunk("tea")), drunk("tea"))
    [outcome] = await house.write(Change("create", "Observation", None, drunk("tea"), if_none_exist="code:in=http://example.org/vs/teas"))
    assert isinstance(outcome, Problem) and outcome.code == "multiple-matches"


async def test_a_chain_asks_for_what_codes_mean(house: Shelf) -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "status": "final",
        "code": {"text": "x"},
        "result": [{"reference": "Observation/tea"}],
    }
    await house.put(report)
    assert await house.ids("DiagnosticReport", f"result.code:below={DRINKS}|hot") == ["r"]
    assert await house.ids("DiagnosticReport", f"result.code:below={DRINKS}|cold") == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("code:in=http://example.org/vs/unknown", "not-supported"),
        ("code:in=ValueSet/unknown", "not-supported"),
        ("code:below=http://example.org/unknown|x", "not-supported"),
        ("code:below=tea", "value"),
        (f"code:above={DRINKS}|", "value"),
        ("subject:below=Patient/1,http://x/y", "value"),
    ],
)
async def test_what_is_not_known_is_never_guessed(house: Shelf, query: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        await house.ids("Observation", query)
    assert caught.value.code == code


async def test_places_that_the_caller_may_not_see_lead_nowhere(house: Shelf) -> None:
    narrow = Access(client="app", scopes=parse_scope("user/Encounter.rs").scopes)
    assert await house.ids("Encounter", "location:below=Location/hospital", narrow) == ["in-hospital"]


async def test_a_circle_of_places_ends(house: Shelf) -> None:
    await house.put(place("hospital", "room"))
    assert len(await house.ids("Encounter", "location:above=Location/room")) == 3
