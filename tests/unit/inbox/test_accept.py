import asyncio

from penstock.db import Database
from penstock.errors import Problem
from penstock.inbox import accept, find, rows
from tests.inbox_arrivals import arrival


async def test_a_message_is_new_once_and_then_repeated_with_the_first_answer(database: Database) -> None:
    refused = arrival("A1", state="quarantined", problem=Problem("structure", "not HL7 v2", at="MSH-1"))
    async with database.transaction() as tx:
        (first,) = await accept(tx, [refused])
    async with database.transaction() as tx:
        (again,) = await accept(tx, [refused])
    assert (first.fate, again.fate) == ("new", "repeated")
    assert again.inbox_id == first.inbox_id
    assert again.problem is not None and (again.problem.code, again.problem.text, again.problem.at) == ("structure", "not HL7 v2", "MSH-1")


async def test_other_bytes_under_the_same_control_id_are_kept_and_flagged(database: Database) -> None:
    async with database.transaction() as tx:
        one, two = await accept(tx, [arrival("A1", body="one"), arrival("A1", body="two")])
        assert (one.fate, two.fate) == ("new", "collided")
        kept = await rows(tx, [one.inbox_id, two.inbox_id])
        assert [row.collided for row in kept] == [False, True]
        (again,) = await accept(tx, [arrival("A1", body="two")])
        assert again == (two.inbox_id, "repeated", None)


async def test_duplicates_inside_one_batch_are_found(database: Database) -> None:
    one = arrival("A1", body="one")
    two = arrival("A1", body="two")
    async with database.transaction() as tx:
        answers = await accept(tx, [one, two, one, two, one])
        assert [a.fate for a in answers] == ["new", "collided", "repeated", "repeated", "repeated"]
        assert answers[2].inbox_id == answers[0].inbox_id and answers[3].inbox_id == answers[1].inbox_id
        assert await tx.fetchval("select count(*) from inbox_body") == 2


async def test_a_message_without_control_id_is_known_by_its_bytes(database: Database) -> None:
    async with database.transaction() as tx:
        answers = await accept(tx, [arrival("", body="one"), arrival("", body="two"), arrival("", body="one")])
    assert [a.fate for a in answers] == ["new", "new", "repeated"]


async def test_the_same_control_id_of_another_sender_is_another_message(database: Database) -> None:
    async with database.transaction() as tx:
        answers = await accept(tx, [arrival("A1"), arrival("A1", source="LAB|B"), arrival("A1", interface="http")])
    assert [a.fate for a in answers] == ["new", "new", "new"]


async def test_of_racing_connections_one_is_new_and_all_others_repeat_it(database: Database) -> None:
    messages = [arrival(f"R{n}") for n in range(1000)]

    async def send(number: int) -> list[str]:
        mine = messages if number % 2 else messages[::-1]
        async with database.transaction() as tx:
            fates = [answer.fate for answer in await accept(tx, mine)]
        return fates if number % 2 else fates[::-1]

    async with database.transaction() as tx:
        await tx.execute("lock table inbox_key in share mode")  # so that they all start together
        racing = [asyncio.create_task(send(number)) for number in range(6)]
        await asyncio.sleep(0.3)
    for fates in zip(*await asyncio.gather(*racing), strict=True):
        assert sorted(fates) == ["new"] + ["repeated"] * 5


async def test_ids_follow_the_order_of_arrival(database: Database) -> None:
    async with database.transaction() as tx:
        answers = await accept(tx, [arrival() for _ in range(300)])
    ids = [a.inbox_id for a in answers]
    assert ids == sorted(ids)


async def test_a_collision_keeps_its_place_in_the_order_of_arrival(database: Database) -> None:
    async with database.transaction() as tx:
        await accept(tx, [arrival("A1", body="old")])
        batch = [
            arrival("A1", body="other"),
            arrival("A2"),
            arrival("A2", body="other"),
            arrival("A3"),
            arrival("A1", body="old"),
            arrival("A4"),
        ]
        answers = await accept(tx, batch)
    assert [a.fate for a in answers] == ["collided", "new", "collided", "new", "repeated", "new"]
    ids = [a.inbox_id for a in answers if a.fate != "repeated"]
    assert ids == sorted(ids)


async def test_a_message_is_found_by_its_identifiers(database: Database) -> None:
    async with database.transaction() as tx:
        one, two = await accept(tx, [arrival("A1", patient="p7"), arrival("A2", patient="p7")])
        assert await find(tx, "patient", "p7") == [two.inbox_id, one.inbox_id]
        assert await find(tx, "control", "A1") == [one.inbox_id]
        assert await find(tx, "control", "p7") == []
        assert await find(tx, "trace", (await rows(tx, [one.inbox_id]))[0].trace_id) == [one.inbox_id]


async def test_names_that_postgresql_cannot_hold_do_not_stop_a_message(database: Database) -> None:
    async with database.transaction() as tx:
        (answer,) = await accept(tx, [arrival("a\x00b\ud800" + "x" * 1000, patient="\ud800")])
        assert answer.fate == "new"
