"""Pages, orders, includes, totals, and what hostile queries can do (nothing)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.auth.access import SYSTEM, Access
from penstock.db import Database
from penstock.errors import Problem
from penstock.store import Change, Store
from penstock.store.search import candidates, page, run, total
from penstock.store.search.compile import compile
from penstock.store.search.criterion import plain, split
from penstock.store.search.fragment import Fragment, Target
from penstock.store.search.parse import parse
from penstock.store.search.plan import After, Branch, page_sql
from penstock.store.search.sort import orders_of
from penstock.store.search.statistics import Counts
from tests.unit.store.conftest import CAUSE, Shelf


def observation(n: int, **more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    return {
        "resourceType": "Observation", "id": f"o{n:03d}", "status": "final", "code": code, "subject": {"reference": f"Patient/p{n % 3}"},
        "effectiveDateTime": f"2024-05-{1 + n % 28:02d}T10:00:00Z",
    } | more  # fmt: skip


async def pages(shelf: Shelf, query: str, type: str = "Observation") -> list[list[str]]:
    """Every page of a query, as ids."""
    found, cursor = [], ""
    while True:
        page = await shelf.search(type, query + cursor)
        found.append([entry.stored.id for entry in page.entries])
        if page.next is None:
            return found
        cursor = f"&_cursor={page.next}"


@pytest.mark.parametrize(
    "query",
    ["", "_sort=-_lastUpdated", "_sort=date", "_sort=-date", "_sort=-_id", "_sort=status,-date", "_sort=-code", "code=8867-4&_sort=-date",
     "code=http://loinc.org|8867-4&_sort=-date", "patient=p0,p1,p2&_sort=date", "status:missing=false"],
)  # fmt: skip
async def test_pages_hold_every_match_once(shelf: Shelf, query: str) -> None:
    await shelf.put(*(observation(n) for n in range(40)))
    found = await pages(shelf, f"{query}&_count=7")
    assert [len(page) for page in found] == [7, 7, 7, 7, 7, 5]
    assert sorted(id for page in found for id in page) == [f"o{n:03d}" for n in range(40)]


async def test_sort_orders_by_date_and_id_both_ways(shelf: Shelf) -> None:
    await shelf.put(*(observation(n) for n in (3, 1, 2)), observation(9, effectiveDateTime=None) | {"effectiveDateTime": "2023"})
    assert await shelf.ids("Observation", "_sort=date") == ["o009", "o001", "o002", "o003"]
    assert await shelf.ids("Observation", "_sort=-date&_count=2") == ["o003", "o002"]
    assert await shelf.ids("Observation", "_sort=_id") == ["o001", "o002", "o003", "o009"]
    assert await shelf.ids("Observation", "_sort=-_lastUpdated&_count=1") == ["o009"]
    assert await shelf.ids("Observation", "patient=p0&_sort=-date") == ["o003", "o009"]


async def test_what_changes_while_pages_are_fetched_is_never_skipped(shelf: Shelf) -> None:
    await shelf.put(*(observation(n) for n in range(30)))
    for query in ("_count=5", "_count=5&_sort=-date"):
        seen, cursor, round = set(), "", 0
        while True:
            page = await shelf.search("Observation", query + cursor)
            seen.update(entry.stored.id for entry in page.entries)
            if page.next is None:
                break
            cursor, round = f"&_cursor={page.next}", round + 1
            if round <= 5:
                await shelf.put(*(observation(n, note=[{"text": f"{query} {round}"}]) for n in (0, 10, 20, 29)))
        assert seen >= {f"o{n:03d}" for n in range(30)}


async def test_a_cursor_is_for_one_query_and_one_caller(shelf: Shelf) -> None:
    await shelf.put(*(observation(n) for n in range(5)))
    first = await shelf.search("Observation", "status=final&_count=2")
    follow = f"&_cursor={first.next}"
    assert len((await shelf.search("Observation", "status=final&_count=2" + follow)).entries) == 2
    other = Access(client="another", scopes=SYSTEM.scopes)
    changed = ("A" if first.next[30] != "A" else "B").join((first.next[:30], first.next[31:]))
    for query, access in (("status=final&_count=3" + follow, SYSTEM), ("status=final&_count=2" + follow, other)):
        with pytest.raises(Problem, match="page link"):
            await shelf.search("Observation", query, access)
    with pytest.raises(Problem, match="page link"):
        await shelf.search("Observation", f"status=final&_count=2&_cursor={changed}")


async def test_totals_are_given_when_asked_for(shelf: Shelf) -> None:
    await shelf.put(*(observation(n) for n in range(9)))
    assert (await shelf.search("Observation", "_count=2")).total is None
    assert (await shelf.search("Observation", "_count=2&_total=accurate&patient=p1")).total == 3
    assert (await shelf.search("Observation", "_total=estimate")).total == 9
    count = await shelf.search("Observation", "_summary=count&date=lt2024-05-05")
    assert (count.total, count.entries) == (4, [])
    assert (await shelf.search("Observation", "_count=0")).total == 9
    assert (await shelf.search("Basic", "_summary=count")).total == 0


async def test_an_estimate_beyond_the_cap_is_planned_not_counted(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (candidates, page, total):
        monkeypatch.setattr(module, "CANDIDATES", 5)
    await shelf.put(*(observation(n) for n in range(30)))
    assert (await shelf.search("Observation", "_total=estimate&status=final")).total >= 6
    for query in ("_sort=status", "_content=nowhere&_total=accurate", "_content=nowhere"):
        with pytest.raises(Problem) as caught:
            await shelf.search("Observation", query + "&_count=2")
        assert caught.value.code == "too-costly"


async def test_a_search_without_an_index_is_refused_when_it_would_cost_too_much(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    await shelf.put(*(observation(n) for n in range(9)))
    monkeypatch.setattr(run, "LARGE", 0)
    for query in ("date=gt2024-05-02", "date=gt2024-05-02&_total=accurate", "patient=p1"):
        assert len((await shelf.search("Observation", query)).entries) == (3 if "patient" in query else 7)
    monkeypatch.setattr(run, "CEILING", 0)
    for query in ("date=gt2024-05-02", "date=gt2024-05-02&_summary=count"):
        with pytest.raises(Problem, match="too much") as caught:
            await shelf.search("Observation", query)
        assert caught.value.code == "too-costly"
    assert len((await shelf.search("Observation", "patient=p1")).entries) == 3  # an index finds these
    assert len((await shelf.search("Observation", "")).entries) == 9


@pytest.mark.parametrize("query", ["status=final", "patient.gender=male", "_sort=status", "_total=accurate", "_filter=status ne x"])
async def test_the_statements_of_a_search_share_its_time(database: Database, query: str) -> None:
    shelf = Shelf(database)
    shelf.store = Store(shelf.told, search_limit_s=0.0)
    await shelf.put({"resourceType": "Patient", "id": "p1"}, *(observation(n) for n in range(60)))
    with pytest.raises(Problem, match="longer than a search may") as caught:
        await shelf.search("Observation", query)
    assert caught.value.code == "too-costly"


async def test_a_search_that_took_too_long_leaves_its_connection_usable(shelf: Shelf) -> None:
    await shelf.put(*(observation(n) for n in range(60)))
    async with shelf.database.connection() as tx:
        for limit in (0.0, 0.0002, 0.0005, 0.001):
            for query in ("_sort=-date,_id", "status=final", "patient.gender=male", "_total=accurate"):
                try:
                    await Store(shelf.told, search_limit_s=limit).search(tx, SYSTEM, "Observation", query)
                except Problem as problem:
                    assert problem.code == "too-costly"
                assert await tx.fetchval("select current_setting('enable_sort')") == "on"


async def test_include_and_revinclude_bring_what_is_linked(shelf: Shelf) -> None:
    people = [{"resourceType": "Patient", "id": f"p{n}", "active": True} for n in range(3)]
    await shelf.put(*people, *(observation(n) for n in range(6)))
    page = await shelf.search("Observation", "patient=p1&_include=Observation:subject")
    assert [(e.mode, e.stored.type, e.stored.id) for e in page.entries] == [
        ("match", "Observation", "o001"), ("match", "Observation", "o004"), ("include", "Patient", "p1"),
    ]  # fmt: skip
    assert len((await shelf.search("Observation", "patient=p1&_include=Observation:subject:Group")).entries) == 2
    assert len((await shelf.search("Observation", "patient=p1&_include=Observation:*")).entries) == 3
    page = await shelf.search("Patient", "_id=p2&_revinclude=Observation:patient")
    assert [(e.mode, e.stored.id) for e in page.entries] == [("match", "p2"), ("include", "o002"), ("include", "o005")]


async def test_an_update_moves_a_resource_and_a_delete_removes_it_from_search(shelf: Shelf) -> None:
    await shelf.put(observation(1, identifier=[{"value": "A"}], issued="2024-01-01T00:00:00Z"))
    await shelf.put(observation(1, identifier=[{"value": "B"}], status="amended", subject={"reference": "Patient/x"}))
    for query in ("identifier=A", "status=final", "patient=p1"):
        assert await shelf.ids("Observation", query) == []
    for query in ("identifier=B", "status=amended", "patient=x"):
        assert await shelf.ids("Observation", query) == ["o001"]
    await shelf.write(Change("delete", "Observation", "o001"))
    assert await shelf.ids("Observation", "identifier=B") == await shelf.ids("Observation", "") == []
    async with shelf.database.transaction() as tx:
        for table in ("ident", "str", "rng", "r_observation"):
            assert await tx.fetchval(f"select count(*) from {table}") == 0


HOSTILE = st.text(alphabet=st.sampled_from("'\";-$%_\\|,:/*()0a\u00e9\u2028\U0001f600 "), min_size=1, max_size=12)
PARAMS = st.sampled_from(
    ["family", "family:exact", "family:contains", "gender", "identifier", "birthdate", "organization", "_id", "_lastUpdated", "_profile"]
)


def _sql(target: Target, fragments: list[Fragment]) -> str:
    orders = orders_of([target.type], ())
    assert orders is not None
    return page_sql([Branch(target, fragments, Counts(0, {}, 0))], orders[0], 10, After(0, (), 0)).sql


@given(PARAMS, HOSTILE)
def test_no_value_of_a_query_becomes_sql(param: str, value: str) -> None:
    target = Target("main", "Patient", CAUSE.at)
    plain_target = Target("main", "Patient", CAUSE.at)
    try:
        query = parse("Patient", [(param, value)])
        fragments = [compile(target, each) for each in query.criteria]
    except Problem:
        return
    sql = _sql(target, fragments)
    count = value.count(",") + 1
    harmless = {"birthdate": "2020", "_lastUpdated": "2020"}.get(param, "a")
    same = [compile(plain_target, each) for each in parse("Patient", [(param, ",".join([harmless] * count))]).criteria]
    if "\\" not in value and "|" not in value and param in ("gender", "identifier", "_id", "_profile"):
        assert sql == _sql(plain_target, same)
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,$:()[]=<>&|'{}+-* /")
    assert set(sql) <= allowed and sql.count("'") == sql.count("'{}'") * 2


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(PARAMS, HOSTILE), min_size=1, max_size=3))
def test_hostile_queries_parse_or_are_refused(pairs: list[tuple[str, str]]) -> None:
    try:
        parse("Patient", pairs)
    except Problem as problem:
        assert problem.meaning.http in (400, 403, 422)


async def test_hostile_values_run_and_find_nothing(shelf: Shelf) -> None:
    await shelf.put({"resourceType": "Patient", "id": "p", "name": [{"family": "O'Neil%_"}]})
    for value in ("'; drop table ident; --", "%", "_", "$1", "\\", "O'Neil", "' or 1=1 --"):
        found = [e.stored.id for e in (await shelf.search("Patient", [("family", value)])).entries]
        assert found == (["p"] if value == "O'Neil" else [])
    assert await shelf.ids("Patient", "family:contains=l%25_") == ["p"]


@given(st.lists(st.text(alphabet="ab,|$\\", max_size=5), min_size=1, max_size=5))
def test_escaped_parts_split_and_read_back(parts: list[str]) -> None:
    def escape(text: str) -> str:
        return "".join("\\" + char if char in ",|$\\" else char for char in text)

    assert [plain(part) for part in split(",".join(map(escape, parts)), ",")] == parts


async def test_a_value_that_the_common_unit_has_no_number_for_is_compared_as_it_is_written(shelf: Shelf) -> None:
    far = {"value": Decimal(5), "system": "http://unitsofmeasure.org", "code": "Tm"}
    await shelf.put(observation(1) | {"valueQuantity": far}, observation(2) | {"valueQuantity": far | {"code": "Gm"}})
    assert await shelf.ids("Observation", "value-quantity=lt1e300|http://unitsofmeasure.org|Tm") == ["o001"]
