"""search as a client meets it: the queries of the requirements, links between pages, everything at once, and hostile queries."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Program, bundle_resources

NHS = "https://fhir.nhs.uk/Id/nhs-number"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"


def _observation(number: int, patient: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": f"o{number}", "status": "final", "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": [{"system": LOINC, "code": "8867-4"}]}, "effectiveDateTime": f"2026-01-{number:02}T08:00:00Z",
        "valueQuantity": {"value": 60 + number, "unit": "/min", "system": UCUM, "code": "/min"},
        "performer": [{"reference": "Practitioner/d"}],
        "component": [{"code": {"coding": [{"system": LOINC, "code": "8480-6"}]}, "valueQuantity": {"value": 100 + number, "unit": "mm"}}],
    }  # fmt: skip


def _resources() -> Iterator[dict[str, Any]]:
    yield {"resourceType": "Organization", "id": "trust", "name": "North Trust"}
    yield {"resourceType": "Practitioner", "id": "d", "name": [{"family": "House"}]}
    for id, family, number in (("p", "Smith", "9000000009"), ("q", "Jones", "9000000017")):
        yield {
            "resourceType": "Patient", "id": id, "name": [{"family": family, "given": ["Ann"]}], "birthDate": "1985-03-15",
            "identifier": [{"system": NHS, "value": number}], "managingOrganization": {"reference": "Organization/trust"},
        }  # fmt: skip
    yield from (_observation(number, "p") for number in range(1, 8))
    yield _observation(9, "q")


@pytest.fixture(scope="module")
def client(program: Program) -> Iterator[httpx.Client]:
    with program.client() as client:
        entries = [{"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}} for each in _resources()]
        answer = client.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
        assert answer.status_code == 200, answer.text
        yield client


def _links(answer: httpx.Response) -> dict[str, str]:
    return {link["relation"]: link["url"] for link in answer.json()["link"]}


def _found(client: httpx.Client, query: str) -> str:
    return " ".join(resource["id"] for resource in bundle_resources(client.get(f"/fhir/{query}")))


@pytest.mark.req("FH-07")
def test_the_queries_of_the_reference_find_what_they_ask_for_in_order_and_page_by_page(client: httpx.Client) -> None:
    assert _found(client, f"Patient?identifier={NHS}|9000000009") == "p"
    assert _found(client, "Patient?family=Smith") == "p"
    assert _found(client, "Observation?patient=p&_sort=-date&_count=50") == "o7 o6 o5 o4 o3 o2 o1"
    first = client.get("/fhir/Observation?patient=p&_sort=-date&_count=3")
    second = client.get(_links(first)["next"])
    third = client.get(_links(second)["next"])
    pages = [[entry["resource"]["id"] for entry in answer.json()["entry"]] for answer in (first, second, third)]
    assert pages == [["o7", "o6", "o5"], ["o4", "o3", "o2"], ["o1"]]
    assert "next" not in _links(third) and "previous" not in _links(first)
    assert client.get(_links(third)["previous"]).json()["entry"] == second.json()["entry"]
    assert client.get(_links(second)["first"]).json()["entry"] == first.json()["entry"]
    assert [each["id"] for each in bundle_resources(client.get(_links(first)["last"]))] == ["o3", "o2", "o1"]
    assert client.get(_links(second)["self"]).json()["entry"] == second.json()["entry"]


@pytest.mark.req("FH-07")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"Observation?code={LOINC}|8867-4&patient=q", "o9"),
        ("Observation?code=8867-4&date=ge2026-01-08", "o9"),
        ("Patient?name=smi", "p"),
        ("Patient?birthdate=1985-03", "p q"),
        ("Observation?subject=Patient/q", "o9"),
        (f"Observation?value-quantity=gt66|{UCUM}|/min&_sort=date", "o7 o9"),
        (f"Observation?code-value-quantity={LOINC}|8867-4$lt62", "o1"),
        ("Observation?component-code-value-quantity=8480-6$109", "o9"),
        ("Observation?patient.name=jones", "o9"),
        ("Observation?patient.organization.name=north&date=2026-01-09", "o9"),
        (f"Observation?patient.identifier={NHS}|9000000017", "o9"),
        ("Patient?_has:Observation:patient:date=2026-01-09", "q"),
        ("Practitioner?_has:Observation:performer:patient.family=jones", "d"),
        ("Observation?_id=o9&_include=Observation:patient", "o9 q"),
        ("Observation?_id=o9&_include=Observation:patient&_include:iterate=Patient:organization", "o9 q trust"),
        ("Patient?_id=q&_revinclude=Observation:subject", "q o9"),
        ("Patient?_sort=-family,_id", "p q"),
        ('Patient?_filter=family eq "jones" or _id eq p and birthdate gt 1980', "p q"),
        ("Patient/q/Observation", "o9"),
        ("Patient/q/Observation?date=lt2026", ""),
    ],
)
def test_every_kind_of_search_finds_what_it_says(client: httpx.Client, query: str, expected: str) -> None:
    assert _found(client, query) == expected


@pytest.mark.req("FH-07")
def test_a_page_link_of_another_client_is_refused(program: Program, client: httpx.Client) -> None:
    link = _links(client.get("/fhir/Observation?patient=p&_sort=-date&_count=3"))["next"]
    assert client.get(link).status_code == 200
    assert client.get(link.replace("patient=p", "patient=q")).status_code == 400
    with program.client("system/Patient.rs") as narrower:
        assert narrower.get(link).status_code == 403
    token = program.cli("token", "--client", "somebody-else", "--scope", "system/*.rs").stdout.strip().splitlines()[-1]
    refused = client.get(link, headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 400 and refused.json()["issue"][0]["expression"] == ["_cursor"], refused.text


def test_get_and_post_are_the_same_search(client: httpx.Client) -> None:
    form = {"patient": "p", "date": "ge2026-01-03", "_sort": "-date", "_count": "2"}
    for path in ("Observation", "Patient/p/Observation"):
        got, posted = client.get(f"/fhir/{path}", params=form), client.post(f"/fhir/{path}/_search", data=form)
        assert posted.json()["entry"] == got.json()["entry"] and len(got.json()["entry"]) == 2
        assert client.get(_links(posted)["next"]).json()["entry"] == client.get(_links(got)["next"]).json()["entry"]
    got, posted = client.get("/fhir?_type=Patient,Practitioner"), client.post("/fhir/_search", data={"_type": "Patient,Practitioner"})
    assert {entry["resource"]["id"] for entry in got.json()["entry"]} == {"p", "q", "d"}
    assert posted.json()["entry"] == got.json()["entry"] and "_type=Patient%2CPractitioner" in _links(got)["self"]


def test_part_of_each_resource_is_shown_on_every_page(client: httpx.Client) -> None:
    answer = client.get("/fhir/Observation?_elements=status&_include=Observation:subject&_count=3&patient=p")
    matches = [entry["resource"] for entry in answer.json()["entry"] if entry["search"]["mode"] == "match"]
    assert all("valueQuantity" not in each and each["meta"]["tag"][0]["code"] == "SUBSETTED" for each in matches)
    assert any("name" in entry["resource"] for entry in answer.json()["entry"] if entry["search"]["mode"] == "include")
    assert "_elements=status" in _links(answer)["next"]
    assert all("valueQuantity" not in each for each in bundle_resources(client.get(_links(answer)["next"])) if "status" in each)
    assert client.get("/fhir/Observation?_summary=text&_include=Observation:subject").status_code == 400


def test_totals_are_told_when_they_are_known_or_asked_for(client: httpx.Client) -> None:
    assert client.get("/fhir/Observation?patient=p").json()["total"] == 7
    assert "total" not in client.get("/fhir/Observation?patient=p&_count=2").json()
    for more in ("_total=accurate", "_total=estimate"):
        assert client.get(f"/fhir/Observation?patient=p&_count=2&{more}").json()["total"] == 7
    counted = client.get("/fhir/Observation?patient.family=smith&_summary=count").json()
    assert counted["total"] == 7 and "entry" not in counted


def test_what_is_ignored_or_limited_is_told(client: httpx.Client) -> None:
    assert client.get("/fhir/Patient?nonsense=Zzyzx").status_code == 400
    lenient = {"prefer": "handling=lenient"}
    told = client.get("/fhir/Patient?nonsense=Zzyzx&subject.Zzyzx=1&family=Smith", headers=lenient)
    *matches, outcome = told.json()["entry"]
    assert [each["resource"]["id"] for each in matches] == ["p"] and outcome["search"]["mode"] == "outcome"
    assert [issue["severity"] for issue in outcome["resource"]["issue"]] == ["warning", "warning"]
    assert "Zzyzx" not in told.text and "nonsense" not in _links(told)["self"]
    assert client.get("/fhir/Patient?family:Zzyzx=Smith", headers=lenient).status_code == 400  # leaving a modifier out changes the answer
    capped = client.get("/fhir/Patient?_count=5000").json()["entry"][-1]
    assert capped["search"]["mode"] == "outcome" and "1000" in capped["resource"]["issue"][0]["details"]["text"]


def test_a_token_for_one_type_learns_nothing_of_others(program: Program, client: httpx.Client) -> None:
    with program.client("system/Observation.rs") as narrow:
        assert len(bundle_resources(narrow.get("/fhir/Observation?_include=*&_revinclude=Provenance:target"))) == 8
        for query in ("Observation?patient.name=jones", "Observation?_filter=patient.name eq jones", "Patient?name=jones"):
            assert narrow.get(f"/fhir/{query}").status_code == 403, query
        assert {each["resourceType"] for each in bundle_resources(narrow.get("/fhir"))} == {"Observation"}
        assert narrow.get("/fhir?_type=Patient").status_code == 403
        assert bundle_resources(narrow.get("/fhir/Patient/q/*"))[0]["id"] == "o9"
    with program.client("system/Patient.r") as reader:
        assert reader.get("/fhir").status_code == reader.get("/fhir/Patient?name=x").status_code == 403


_HOSTILE = [
    "Observation?" + "subject:Patient.link:Patient." * 30 + "name=x",
    "Observation?" + "_has:Observation:has-member:" * 30 + "code=x",
    "Observation?focus.focus.focus.focus.focus=Patient/1",
    "Provenance?target.target.target.target.name=x",
    "Observation?code=" + ",".join(["x"] * 5000),
    "Observation?" + "&".join(["code=x"] * 200),
    "Observation?_include=*&_include:iterate=*&_revinclude:iterate=Observation:*&_revinclude=*",
    "Observation?_filter=" + "(" * 3000,
    "Observation?_filter=" + "not(" * 300 + "code eq x" + ")" * 300,
    "Observation?_filter=" + " and ".join(["patient.name co x"] * 300),
    'Observation?_filter=code eq "%5Cud800"',
    "Patient?name:contains=(a%2B)%2B$",
    "Patient?name:contains=%25%25%25%25",
    "Patient?family=%F0%9F%92%A9&_sort=" + ",".join(["family"] * 20),
    "Patient?_sort=-,,--family",
    "Patient?_count=99999999999999999999",
    "Patient?_cursor=" + "A" * 3000,
    "Patient?birthdate=ge" + "9" * 400,
    "Patient?_lastUpdated=ap0001-01-01",
    "Patient?_has::::=x",
    "Patient?_has:Patient:link:_has:Patient:link:_has=x",
    "Patient?.name=x&name.=x&..=x&:=x&.:.=x",
    "Patient?_type=" + ",".join(["Patient"] * 500),
    "?_type=" + ",".join(["Patient"] * 500),
    "?_sort=_id&_count=0&_total=accurate&_type=Patient,,",
    "Patient/../Observation",
    "Patient/p/*?_type=Observation&_filter=x",
]


@pytest.mark.parametrize("query", _HOSTILE)
def test_a_hostile_search_ends_soon_with_a_clear_answer(client: httpx.Client, query: str) -> None:
    started = time.monotonic()
    answer = client.get(f"/fhir/{query}")
    assert answer.status_code < 500, answer.text
    assert time.monotonic() - started < 5
    if answer.status_code >= 400:
        assert answer.json()["resourceType"] == "OperationOutcome"
