"""The published GraphQL cases for FHIR, asked of the running program."""

from __future__ import annotations

import json
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from tests.e2e.conftest import Program

#: Case to the reason why its published answer is not ours.
EXCLUDED: dict[str, str] = {
    "extension-simple": "the answer has a field twice; GraphQL makes one of fields of one name (section 6.3.2, CollectFields)",
    "search-full": "the answer is a stub's: a score of 0.5 and a cursor of its own; what it finds is tested below",
    "list-sub": "the answer is about a list that the published one is not; places in a list are tested below",
}


class Suite:
    """The cases, and the resources that they are asked of."""

    def __init__(self, data: Path) -> None:
        with tarfile.open(data / "suites" / "graphql" / "r4-graphql.tar.xz") as tar:
            self.files = {member.name.removeprefix("./"): tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]
        manifest = ElementTree.fromstring(self.files["graphql/manifest.xml"])
        self.cases = {each.get("name", ""): dict(each.attrib) for each in manifest.iter("test")}
        with lzma.open(data / "fhir-examples" / "r4-4.0.1-examples.ndjson.xz", "rt") as lines:
            examples = [json.loads(line)["resource"] for line in lines]
        self.examples = {f"{each['resourceType']}/{each.get('id')}": each for each in examples}


NEEDED = (
    "Patient/example", "Patient/xds", "Observation/example", "Observation/20minute-apgar-score", "Condition/example",
    "MedicationDispense/meddisp008", "Observation/f001", "Practitioner/example",
)  # fmt: skip


@pytest.fixture(scope="module")
def suite(data_sets: Path) -> Suite:
    return Suite(data_sets)


@pytest.fixture(scope="module")
def client(program: Program, suite: Suite) -> Iterator[httpx.Client]:
    with program.client() as client:
        for key in NEEDED:
            if key in suite.examples:
                answer = client.put(f"/fhir/{key}", json=suite.examples[key])
                assert answer.is_success, (key, answer.text)
        yield client


def ask(client: httpx.Client, context: str, query: str, **more: Any) -> httpx.Response:
    path = f"/fhir/{context}" if context else "/fhir/$graphql"
    return client.post(path, json={"query": query, **more})


def test_the_published_cases_are_answered_as_published(client: httpx.Client, suite: Suite) -> None:
    right, wrong = 0, []
    for name, case in sorted(suite.cases.items(), key=lambda pair: pair[1]["context"].startswith("Patient/glossy")):
        if name in EXCLUDED:
            continue
        if case["context"].startswith("Patient/glossy"):  # another active patient, whom the searches are not to find
            assert client.put("/fhir/Patient/glossy", json=suite.examples["Patient/glossy"]).is_success
        query = suite.files[f"graphql/{case['source']}"].decode()
        more = {"operationName": "test", "variables": {"var": True}} if "operation" in case else {}
        answer = ask(client, case["context"], query, **more)
        if case["output"] == "$error":
            good = answer.status_code >= 400 and bool(answer.json()["errors"])
        else:
            wanted = json.loads(suite.files[f"graphql/{case['output']}"])
            good = answer.status_code == 200 and answer.json()["data"] == wanted
        right += good
        if not good:
            wrong.append((name, answer.text[:400]))
    assert not wrong
    assert right == 29 - len(EXCLUDED)


def data(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def test_a_query_comes_by_get_as_json_or_as_itself(client: httpx.Client) -> None:
    query = 'query q($given: String = "Peter") { name(given: $given, _count: 1) { family } }'
    path = "/fhir/Patient/example/$graphql"
    answers = [
        client.get(path, params={"query": query, "variables": "{}", "operationName": "q"}),
        client.post(path, json={"query": query, "variables": None}),
        client.post(path, content=query, headers={"Content-Type": "application/graphql"}),
    ]
    for answer in answers:
        assert data(answer) == {"name": [{"family": "Chalmers"}]}
        assert answer.headers["content-type"].startswith("application/json")


def test_lists_are_filtered_and_cut_and_fields_of_one_name_are_one(client: httpx.Client) -> None:
    query = """{ one: name(use: usual) { given } name(_offset: 1, _count: 1) { use } name(_offset: 1, _count: 1) { given }
                 none: name(fhirpath: "given.count() > 5") { use } resourceType __typename birthDate _birthDate { extension { url } } }"""
    found = data(ask(client, "Patient/example/$graphql", query))
    assert found["one"] == [{"given": ["Jim"]}] and found["name"] == [{"use": "usual", "given": ["Jim"]}]
    assert "none" not in found and found["resourceType"] == found["__typename"] == "Patient"
    assert found["_birthDate"]["extension"][0]["url"].endswith("patient-birthTime")


def test_numbers_keep_their_digits(client: httpx.Client) -> None:
    answer = ask(client, "Observation/f001/$graphql", "{ valueQuantity { value } }")
    assert '"value":6.3' in answer.text
    observation = {"resourceType": "Observation", "id": "digits", "status": "final", "code": {"text": "c"}}
    body = json.dumps({**observation, "valueQuantity": {"value": 0}}).replace('"value": 0', '"value": 1.10')
    assert client.put("/fhir/Observation/digits", content=body, headers={"Content-Type": "application/fhir+json"}).is_success
    assert '"value":1.10}' in ask(client, "Observation/digits/$graphql", "{ valueQuantity { value } }").text


def test_a_connection_counts_and_pages(client: httpx.Client) -> None:
    for number in range(5):
        body = {"resourceType": "Basic", "id": f"b{number}", "code": {"coding": [{"system": "urn:x", "code": "paged"}]}}
        assert client.put(f"/fhir/Basic/b{number}", json=body).is_success
    query = """query page($cursor: String = "") { BasicConnection(code: "urn:x|paged", _count: 2, _cursor: $cursor)
               { count pagesize next edges { mode resource { id } } } }"""
    first = data(ask(client, "", query))["BasicConnection"]
    assert (first["count"], first["pagesize"], [edge["mode"] for edge in first["edges"]]) == (5, 2, ["match", "match"])
    seen, cursor = first["edges"], first.get("next")
    while cursor:
        page = data(ask(client, "", query, variables={"cursor": cursor}))["BasicConnection"]
        seen, cursor = seen + page["edges"], page.get("next")
    assert sorted(edge["resource"]["id"] for edge in seen) == [f"b{number}" for number in range(5)]


def test_a_query_sees_what_a_read_sees_and_no_more(client: httpx.Client, program: Program) -> None:
    follow = "{ subject { reference resource { birthDate } } }"
    assert data(ask(client, "Observation/example/$graphql", follow))["subject"]["resource"]["birthDate"]
    with program.client("system/Observation.r") as narrow:
        assert ask(narrow, "Observation/example/$graphql", follow).status_code == 404
        optional = follow.replace("resource", "resource(optional: true)")
        assert data(ask(narrow, "Observation/example/$graphql", optional)) == {"subject": {"reference": "Patient/example"}}
        assert ask(narrow, "", "{ ObservationList { id } }").status_code == 403
        assert ask(narrow, "", '{ Patient(id: "example") { id } }').status_code == 404
        assert ask(narrow, "Patient/example/$graphql", "{ id }").status_code == 403
    with program.client("admin/inbox.r") as nobody:
        assert ask(nobody, "", '{ Patient(id: "example") { id } }').status_code == 404


BOMB = "query { ...a } " + " ".join(
    f"fragment {a} on Patient {{ ...{b} ...{b} ...{b} ...{b} }}" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("context", "query"),
    [
        ("Patient/example/$graphql", "{ nothing }"),
        ("Patient/example/$graphql", "{ name }"),
        ("Patient/example/$graphql", "{ birthDate { x } }"),
        ("Patient/example/$graphql", "{ name { given } name: identifier { value } }"),
        ("Patient/example/$graphql", "{ name(colour: red) { given } }"),
        ("Patient/example/$graphql", "{ name(_count: -1) { given } }"),
        ("Patient/example/$graphql", '{ name(fhirpath: "((") { given } }'),
        ("Patient/example/$graphql", "{ name @unknown { given } }"),
        ("Patient/example/$graphql", "{ name @skip(if: $no) { given } }"),
        ("Patient/example/$graphql", "query ($a: Int!) { id }"),
        ("Patient/example/$graphql", "mutation { id }"),
        ("Patient/example/$graphql", "{ ...a } fragment a on Patient { ...a }"),
        ("Patient/example/$graphql", BOMB + " fragment i on Patient { id }"),
        ("Patient/example/$graphql", "{ a" * 5000),
        ("Patient/example/$graphql", "{ contact " * 30 + "{ id }" + "}" * 30),
        ("Patient/example/$graphql", "{ id } " * 3),
        ("Patient/example/$graphql", ""),
        ("Patient/example/$graphql", "{ " + "id " * 9000 + "}"),
        ("Patient/nobody/$graphql", "{ id }"),
        ("", "{ id }"),
        ("", "{ PatientList { nothing } }"),
        ("", "{ PatientList(colour: red) { id } }"),
        ("", "{ PatientList(_include: x) { id } }"),
        ("", "{ PatientList(_reference: patient) { id } }"),
        ("", "{ " + " ".join(f'a{n}: PatientList(family: "x{n}") {{ id }}' for n in range(150)) + " }"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_be_answered_is_told_why(client: httpx.Client, context: str, query: str) -> None:
    answer = ask(client, context, query)
    assert 400 <= answer.status_code < 500, answer.text
    (error,) = answer.json()["errors"]
    assert error["extensions"]["resource"]["resourceType"] == "OperationOutcome"


def test_references_that_go_round_end(client: httpx.Client) -> None:
    for one, other in (("ring-a", "ring-b"), ("ring-b", "ring-a")):
        body = {"resourceType": "Patient", "id": one, "link": [{"other": {"reference": f"Patient/{other}"}, "type": "seealso"}]}
        assert client.put(f"/fhir/Patient/{one}", json=body).is_success
    query = "{ id }"
    for _ in range(6):
        query = "{ id link { other { resource " + query + " } } }"
    assert ask(client, "Patient/ring-a/$graphql", query).status_code == 200
