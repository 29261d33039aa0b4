"""What every kind of ingress promises, run for every member of INGRESS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from penstock.db import Database
from penstock.errors import Problem
from penstock.formats.hl7v2 import parse, wrap
from penstock.inbox import Receiver, find
from penstock.ingress import HTTP, INGRESS, MLLP, Interface, ingest
from tests.ingress_door import adt, client, door, intake, stored

#: Sends messages in one way and gives the acknowledgement of each.
Play = Callable[[Any, list[bytes]], Awaitable[list[bytes]]]


async def by_mllp(inbox: Any, messages: list[bytes], interface: Interface = MLLP) -> list[bytes]:
    async with door(inbox, interface) as mllp, client(mllp) as sender:
        sender.send(b"".join(map(wrap, messages)))
        return [await sender.answer() or b"" for _ in messages]


async def by_http(inbox: Any, messages: list[bytes]) -> list[bytes]:
    taking = intake(inbox, HTTP)
    found = [await ingest(message, "application/hl7-v2", taking, peer="client-1") for message in messages]
    return [one.answer or b"" for one in found]


PLAYS: dict[str, Play] = {"mllp": by_mllp, "http": by_http}


@pytest.fixture
async def inbox(database: Database) -> AsyncIterator[Receiver]:
    async with Receiver(database) as receiver:
        yield receiver


@pytest.fixture(params=sorted(INGRESS))
def play(request: pytest.FixtureRequest) -> Play:
    assert request.param in PLAYS, "add the new kind of ingress to PLAYS"
    return PLAYS[request.param]


def codes(answers: list[bytes]) -> list[str]:
    return [parse(answer).get("MSA-1") for answer in answers]


@pytest.mark.req("V2-02")
async def test_each_message_is_durable_and_answered_in_order(play: Play, inbox: Receiver, database: Database) -> None:
    answers = await play(inbox, [adt(number) for number in range(10)])
    assert [parse(answer).get("MSA-2") for answer in answers] == [f"M{number}" for number in range(10)]
    assert set(codes(answers)) == {"AA"}
    assert await stored(database) == [(f"M{number}", "ready") for number in range(10)]


async def test_the_same_message_again_gets_the_same_answer_and_is_stored_once(play: Play, inbox: Receiver, database: Database) -> None:
    first, second, other = await play(inbox, [adt(1), adt(1), adt(1, patient="p2")])
    assert [parse(first).get(path) for path in ("MSA-1", "MSH-10")] == [parse(second).get(path) for path in ("MSA-1", "MSH-10")]
    assert parse(other).get("MSH-10") != parse(first).get("MSH-10")
    async with database.connection() as tx:
        assert [row["collided"] for row in await tx.fetch("select collided from inbox order by id")] == [False, True]


@pytest.mark.req("V2-03")
async def test_what_is_no_message_is_kept_and_rejected_for_ever(play: Play, inbox: Receiver, database: Database) -> None:
    assert codes(await play(inbox, [b"hello", b"hello", adt(2)])) == ["AR", "AR", "AA"]
    assert await stored(database) == [("", "quarantined"), ("M2", "ready")]


async def test_a_message_is_found_by_its_identifiers(play: Play, inbox: Receiver, database: Database) -> None:
    await play(inbox, [adt(1, patient="p7", more="ORC|NW|P1^X|F1\rOBR|1|P2||||||||||||||||ACC1\r")])
    async with database.connection() as tx:
        for kind, value in (
            ("control", "M1"), ("patient", "p7"), ("patient", "x"), ("visit", "V1"), ("placer-order", "P1"), ("placer-order", "P2"),
            ("filler-order", "F1"), ("accession", "ACC1"),
        ):  # fmt: skip
            assert len(await find(tx, kind, value)) == 1, (kind, value)
        assert await find(tx, "patient", "p8") == []


async def test_an_answer_holds_no_value_of_the_body(play: Play, inbox: Receiver) -> None:
    canary = b"Canarius"
    broken = adt(1).replace(b"Testfall", canary + b"\r" + canary)
    for answer in await play(inbox, [broken, adt(2).replace(b"Testfall", canary), canary, b"MSH|" + canary]):
        assert canary not in answer


async def test_the_inbox_out_of_reach_is_an_error_answer(play: Play) -> None:
    class Gone:
        async def submit(self, _: object) -> object:
            raise Problem("transient", "the database cannot be reached")

    assert codes(await play(Gone(), [adt(1), b"hello"])) == ["AE", "AE"]


@pytest.mark.req("V2-18")
async def test_a_batch_over_http_reports_each_message_and_its_own_counts(inbox: Receiver, database: Database) -> None:
    body = b"BHS|^~\\&\r" + adt(1) + adt(2) + b"BTS|3\r"
    found = await ingest(body, "text/plain; charset=utf-8", intake(inbox, HTTP), peer="client-1")
    assert [taken.code for taken in found.messages] == ["AA", "AA"]
    assert [problem.at for problem in found.problems] == ["BTS-1"]
    assert found.stored
    assert len(await stored(database)) == 2


async def test_the_charset_of_the_content_type_is_read_where_the_message_says_none(inbox: Receiver) -> None:
    body = adt(1).replace(b"Ada", b"Ad\xe9")
    taking = intake(inbox, HTTP)
    assert (await ingest(body, "text/plain", taking, peer="c")).messages[0].code == "AR"
    other = replace(taking, interface=replace(HTTP, name="other"))
    assert (await ingest(body, "text/plain; charset=iso-8859-1", other, peer="c")).messages[0].code == "AA"


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"", "application/hl7-v2", "required"),
        (b" \r\n", "", "required"),
        (b"{}", "application/json", "media-type"),
        (b"MSH", "text/plain; charset=klingon", "media-type"),
    ],
)
async def test_a_body_that_holds_no_message_is_a_problem(body: bytes, content_type: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        await ingest(body, content_type, intake(None, HTTP), peer="c")
    assert caught.value.code == code


async def test_http_asks_for_an_answer_even_where_the_header_does_not(inbox: Receiver) -> None:
    found = await ingest(adt(1, head="|P|2.5|||NE|NE"), "", intake(inbox, HTTP), peer="c")
    assert codes([found.answer or b""]) == ["CA"]
