"""Custom search parameters: used at once for what is written, and for what is stored once every row is proved to be indexed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock.auth.access import SYSTEM, Access
from penstock.db import Database
from penstock.errors import Problem
from penstock.formats.fhir.canonical import Shelf as Definitions
from penstock.store import Change, Store
from penstock.store.index import Index
from tests.unit.store.conftest import CAUSE, Shelf, Told

EYES = "http://example.org/eyes"


def parameter(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter", "id": "eyes", "url": "http://example.org/SearchParameter/eyes", "name": "Eyes",
        "status": "active", "description": "Colour of the eyes", "code": "eyes", "base": ["Patient"], "type": "token",
        "expression": f"Patient.extension.where(url = '{EYES}').value",
    } | changes  # fmt: skip


def person(number: int, colour: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": f"p{number}", "gender": "male", "extension": [{"url": EYES, "valueCode": colour}]}


class House:
    """A store whose definitions and clock the test sets."""

    def __init__(self, database: Database) -> None:
        self.database, self.definitions = database, Definitions()
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)
        self.shelf = self.opened()

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return 0.0

    def opened(self, base: str = "") -> Shelf:
        """The same database, as another process would open it."""
        shelf = Shelf(self.database)
        shelf.store = Store(Told(), clock=self, index=Index(self.definitions, base))
        return shelf

    async def look(self, shelf: Shelf | None = None) -> int:
        self.moment += timedelta(seconds=11)
        return await (shelf or self.shelf).store.reindexer(self.database).look()

    async def states(self) -> dict[str, Any]:
        async with self.database.transaction(readonly=True) as tx:
            return {state.type: state for state in await self.shelf.store.index_states(tx)}


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    yield House(database)


async def test_a_parameter_finds_what_was_stored_before_it_only_when_all_of_it_is_indexed(house: House) -> None:
    shelf = house.shelf
    await shelf.put(*(person(number, "blue" if number % 2 else "brown") for number in range(250)))
    with pytest.raises(Problem, match="no such search parameter"):
        await shelf.ids("Patient", "eyes=blue")
    house.definitions.put(parameter())
    await shelf.store.reindexer(house.database).load()
    await shelf.put(person(1000, "green"))
    with pytest.raises(Problem) as caught:
        await shelf.ids("Patient", "eyes=green")
    assert (caught.value.code, caught.value.at) == ("transient", "eyes")
    assert len(await shelf.ids("Patient", "gender=male&_count=500")) == 251  # the others are answered meanwhile
    assert await house.look() == 250  # not the one that was written with it
    state = (await house.states())["Patient"]
    assert (state.ready, state.done) == (False, 250)  # who has not heard of it yet may still be writing
    assert await house.look() == 0
    state = (await house.states())["Patient"]
    assert (state.ready, state.done, state.total) == (True, 251, 251)
    assert await shelf.ids("Patient", "eyes=green") == ["p1000"]
    assert len(await shelf.ids("Patient", "eyes=blue&_count=500")) == 125
    assert (await shelf.search("Patient", "eyes:missing=true&_total=accurate")).total == 0
    assert await house.look() == 0


async def test_what_another_process_writes_meanwhile_is_found(house: House) -> None:
    stale = house.opened()
    stale.store.index._canonicals = None  # it has not heard
    await house.shelf.put(person(1, "blue"))
    house.definitions.put(parameter())
    await house.look()
    await stale.put(person(2, "blue"))
    assert await house.look() == 1
    assert sorted(await house.shelf.ids("Patient", "eyes=blue")) == ["p1", "p2"]


async def test_work_that_was_cut_off_goes_on_where_it_was(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.shelf.put(*(person(number, "blue") for number in range(230)))
    house.definitions.put(parameter())
    reindexer = house.shelf.store.reindexer(house.database)
    again, batches = reindexer._again, []

    async def killed(*given: Any) -> None:
        batches.append(1)
        if len(batches) == 2:
            raise Problem("transient", "the machine has lost its power")
        await again(*given)

    monkeypatch.setattr(reindexer, "_again", killed)
    with pytest.raises(Problem):
        await reindexer.look()
    assert (await house.states())["Patient"].problem == "the machine has lost its power"
    assert await house.look(house.opened()) == 130
    await house.look()
    state = (await house.states())["Patient"]
    assert (state.ready, state.total, state.problem) == (True, 230, None)


async def test_a_parameter_that_goes_is_forgotten(house: House) -> None:
    house.definitions.put(parameter())
    await house.shelf.put(person(1, "blue"))
    assert await house.shelf.ids("Patient", "eyes=blue") == ["p1"]
    house.definitions.put(parameter(status="retired"))
    with pytest.raises(Problem, match="no such search parameter"):
        await house.shelf.ids("Patient", "eyes=blue")
    assert await house.look() + await house.look() == 1
    assert (await house.states())["Patient"].ready


async def test_another_address_of_ours_makes_absolute_references_local(house: House) -> None:
    about = {"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "subject": {"reference": "https://here.example/fhir/Patient/1"}}
    await house.shelf.put(about)
    assert await house.shelf.ids("Basic", "subject=Patient/1") == []
    moved = house.opened("https://here.example/fhir")
    await moved.store.reindexer(house.database).load()
    with pytest.raises(Problem, match="still being indexed"):
        await moved.ids("Basic", "subject=Patient/1")
    await house.look(moved)
    await house.look(moved)
    assert await moved.ids("Basic", "subject=Patient/1") == ["b"]
    assert await moved.ids("Basic", "subject=https://here.example/fhir/Patient/1") == ["b"]


async def test_every_tenant_is_indexed_again_as_itself(house: House) -> None:
    there = Access(client="x", scopes=SYSTEM.scopes, tenant="north")
    await house.shelf.put(person(1, "blue"))
    await house.shelf.put(person(1, "blue"), access=there)
    house.definitions.put(parameter())
    assert await house.look() == 2
    await house.look()
    assert await house.shelf.ids("Patient", "eyes=blue", access=there) == ["p1"]
    assert await house.shelf.ids("Patient", "eyes=blue") == ["p1"]


@pytest.mark.parametrize(
    ("changes", "code", "at"),
    [
        ({"expression": "Patient.nowhere"}, "invalid", "expression"),
        ({"expression": "Patient.name.("}, "invalid", "expression"),
        ({"expression": "(" * 2000 + "Patient" + ")" * 2000}, "too-costly", "expression"),
        ({"expression": None}, "required", "expression"),
        ({"base": ["Person", "Nobody"]}, "value", "base"),
        ({"code": "_eyes"}, "value", "code"),
        ({"type": "special"}, "not-supported", "type"),
        ({"type": "composite"}, "structure", "component"),
        ({"type": "composite", "component": [{"definition": "http://nowhere", "expression": "x"}]}, "not-supported", "component"),
    ],
)
async def test_a_definition_that_cannot_be_searched_by_is_not_stored(house: House, changes: dict[str, Any], code: str, at: str) -> None:
    resource = {name: value for name, value in parameter(**changes).items() if value is not None}
    [outcome] = await house.shelf.write(Change("update", "SearchParameter", "eyes", resource))
    assert isinstance(outcome, Problem) and (outcome.code, outcome.at) == (code, at)
    [outcome] = await house.shelf.write(Change("update", "SearchParameter", "eyes", resource | {"status": "draft"}))
    assert not isinstance(outcome, Problem)


async def test_parameters_of_every_kind_can_be_added(house: House) -> None:
    expressions = {
        "string": "Patient.name.given", "date": "Patient.contact.period", "uri": "Patient.name.extension.valueUri",
        "reference": "Patient.link.other",
        "quantity": "Patient.extension.where(url='w').value.ofType(Quantity)", "number": "Patient.multipleBirth.ofType(integer)",
    }  # fmt: skip
    for kind, expression in expressions.items():
        house.definitions.put(parameter(url=f"http://x/{kind}", code=f"my-{kind}", type=kind, expression=expression))
    pair = {"component": [
        {"definition": "http://hl7.org/fhir/SearchParameter/individual-family", "expression": "family"},
        {"definition": "http://hl7.org/fhir/SearchParameter/individual-telecom", "expression": "use"},
    ]}  # fmt: skip
    house.definitions.put(parameter(url="http://x/pair", code="my-pair", type="composite", expression="Patient.name", **pair))
    resource = {
        "resourceType": "Patient", "id": "p", "multipleBirthInteger": 3, "link": [{"other": {"reference": "Patient/q"}, "type": "refer"}],
        "name": [{"given": ["Zoë"], "family": "Ng", "use": "official", "extension": [{"url": "u", "valueUri": "urn:x"}]},
                 {"family": "Wu", "use": "old"}],
        "contact": [{"period": {"start": "2020-01-02"}}],
        "extension": [{"url": "w", "valueQuantity": {"value": 2, "system": "http://unitsofmeasure.org", "code": "g"}}],
    }  # fmt: skip
    await house.shelf.put(resource, {"resourceType": "Patient", "id": "other"})
    for query in (
        "my-string=zoe", "my-date=ge2020", "my-uri=urn:x", "my-reference=Patient/q", "my-number=3",
        "my-quantity=2000|http://unitsofmeasure.org|mg", "my-pair=ng$official", "my-pair:missing=false", "my-string:missing=false",
        "my-reference.gender:missing=true", "_sort=my-string&my-number=3",
    ):  # fmt: skip
        if not query.startswith("my-reference."):
            assert await house.shelf.ids("Patient", query) == ["p"], query
    assert await house.shelf.ids("Patient", "my-pair=ng$old") == []
    assert CAUSE


async def test_rows_of_an_earlier_layout_are_found_when_they_are_laid_out_anew_and_not_before(house: House) -> None:
    shelf, found = house.shelf, "code=urn:c|x&value-quantity=gt5"
    value = {"value": 7, "system": "http://unitsofmeasure.org", "code": "g"}
    code = {"coding": [{"system": "urn:c", "code": "x"}]}
    await shelf.put({"resourceType": "Observation", "id": "o1", "status": "final", "code": code, "valueQuantity": value})
    async with house.database.transaction() as tx:
        await tx.execute("update r_observation set num = null, common = null, unit = null, ix = 0")
        await tx.execute("insert into rng (param, unit, lo, hi, rid) select 1, 1, 7, 7, rid from r_observation")
        await tx.execute("update search_index set layout = 4")
    stale = house.opened()
    await stale.store.reindexer(house.database).load()
    with pytest.raises(Problem) as caught:
        await stale.ids("Observation", found)
    assert caught.value.code == "transient"
    assert await house.look(stale) + await house.look(stale) == 1
    assert await stale.ids("Observation", found) == ["o1"]
    async with house.database.transaction(readonly=True) as tx:
        assert await tx.fetchval("select count(*) from rng") == 0
