"""Conditional create, update and delete: one resource, whoever asks at the same moment."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from penstock.auth.access import SYSTEM, Access, parse_scope
from penstock.errors import Problem
from penstock.store import Change, Writer
from tests.unit.store.conftest import CAUSE, Shelf

QUERY = "identifier=https://fhir.nhs.uk/Id/nhs-number|9000000009"


def patient(family: str, number: str = "9000000009", **more: Any) -> dict[str, Any]:
    identifier = [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": number}]
    return {"resourceType": "Patient", "identifier": identifier, "name": [{"family": family}]} | more


def create(family: str, query: str = QUERY, number: str = "9000000009") -> Change:
    return Change("create", "Patient", resource=patient(family, number), if_none_exist=query)


async def _warm(shelf: Shelf) -> None:
    """Connections that are open, and statements that are prepared on each, let changes really run at the same moment."""
    number = iter(range(1_000_000))

    async def use_one() -> None:
        async with shelf.database.transaction() as tx:
            await tx.execute("select pg_sleep(0.05)")
            value = f"warm-{next(number)}"
            await shelf.store.write(tx, SYSTEM, [create("W", f"identifier={value}", value)], CAUSE)

    await shelf.store.ensure(shelf.database, {"Patient"})
    for _ in range(2):
        await asyncio.gather(*(use_one() for _ in range(8)))
    shelf.told.clear()


async def test_fifty_conditional_creates_at_once_make_exactly_one_resource(shelf: Shelf) -> None:
    await _warm(shelf)
    outcomes = [outcome for [outcome] in await asyncio.gather(*(shelf.write(create(f"N{n}")) for n in range(50)))]
    assert len({w.id for w in outcomes}) == 1
    assert sorted(w.op for w in outcomes) == ["create"] + ["same"] * 49
    assert await shelf.ids("Patient", QUERY) == [outcomes[0].id] and len(shelf.told) == 1


async def test_fifty_at_once_make_one_again_after_it_was_deleted(shelf: Shelf) -> None:
    [first] = await shelf.write(create("A"))
    await shelf.write(Change("delete", "Patient", first.id))
    await _warm(shelf)
    outcomes = [outcome for [outcome] in await asyncio.gather(*(shelf.write(create(f"N{n}")) for n in range(50)))]
    assert len({w.id for w in outcomes}) == 1 and sorted(w.op for w in outcomes) == ["create"] + ["same"] * 49


async def test_fifty_through_the_writer_make_exactly_one_resource(shelf: Shelf) -> None:
    async with Writer(shelf.database, shelf.store) as one, Writer(shelf.database, shelf.store) as other:
        submitted = [(one, other)[n % 2].submit(SYSTEM, create(f"N{n}"), CAUSE) for n in range(50)]
        outcomes = await asyncio.gather(*submitted)
    assert sorted(w.op for w in outcomes) == ["create"] + ["same"] * 49 and len({w.id for w in outcomes}) == 1


async def test_one_batch_sees_what_it_made_itself(shelf: Shelf) -> None:
    first, second, plain, third = await shelf.write(
        create("A"),
        create("B"),
        Change("create", "Patient", resource=patient("C", "111")),
        create("D", "identifier=111&family=C"),
    )
    assert (first.op, second.op, second.id) == ("create", "same", first.id)
    assert (third.op, third.id) == ("same", plain.id)


async def test_a_conditional_create_that_several_match_is_412(shelf: Shelf) -> None:
    await shelf.write(Change("create", "Patient", resource=patient("A")), Change("create", "Patient", resource=patient("B")))
    [problem] = await shelf.write(create("C"))
    assert isinstance(problem, Problem) and problem.code == "multiple-matches" and problem.meaning.http == 412


async def test_a_conditional_update_creates_then_updates(shelf: Shelf) -> None:
    def change(family: str, id: str | None = None) -> Change:
        return Change("update", "Patient", id, patient(family), criteria=QUERY)

    [first] = await shelf.write(change("A"))
    [second] = await shelf.write(change("B"))
    [wrong] = await shelf.write(change("C", "another"))
    assert (first.op, second.op, second.id, second.ver) == ("create", "update", first.id, 2)
    assert isinstance(wrong, Problem) and wrong.code == "invalid"
    assert orjson.loads((await shelf.read("Patient", first.id)).body)["name"] == [{"family": "B"}]
    [given] = await shelf.write(Change("update", "Patient", "mine", patient("D", "222"), criteria="identifier=222"))
    assert (given.op, given.id) == ("create", "mine")


async def test_fifty_conditional_updates_at_once_are_versions_of_one_resource(shelf: Shelf) -> None:
    await shelf.store.ensure(shelf.database, {"Patient"})
    changes = [Change("update", "Patient", None, patient(f"N{n}"), criteria=QUERY) for n in range(50)]
    outcomes = [outcome for [outcome] in await asyncio.gather(*map(shelf.write, changes))]
    assert len({w.id for w in outcomes}) == 1 and sorted(w.ver for w in outcomes) == list(range(1, 51))


async def test_a_conditional_delete_finds_its_resource_or_says_so(shelf: Shelf) -> None:
    [made] = await shelf.write(create("A"))
    gone, nothing = await shelf.write(Change("delete", "Patient", criteria=QUERY), Change("delete", "Patient", criteria="identifier=333"))
    assert (gone.op, gone.id) == ("delete", made.id)
    assert isinstance(nothing, Problem) and nothing.code == "not-found"
    [again] = await shelf.write(create("B"))
    assert again.op == "create" and again.id != made.id


async def test_an_empty_or_unknown_criterion_is_refused_alone(shelf: Shelf) -> None:
    outcomes = await shelf.write(create("A", ""), create("A", "colour=red"), create("A", "_sort=birthdate"), create("A"))
    assert [o.code if isinstance(o, Problem) else o.op for o in outcomes] == ["invalid", "not-supported", "invalid", "create"]


async def test_a_condition_needs_the_right_to_search(shelf: Shelf) -> None:
    access = Access(client="c", scopes=parse_scope("system/Patient.c").scopes)
    [problem] = await shelf.write(create("A"), access=access)
    assert isinstance(problem, Problem) and problem.code == "forbidden"
