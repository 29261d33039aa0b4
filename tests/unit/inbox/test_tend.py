from datetime import UTC, datetime, timedelta

from penstock.db import Database
from penstock.errors import Problem
from penstock.inbox import accept, bodies, bury, counts, rows, tend
from penstock.inbox.tend import drop_bodies
from tests.inbox_arrivals import START, arrival

PARTITION = "select tableoid::regclass::text from inbox_body where id = $1"


async def test_the_partitions_of_the_coming_weeks_are_there_before_their_messages(database: Database) -> None:
    for _ in range(2):
        await tend(database, START)
    later = arrival(received_at=START + timedelta(weeks=3))
    async with database.transaction() as tx:
        now, then = await accept(tx, [arrival(), later])
        assert await tx.fetchval(PARTITION, now.inbox_id) == "inbox_body_20261116"
        assert await tx.fetchval(PARTITION, then.inbox_id) == "inbox_body_20261207"


async def test_a_message_outside_of_all_partitions_is_kept_too(database: Database) -> None:
    await tend(database, START)
    stray = arrival(received_at=datetime(2040, 1, 1, tzinfo=UTC))
    async with database.transaction() as tx:
        (answer,) = await accept(tx, [stray])
        assert await bodies(tx, [(answer.inbox_id, stray.received_at)]) == {answer.inbox_id: stray.raw}
    await tend(database, stray.received_at)
    async with database.transaction() as tx:
        assert await tx.fetchval(PARTITION, answer.inbox_id) == "inbox_body_20391226"
        assert await bodies(tx, [(answer.inbox_id, stray.received_at)]) == {answer.inbox_id: stray.raw}


async def test_dropping_old_bodies_keeps_what_is_known_of_their_messages(database: Database) -> None:
    await tend(database, START)
    message = arrival("A1")
    async with database.transaction() as tx:
        (answer,) = await accept(tx, [message])
    async with database.transaction() as tx:
        assert await drop_bodies(tx, START) == []
        assert await drop_bodies(tx, START + timedelta(weeks=2)) == ["inbox_body_20261116", "inbox_body_20261123"]
        assert await bodies(tx, [(answer.inbox_id, message.received_at)]) == {}
        assert (await rows(tx, [answer.inbox_id]))[0].control_id == "A1"
        assert (await accept(tx, [message]))[0] == (answer.inbox_id, "repeated", None)


async def test_what_arrives_in_a_held_lane_is_moved_out_of_the_way(database: Database) -> None:
    async with database.transaction() as tx:
        (first,) = await accept(tx, [arrival(patient="a")])
        await bury(tx, first.inbox_id, Problem("exception", "unexpected KeyError"), hold=True)
        (second,) = await accept(tx, [arrival(patient="a")])
    await tend(database, START)
    async with database.transaction() as tx:
        assert (await rows(tx, [second.inbox_id]))[0].state == "held"
        assert (await counts(tx))["mllp"].conserved


async def test_folding_the_tally_changes_no_count(database: Database) -> None:
    for _ in range(3):
        async with database.transaction() as tx:
            await accept(tx, [arrival(), arrival(interface="http")])
    await tend(database, START)
    async with database.transaction() as tx:
        assert await tx.fetchval("select count(*) from inbox_tally") == 2
        assert [count.accepted for count in (await counts(tx)).values()] == [3, 3]
