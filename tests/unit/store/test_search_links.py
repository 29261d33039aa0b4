"""Chains, ``_has``, ``_list`` and includes: what is found through other resources, and that nobody sees further that way."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.auth.access import Access, parse_scope
from penstock.errors import Problem
from penstock.store import Change
from penstock.store.search import candidates, include, link
from tests.unit.store.conftest import Shelf, patient_access

LOINC = "http://loinc.org"


def person(type: str, id: str, family: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": type, "id": id, "name": [{"family": family}]} | more


def observation(id: str, subject: str, code: str, **more: Any) -> dict[str, Any]:
    coding = {"coding": [{"system": LOINC, "code": code}]}
    return {"resourceType": "Observation", "id": id, "status": "final", "code": coding, "subject": {"reference": subject}} | more


def organization(id: str, name: str, parent: str | None = None) -> dict[str, Any]:
    part = {"partOf": {"reference": f"Organization/{parent}"}} if parent else {}
    return {"resourceType": "Organization", "id": id, "name": name} | part


RESOURCES: list[dict[str, Any]] = [
    organization("root", "Trust"),
    organization("mid", "Hospital", "root"),
    organization("ward", "Ward", "mid"),
    person("Practitioner", "gp", "House", gender="male"),
    person("Practitioner", "nurse", "Ratched", gender="female"),
    person("Patient", "peter", "Parker", gender="male", managingOrganization={"reference": "Organization/ward"},
           generalPractitioner=[{"reference": "Practitioner/gp"}]),
    person("Patient", "mary", "Jane", gender="female", managingOrganization={"reference": "Organization/root"},
           generalPractitioner=[{"reference": "Practitioner/nurse"}, {"reference": "Organization/ward"}]),
    person("Patient", "lonely", "Nobody", gender="female"),
    {"resourceType": "Location", "id": "room", "name": "Parker Room", "status": "active"},
    {"resourceType": "Group", "id": "all", "type": "person", "actual": True},
    observation("o1", "Patient/peter", "a", performer=[{"reference": "Practitioner/gp"}], effectiveDateTime="2024-01-01"),
    observation("o2", "Patient/peter", "b", performer=[{"reference": "Practitioner/nurse"}], effectiveDateTime="2024-01-02"),
    observation("o3", "Patient/mary", "a", hasMember=[{"reference": "Observation/o1"}], effectiveDateTime="2024-01-03"),
    observation("o4", "Location/room", "a", derivedFrom=[{"reference": "Observation/o3"}]),
    {"resourceType": "Provenance", "id": "v", "target": [{"reference": "Observation/o1"}, {"reference": "Patient/mary"}],
     "recorded": "2024-01-01T00:00:00Z", "agent": [{"who": {"reference": "Practitioner/gp"}}]},
    {"resourceType": "List", "id": "l", "status": "current", "mode": "working",
     "entry": [{"item": {"reference": "Patient/peter"}}, {"item": {"reference": "Observation/o3"}}]},
]  # fmt: skip

CHAINS = [
    ("Observation", "subject:Patient.family=parker", "o1 o2"),
    ("Observation", "patient.family=parker", "o1 o2"),
    ("Observation", "subject.name=parker", "o1 o2 o4"),
    ("Observation", "subject:Location.name=parker", "o4"),
    ("Observation", "patient.family:exact=parker", ""),
    ("Observation", "patient.gender=male,female&code=a", "o1 o3"),
    ("Observation", "patient.gender:not=male", "o3"),
    ("Observation", "patient._id=peter", "o1 o2"),
    ("Observation", "patient.organization.name=ward", "o1 o2"),
    ("Observation", "patient.organization.partof.partof.name=trust", "o1 o2"),
    ("Observation", "patient.general-practitioner.name=ward", "o3"),
    ("Observation", "patient.general-practitioner:Practitioner.gender=female", "o3"),
    ("Observation", "performer:Practitioner.family=ratched", "o2"),
    ("Observation", "performer:Practitioner.gender=male&patient.family=parker", "o1"),
    ("Observation", "derived-from:Observation.has-member:Observation.performer:Practitioner.family=house", "o4"),
    ("Observation", "patient.family=nobody", ""),
    ("Provenance", "target:Patient.family=jane", "v"),
    ("Provenance", "target.patient.family=parker", "v"),
    ("Patient", "_has:Observation:patient:code=a", "peter mary"),
    ("Patient", "_has:Observation:patient:code=b", "peter"),
    ("Patient", "_has:Observation:patient:code=a&_has:Observation:patient:code=b", "peter"),
    ("Patient", "_has:Observation:subject:performer:Practitioner.family=ratched", "peter"),
    ("Patient", "_has:Observation:patient:_has:Observation:has-member:code=a", "peter"),
    ("Observation", "_has:Observation:has-member:patient.gender=female", "o1"),
    ("Practitioner", "_has:Patient:general-practitioner:_has:Observation:patient:code=b", "gp"),
    ("Organization", "_has:Organization:partof:name=ward", "mid"),
    ("Organization", "_has:Organization:partof:_has:Organization:partof:name=ward", "root"),
    ("Patient", "_has:Provenance:target:agent=Practitioner/gp", "mary"),
    ("Patient", "_has:Condition:patient:code=a", ""),
    ("Patient", "organization.partof.name=hospital", "peter"),
    ("Patient", "_list=l", "peter"),
    ("Observation", "_list=l,none", "o3"),
    ("Patient", "_list=none", ""),
    ("Patient", "_filter=_id eq peter or organization.name eq \"Trust\"", "peter mary"),
    ("Observation", "_filter=not(subject:Patient.name eq x)", "?value"),
    ("Observation", "_filter=patient.gender eq male and code eq a", "o1"),
    ("Observation", "_filter=not (patient.gender eq male)", "o3 o4"),
    ("Observation", "_filter=patient[gender eq female].family eq jane", "o3"),
    ("Observation", "_filter=patient[gender eq female].family eq parker", ""),
    ("Observation", "_filter=code eq b or not (patient.family co arke or code eq b)", "o2 o3 o4"),
]  # fmt: skip


async def _found(shelf: Shelf, type: str, query: str, access: Access | None = None) -> str:
    try:
        return " ".join(await (shelf.ids(type, query, access) if access else shelf.ids(type, query)))
    except Problem as problem:
        return "?" + problem.code


async def test_what_is_linked_is_found_whichever_way_the_link_is_followed(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few resources on the inner side are looked up; many are joined in SQL or decided on candidates: the answer is the same."""
    await shelf.put(*RESOURCES)
    for few in (link.FEW, 0):
        monkeypatch.setattr(link, "FEW", few)
        monkeypatch.setattr(link, "_ROWS", 10 * few)
        for type, query, expected in CHAINS:
            assert await _found(shelf, type, query) == expected, (query, few)
            if not expected.startswith("?"):
                total = (await shelf.search(type, query + "&_summary=count")).total
                assert total == len(expected.split()), (query, few)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subject.colour=x", "not-supported"),
        ("code.name=x", "not-supported"),
        ("subject:Organization.name=x", "not-supported"),
        ("subject:Zzyzx.name=x", "not-supported"),
        ("_has:Observation=x", "value"),
        ("_has:Zzyzx:patient:code=x", "value"),
        ("_has:Patient:organization:name=x", "not-supported"),
        ("_has:Patient:name:name=x", "not-supported"),
        ("patient.birthdate=yesterday", "value"),
        ("_list=$current-problems", "not-supported"),
        (".".join(["derived-from:Observation"] * 9) + ".code=a", "too-costly"),
        ("focus.focus.focus=Patient/1", "too-costly"),
        ("_has:Observation:derived-from:" * 9 + "code=a", "too-costly"),
        ("_revinclude=*", "too-costly"),
        ("_query=current-high-risk", "not-supported"),
        ("_contained=true", "not-supported"),
        ("_type=Patient", "not-supported"),
    ],
)
async def test_a_link_that_leads_nowhere_or_everywhere_is_refused(shelf: Shelf, query: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        await shelf.search("Observation", query)
    assert caught.value.code == code


async def test_a_link_is_not_cut_short_but_refused_when_too_much_must_be_looked_at(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    await shelf.put(*RESOURCES)
    monkeypatch.setattr(link, "FEW", 1)
    for module in (candidates, include):
        monkeypatch.setattr(module, "CANDIDATES" if module is candidates else "MOST", 1)
    for query in ("_has:Observation:has-member:code=a&_has:Provenance:target:agent=Practitioner/gp&_has:Observation:derived-from:code=a",):
        assert await _found(shelf, "Observation", query) in ("", "?too-costly")
    assert await _found(shelf, "Patient", "_revinclude=Observation:patient") == "?too-costly"
    assert await _found(shelf, "Observation", "_include=Observation:subject&_include=Observation:performer") == "?too-costly"


LEAKS = [
    ("Observation", "patient.family=jane", "o3"),
    ("Observation", "patient.family=parker", "o1 o2"),
    ("Patient", "_has:Observation:patient:code=a", "peter mary"),
    ("Observation", "_has:Observation:derived-from:code=a", "o3"),
    ("Observation", "_filter=patient.gender eq female", "o3"),
    ("Observation", "_filter=not (patient.gender eq male)", "o3 o4"),
]


@pytest.mark.parametrize("few", [1000, 0])
async def test_a_link_leads_no_further_than_a_plain_search(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """Neither through the compartment of a patient, nor to a type without permission: not as an entry, and not as a number."""
    await shelf.put(*RESOURCES)
    monkeypatch.setattr(link, "FEW", few)
    monkeypatch.setattr(link, "_ROWS", 10 * few)
    peter = patient_access("peter")
    observations = Access(client="app", scopes=parse_scope("system/Observation.rs").scopes)
    seen = {"o1", "o2", "peter"}
    for type, query, everybody in LEAKS:
        assert await _found(shelf, type, query) == everybody
        mine = set((await _found(shelf, type, query, peter)).split())
        assert mine <= seen
        assert (await shelf.search(type, query + "&_total=accurate", peter)).total == len(mine)
        if "patient." in query:
            assert await _found(shelf, type, query, observations) == "?forbidden"
    assert await _found(shelf, "Patient", "_has:Observation:patient:code=a", patient_access("lonely")) == ""
    # the observation that makes o3 findable is somebody else's: peter finds his own only through what is his
    assert await _found(shelf, "Observation", "_has:Observation:has-member:code=a") == "o1"
    assert await _found(shelf, "Observation", "_has:Observation:has-member:code=a", peter) == ""
    patients = Access(client="app", scopes=parse_scope("system/Patient.rs").scopes)
    assert await _found(shelf, "Patient", "_has:Observation:patient:code=a", patients) == "?forbidden"
    assert await _found(shelf, "Patient", "_filter=_id eq peter", patients) == "peter"
    # what anybody may see does not lead a patient to others
    await shelf.put(observation("o5", "Patient/mary", "c", performer=[{"reference": "Practitioner/gp"}]))
    assert await _found(shelf, "Practitioner", "_has:Observation:performer:code=c") == "gp"
    assert await _found(shelf, "Practitioner", "_has:Observation:performer:code=c", peter) == ""
    assert await _brought(shelf, "Practitioner", "_id=gp&_revinclude=Observation:performer") == "Observation/o1 Observation/o5"
    assert await _brought(shelf, "Practitioner", "_id=gp&_revinclude=Observation:performer", peter) == "Observation/o1"
    page = await shelf.search("Observation", "_include=*&_revinclude=Observation:has-member&_revinclude=Provenance:target", observations)
    assert {entry.stored.type for entry in page.entries} == {"Observation"}


async def _brought(shelf: Shelf, type: str, query: str, access: Access | None = None) -> str:
    page = await (shelf.search(type, query, access) if access else shelf.search(type, query))
    return " ".join(sorted(f"{entry.stored.type}/{entry.stored.id}" for entry in page.entries if entry.mode == "include"))


async def test_includes_follow_wildcards_targets_and_iterate(shelf: Shelf) -> None:
    await shelf.put(*RESOURCES)
    for query, expected in [
        ("_id=o1&_include=Observation:*", "Patient/peter Practitioner/gp"),
        ("_id=o1&_include=*", "Patient/peter Practitioner/gp"),
        ("_id=o1&_include=Observation:performer:Patient", ""),
        ("_id=o1&_include=Observation:subject&_include:iterate=Patient:organization", "Patient/peter Organization/ward"),
        ("_id=o1&_include=Observation:subject&_include=Patient:organization", "?"),
        ("_id=o1&_include=Observation:subject&_include:iterate=Patient:organization&_include:iterate=Organization:partof",
         "Patient/peter Organization/ward Organization/mid Organization/root"),
        ("_id=o4&_include:iterate=Observation:derived-from&_include:iterate=Observation:has-member", "Observation/o3 Observation/o1"),
        ("_id=o1&_revinclude=Observation:has-member", "Observation/o3"),
        ("_id=o1&_revinclude:iterate=Observation:*", "Observation/o3 Observation/o4"),
        ("_id=o1&_revinclude=Provenance:target:Patient", ""),
        ("_id=o1&_revinclude=Provenance:target", "Provenance/v"),
        ("_id=o1&_revinclude=Provenance:target&_include:iterate=Provenance:agent", "Provenance/v Practitioner/gp"),
        ("_id=o1&_include=Observation:has-member", ""),
        ("_id=o1&_include=Observation:subject&_revinclude:iterate=List:item", "Patient/peter List/l"),
    ]:  # fmt: skip
        if expected == "?":
            assert await _found(shelf, "Observation", query) == "?value", query
        else:
            assert (await _brought(shelf, "Observation", query)).split() == sorted(expected.split()), query


def questionnaire(id: str, url: str, title: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Questionnaire", "id": id, "status": "active", "url": url, "title": title} | more


def response(id: str, canonical: str, status: str = "completed") -> dict[str, Any]:
    return {"resourceType": "QuestionnaireResponse", "id": id, "status": status, "questionnaire": canonical}


async def test_what_is_named_by_its_canonical_url_is_followed_too(shelf: Shelf) -> None:
    url = "http://example.org/q,1"
    await shelf.put(questionnaire("one", url, "Sleep", version="1"), questionnaire("two", url, "Sleep again", version="2"),
                    questionnaire("other", "http://example.org/q2", "Food"),
                    response("a", url), response("b", f"{url}|2"), response("c", "http://example.org/q2", "in-progress"))  # fmt: skip
    for type, query, expected in [
        ("QuestionnaireResponse", "questionnaire.title=sleep", "a b"),
        ("QuestionnaireResponse", "questionnaire.title=food", "c"),
        ("QuestionnaireResponse", "questionnaire:Questionnaire.title=nothing", ""),
        ("Questionnaire", "_has:QuestionnaireResponse:questionnaire:status=in-progress", "other"),
    ]:
        assert await _found(shelf, type, query) == expected, query
    for type, query, expected in [
        ("QuestionnaireResponse", "_id=a&_include=QuestionnaireResponse:questionnaire", "Questionnaire/one Questionnaire/two"),
        ("QuestionnaireResponse", "_id=b&_include=*", "Questionnaire/two"),
        ("Questionnaire", "_id=other&_revinclude=QuestionnaireResponse:questionnaire", "QuestionnaireResponse/c"),
    ]:
        assert await _brought(shelf, type, query) == expected, query
    only = Access(client="app", scopes=parse_scope("system/QuestionnaireResponse.rs").scopes)
    assert await _brought(shelf, "QuestionnaireResponse", "_include=*", only) == ""
    assert await _found(shelf, "QuestionnaireResponse", "questionnaire.title=food", only) == "?forbidden"


async def test_a_circle_of_includes_ends(shelf: Shelf) -> None:
    await shelf.put(organization("a", "A", "b"), organization("b", "B", "a"))
    assert await _brought(shelf, "Organization", "_id=a&_include:iterate=Organization:partof") == "Organization/b"
    assert await _brought(shelf, "Organization", "_id=a&_revinclude:iterate=Organization:*") == "Organization/b"


async def test_a_condition_of_a_change_is_about_the_resource_itself(shelf: Shelf) -> None:
    """A chain in it is refused, and never left out: another resource would be changed than the one that was meant."""
    await shelf.put(*RESOURCES)
    for query in ("patient.family=jane&code=a", "code=a&_has:Provenance:target:agent=Practitioner/gp", "_filter=patient.family eq jane"):
        [outcome] = await shelf.write(Change("delete", "Observation", criteria=query))
        assert isinstance(outcome, Problem) and outcome.code == "not-supported", query
    [outcome] = await shelf.write(Change("delete", "Observation", criteria="_filter=code eq b and not (status eq draft)"))
    assert outcome.id == "o2"
    [outcome] = await shelf.write(Change("delete", "Observation", criteria="code=a&_include=Observation:subject"))
    assert outcome.code == "invalid"
