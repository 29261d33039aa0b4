"""Searches of other servers' own tests, asked of the running program: the same resources must be found.

``search-candle`` says how many resources match, ``search-msfhir`` which ones. A difference that the specification argues for is listed with
its reason; every other case must agree.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import httpx
import pytest

from penstock.auth.access import Access, parse_scope
from penstock.errors import Problem
from tests.e2e.conftest import Program, program, start
from tests.unit.store.conftest import Shelf, shelf

__all__ = ["program", "shelf", "start"]

#: Fixtures that R4 does not allow, and that are therefore not stored: a reference is ``Type/id`` (references.html#literal), and a uri
#: has no blanks (a coding of the Claim in candle's transaction, which no case looks for).
REFUSED = ("msf-reference-2", "msf-reference-4")

#: Candle uses search parameters that are drafts; here a parameter is searched by once it is active.
_ACTIVE = {"status": "active"}

#: search.html#quantity, 3.1.1.4.11: ``5.4||mg`` looks at the code or the human unit; with a system "it is inappropriate to search on the
#: human display for the unit".
_QUANTITY = "behind a system stands a code: a human unit is asked for without one (search.html#quantity)"
_COMPOSITE = "a comma separates whole values of a composite, not values of one of its parts (search.html#composite)"
_NO_SYSTEM = "|12345 asks for an identifier without a system, and this one has one (search.html#token)"
#: search.html#token, 3.1.1.4.10: for elements of type ContactPoint "the presence of the pipe symbol SHALL NOT be used"; the table of data
#: types has no URI for it.
_CONTACT = "the kind of a ContactPoint (phone) is no namespace: its token has none (search.html#token)"
_NO_TYPE = "its fixture refers to a resource without saying the type"

#: Case to why the specification wants something else than it expects.
CANDLE: dict[str, str] = {
    "candle-006": _COMPOSITE,
    "candle-007": _COMPOSITE,
    "candle-009": _QUANTITY,
    "candle-022": _QUANTITY,
    "candle-023": _QUANTITY,
    "candle-084": _NO_SYSTEM,
    "candle-183": _NO_SYSTEM,
    "candle-093": _CONTACT,
    "candle-095": _CONTACT,
    "candle-192": _CONTACT,
    "candle-194": _CONTACT,
}
#: What is answered instead of nothing: a type that the token is not for is refused, not empty (http.html#summary, 403).
SMART = {"candle-044": "forbidden"}
#: Context to its patient and scopes.
_CONTEXTS = {
    "PatientExampleFull": ("example", "patient/*.cruds"),
    "PatientExamplePatientOnly": ("example", "patient/Patient.cruds"),
    "PatientDoesNotExistFull": ("a-patient-that-does-not-exist", "patient/*.cruds"),
}
MSFHIR: dict[str, str] = {
    "msf-reference-004": "it expects nothing for organization/123: no resource type is written so, which is answered with an error",
    "msf-reference-005": _NO_TYPE,
    "msf-reference-006": _NO_TYPE,
    "msf-reference-012": _NO_TYPE,
}


@pytest.fixture(scope="module")
def client(program: Program) -> Iterator[httpx.Client]:
    with program.client() as client:
        yield client


def test_every_search_of_candle_finds_as_many(data_sets: Path, client: httpx.Client) -> None:
    folder = data_sets / "suites" / "search-candle"
    fixtures = sorted(_fixtures(folder), key=lambda each: each["resourceType"] != "SearchParameter")
    for resource in fixtures:
        if resource["resourceType"] in ("Patient", "Observation", "SearchParameter"):
            _put(client, resource | _ACTIVE if resource["resourceType"] == "SearchParameter" else resource)
        elif "cdex-load-payer" in resource.get("file", ""):
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [_patient_of(resource)]}
            assert client.post("/fhir", json=bundle).status_code == 200
    _wait_for(client, "/fhir/Patient?multiplebirth=3&name-use=official")
    cases = [case for case in _cases(folder) if case.get("auth") is None]
    wrong = {case["id"]: difference for case in cases if (difference := _candle(client, case))}
    assert len(cases) == 155
    assert wrong.keys() == CANDLE.keys(), {name: wrong.get(name) for name in wrong.keys() ^ CANDLE.keys()}


async def test_a_search_bound_to_a_patient_finds_what_candle_says(data_sets: Path, shelf: Shelf) -> None:
    """The cases with a SMART context, asked of the store: no token can be bound to a patient yet."""
    folder = data_sets / "suites" / "search-candle"
    await shelf.put(*(each for each in _fixtures(folder) if each["resourceType"] in ("Patient", "Observation")))
    cases = [case for case in _cases(folder) if case.get("auth")]
    wrong = {case["id"]: found for case in cases if (found := await _bound(shelf, case)) not in (case["total"], case.get("entries"))}
    assert len(cases) == 47
    assert wrong == SMART


async def _bound(shelf: Shelf, case: dict[str, Any]) -> int | str | None:
    """The total, or the number of entries where that is what is given."""
    id_, scope = _CONTEXTS[case["auth"]]
    access = Access(client="app", scopes=parse_scope(scope).scopes, patient=id_)
    type_, _, member = case.get("path", case.get("type", "")).partition("/")
    pairs = [*parse_qsl(case.get("query") or ""), ("_total", "accurate")]
    async with shelf.database.transaction(readonly=True) as tx:
        try:
            if not member:
                page = await shelf.store.search(tx, access, type_, pairs)
            else:
                patient, _, type_ = member.partition("/")
                within = ("Patient", patient)
                asked = shelf.store.search_all(tx, access, pairs, within=within) if type_ == "*" else None
                page = await (asked or shelf.store.search(tx, access, type_, pairs, within=within))
        except Problem as problem:
            return problem.code
    return len(page.entries) if case.get("entries") is not None else page.total


def test_every_search_of_msfhir_finds_the_same(data_sets: Path, client: httpx.Client) -> None:
    folder = data_sets / "suites" / "search-msfhir"
    for resource in _fixtures(folder):
        if resource["id"] in REFUSED:
            assert client.put(f"/fhir/Patient/{resource['id']}", json=resource).status_code == 422
        else:
            _put(client, resource)
    cases = _cases(folder)
    wrong = {case["id"]: difference for case in cases if (difference := _msfhir(client, case))}
    assert len(cases) == 68
    assert wrong.keys() == MSFHIR.keys(), {name: wrong.get(name) for name in wrong.keys() ^ MSFHIR.keys()}


def _candle(client: httpx.Client, case: dict[str, Any]) -> str:
    """What differs: by GET and by POST the total, the entries, the order, and a self link that says everything."""
    path, _, query = case["path"].partition("?") if "path" in case else (case["type"], "", "")
    pairs = parse_qsl((case.get("query") or query).replace("+", "%2B"))
    answers = [client.get(f"/fhir/{path}?{urlencode(pairs)}")]
    if case.get("also_post"):
        form = {"content-type": "application/x-www-form-urlencoded"}
        answers.append(client.post(f"/fhir/{path}/_search", content=urlencode(pairs), headers=form))
    return next((difference for answer in answers if (difference := _differs(client, case, path, pairs, answer))), "")


def _differs(client: httpx.Client, case: dict[str, Any], path: str, pairs: list[tuple[str, str]], answer: httpx.Response) -> str:
    found = answer.json()
    if answer.status_code != 200:
        return str(answer.status_code) + answer.text
    entries = found.get("entry", [])
    if case.get("total") is not None and found.get("total") != case["total"]:
        return f"total {found.get('total')}, not {case['total']}"
    if case.get("entries") is not None and len(entries) != case["entries"]:
        return f"{len(entries)} entries, not {case['entries']}"
    link = next(each["url"] for each in found["link"] if each["relation"] == "self")
    if link.partition("?")[0] != str(client.base_url.join(f"/fhir/{path}")).rstrip("/") or set(pairs) != _pairs_of(link):
        return "the self link leaves something out"
    if case.get("check") == "order" and not _in_order([entry["resource"] for entry in entries], case["query"]):
        return "not in order"
    return ""


def _pairs_of(link: str) -> set[tuple[str, str]]:
    return set(parse_qsl(link.partition("?")[2]))


def _in_order(resources: list[dict[str, Any]], query: str) -> bool:
    name = query.partition("=")[2]
    values = [_sorted_by(each, name.removeprefix("-")) for each in resources]
    there = [value for value in values if value is not None]
    return values[: len(there)] == sorted(there, reverse=name.startswith("-"))


def _sorted_by(resource: dict[str, Any], name: str) -> str | None:
    element = {"date": "effectiveDateTime", "birthdate": "birthDate"}.get(name, name)
    return resource["meta"]["lastUpdated"] if name == "_lastUpdated" else resource.get(element)


def _msfhir(client: httpx.Client, case: dict[str, Any]) -> str:
    query = "&".join(f"{name}={quote(value)}" for name, _, value in (part.partition("=") for part in case["query"].split("&")))
    answer = client.get(f"/fhir/{case['type']}?{query}")
    if answer.status_code != 200:
        return str(answer.status_code) + answer.text
    found = sorted(entry["resource"]["id"] for entry in answer.json().get("entry", []))
    if case.get("expect") is None:
        return "" if answer.json()["total"] == case["total"] else f"total {answer.json()['total']}, not {case['total']}"
    return "" if found == sorted(case["expect"]) else f"{found}, not {case['expect']}"


def _put(client: httpx.Client, resource: dict[str, Any]) -> None:
    answer = client.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.status_code in (200, 201), answer.text


def _wait_for(client: httpx.Client, path: str) -> None:
    """Until what is stored is indexed for the parameters of a search."""
    for _ in range(100):
        if (answer := client.get(path)).status_code == 200:
            return
        time.sleep(0.1)
    raise AssertionError(answer.text)


def _patient_of(bundle: dict[str, Any]) -> dict[str, Any]:
    """The Patient of candle's transaction, with its request."""
    [entry] = [each for each in bundle["entry"] if each["resource"]["resourceType"] == "Patient"]
    return {"resource": entry["resource"], "request": {"method": "POST", "url": "Patient"}}


def _cases(folder: Path) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((folder / "cases.json").read_text())["cases"]
    return cases


def _fixtures(folder: Path) -> Iterator[dict[str, Any]]:
    for line in (folder / "fixtures.ndjson").read_text().splitlines():
        row = json.loads(line)
        resource: dict[str, Any] = row.get("resource", row)
        yield resource | {"file": row["file"]} if resource["resourceType"] == "Bundle" else resource
