"""Conditions on one identifier are answered all at once, with the answer that a search gives."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.auth.access import SYSTEM, Access, Scope
from penstock.db import Database
from penstock.store.identified import identifier_of, owned
from penstock.store.search.parse import parse

S = "urn:s"


@pytest.mark.parametrize(
    ("query", "identifier"),
    [
        ("identifier=urn:s|1", (S, "1")),
        ("identifier=urn:s|a\\|b", (S, "a|b")),
        ("identifier=urn:s|a\\,b", (S, "a,b")),
        ("identifier=1", None),
        ("identifier=|1", None),
        ("identifier=urn:s|", None),
        ("identifier=urn:s|1,urn:s|2", None),
        ("identifier:not=urn:s|1", None),
        ("identifier=urn:s|1&identifier=urn:s|2", None),
        ("identifier=urn:s|1&active=true", None),
        ("identifier=urn:s|1&organization.name=x", None),
        ("family=urn:s|1", None),
    ],
)
def test_only_a_whole_identifier_alone_is_one(query: str, identifier: tuple[str, str] | None) -> None:
    assert identifier_of(parse("Patient", query)) == identifier


async def test_what_is_owned_is_what_a_search_finds(shelf: Any, database: Database) -> None:
    people = {"a": ["1"], "b": ["2", "x|y"], "c": ["2"], "d": ["3"]}
    for id_, values in people.items():
        identifiers = [{"system": S, "value": value} for value in values]
        await shelf.put({"resourceType": "Patient", "id": id_, "identifier": identifiers})
    queries = {text: parse("Patient", f"identifier=urn:s|{text}") for text in ("1", "2", "3", "4", "x\\|y", "X\\|Y")}
    async with database.connection() as tx:
        found = await owned(tx, {text: (SYSTEM, query) for text, query in queries.items()})
        for text in queries:
            page = await shelf.store.search(tx, SYSTEM, "Patient", [("identifier", f"urn:s|{text}")])
            assert set(found[text]) == {entry.stored.id for entry in page.entries}, text
        assert found["2"] == ("b", "c") and found["4"] == ()
        patient = Access("p", (Scope("patient", "*", "cruds"),), patient="a")
        nobody = Access("n", (Scope("system", "Basic", "cruds"),))
        assert await owned(tx, {"1": (patient, queries["1"]), "2": (nobody, queries["2"])}) == {}, "they have to search"
