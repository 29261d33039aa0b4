"""Every type of search parameter, on real PostgreSQL and in memory: both must find exactly what the specification says."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from penstock.auth.access import SYSTEM
from penstock.db import Database
from penstock.errors import Problem
from penstock.formats.fhir.searchparams import extract
from penstock.store import Cause, Change, Store
from penstock.store.search.match import matches
from penstock.store.search.parse import parse
from penstock.store.search.types import TYPES

LOINC, UCUM, NHS = "http://loinc.org", "http://unitsofmeasure.org", "https://fhir.nhs.uk/Id/nhs-number"
PHONE = [{"system": "phone", "value": "555"}]
ELSEWHERE = "http://other.example/fhir"


def _patient(id: str, family: str, given: str, birth: str | None, number: str, **more: Any) -> dict[str, Any]:
    dated = {"birthDate": birth} if birth else {}
    return {
        "resourceType": "Patient", "id": id, "identifier": [{"system": NHS, "value": number}],
        "name": [{"family": family, "given": [given]}],
    } | dated | more  # fmt: skip


def _observation(id: str, codes: list[tuple[str | None, str]], value: str | None, when: Any, about: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resourceType": "Observation", "id": id, "status": "final", "subject": {"reference": about},
        "code": {"coding": [({"system": system} if system else {}) | {"code": code} for system, code in codes]},
    }  # fmt: skip
    found |= {"effectivePeriod": when} if isinstance(when, dict) else {"effectiveDateTime": when} if when else {}
    if value:
        found["valueQuantity"] = {"value": Decimal(value), "unit": "beats/minute", "system": UCUM, "code": "/min"}
    return found | more


def _person(id: str, identifiers: list[tuple[str, str, str]]) -> dict[str, Any]:
    typed = [
        {"system": "urn:ids", "value": value, "type": {"coding": [{"system": system, "code": code}]}} for system, code, value in identifiers
    ]
    return {"resourceType": "Person", "id": id, "identifier": typed, "telecom": [{"system": "email", "value": f"{id.title()}@Example.org"}]}


def _component(code: str, value: str, unit: str = "mm[Hg]", shown: str = "mmHg") -> dict[str, Any]:
    quantity = {"value": Decimal(value), "unit": shown, "system": UCUM, "code": unit}
    return {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": quantity}


DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>Pain in the <b>left</b> f&#233;mur</p></div>'

RESOURCES: list[dict[str, Any]] = [
    _patient("smith", "Smith", "John", "1985-03-15", "9000000009", gender="male", active=True, telecom=PHONE),
    _patient("smythe", "Smythe", "Zoë", "1985-04", "9000000017", gender="female", generalPractitioner=[{"reference": "Practitioner/gp"}]),
    _patient("mueller", "Müller-Lüdenscheidt", "Jürgen", None, "a|b", managingOrganization={"reference": f"{ELSEWHERE}/Organization/o"}),
    _observation("rate1", [(LOINC, "8867-4")], "72", "2024-05-01T10:00:00Z", "Patient/smith"),
    _observation("rate2", [("urn:local", "HR"), (LOINC, "8867-4")], "80.5", "2024-05-02", "Patient/smythe", status="amended"),
    _observation("stay", [(LOINC, "11506-3")], None, {"start": "2024-04-30", "end": "2024-05-03"}, "Group/g"),
    _observation("bare", [(None, "8867-4")], "72.0", None, "Patient/smith", subject={"identifier": {"system": NHS, "value": "9000000009"}}),
    {"resourceType": "RiskAssessment", "id": "risk1", "status": "final", "subject": {"reference": "Patient/smith"},
     "prediction": [{"probabilityDecimal": Decimal("0.5")}]},
    {"resourceType": "RiskAssessment", "id": "risk2", "status": "final", "subject": {"reference": "Patient/smith"},
     "prediction": [{"probabilityDecimal": Decimal("0.25")}, {"probabilityDecimal": Decimal("0.9")}]},
    {"resourceType": "RiskAssessment", "id": "open", "status": "final", "subject": {"reference": "Patient/smith"},
     "prediction": [{"probabilityRange": {"low": {"value": Decimal("0.8")}}}]},
    {"resourceType": "ValueSet", "id": "vs1", "status": "active", "url": "http://example.org/vs/1"},
    {"resourceType": "ValueSet", "id": "vs2", "status": "active", "url": "http://example.org/vs/2"},
    {"resourceType": "Condition", "id": "bone", "subject": {"reference": "Patient/smith"}, "text": {"status": "generated", "div": DIV},
     "code": {"coding": [{"system": "urn:Local", "code": "Xy", "display": "Métastases of bone"}], "text": "bone trouble"},
     "abatementAge": {"value": Decimal("50"), "system": UCUM, "code": "a"}},
    {"resourceType": "Condition", "id": "liver", "subject": {"reference": "Patient/smythe"}, "note": [{"text": "Seen in Lyon"}],
     "abatementAge": {"value": Decimal("600"), "system": UCUM, "code": "mo"}, "severity": {"coding": [{"code": "s", "display": "Severe"}]},
     "evidence": [{"detail": [{"reference": "Observation/rate1/_history/1"}]}]},
    _person("typed", [("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "12"), ("urn:t", "XX", "AB")]),
    _person("plain", [("http://terminology.hl7.org/CodeSystem/v2-0203", "SS", "12")]),
    {"resourceType": "Observation", "id": "pressure", "status": "final", "subject": {"reference": "Patient/smythe"},
     "code": {"coding": [{"system": LOINC, "code": "85354-9"}]},
     "component": [_component("8480-6", "120"), _component("8462-4", "80", unit="kPa", shown="kilopascal")]},
    {"resourceType": "Observation", "id": "grouped", "status": "final", "code": {"text": "Blood group"},
     "subject": {"reference": "Patient/smith"}, "valueCodeableConcept": {"coding": [{"system": "urn:groups", "code": "A"}]}},
    {"resourceType": "Observation", "id": "weight", "status": "final", "code": {"coding": [{"system": LOINC, "code": "29463-7"}]},
     "valueQuantity": {"value": Decimal("72500"), "unit": "g", "system": UCUM, "code": "g"}, "subject": {"reference": "Patient/smith"}},
    {"resourceType": "Location", "id": "paris", "position": {"latitude": Decimal("48.8566"), "longitude": Decimal("2.3522")}},
    {"resourceType": "Location", "id": "london", "position": {"latitude": Decimal("51.5074"), "longitude": Decimal("-0.1278")}},
    {"resourceType": "MolecularSequence", "id": "seq", "coordinateSystem": 0,
     "variant": [{"start": 10, "end": 20}, {"start": 30, "end": 40}],
     "referenceSeq": {"chromosome": {"coding": [{"system": "urn:chr", "code": "7"}]}}},
    {"resourceType": "DocumentReference", "id": "newer", "status": "current", "content": [{"attachment": {}}],
     "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/older"}},
                   {"code": "signs", "target": {"reference": "DocumentReference/other"}}]},
    {"resourceType": "Measure", "id": "m", "status": "active", "url": "http://example.org/m", "library": ["http://example.org/lib|1.2"]},
]  # fmt: skip

#: (kind, type, query, ids that it finds)
CASES: list[tuple[str, str, str, str]] = [
    ("token", "Patient", "gender=male", "smith"),
    ("token", "Patient", "gender=male,female", "smith smythe"),
    ("token", "Patient", "gender=http://hl7.org/fhir/administrative-gender|female", "smythe"),
    ("token", "Patient", "gender:not=male", "smythe mueller"),
    ("token", "Patient", "active=true", "smith"),
    ("token", "Patient", "gender:missing=true", "mueller"),
    ("token", "Patient", "gender:missing=false&family=sm", "smith smythe"),
    ("token", "Patient", f"identifier={NHS}|9000000009", "smith"),
    ("token", "Patient", "identifier=9000000017", "smythe"),
    ("token", "Patient", r"identifier=a\|b", "mueller"),
    ("token", "Patient", "identifier=urn:other|9000000009", ""),
    ("token", "Patient", "identifier:not=9000000017", "smith mueller"),
    ("token", "Patient", "phone=555", "smith"),
    ("token", "Observation", f"code={LOINC}|8867-4", "rate1 rate2"),
    ("token", "Observation", "code=8867-4", "rate1 rate2 bare"),
    ("token", "Observation", "code=|8867-4", "bare"),
    ("token", "Observation", f"code={LOINC}|", "rate1 rate2 stay pressure weight"),
    ("token", "Observation", f"code={LOINC}|8867-4,{LOINC}|11506-3&status=final", "rate1 stay"),
    ("token", "Observation", f"code:not={LOINC}|8867-4", "stay bare pressure grouped weight"),
    ("token", "Observation", "combo-code=urn:local|HR", "rate2"),
    ("token", "Observation", "combo-code:not=urn:local|HR", "rate1 stay bare pressure grouped weight"),
    ("token", "Observation", "status=amended", "rate2"),
    ("string", "Patient", "family=sm", "smith smythe"),
    ("string", "Patient", "family=SMITH", "smith"),
    ("string", "Patient", "family=muller", "mueller"),
    ("string", "Patient", "name=zoe", "smythe"),
    ("string", "Patient", "family:contains=uden", "mueller"),
    ("string", "Patient", "family:exact=Smith", "smith"),
    ("string", "Patient", "family:exact=smith", ""),
    ("string", "Patient", "given=jo,zo", "smith smythe"),
    ("string", "Patient", "family=%25", ""),
    ("date", "Patient", "birthdate=1985-03-15", "smith"),
    ("date", "Patient", "birthdate=1985", "smith smythe"),
    ("date", "Patient", "birthdate=ge1985-04-01", "smythe"),
    ("date", "Patient", "birthdate=lt1985-04-01", "smith"),
    ("date", "Patient", "birthdate:missing=true", "mueller"),
    ("date", "Patient", "birthdate=ne1985-03-15", "smythe"),
    ("date", "Observation", "date=2024-05-01", "rate1"),
    ("date", "Observation", "date=2024-05", "rate1 rate2"),
    ("date", "Observation", "date=gt2024-05-01", "rate2 stay"),
    ("date", "Observation", "date=sa2024-05-01", "rate2"),
    ("date", "Observation", "date=eb2024-05-02", "rate1"),
    ("date", "Observation", "date=le2024-05-01", "rate1 stay"),
    ("date", "Observation", "date=ge2024-05-02&date=lt2024-05-03", "rate2 stay"),
    ("date", "Observation", "date=2024-05-01T12:00:00%2B02:00", "rate1"),
    ("reference", "Observation", "patient=Patient/smith", "rate1 grouped weight"),
    ("reference", "Observation", "patient=smith,smythe", "rate1 rate2 pressure grouped weight"),
    ("reference", "Observation", "subject=Patient/smith", "rate1 grouped weight"),
    ("reference", "Observation", "subject=g", "stay"),
    ("reference", "Observation", "subject:Group=g", "stay"),
    ("reference", "Observation", "subject:Group=Patient/smith", ""),
    ("reference", "Observation", f"subject:identifier={NHS}|9000000009", "bare"),
    ("reference", "Patient", "general-practitioner=Practitioner/gp", "smythe"),
    ("reference", "Patient", "organization=Organization/o", ""),
    ("reference", "Patient", f"organization={ELSEWHERE}/Organization/o", "mueller"),
    ("number", "RiskAssessment", "probability=0.5", "risk1"),
    ("number", "RiskAssessment", "probability=gt0.5", "risk2 open"),
    ("number", "RiskAssessment", "probability=lt0.5", "risk2"),
    ("number", "RiskAssessment", "probability=ge0.5&probability=le0.3", "risk2"),
    ("number", "RiskAssessment", "probability=ne0.5", "risk2 open"),
    ("quantity", "Observation", "value-quantity=72", "rate1 bare"),
    ("quantity", "Observation", f"value-quantity=72|{UCUM}|/min", "rate1 bare"),
    ("quantity", "Observation", f"value-quantity=72|{UCUM}|mg", ""),
    ("quantity", "Observation", "value-quantity=72||beats/minute", "rate1 bare"),
    ("quantity", "Observation", "value-quantity=72||mg", ""),
    ("quantity", "Observation", "value-quantity=gt72", "rate2 weight"),
    ("quantity", "Observation", "value-quantity=ap75", "rate1 rate2 bare"),
    ("quantity", "Observation", "combo-value-quantity=80.5", "rate2"),
    ("uri", "ValueSet", "url=http://example.org/vs/1", "vs1"),
    ("uri", "ValueSet", "url=http://example.org/vs", ""),
    ("token", "Condition", "code=urn:Local|XY", "bone"),
    ("token", "Condition", "code=urn:local|xy", ""),
    ("token", "Condition", "code=xY", "bone"),
    ("token", "Patient", "gender=MALE", ""),
    ("token", "Condition", "code:text=metast", "bone"),
    ("token", "Condition", "code:text=bo", "bone"),
    ("token", "Condition", "code:text=Bone Trouble", "bone"),
    ("token", "Condition", "code:text=trouble", ""),
    ("token", "Condition", "code:missing=true", "liver"),
    ("token", "Condition", "severity:missing=false", "liver"),
    ("token", "Person", "identifier=urn:ids|", "typed plain"),
    ("token", "Person", "identifier=ab", ""),
    ("token", "Person", "identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|12", "typed"),
    ("token", "Person", "identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|AB", ""),
    ("token", "Person", "email=TYPED@example.org", "typed"),
    ("token", "Patient", "identifier:missing=false&gender:missing=false", "smith smythe"),
    ("quantity", "Observation", f"value-quantity=72.5|{UCUM}|kg", "weight"),
    ("quantity", "Observation", f"value-quantity=gt159|{UCUM}|[lb_av]&code={LOINC}|29463-7", "weight"),
    ("quantity", "Observation", f"value-quantity=1.2|{UCUM}|Hz", "rate1 bare"),
    ("quantity", "Observation", "value-quantity=72500", "weight"),
    ("quantity", "Observation", "value-quantity=72.5", ""),
    ("quantity", "Observation", f"component-value-quantity=600|{UCUM}|mm[Hg]", "pressure"),
    ("quantity", "Observation", "value-quantity:missing=true", "stay pressure grouped"),
    ("quantity", "Condition", f"abatement-age=ge50|{UCUM}|a", "bone liver"),
    ("number", "RiskAssessment", "probability=gt0.89999&probability:missing=false", "risk2 open"),
    ("number", "RiskAssessment", "probability=sa0.85", "risk2"),
    ("number", "RiskAssessment", "probability=eb0.3", "risk2"),
    ("number", "RiskAssessment", "probability=ap0.46", "risk1"),
    ("number", "RiskAssessment", "probability=1e0", "risk1 risk2"),
    ("composite", "Observation", f"component-code-value-quantity={LOINC}|8480-6$120|{UCUM}|mm[Hg]", "pressure"),
    ("composite", "Observation", "component-code-value-quantity=8480-6$gt100", "pressure"),
    ("composite", "Observation", f"component-code-value-quantity={LOINC}|8462-4$120", ""),
    ("composite", "Observation", f"component-code-value-quantity={LOINC}|8462-4$gt100|{UCUM}|mm[Hg]", "pressure"),
    ("composite", "Observation", f"component-code-value-quantity={LOINC}|$80", "pressure"),
    ("composite", "Observation", f"code-value-quantity={LOINC}|8867-4$ge72", "rate1 rate2"),
    ("composite", "Observation", "code-value-quantity=8867-4$72||beats/minute", "rate1 bare"),
    ("composite", "Observation", f"combo-code-value-quantity={LOINC}|8480-6$120,{LOINC}|8867-4$80.5", "rate2 pressure"),
    ("composite", "Observation", "code-value-concept=8867-4$A", ""),
    ("composite", "Observation", "component-code-value-quantity:missing=true&status=final", "rate1 stay bare grouped weight"),
    ("composite", "Observation", "code-value-quantity:missing=false", "rate1 rate2 bare weight"),
    ("composite", "MolecularSequence", "chromosome-variant-coordinate=urn:chr|7$ge25$lt50", "seq"),
    ("composite", "MolecularSequence", "chromosome-variant-coordinate=7$10$40", ""),
    ("composite", "DocumentReference", "relationship=DocumentReference/older$replaces", "newer"),
    ("composite", "DocumentReference", "relationship=DocumentReference/older$signs", ""),
    ("near", "Location", "near=48.85|2.35|10|km", "paris"),
    ("near", "Location", "near=48.85|2.35|400", "paris london"),
    ("near", "Location", "near=51.5|-0.13|1000|m", "london"),
    ("near", "Location", "near=51.5|-0.13|50|[mi_i]", "london"),
    ("near", "Location", "near=0|0", ""),
    ("near", "Location", "near:missing=false", "paris london"),
    ("text", "Condition", "_text=femur", "bone"),
    ("text", "Condition", "_text=pain left", "bone"),
    ("text", "Condition", "_text=(liver OR pain) AND femur", "bone"),
    ("text", "Condition", "_text=pain NOT left", ""),
    ("text", "Condition", "_text=strong", ""),
    ("content", "Condition", "_content=lyon", "liver"),
    ("content", "Condition", "_content=metastases pain,lyon", "bone liver"),
    ("content", "Condition", "_content=div", ""),
    ("reference", "Condition", "evidence-detail=Observation/rate1", "liver"),
    ("reference", "Condition", "evidence-detail=Observation/rate1/_history/1", "liver"),
    ("reference", "Condition", "evidence-detail=Observation/rate1/_history/2", ""),
    ("reference", "Patient", "general-practitioner:missing=true", "smith mueller"),
    ("reference", "Observation", "patient:missing=true&subject:missing=false", "stay bare"),
    ("reference", "Measure", "depends-on=http://example.org/lib", "m"),
    ("reference", "Measure", "depends-on=http://example.org/lib|1.2", "m"),
    ("reference", "Measure", "depends-on=http://example.org/lib|1.3", ""),
    ("reference", "Measure", "depends-on:below=http://example.org/lib|1", "m"),
    ("reference", "Measure", "depends-on:below=http://example.org", "m"),
    ("uri", "ValueSet", "url:below=http://example.org/vs", "vs1 vs2"),
    ("uri", "ValueSet", "url:below=http://example.org/v", ""),
    ("uri", "ValueSet", "url:below=http://example.org/vs/1", "vs1"),
    ("uri", "ValueSet", "url:above=http://example.org/vs/1/history/3", "vs1"),
    ("string", "Patient", "family:missing=false&family:contains=ü", "mueller"),
    ("id", "Patient", "_id=smith,mueller,nobody", "smith mueller"),
    ("id", "Patient", "_id:not=smith", "smythe mueller"),
    ("updated", "ValueSet", "_lastUpdated=gt2020-01-01", "vs1 vs2"),
    ("updated", "ValueSet", "_lastUpdated=lt2020-01-01", ""),
]


async def _told(*_: object, **__: object) -> None:
    """Nobody listens."""


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    store = Store(_told)  # type: ignore[arg-type]
    await store.ensure(database, {resource["resourceType"] for resource in RESOURCES})
    cause = Cause("trace", None, "test", datetime(2026, 1, 1, tzinfo=UTC))
    async with database.transaction() as tx:
        changes = [Change("update", each["resourceType"], each["id"], each) for each in RESOURCES]
        outcomes = await store.write(tx, SYSTEM, changes, cause)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Problem)]
    yield store


def test_every_type_of_parameter_has_cases() -> None:
    assert {kind for kind, *_ in CASES} == set(TYPES)
    assert all(parse(type, query).criteria[0].kind == kind for kind, type, query, _ in CASES)


async def test_every_case_finds_what_it_must_in_the_database(database: Database, store: Store) -> None:
    wrong = []
    async with database.transaction(readonly=True) as tx:
        for _, type, query, ids in CASES:
            for sort in ("", "&_sort=-_lastUpdated"):
                page = await store.search(tx, SYSTEM, type, query + sort + "&_total=accurate")
                found = sorted(entry.stored.id for entry in page.entries)
                if found != sorted(ids.split()) or page.total != len(found):
                    wrong.append((type, query + sort, found, page.total))
    assert wrong == []


async def test_every_case_is_decided_alike_in_memory(database: Database, store: Store) -> None:
    wrong = []
    async with database.transaction(readonly=True) as tx:
        stored = await store.read_many(tx, SYSTEM, [(each["resourceType"], each["id"]) for each in RESOURCES])
    bodies = [each.resource() for each in stored.values()]
    for _, type, query, ids in CASES:
        found = sorted(each["id"] for each in bodies if matches(parse(type, query), extract(each), each))
        if found != sorted(ids.split()):
            wrong.append((type, query, found))
    assert wrong == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("colour=red", "not-supported"),
        ("code-value-quantity=a$b", "value"),
        ("code-value-quantity=a", "value"),
        ("component-code-value-quantity=a$1$2", "value"),
        ("component-code-value-quantity=a|$b", "value"),
        ("identifier:of-type=a|b", "value"),
        ("code:text=%20", "value"),
        ("_text=(", "value"),
        ("_text=" + "a " * 60, "too-costly"),
        ("_sort=colour", "not-supported"),
        ("_include=Observation:colour", "not-supported"),
        ("date=yesterday", "value"),
        ("date=2024-02-30", "value"),
        ("value-quantity=many", "value"),
        ("value-quantity=1|x", "value"),
        ("subject=not a reference", "value"),
        ("code=a|b|c", "value"),
        ("code=|", "value"),
        ("_count=many", "value"),
        ("_total=maybe", "value"),
        ("date:missing=perhaps", "value"),
        ("_cursor=AAAA", "invalid"),
    ],
)
async def test_what_is_not_understood_is_refused(database: Database, store: Store, query: str, code: str) -> None:
    async with database.transaction(readonly=True) as tx:
        with pytest.raises(Problem) as caught:
            await store.search(tx, SYSTEM, "Observation", query)
    assert caught.value.code == code, caught.value.text


async def test_a_lenient_caller_is_told_what_was_ignored(database: Database, store: Store) -> None:
    async with database.transaction(readonly=True) as tx:
        page = await store.search(tx, SYSTEM, "Patient", "colour=red&family=smith", lenient=True)
        assert [entry.stored.id for entry in page.entries] == ["smith"]
        assert (page.ignored, page.used) == (("colour",), (("family", "smith"),))
        with pytest.raises(Problem):  # leaving out a modifier would change the answer
            await store.search(tx, SYSTEM, "Patient", "family:sounds-like=smith", lenient=True)


async def test_a_long_text_is_found_by_any_part_of_it(database: Database, store: Store) -> None:
    text = " ".join(f"word{number}" for number in range(200))
    assert await _put(database, store, {"resourceType": "ValueSet", "id": "long", "status": "active", "description": text}) == []
    for query, ids in [
        ("description:contains=word150 word151", ["long"]),
        (f"description:contains={text[700:900]}", ["long"]),
        (f"description:contains={text[700:900]}x", []),
        ("description:contains=word199", ["long"]),
        (f"description={text[:400]}", ["long"]),
        ("description=word150", []),
        (f"description:exact={text}", ["long"]),
    ]:
        async with database.transaction(readonly=True) as tx:
            page = await store.search(tx, SYSTEM, "ValueSet", [tuple(query.split("=", 1))])
        assert [entry.stored.id for entry in page.entries] == ids, query


@pytest.mark.parametrize("number", ["1E+999999", "1E-999999", "-9.99E+6000", "0E+99999", "1" * 400])
async def test_a_number_of_any_size_costs_nothing(database: Database, store: Store, number: str) -> None:
    value = Decimal(number)
    quantity = {"value": value, "system": UCUM, "code": "g/L"}
    sampled = {"origin": quantity, "factor": value, "period": 1, "dimensions": 1, "data": f"{number} -{number} E"}
    observation = _observation("big", [(LOINC, "1-8")], None, None, "Patient/smith")
    place = {"resourceType": "Location", "id": "far", "position": {"latitude": value, "longitude": value}}
    resources = [observation | {"valueQuantity": quantity}, observation | {"id": "bigger", "valueSampledData": sampled}, place]
    assert await _put(database, store, *resources) == []
    async with database.transaction(readonly=True) as tx:
        for query in (f"value-quantity={number}|{UCUM}|g/L", f"near={number}|0"):
            with contextlib.suppress(Problem):
                await store.search(tx, SYSTEM, "Location" if "near" in query else "Observation", [tuple(query.split("=", 1))])


async def _put(database: Database, store: Store, *resources: dict[str, Any]) -> list[Problem]:
    async with database.transaction() as tx:
        changes = [Change("update", each["resourceType"], each["id"], each) for each in resources]
        outcomes = await store.write(tx, SYSTEM, changes, Cause("trace", None, "test", datetime(2026, 1, 1, tzinfo=UTC)))
    return [outcome for outcome in outcomes if isinstance(outcome, Problem)]


async def test_an_element_with_too_much_to_pair_is_refused(database: Database, store: Store) -> None:
    codings = [{"system": "urn:s", "code": f"c{number}"} for number in range(60)]
    component = {"code": {"coding": codings}, "valueCodeableConcept": {"coding": codings}}
    [problem] = await _put(database, store, _observation("wide", [(LOINC, "1-8")], None, None, "Patient/smith", component=[component]))
    assert problem.code == "too-costly"


async def test_a_long_list_finds_what_a_short_one_does(database: Database, store: Store) -> None:
    many = ",".join(f"c{number}" for number in range(990))
    lists = {
        "Observation": (f"code={many},8867-4", f"code={LOINC}|8867-4,{many}", f"status={many},amended"),
        "Patient": (f"identifier={many},9000000017",),
    }
    async with database.transaction(readonly=True) as tx:
        for type, queries in lists.items():
            for query in queries:
                short = query.replace(f"{many},", "").replace(f",{many}", "")
                pages = [await store.search(tx, SYSTEM, type, f"{each}&_total=accurate") for each in (query, short)]
                first, second = ([entry.stored.id for entry in page.entries] for page in pages)
                assert first == second != [] and pages[0].total == pages[1].total, short
