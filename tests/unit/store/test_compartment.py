"""An Access that is bound to a patient sees and touches that patient's resources, whatever way it asks."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.auth.access import Access, parse_scope
from penstock.errors import Problem
from penstock.store import Change
from tests.unit.store.conftest import Shelf, patient_access


def observation(id: str, subject: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": id, "status": "final", "code": {"coding": [{"code": "x"}]}, "subject": {"reference": subject},
        "effectiveDateTime": "2024-01-01",
    } | more  # fmt: skip


@pytest.fixture
async def two(shelf: Shelf) -> Shelf:
    """Two patients, with one observation each; one of another patient's performed by the first; a moved and a deleted one."""
    await shelf.put(
        {"resourceType": "Patient", "id": "a", "managingOrganization": {"reference": "Organization/o"}},
        {"resourceType": "Patient", "id": "b"},
        {"resourceType": "Organization", "id": "o", "name": "O"},
        {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "member": [{"entity": {"reference": "Patient/b"}}]},
        observation("oa", "Patient/a", focus=[{"reference": "Patient/b"}, {"reference": "Group/g"}]),
        observation("ob", "Patient/b"),
        observation("by-a", "Patient/b", performer=[{"reference": "Patient/a"}]),
        observation("elsewhere", "http://other.example/fhir/Patient/a"),
        observation("moved", "Patient/b", note=[{"text": "secret of b"}]),
        observation("gone", "Patient/b"),
    )
    await shelf.put(observation("moved", "Patient/a"))
    await shelf.write(Change("delete", "Observation", "gone"))
    return shelf


async def test_search_is_closed(two: Shelf) -> None:
    access = patient_access("a")
    for query in (
        "",
        "status=final",
        "patient=Patient/a,Patient/b",
        "_sort=-date",
        "code=x&_sort=-date",
        "_id=oa,ob,by-a,moved",
        "status:not=x",
    ):
        found = set(await two.ids("Observation", query, access))
        assert found <= {"oa", "by-a", "moved"} and (found == {"oa", "by-a", "moved"} or "patient=" in query)
    assert await two.ids("Observation", "patient=b", access) == ["by-a"]
    assert await two.ids("Patient", "", access) == ["a"]
    assert (await two.search("Observation", "_summary=count", access)).total == 3
    assert (await two.search("Observation", "_total=estimate", access)).total == 3
    assert (await two.search("Observation", "_total=accurate&status:missing=false", access)).total == 3


async def test_includes_are_closed(two: Shelf) -> None:
    access = patient_access("a")
    page = await two.search("Observation", "_id=oa&_include=Observation:*", access)
    assert {entry.stored.id for entry in page.entries} == {"oa", "a"}
    page = await two.search(
        "Patient", "_id=a&_include=Patient:organization&_revinclude=Observation:focus&_revinclude=Observation:subject", access
    )
    assert {entry.stored.id for entry in page.entries} == {"a", "o", "oa", "moved"}
    narrow = patient_access("a", "patient/Patient.rs patient/Observation.r")
    page = await two.search("Patient", "_id=a&_include=Patient:organization&_revinclude=Observation:subject", narrow)
    assert {entry.stored.id for entry in page.entries} == {"a"}


async def test_read_and_vread_are_closed(two: Shelf) -> None:
    access = patient_access("a")
    assert (await two.read("Observation", "oa", access)).id == "oa"
    assert await two.read("Observation", "ob", access) is None
    assert await two.read("Observation", "elsewhere", access) is None
    assert await two.read("Patient", "b", access) is None
    assert await two.read("Observation", "gone", access) is None
    assert (await two.read("Observation", "gone", patient_access("b"))).op == "delete"
    assert await two.vread("Observation", "moved", 1, access) is None
    assert (await two.vread("Observation", "moved", 2, access)).ver == 2
    with pytest.raises(Problem) as caught:
        await two.read("Binary", "x", access)
    assert caught.value.code == "forbidden"


async def test_history_is_closed(two: Shelf) -> None:
    access = patient_access("a")
    assert [v.ver for v in (await two.history("Observation", "moved", access=access)).entries] == [2]
    assert {v.id for v in (await two.history("Observation", access=access)).entries} == {"oa", "by-a", "moved"}
    assert {v.id for v in (await two.history(access=access)).entries} == {"a", "o", "oa", "by-a", "moved"}
    assert [(v.id, v.ver) for v in (await two.history("Observation", "gone", access=access)).entries] == []


async def test_writes_are_closed(two: Shelf) -> None:
    outcomes = await two.write(
        Change("update", "Observation", "oa", observation("oa", "Patient/b")),
        Change("update", "Observation", "ob", observation("ob", "Patient/a")),
        Change("create", "Observation", resource=observation("", "Patient/b")),
        Change("delete", "Observation", "ob"),
        Change("create", "Observation", resource=observation("", "Patient/a")),
        access=patient_access("a"),
    )
    assert [o.code if isinstance(o, Problem) else o.op for o in outcomes] == ["forbidden"] * 4 + ["create"]
    assert (await two.read("Observation", "ob")).ver == 1


async def test_a_tenant_sees_nothing_of_another(two: Shelf) -> None:
    other = Access(client="c", scopes=parse_scope("system/*.cruds").scopes, tenant="other")
    assert await two.read("Patient", "a", other) is None
    assert await two.ids("Observation", "", other) == await two.ids("Observation", "code=x", other) == []
    assert (await two.history("Observation", access=other)).entries == [] == (await two.history(access=other)).entries
    assert (await two.search("Patient", "_summary=count", other)).total == 0
    [mine] = await two.write(Change("update", "Patient", "a", {"resourceType": "Patient", "id": "a"}), access=other)
    assert (mine.op, mine.ver) == ("create", 1)
    assert (await two.read("Patient", "a")).ver == 1


async def test_a_scope_allows_what_it_names_and_nothing_else(two: Shelf) -> None:
    reader = Access(client="c", scopes=parse_scope("system/Patient.r").scopes)
    assert await two.read("Patient", "a", reader) is not None
    for attempt in (two.read("Observation", "oa", reader), two.search("Patient", "", reader), two.history("Observation", access=reader)):
        with pytest.raises(Problem) as caught:
            await attempt
        assert caught.value.code == "forbidden"
    assert {v.type for v in (await two.history(access=reader)).entries} == {"Patient"}
    [refused] = await two.write(Change("delete", "Patient", "a"), access=reader)
    assert isinstance(refused, Problem) and refused.code == "forbidden"
