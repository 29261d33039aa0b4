"""Replay and dead letters: exactly what was asked for, marked, and nothing confirmed is repeated unless asked."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from penstock.db import Database
from penstock.delivery import dead, registry, replay
from penstock.delivery.policy import Policy
from penstock.delivery.replay import Preview, Request
from penstock.errors import Problem
from tests.delivering import House, hook, observation
from tests.event_versions import Version
from tests.subscriber import OK, Subscriber, Told, answer


async def ask(house: House, request: Request) -> tuple[Preview, int]:
    """Preview, then do it."""
    upto = await house.horizon.advance()
    async with house.database.transaction() as tx:
        planned = await replay.preview(tx, request, upto)
        _, count = await replay.replay(tx, request, upto, client="operator", reason="test", now=house.clock.now())
    return planned, count


async def test_a_new_consumer_is_told_a_window_and_the_preview_has_said_how_much(database: Database) -> None:
    house = House(database)
    await house.write(*[observation(n, str(n % 3)) for n in range(30)], Version("Patient", "7"))
    await house.pass_by()
    async with Subscriber().listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url))
        at = Version.last_updated
        request = Request("site/w", since=at - timedelta(hours=1), until=at + timedelta(hours=1), types=("Observation",), patient="1")
        planned, count = await ask(house, request)
        await house.settled(10)
    async with database.connection() as tx:
        (entry,) = await replay.entries(tx)
        assert (entry["client"], entry["reason"], entry["count"], entry["pending"]) == ("operator", "test", 10, 0)
        assert entry["asked"]["patient"] == "1"
        assert await registry.needed_from(tx) == 32
    assert planned == Preview(matching=10, confirmed=0, waiting=0, to_send=10) and count == 10
    assert [told.json["subject"] for told in subscriber.told] == [f"Observation/{n}" for n in range(1, 30, 3)]
    assert {told.json["replay"] for told in subscriber.told} == {"1"}


async def test_what_was_confirmed_is_not_told_again_unless_it_is_asked_for(database: Database) -> None:
    house = House(database)
    async with Subscriber().listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url))
        await house.write(*[observation(n, str(n % 3)) for n in range(12)])
        await house.settled(12)
        ids = [told.json["id"] for told in subscriber.told if told.json["partitionkey"] == "Patient/2"]
        planned, count = await ask(house, Request("site/w"))
        assert (planned.matching, planned.confirmed, planned.to_send, count) == (12, 12, 0, 0)
        planned, count = await ask(house, Request("site/w", first=4, last=9, confirmed=True))
        assert (planned.to_send, count) == (6, 6)
        await house.settled(18)
    again = [told for told in subscriber.told if "replay" in told.json]
    assert sorted(int(told.json["sequence"]) for told in again) == [4, 5, 6, 7, 8, 9]
    assert [told.json["id"] for told in again if told.json["partitionkey"] == "Patient/2"] == ids[1:3]


async def test_what_retention_removed_counts_as_confirmed_and_conservation_holds(database: Database) -> None:
    house = House(database)
    async with Subscriber().listening() as subscriber, house.delivering() as delivery:
        await house.webhooks(hook(subscriber.url))
        await house.write(*[observation(n, "1") for n in range(10)])
        await house.settled(10)
        async with database.transaction() as tx:
            await tx.execute("update delivery set settled_at = settled_at - interval '8 days' where seq <= 6")
        await delivery.tidy()
        async with database.transaction() as tx:
            assert await tx.fetchval("select count(*) from delivery") == 4
        assert (await house.counts())["delivered"] == 10
        planned, _ = await ask(house, Request("site/w"))
        assert (planned.matching, planned.confirmed, planned.to_send) == (10, 10, 0)


async def test_a_replay_does_not_starve_the_live_stream(database: Database) -> None:
    house = House(database)
    await house.write(*[observation(n, str(n)) for n in range(400)])
    await house.pass_by()

    async def slow(told: Told) -> bytes:
        await asyncio.sleep(0.01)
        return OK

    async with Subscriber(slow).listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url, concurrency=4))
        await ask(house, Request("site/w"))
        await house.until(lambda c: c["delivered"] >= 10)
        await house.write(*[observation(n, str(n)) for n in range(1000, 1020)])
        await house.until(lambda c: len([1 for t in subscriber.confirmed if "replay" not in t.json]) == 20, 3)
        assert (await house.counts())["pending"] > 0


async def test_a_replay_for_nobody_or_for_one_that_ended_is_refused(database: Database) -> None:
    house = House(database)
    with pytest.raises(Problem, match="no such subscription"):
        await ask(house, Request("site/none"))
    await house.webhooks(hook("https://a.example/"))
    await house.webhooks()
    with pytest.raises(Problem, match="is off"):
        await ask(house, Request("site/w"))


@pytest.mark.req("EV-07")
async def test_dead_letters_are_tried_again_once_or_discarded_with_a_reason(database: Database) -> None:
    accepting = False

    async def behave(told: Told) -> bytes:
        return answer(200 if accepting else 400)

    house = House(database, Policy(base_s=0.001, cap_s=0.002))
    async with Subscriber(behave).listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url))
        await house.write(*[observation(n, "1") for n in range(3)])
        assert (await house.settled(3))["dead"] == 3
        accepting = True
        async with database.transaction() as tx:
            first = (await dead.entries(tx, state="dead"))[0]["seq"]
            now = house.clock.now()
            assert await dead.retry(tx, "site/w", [first], client="operator", reason="fixed", now=now) == 1
            assert await dead.retry(tx, "site/w", [first], client="operator", reason="fixed", now=now) == 0
        await house.until(lambda c: c["delivered"] == 1)
        async with database.transaction() as tx:
            with pytest.raises(Problem, match="reason"):
                await dead.discard(tx, "site/w", None, reason=" ", now=now)
            assert await dead.discard(tx, "site/w", None, reason="sent by fax", now=now) == 2
            assert {entry["reason"] for entry in await dead.entries(tx, state="discarded")} == {"sent by fax"}
            assert [entry["state"] for entry in await dead.of_events(tx, [first])] == ["delivered"]
        assert (await house.counts())["discarded"] == 2
