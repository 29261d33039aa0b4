from datetime import timedelta

from penstock.db import Database
from penstock.errors import Problem
from penstock.inbox import accept, bury, claim, counts, done, postpone, release, replay, rows, stopped_lanes
from tests.inbox_arrivals import START, arrival

NOW = START + timedelta(hours=1)
DOWN = Problem("transient", "the database cannot be reached")
DEFECT = Problem("exception", "unexpected KeyError")


async def put(database: Database, *patients: str) -> list[int]:
    async with database.transaction() as tx:
        return [a.inbox_id for a in await accept(tx, [arrival(patient=p) for p in patients])]


async def claimed(database: Database, limit: int = 100, *, now=NOW) -> list[int]:
    async with database.transaction() as tx:
        return [r.inbox_id for r in await claim(tx, limit=limit, now=now)]


async def test_a_claim_brings_the_oldest_messages_with_their_bytes(database: Database) -> None:
    ids = await put(database, "a", "b", "a", "c")
    async with database.transaction() as tx:
        received = await claim(tx, limit=3, now=NOW)
    assert [r.inbox_id for r in received] == ids[:3]
    assert received[1].raw.split(b"\r")[1] == b"b"


async def test_lanes_of_one_worker_are_not_given_to_another(database: Database) -> None:
    a1, b1, a2, b2 = await put(database, "a", "b", "a", "b")
    async with database.transaction() as one, database.transaction() as two:
        assert [r.inbox_id for r in await claim(one, limit=1, now=NOW)] == [a1]
        assert [r.inbox_id for r in await claim(two, limit=10, now=NOW)] == [b1, b2]
    assert await claimed(database) == [a1, b1, a2, b2]


async def test_an_aborted_worker_leaves_nothing_behind(database: Database) -> None:
    ids = await put(database, "a", "b", "a")
    try:
        async with database.transaction() as tx:
            for received in await claim(tx, limit=10, now=NOW):
                await done(tx, [(received.inbox_id, "stored", "")])
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert await claimed(database) == ids


async def test_a_postponed_message_stops_only_its_lane_until_its_time(database: Database) -> None:
    a1, b1, a2 = await put(database, "a", "b", "a")
    async with database.transaction() as tx:
        await postpone(tx, a1, DOWN, NOW + timedelta(seconds=10))
    assert await claimed(database) == [b1]
    assert await claimed(database, now=NOW + timedelta(seconds=11)) == [a1, b1, a2]
    async with database.transaction() as tx:
        (received,) = await claim(tx, limit=1, now=NOW + timedelta(seconds=11))
        assert received.attempts == 1
        await done(tx, [(a1, "stored", "")])
    assert await claimed(database) == [b1, a2]


async def test_a_buried_message_lets_its_lane_go_on(database: Database) -> None:
    a1, a2 = await put(database, "a", "a")
    async with database.transaction() as tx:
        await bury(tx, a1, DEFECT)
    assert await claimed(database) == [a2]


async def test_a_held_lane_stands_still_until_it_is_released(database: Database) -> None:
    a1, b1, a2 = await put(database, "a", "b", "a")
    async with database.transaction() as tx:
        await bury(tx, a1, DEFECT, hold=True)
    (a3,) = await put(database, "a")
    assert await claimed(database) == [b1]
    async with database.transaction() as tx:
        (lane,) = await stopped_lanes(tx)
        assert (lane.inbox_id, lane.until, lane.problem and lane.problem.code, lane.waiting) == (a1, None, "exception", 2)
        await release(tx, [lane.lane])
    assert await claimed(database) == [b1, a2, a3]


async def test_replaying_the_message_that_stopped_a_lane_runs_it_first(database: Database) -> None:
    a1, a2 = await put(database, "a", "a")
    async with database.transaction() as tx:
        await bury(tx, a1, DEFECT, hold=True)
    async with database.transaction() as tx:
        assert await replay(tx, [a1, a2]) == [a1]
    assert await claimed(database) == [a1, a2]
    async with database.transaction() as tx:
        assert (await rows(tx, [a1]))[0].replays == 1


async def test_every_message_is_counted_in_one_place(database: Database) -> None:
    a1, b1, c1, d1, _e1 = await put(database, "a", "b", "c", "d", "e")
    async with database.transaction() as tx:
        await done(tx, [(a1, "stored", ""), (b1, "filtered", "not wanted")])
        await bury(tx, c1, DEFECT)
        await postpone(tx, d1, DOWN, NOW)
        count = (await counts(tx))["mllp"]
    assert count.conserved and (count.accepted, count.stored) == (5, 1)
    assert (count.filtered, count.quarantined, count.in_flight) == ({"not wanted": 1}, {"exception": 1}, {"ready": 1, "postponed": 1})


async def test_the_backlog_of_a_stopped_lane_does_not_hide_the_other_lanes(database: Database) -> None:
    a1, *_, b1 = await put(database, *["a"] * 40, "b")
    async with database.transaction() as tx:
        await postpone(tx, a1, DOWN, NOW + timedelta(seconds=10))
    assert await claimed(database, limit=2) == [b1]
