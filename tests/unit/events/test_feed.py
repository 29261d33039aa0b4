"""The feed: cursor, access, and the live stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from penstock.auth.access import SYSTEM, Access, Scope
from penstock.db import Database, Tx
from penstock.errors import Problem
from penstock.events import Feed, Horizon, append
from penstock.events.cloudevents import defects
from penstock.events.feed import Filter
from tests.event_versions import Version, Why


async def bodies(tx: Tx, keys: Sequence[tuple[str, str, int]]) -> dict[tuple[str, str, int], bytes]:
    return {key: b'{"resourceType":"%b","id":"%b"}' % (key[0].encode(), key[1].encode()) for key in keys}


@pytest.fixture
def feed(database: Database) -> Feed:
    return Feed(database, Horizon(database), bodies, source="https://here.example/fhir")


async def write(database: Database, *versions: Version) -> None:
    async with database.transaction() as tx:
        await append(tx, versions, Why())


async def test_pages_lead_through_the_whole_log_without_a_gap(database: Database, feed: Feed) -> None:
    await write(database, *[Version(id=str(n)) for n in range(7)])
    seen, cursor, more = [], "", True
    while more:
        page = await feed.page(SYSTEM, cursor, Filter(limit=3))
        seen += [json.loads(e)["subject"] for e in page.events]
        cursor, more = page.next, page.more
    assert seen == [f"Patient/{n}" for n in range(7)]
    assert (await feed.page(SYSTEM, cursor, Filter())).events == []
    await write(database, Version(id="7"))
    assert [json.loads(e)["subject"] for e in (await feed.page(SYSTEM, cursor, Filter())).events] == ["Patient/7"]


@pytest.mark.req("EV-05")
async def test_every_event_of_the_feed_keeps_to_the_schema(database: Database, feed: Feed) -> None:
    await write(database, Version(), Version(ver=2, op="update"), Version(ver=3, op="delete", body=b""), Version("Observation", "o"))
    for payload in ("full", "id-only", "none"):
        page = await feed.page(SYSTEM, "", Filter(payload=payload))
        assert [defects(json.loads(event)) for event in page.events] == [[], [], [], []]


@pytest.mark.req("EV-01")
async def test_without_asking_for_it_no_patient_data_is_told(database: Database, feed: Feed) -> None:
    await write(database, Version())
    assert b"Canaryname" not in (await feed.page(SYSTEM, "", Filter())).events[0]


async def test_a_reader_sees_only_types_it_may_read(database: Database, feed: Feed) -> None:
    await write(database, Version(), Version("Observation", "o", body=b"{}"))
    access = Access(client="c", scopes=(Scope("system", "Observation", "rs"),))
    page = await feed.page(access, "", Filter())
    assert [json.loads(e)["subject"] for e in page.events] == ["Observation/o"]
    assert page.next == "2"
    with pytest.raises(Problem, match="does not allow"):
        await feed.page(access, "", Filter(types=("Patient",)))
    with pytest.raises(Problem, match="any resource type"):
        await feed.page(Access(client="c", scopes=()), "", Filter())


async def test_a_reader_with_one_patient_sees_no_other(database: Database, feed: Feed) -> None:
    mine = Version("Observation", "mine", body=b'{"subject":{"reference":"Patient/1"}}')
    other = Version("Observation", "other", body=b'{"subject":{"reference":"Patient/2"}}')
    await write(database, mine, other, Version(), Version(id="2"))
    access = Access(client="c", scopes=(Scope("patient", "*", "rs"),), patient="1")
    page = await feed.page(access, "", Filter())
    assert [json.loads(e)["subject"] for e in page.events] == ["Observation/mine", "Patient/1"]


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "９", "1" * 30, str(2**63)])
async def test_a_cursor_that_is_not_ours_is_refused_without_repeating_it(feed: Feed, cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        await feed.page(SYSTEM, cursor, Filter())
    assert caught.value.code == "value" and cursor not in str(caught.value)


async def test_a_cursor_older_than_the_log_is_told_so(database: Database, feed: Feed) -> None:
    async with database.transaction() as tx:
        await tx.execute("update event_floor set seq = 100")
    with pytest.raises(Problem) as caught:
        await feed.page(SYSTEM, "5", Filter())
    assert caught.value.meaning.http == 410


async def test_the_stream_goes_on_after_the_last_event_id_and_then_live(database: Database, feed: Feed) -> None:
    await write(database, Version(id="a"), Version(id="b"))
    frames = feed.stream(SYSTEM, "1", Filter(), heartbeat_s=0.05)
    async with asyncio.timeout(10):
        first = await anext(frames)
        assert first.startswith(b"id: 2\nevent: message\ndata: {") and first.endswith(b"}\n\n")
        assert await anext(frames) == b": \n\n"
        await write(database, Version(id="c"))
        while (live := await anext(frames)) == b": \n\n":
            pass
        assert live.startswith(b"id: 3\n")
        await frames.aclose()


async def test_the_stream_without_an_id_begins_now(database: Database, feed: Feed) -> None:
    await write(database, Version(id="past"))
    frames = feed.stream(SYSTEM, "", Filter())
    waiting = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0.1)
    await write(database, Version(id="now"))
    async with asyncio.timeout(10):
        assert b"Patient/now" in await waiting
    await frames.aclose()
