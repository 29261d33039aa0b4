"""Create, update and delete: versions, history, events, and what a batch does to one resource."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from penstock.errors import Problem
from penstock.store import Change, Window
from penstock.store.change import Stored
from tests.unit.store.conftest import CAUSE, Shelf, patient_access


def patient(id: str, family: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, "name": [{"family": family}]} | more


async def test_a_created_resource_reads_back_as_its_bytes_with_version_and_time(shelf: Shelf) -> None:
    [written] = await shelf.write(Change("create", "Patient", resource=patient("ignored", "Ash")))
    stored = await shelf.read("Patient", written.id)
    assert stored.body == written.body and stored.ver == 1 and written.op == "create"
    body = orjson.loads(stored.body)
    assert body["id"] == written.id != "ignored"
    assert body["meta"] == {"versionId": "1", "lastUpdated": written.last_updated.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"}
    assert list(body) == ["resourceType", "id", "meta", "name"]


async def test_each_update_makes_a_version_and_the_old_ones_remain(shelf: Shelf) -> None:
    for family in ("Ash", "Birch", "Cedar"):
        await shelf.put(patient("p", family))
    assert orjson.loads((await shelf.read("Patient", "p")).body)["name"] == [{"family": "Cedar"}]
    for ver, family in enumerate(("Ash", "Birch", "Cedar"), start=1):
        version = await shelf.vread("Patient", "p", ver)
        assert orjson.loads(version.body)["name"] == [{"family": family}] and version.ver == ver
    history = await shelf.history("Patient", "p")
    assert [(each.ver, each.op) for each in history.entries] == [(3, "update"), (2, "update"), (1, "create")]
    assert shelf.told.versions() == [("Patient", "p", 1, "create"), ("Patient", "p", 2, "update"), ("Patient", "p", 3, "update")]
    assert await shelf.vread("Patient", "p", 4) is None and await shelf.vread("Patient", "q", 1) is None


async def test_the_same_content_makes_no_version_and_no_event(shelf: Shelf) -> None:
    await shelf.put(patient("p", "Ash"))
    again = {"name": [{"family": "Ash"}], "meta": {"versionId": "77"}, "id": "p", "resourceType": "Patient"}
    [written] = await shelf.put(again)
    assert (written.op, written.ver) == ("same", 1) and len(shelf.told) == 1


async def test_another_tag_or_label_is_another_version(shelf: Shelf) -> None:
    await shelf.put(patient("p", "Ash"))
    label = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
    [written] = await shelf.put(patient("p", "Ash", meta=label))
    assert (written.op, written.ver) == ("update", 2)
    body = orjson.loads(written.body)
    assert body["meta"]["security"] == label["security"] and body["meta"]["versionId"] == "2"
    [same] = await shelf.put(body)
    assert same.op == "same"


async def test_if_match_lets_only_the_current_version_through(shelf: Shelf) -> None:
    await shelf.put(patient("p", "Ash"))
    stale, fresh, late = await shelf.write(
        Change("update", "Patient", "p", patient("p", "X"), if_match=7),
        Change("update", "Patient", "p", patient("p", "Birch"), if_match=1),
        Change("update", "Patient", "p", patient("p", "Y"), if_match=1),
    )
    assert isinstance(stale, Problem) and stale.meaning.http == 412
    assert fresh.ver == 2 and isinstance(late, Problem) and late.code == "precondition"


async def test_a_deleted_resource_is_a_tombstone_and_its_versions_remain(shelf: Shelf) -> None:
    await shelf.put(patient("p", "Ash"))
    [deleted] = await shelf.write(Change("delete", "Patient", "p"))
    assert (deleted.op, deleted.ver, deleted.body) == ("delete", 2, b"")
    stored = await shelf.read("Patient", "p")
    assert stored.op == "delete" and stored.ver == 2
    assert (await shelf.vread("Patient", "p", 2)).op == "delete" and (await shelf.vread("Patient", "p", 1)).op == "create"
    [again] = await shelf.write(Change("delete", "Patient", "p"))
    assert again.op == "same"
    [back] = await shelf.put(patient("p", "Ash"))
    assert (back.op, back.ver) == ("create", 3)
    assert [each.op for each in (await shelf.history("Patient", "p")).entries] == ["update", "delete", "create"]


async def test_what_was_never_there_is_none_and_cannot_be_deleted(shelf: Shelf) -> None:
    assert await shelf.read("Patient", "p") is None
    [problem] = await shelf.write(Change("delete", "Patient", "p"))
    assert isinstance(problem, Problem) and problem.code == "not-found"
    assert await shelf.read("Patient", "p") is None


async def test_a_batch_makes_every_version_of_one_resource_in_order(shelf: Shelf) -> None:
    await shelf.put(patient("p", "Zero"))
    written = await shelf.write(
        Change("update", "Patient", "p", patient("p", "One")),
        Change("update", "Patient", "q", patient("q", "Other")),
        Change("update", "Patient", "p", patient("p", "Two")),
        Change("delete", "Patient", "p"),
        Change("update", "Patient", "p", patient("p", "Three")),
        Change("update", "Patient", "p", patient("p", "Three")),
    )
    assert [(w.id, w.ver, w.op) for w in written] == [
        ("p", 2, "update"), ("q", 1, "create"), ("p", 3, "update"), ("p", 4, "delete"), ("p", 5, "create"), ("p", 5, "same"),
    ]  # fmt: skip
    history = await shelf.history("Patient", "p")
    assert [each.ver for each in history.entries] == [5, 4, 3, 2, 1]
    assert [each.rid for each in history.entries] == sorted((each.rid for each in history.entries), reverse=True)
    assert [v[1:3] for v in shelf.told.versions()] == [("p", 1), ("p", 2), ("q", 1), ("p", 3), ("p", 4), ("p", 5)]
    assert (await shelf.vread("Patient", "p", 3)).body == written[2].body


async def test_a_problem_never_fails_its_neighbours(shelf: Shelf) -> None:
    outcomes = await shelf.write(
        Change("create", "Patient", resource=patient("", "Ash")),
        Change("create", "Patient", resource={"resourceType": "Observation"}),
        Change("update", "Patient", "../etc", patient("x", "Ash")),
        Change("update", "Patient", "m", patient("m", "Ash", meta="broken")),
        Change("update", "Patient", None, patient("m", "Ash")),
        Change("create", "Patient", resource=patient("", "Birch")),
    )
    codes = [each.code if isinstance(each, Problem) else each.op for each in outcomes]
    assert codes == ["create", "invalid", "value", "structure", "required", "create"]
    assert len((await shelf.history("Patient")).entries) == 2


async def test_an_update_that_expects_nothing_there_is_refused_where_something_is(shelf: Shelf) -> None:
    first, second = await shelf.write(
        Change("update", "Patient", "p", patient("p", "Ash"), expect_new=True),
        Change("update", "Patient", "p", patient("p", "B"), expect_new=True),
    )
    assert first.op == "create" and isinstance(second, Problem) and second.code == "precondition"
    [third] = await shelf.write(Change("create", "Patient", "p", patient("p", "C")))
    assert isinstance(third, Problem) and third.code == "duplicate"


async def test_many_at_once_make_one_resource_with_all_versions(shelf: Shelf) -> None:
    await shelf.store.ensure(shelf.database, {"Patient"})
    outcomes = await asyncio.gather(*(shelf.put(patient("p", f"Name{n}")) for n in range(30)))
    assert sorted(w.ver for [w] in outcomes) == list(range(1, 31))
    assert [each.ver for each in (await shelf.history("Patient", "p", count=100)).entries] == list(range(30, 0, -1))


async def test_an_unknown_type_and_a_type_without_tables_are_refused(shelf: Shelf) -> None:
    with pytest.raises(Problem, match="not a resource type"):
        await shelf.store.ensure(shelf.database, {"Patient; drop table ident"})
    async with shelf.database.transaction() as tx:
        with pytest.raises(Problem, match="not made yet"):
            await shelf.store.write(tx, patient_access("p"), [Change("create", "Patient", resource=patient("", "A"))], CAUSE)
    assert await shelf.read("Basic", "1") is None and (await shelf.history("Basic")).entries == []


async def test_history_pages_are_complete_and_newest_first(shelf: Shelf) -> None:
    for n in range(7):
        await shelf.put(patient("p", f"N{n}"), patient(f"q{n}", "Ash"))
    for names in ((), ("Patient",)):
        seen: list[Stored] = []
        page = await shelf.history(*names, count=4)
        while True:
            seen += page.entries
            if page.before is None:
                break
            assert len(page.entries) == 4
            page = await shelf.history(*names, count=4, window=Window(before=page.before))
        assert len(seen) == 14 and [v.rid for v in seen] == sorted((v.rid for v in seen), reverse=True)
    since = seen[3].last_updated
    assert {v.rid for v in (await shelf.history("Patient", window=Window(since=since))).entries} >= {v.rid for v in seen[:4]}
    assert all(v.last_updated >= since for v in (await shelf.history("Patient", window=Window(since=since))).entries)
