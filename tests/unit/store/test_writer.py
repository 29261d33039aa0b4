"""The Writer: many single writes, few commits, an answer for each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from penstock.auth.access import SYSTEM
from penstock.db import Database, Tx
from penstock.errors import Problem
from penstock.store import Cause, Change, Store, Writer, Written
from tests.unit.store.conftest import CAUSE, Shelf


def observation(n: int) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": f"number {n}"}}


async def test_a_writer_answers_each_with_its_own_and_bad_ones_fail_alone(shelf: Shelf) -> None:
    async with Writer(shelf.database, shelf.store) as writer:
        changes = [Change("create", "Observation", resource=observation(n)) for n in range(40)]
        changes[7] = Change("create", "Patient", resource=observation(7))
        changes[9] = Change("create", "Observatory", resource=observation(9))
        outcomes = await asyncio.gather(*(writer.submit(SYSTEM, each, CAUSE) for each in changes), return_exceptions=True)
    problems = {n: o.code for n, o in enumerate(outcomes) if isinstance(o, Problem)}
    assert problems == {7: "invalid", 9: "not-supported"}
    for n, outcome in enumerate(outcomes):
        if isinstance(outcome, Written):
            assert f'"number {n}"'.encode() in outcome.body
            assert (await shelf.read("Observation", outcome.id)).body == outcome.body
    assert len(shelf.told) == 38


async def test_a_batch_that_cannot_commit_is_done_one_by_one(database: Database) -> None:
    told: list[int] = []

    async def announce(tx: Tx, written: Sequence[Written], cause: Sequence[Cause], /, *, tenant: str) -> None:
        if len(written) > 1 or b"number 3" in written[0].body:
            await tx.execute("select 1 / 0")
        told.append(len(written))

    store = Store(announce)
    async with Writer(database, store) as writer:
        changes = [Change("create", "Observation", resource=observation(n)) for n in range(6)]
        outcomes = await asyncio.gather(*(writer.submit(SYSTEM, each, CAUSE) for each in changes), return_exceptions=True)
    assert [isinstance(o, Written) for o in outcomes] == [True, True, True, False, True, True]
    async with database.transaction() as tx:
        assert len((await store.history(tx, SYSTEM, "Observation")).entries) == 5


async def test_a_batch_whose_commit_is_in_doubt_is_not_done_again(database: Database) -> None:
    calls: list[int] = []

    async def announce(tx: Tx, written: Sequence[Written], cause: Sequence[Cause], /, *, tenant: str) -> None:
        calls.append(len(written))
        raise Problem("transient", "the database cannot be reached")

    async with Writer(database, Store(announce)) as writer:
        changes = [Change("create", "Observation", resource=observation(n)) for n in range(6)]
        outcomes = await asyncio.gather(*(writer.submit(SYSTEM, each, CAUSE) for each in changes), return_exceptions=True)
    assert calls == [6] and all(isinstance(o, Problem) and o.meaning.http == 503 for o in outcomes)


async def test_who_asks_while_a_batch_begins_comes_along(shelf: Shelf) -> None:
    committed: list[int] = []

    async def announce(tx: Tx, written: Sequence[Written], cause: Sequence[Cause], /, *, tenant: str) -> None:
        committed.append(len(written))

    async def later(writer: Writer, turns: int) -> Written:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await writer.submit(SYSTEM, Change("create", "Observation", resource=observation(turns)), CAUSE)

    async with Writer(shelf.database, Store(announce)) as writer:
        await asyncio.gather(*(later(writer, turns) for turns in range(8)))
    assert committed == [8]


async def test_a_closing_writer_finishes_what_it_accepted_and_refuses_the_rest(shelf: Shelf) -> None:
    writer = Writer(shelf.database, shelf.store)
    writer.start()
    accepted = [
        asyncio.create_task(writer.submit(SYSTEM, Change("create", "Observation", resource=observation(n)), CAUSE)) for n in range(20)
    ]
    await asyncio.sleep(0)
    await writer.close()
    assert {(await each).op for each in accepted} == {"create"}
    with pytest.raises(Problem, match="stopping"):
        await writer.submit(SYSTEM, Change("create", "Observation", resource=observation(1)), CAUSE)


async def test_a_full_writer_says_so(shelf: Shelf) -> None:
    writer = Writer(shelf.database, shelf.store, waiting=1)
    first = asyncio.create_task(writer.submit(SYSTEM, Change("create", "Observation", resource=observation(1)), CAUSE))
    await asyncio.sleep(0)
    with pytest.raises(Problem) as caught:
        await writer.submit(SYSTEM, Change("create", "Observation", resource=observation(2)), CAUSE)
    assert caught.value.meaning.http == 429
    writer.start()
    assert (await first).op == "create"
    await writer.close()
