"""Orders by any parameter, pages forwards and backwards, searches of several types and of compartments."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import parse_qsl

import pytest

from penstock.auth.access import Access, parse_scope
from penstock.errors import Problem
from penstock.store.search.page import Page
from tests.unit.store.conftest import Shelf, patient_access

FAMILIES = ["Adams", "baker", "Çelik", "Dunn", None]
UCUM = "http://unitsofmeasure.org"


def patient(n: int) -> dict[str, Any]:
    family = FAMILIES[n % 5]
    named = {"name": [{"family": family, "given": [f"Z{n % 3}", f"A{n % 2}"]}]} if family else {}
    born = {"birthDate": f"19{50 + n % 7}"} if n % 4 else {}
    return {"resourceType": "Patient", "id": f"p{n:02d}", "gender": "male" if n % 2 else "female"} | named | born


def observation(id: str, subject: str, value: str, unit: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": id, "status": "final", "code": {"coding": [{"code": "x"}]},
        "subject": {"reference": subject}, "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
    } | more  # fmt: skip


def _ids(page: Page) -> list[str]:
    return [entry.stored.id for entry in page.entries if entry.mode == "match"]


async def _pages(shelf: Shelf, type: str, query: str, access: Access | None = None) -> list[Page]:
    """Every page, by its next links."""
    pages, cursor = [], ""
    while True:
        page = await (shelf.search(type, query + cursor, access) if access else shelf.search(type, query + cursor))
        pages.append(page)
        if page.next is None:
            return pages
        cursor = f"&_cursor={page.next}"


ORDERS = [
    "", "_sort=family", "_sort=-family", "_sort=birthdate", "_sort=-birthdate", "_sort=_id", "_sort=-_id", "_sort=-_lastUpdated",
    "_sort=birthdate,-family,_id", "_sort=-birthdate,given", "_sort=family,-birthdate", "_sort=-given,_lastUpdated", "_sort=gender,family",
    "_sort=gender", "gender=male&_sort=family", "gender=female&_sort=-birthdate,family", "family=a,b,c&_sort=-family",
    "_sort=death-date", "_sort=-death-date,_id",
]  # fmt: skip


@pytest.mark.parametrize("query", ORDERS)
async def test_pages_are_the_same_forwards_and_backwards(shelf: Shelf, query: str) -> None:
    await shelf.put(*(patient(n) for n in range(23)))
    whole = _ids(await shelf.search("Patient", query + "&_count=100"))
    pages = await _pages(shelf, "Patient", query + "&_count=4")
    assert [id for page in pages for id in _ids(page)] == whole and len(set(whole)) == len(whole)
    assert "previous" not in pages[0].links and "last" in pages[0].links
    back, cursor = [pages[-1]], pages[-1].links.get("previous")
    while cursor:
        back.insert(0, page := await shelf.search("Patient", f"{query}&_count=4&_cursor={cursor}"))
        cursor = page.links.get("previous")
    assert [id for page in back for id in _ids(page)] == whole
    last = await shelf.search("Patient", f"{query}&_count=4&_cursor={pages[0].links['last']}")
    assert _ids(last) == whole[-4:] and last.next is None


async def test_resources_without_a_value_come_last_either_way(shelf: Shelf) -> None:
    await shelf.put(*(patient(n) for n in range(10)))
    for key, has in (("family", lambda n: n % 5 != 4), ("birthdate", lambda n: n % 4), ("given", lambda n: n % 5 != 4)):
        for sign in ("", "-"):
            for more in ("", ",_id", ",gender"):
                found = [int(id[1:]) for id in _ids(await shelf.search("Patient", f"_sort={sign}{key}{more}"))]
                assert [bool(has(n)) for n in found] == sorted((bool(has(n)) for n in found), reverse=True), (sign, key, more)


async def test_each_key_orders_as_its_type_does(shelf: Shelf) -> None:
    await shelf.put(*(patient(n) for n in range(4)))
    assert await shelf.ids("Patient", "_sort=family") == ["p00", "p01", "p02", "p03"]  # folded: Ç is a c
    assert await shelf.ids("Patient", "_sort=-family") == ["p03", "p02", "p01", "p00"]
    # of several values the least counts, descending the greatest
    assert await shelf.ids("Patient", "_sort=given,_id") == ["p00", "p02", "p01", "p03"]
    assert await shelf.ids("Patient", "_sort=-given,_id") == ["p02", "p01", "p00", "p03"]
    assert await shelf.ids("Patient", "_sort=gender,-family") == ["p02", "p00", "p03", "p01"]
    weights = [
        observation("a", "Patient/p00", "2", "kg"),
        observation("b", "Patient/p00", "900", "g"),
        observation("c", "Patient/p01", "1", "kg"),
    ]
    await shelf.put(*weights)
    assert await shelf.ids("Observation", "_sort=value-quantity") == ["b", "c", "a"]
    assert await shelf.ids("Observation", "_sort=-value-quantity,_id") == ["a", "c", "b"]
    assert await shelf.ids("Observation", "_sort=-subject,value-quantity") == ["c", "b", "a"]


@pytest.mark.parametrize("query", ["", "_sort=family", "_sort=-birthdate,family", "_sort=gender"])
async def test_what_does_not_change_is_seen_once_while_others_write(shelf: Shelf, query: str) -> None:
    await shelf.put(*(patient(n) for n in range(40)))
    chance, seen, cursor = random.Random(7), [], ""
    steady = {f"p{n:02d}" for n in range(40) if n % 3}
    while True:
        page = await shelf.search("Patient", f"{query}&_count=6{cursor}")
        seen += _ids(page)
        if page.next is None:
            break
        cursor = f"&_cursor={page.next}"
        changed = patient(chance.randrange(0, 40, 3))
        await shelf.put(changed | {"name": [{"family": chance.choice("ABCDEFG")}], "birthDate": f"19{chance.randrange(10, 99)}"})
    assert sorted(id for id in seen if id in steady) == sorted(steady)


@pytest.mark.parametrize("query", ["_sort=-date", "_sort=date", "_sort=-date,_id", "_sort=status,-date", "_sort=-_lastUpdated", ""])
@pytest.mark.parametrize(
    "wanted", ["patient=p00,p01,p01,p02,none", "patient.gender=male,female", "patient=p00&code=x,y", "subject=p00", "code=x"]
)
async def test_rows_of_several_patients_or_codes_are_merged_in_order(shelf: Shelf, wanted: str, query: str) -> None:
    dates = [f"2024-{1 + n % 9:02d}-{1 + n % 3:02d}" if n % 5 else None for n in range(30)]
    codings = [[{"code": "x"}], [{"code": "y"}, {"code": "x"}], [{"system": "urn:s", "code": "x"}]]
    for n, date in enumerate(dates):
        dated = {"effectiveDateTime": date} if date else {}
        await shelf.put(observation(f"o{n:02d}", f"Patient/p0{n % 4}", str(n), "kg", code={"coding": codings[n % 3]}, **dated))
    await shelf.put(*(patient(n) for n in range(3)))
    coded = {f"o{n:02d}" for n in range(30) if n % 3 == 2 or "urn:s" not in wanted}
    mine = coded & {
        f"o{n:02d}"
        for n in range(30)
        if wanted == "code=x" or n % 4 == 0 or (n % 4 < 3 and wanted[:7] == "patient" and "code" not in wanted)
    }
    pages = [_ids(page) for page in await _pages(shelf, "Observation", f"{wanted}&{query}&_count=4")]
    found = [id for page in pages for id in page]
    assert sorted(found) == sorted(mine)
    assert found == _ids(await shelf.search("Observation", f"{wanted}&{query}"))
    if query.split(",")[0].endswith(("=date", "-date")):
        there = [dates[int(id[1:])] for id in found if dates[int(id[1:])]]
        assert there == sorted(there, reverse="-date" in query) and not any(dates[int(id[1:])] for id in found[len(there) :])


async def test_a_search_of_several_types_is_one_list(shelf: Shelf) -> None:
    mixed = [
        resource
        for n in range(9)
        for resource in (patient(n), {"resourceType": "Practitioner", "id": f"d{n}", "name": [{"family": "Doe"}]})
    ]
    await shelf.put(*mixed)
    for query in ("_count=5", "_count=5&_sort=-_lastUpdated", "_count=5&_sort=_id", "_count=5&_type=Patient,Practitioner&_sort=family"):
        seen: list[tuple[str, str]] = []
        cursor: str | None = ""
        while cursor is not None:
            pairs = parse_qsl(query) + ([("_cursor", cursor)] if cursor else [])
            page = await _all(shelf, pairs)
            seen += [(entry.stored.type, entry.stored.id) for entry in page.entries]
            cursor = page.next
        assert sorted(seen) == sorted((each["resourceType"], each["id"]) for each in mixed), query
        if "Updated" in query:
            assert seen == [(each["resourceType"], each["id"]) for each in reversed(mixed)]
    assert (await _all(shelf, [("_type", "Practitioner"), ("name", "doe"), ("_total", "accurate")])).total == 9
    assert (await _all(shelf, [("_type", "Patient,Practitioner"), ("gender", "male"), ("_summary", "count")])).total == 4
    assert (await _all(shelf, [("_type", "Basic")])).entries == []


async def test_a_page_link_works_on_when_a_new_type_comes_into_use(shelf: Shelf) -> None:
    await shelf.put(patient(1), patient(2))
    first = await _all(shelf, [("_count", "1")])
    await shelf.put({"resourceType": "Basic", "id": "b", "code": {"text": "x"}})
    assert _ids(await _all(shelf, [("_count", "1"), ("_cursor", str(first.next))])) == ["p02"]
    with pytest.raises(Problem, match="page link"):
        await _all(shelf, [("_count", "1"), ("_type", "Patient"), ("_cursor", str(first.next))])


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([("name", "x")], "not-supported"),
        ([("_type", "Zzyzx")], "not-supported"),
        ([("_type", "Patient,Observation"), ("birthdate", "2000")], "not-supported"),
        ([("_type", "Patient,Observation"), ("_sort", "birthdate")], "not-supported"),
        ([("_cursor", "AAAA")], "invalid"),
    ],
)
async def test_a_search_of_several_types_takes_what_all_of_them_have(shelf: Shelf, pairs: list[tuple[str, str]], code: str) -> None:
    await shelf.put(patient(1))
    with pytest.raises(Problem) as caught:
        await _all(shelf, pairs)
    assert caught.value.code == code


async def test_a_search_of_the_system_shows_what_the_access_may_search(shelf: Shelf) -> None:
    practitioner = {"resourceType": "Practitioner", "id": "d"}
    await shelf.put(
        patient(1), patient(2), practitioner, observation("a", "Patient/p01", "1", "kg"), {"resourceType": "Basic", "id": "b", "code": {}}
    )
    only = Access(client="app", scopes=parse_scope("system/Practitioner.rs").scopes)
    assert [entry.stored.id for entry in (await _all(shelf, [], only)).entries] == ["d"]
    with pytest.raises(Problem, match="does not allow"):
        await _all(shelf, [("_type", "Patient")], only)
    mine = await _all(shelf, [("_total", "accurate")], patient_access("p01"))
    assert ({entry.stored.id for entry in mine.entries}, mine.total) == ({"p01", "a", "d"}, 3)
    with pytest.raises(Problem):
        await _all(shelf, [], Access(client="app", scopes=parse_scope("system/Patient.r").scopes))


async def test_a_compartment_holds_what_is_about_its_resource(shelf: Shelf) -> None:
    about = [observation("a", "Patient/p01", "1", "kg"), observation("b", "Patient/p02", "2", "kg"),
             observation("c", "Patient/p02", "3", "kg", performer=[{"reference": "Patient/p01"}])]  # fmt: skip
    await shelf.put(patient(1), patient(2), *about)
    async with shelf.database.transaction(readonly=True) as tx:
        store, everyone = shelf.store, Access(client="x", scopes=parse_scope("system/*.rs").scopes)
        found = await store.search(tx, everyone, "Observation", "", within=("Patient", "p01"))
        assert _ids(found) == ["a", "c"]
        assert _ids(await store.search(tx, everyone, "Observation", "value-quantity=gt2", within=("Patient", "p01"))) == ["c"]
        assert set(_ids(await store.search_all(tx, everyone, [], within=("Patient", "p01")))) == {"a", "c"}
        assert _ids(await store.search(tx, patient_access("p02"), "Observation", "", within=("Patient", "p01"))) == ["c"]
        first = await store.search(tx, everyone, "Observation", "_count=1", within=("Patient", "p01"))
        with pytest.raises(Problem, match="page link"):
            await store.search(tx, everyone, "Observation", f"_count=1&_cursor={first.next}", within=("Patient", "p02"))
        for type, within in (("Organization", ("Patient", "p01")), ("Observation", ("Location", "l"))):
            with pytest.raises(Problem) as caught:
                await store.search(tx, everyone, type, "", within=within)
            assert caught.value.code == "not-found"


async def _all(shelf: Shelf, pairs: list[tuple[str, str]], access: Access | None = None) -> Page:
    everyone = Access(client="x", scopes=parse_scope("system/*.rs").scopes)
    async with shelf.database.transaction(readonly=True) as tx:
        return await shelf.store.search_all(tx, access or everyone, pairs)
