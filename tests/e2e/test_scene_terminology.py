"""The terminology operations against the running program: over what is stored, what R4 publishes, and what a request brings."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Program
from tests.unit.terminology.given import ANIMALS, animals, code_system, filtered, value_set

VS = "http://example.org/vs/dogs"
MAP = "http://example.org/map"
SOUNDS = "http://example.org/cs/sounds"
_TERMS = "http://terminology.hl7.org/CodeSystem/"
GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"
SCENE = (
    {**animals(), "id": "animals"},
    {**value_set(VS, filtered("concept", "is-a", "dog"), version="1"), "id": "dogs"},
    {
        "resourceType": "ConceptMap",
        "id": "sounds",
        "url": MAP,
        "status": "active",
        "group": [
            {
                "source": ANIMALS,
                "target": SOUNDS,
                "element": [{"code": "dog", "target": [{"code": "bark", "display": "Bark", "equivalence": "relatedto"}]}],
            }
        ],
    },
)


@pytest.fixture(scope="module")
def client(program: Program) -> Iterator[httpx.Client]:
    with program.client() as client:
        for each in SCENE:
            answer = client.put(f"/fhir/{each['resourceType']}/{each['id']}", json=each)
            assert answer.status_code == 201, answer.text
        yield client


def parameters(**given: Any) -> dict[str, Any]:
    """Parameters: a name and the name of its JSON value, joined by two underscores (``url__valueUri``)."""
    rows = []
    for name, value in given.items():
        key, _, kind = name.partition("__")
        rows += [{"name": key.replace("_", "-"), kind: each} for each in (value if isinstance(value, list) else [value])]
    return {"resourceType": "Parameters", **({"parameter": rows} if rows else {})}


def values(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = {}
    for row in answer.json().get("parameter", ()):
        value = next((value for name, value in row.items() if name != "name"), None)
        found.setdefault(row["name"], value)
    return found


def codes(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["code"] for row in answer.json()["expansion"].get("contains", ())]


def test_a_stored_value_set_is_expanded_by_url_by_id_and_as_it_is_sent(client: httpx.Client) -> None:
    by_url = client.get("/fhir/ValueSet/$expand", params={"url": VS, "excludeNested": "true"})
    assert codes(by_url) == ["dog", "puppy"]
    assert by_url.json()["expansion"]["identifier"].startswith("urn:uuid:")
    assert codes(client.get("/fhir/ValueSet/dogs/$expand", params={"count": 1, "offset": 1})) == ["puppy"]
    sent = value_set("http://x/vs", filtered("concept", "is-a", "bird"))
    assert codes(client.post("/fhir/ValueSet/$expand", json=sent)) == ["bird"]
    assert codes(client.get("/fhir/ValueSet/$expand", params={"url": GENDER, "filter": "fem"})) == ["female"]
    assert codes(client.get("/fhir/ValueSet/$expand", params={"url": VS, "valueSetVersion": "1", "count": 9})) == ["dog", "puppy"]


def test_a_date_since_the_definitions_are_as_they_are_is_answered(client: httpx.Client) -> None:
    assert len(codes(client.get("/fhir/ValueSet/$expand", params={"url": GENDER, "date": "2023-05"}))) == 4
    asked = {"system": "http://hl7.org/fhir/administrative-gender", "code": "male", "date": "2010-01-01"}
    assert client.get("/fhir/CodeSystem/$lookup", params=asked).status_code == 400
    assert values(client.get("/fhir/CodeSystem/$lookup", params={**asked, "date": "2024"}))["display"] == "Male"


def test_an_expansion_of_what_an_element_is_bound_to(client: httpx.Client) -> None:
    context = "http://hl7.org/fhir/StructureDefinition/Patient#Patient.gender"
    assert "male" in codes(client.get("/fhir/ValueSet/$expand", params={"context": context}))
    answer = client.get("/fhir/ValueSet/$validate-code", params={"context": context, "code": "male"})
    assert values(answer)["result"] is True


@pytest.mark.parametrize(
    ("path", "given", "result"),
    [
        ("ValueSet/$validate-code", {"url": VS, "system": ANIMALS, "code": "puppy"}, True),
        ("ValueSet/$validate-code", {"url": VS, "system": ANIMALS, "code": "cat"}, False),
        ("ValueSet/$validate-code", {"url": VS, "code": "puppy", "inferSystem": "true"}, True),
        ("ValueSet/dogs/$validate-code", {"system": ANIMALS, "code": "dog", "display": "dog"}, True),
        ("ValueSet/dogs/$validate-code", {"system": ANIMALS, "code": "dog", "display": "Cat"}, False),
        ("CodeSystem/$validate-code", {"url": ANIMALS, "code": "cat"}, True),
        ("CodeSystem/$validate-code", {"url": ANIMALS, "code": "unicorn"}, False),
        ("CodeSystem/$validate-code", {"url": ANIMALS, "code": "cat", "version": "9"}, False),
        ("CodeSystem/animals/$validate-code", {"code": "cat", "display": "Katze"}, True),
        ("CodeSystem/$validate-code", {"url": "http://unitsofmeasure.org", "code": "mg/dL"}, True),
        ("CodeSystem/$validate-code", {"url": "http://nobody.example", "code": "x"}, False),
    ],
)
def test_a_code_is_validated(client: httpx.Client, path: str, given: dict[str, str], result: bool) -> None:
    assert values(client.get(f"/fhir/{path}", params=given))["result"] is result


def test_a_lookup_tells_what_a_code_means(client: httpx.Client) -> None:
    found = values(client.get("/fhir/CodeSystem/$lookup", params={"system": ANIMALS, "code": "cat", "displayLanguage": "de"}))
    assert (found["display"], found["version"], found["abstract"]) == ("Katze", "1", False)
    coding = {"system": ANIMALS, "code": "dodo"}
    answer = client.post("/fhir/CodeSystem/$lookup", json=parameters(coding__valueCoding=coding, property__valueCode="status"))
    assert {"name": "value", "valueCode": "retired"} in values(answer)["property"]


@pytest.mark.parametrize(
    ("one", "other", "outcome"), [("dog", "puppy", "subsumes"), ("duck", "bird", "subsumed-by"), ("dog", "cat", "not-subsumed")]
)
def test_how_two_codes_are_related(client: httpx.Client, one: str, other: str, outcome: str) -> None:
    found = client.get("/fhir/CodeSystem/$subsumes", params={"system": ANIMALS, "codeA": one, "codeB": other})
    assert values(found) == {"outcome": outcome}
    codings = parameters(codingA__valueCoding={"system": ANIMALS, "code": one}, codingB__valueCoding={"system": ANIMALS, "code": other})
    assert values(client.post("/fhir/CodeSystem/$subsumes", json=codings)) == {"outcome": outcome}
    assert values(client.get("/fhir/CodeSystem/animals/$subsumes", params={"codeA": one, "codeB": other})) == {"outcome": outcome}


def test_codes_are_found_by_their_properties(client: httpx.Client) -> None:
    body = parameters(system__valueUri=ANIMALS, exact__valueBoolean=True)
    body["parameter"].append({"name": "property", "part": [{"name": "code", "valueCode": "legs"}, {"name": "value", "valueString": "4"}]})
    found = client.post("/fhir/CodeSystem/$find-matches", json=body).json()["parameter"]
    assert [row["part"][0]["valueCoding"]["code"] for row in found] == ["dog"]


def test_a_concept_is_translated_by_stored_maps_and_by_those_of_r4(client: httpx.Client) -> None:
    found = values(client.get("/fhir/ConceptMap/$translate", params={"url": MAP, "system": ANIMALS, "code": "dog"}))
    assert found["result"] is True
    assert {"name": "concept", "valueCoding": {"system": "http://example.org/cs/sounds", "code": "bark", "display": "Bark"}} in found[
        "match"
    ]
    back = {"system": "http://example.org/cs/sounds", "code": "bark", "reverse": "true"}
    assert values(client.get("/fhir/ConceptMap/sounds/$translate", params=back))["result"] is True
    gender = {
        "system": "http://hl7.org/fhir/administrative-gender",
        "code": "male",
        "targetsystem": "http://terminology.hl7.org/CodeSystem/v2-0001",
    }
    answer = client.get("/fhir/ConceptMap/$translate", params=gender)
    assert [part.get("valueCoding", {}).get("code") for part in values(answer)["match"]][1] == "M"
    nothing = values(client.get("/fhir/ConceptMap/$translate", params={"system": ANIMALS, "code": "cat"}))
    assert nothing["result"] is False and nothing["message"]


def closure(client: httpx.Client, **given: Any) -> httpx.Response:
    return client.post("/fhir/$closure", json=parameters(**given))


def coding(code: str) -> dict[str, str]:
    return {"system": ANIMALS, "code": code}


def relations(answer: httpx.Response) -> set[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    elements = [element for group in answer.json().get("group", ()) for element in group["element"]]
    return {(element["code"], target["code"]) for element in elements for target in element["target"]}


def test_a_closure_table_tells_each_relation_once_and_again_when_asked(client: httpx.Client) -> None:
    assert closure(client, name__valueString="t", concept__valueCoding=[coding("dog")]).status_code == 404
    assert relations(closure(client, name__valueString="t")) == set()
    assert relations(closure(client, name__valueString="t", concept__valueCoding=[coding("puppy"), coding("beast")])) == {
        ("puppy", "beast")
    }
    second = closure(client, name__valueString="t", concept__valueCoding=[coding("dog"), coding("puppy")])
    assert relations(second) == {("puppy", "dog"), ("dog", "beast")}
    again = closure(client, name__valueString="t", version__valueString="1")
    assert relations(again) == relations(second)
    assert again.json()["version"] == second.json()["version"] == "2"
    assert relations(closure(client, name__valueString="t", concept__valueCoding=[coding("dog")])) == set()
    assert closure(client, name__valueString="t", concept__valueCoding=[coding("unicorn")]).status_code == 404
    assert relations(closure(client, name__valueString="t", version__valueString="2")) == set()


def test_writers_of_one_closure_table_miss_no_relation(client: httpx.Client) -> None:
    closure(client, name__valueString="many")
    every = ["beast", "mammal", "dog", "puppy", "cat", "bird", "duck", "platypus"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda code: closure(client, name__valueString="many", concept__valueCoding=[coding(code)]), every))
    told = [pair for answer in answers for pair in relations(answer)]
    whole = relations(closure(client, name__valueString="many", version__valueString="0"))
    assert len(told) == len(set(told)) and set(told) == whole
    assert whole == {
        ("mammal", "beast"), ("dog", "beast"), ("dog", "mammal"), ("puppy", "beast"), ("puppy", "mammal"), ("puppy", "dog"),
        ("cat", "beast"), ("cat", "mammal"), ("bird", "beast"), ("duck", "beast"), ("duck", "bird"),
        ("platypus", "beast"), ("platypus", "mammal"), ("platypus", "bird"),
    }  # fmt: skip


def test_a_change_of_a_code_system_counts_at_once(client: httpx.Client) -> None:
    url = "http://example.org/cs/changing"
    body = {**code_system(url, "a"), "id": "changing"}
    for concepts, known in ((["a"], False), (["a", "b"], True), (["a"], False)):
        client.put("/fhir/CodeSystem/changing", json={**body, "concept": [{"code": code} for code in concepts]}).raise_for_status()
        assert values(client.get("/fhir/CodeSystem/$validate-code", params={"url": url, "code": "b"}))["result"] is known
    client.delete("/fhir/CodeSystem/changing")
    assert values(client.get("/fhir/CodeSystem/$validate-code", params={"url": url, "code": "a"}))["result"] is False


def test_what_a_request_brings_counts_for_it_alone(client: httpx.Client) -> None:
    brought = code_system("http://example.org/cs/brought", "x", "y")
    sent = value_set("http://example.org/vs/brought", {"system": "http://example.org/cs/brought"})
    body = parameters(url__valueUri="http://example.org/vs/brought")
    body["parameter"] += [{"name": "tx-resource", "resource": each} for each in (brought, sent)]
    assert codes(client.post("/fhir/ValueSet/$expand", json=body)) == ["x", "y"]
    assert client.get("/fhir/ValueSet/$expand", params={"url": "http://example.org/vs/brought"}).status_code == 404


def expand(**given: Any) -> tuple[str, dict[str, Any]]:
    return "ValueSet/$expand", parameters(**given)


def inline(*include: Any, **more: Any) -> tuple[str, dict[str, Any]]:
    return "ValueSet/$expand", value_set("http://x/vs", *include, **more)


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        (expand(), 422, "required"),
        (expand(url__valueUri="http://nobody"), 404, "not-found"),
        (expand(url__valueUri=VS, count__valueInteger=-1), 400, "invalid"),
        (expand(url__valueUri=VS, offset__valueInteger=-1), 400, "invalid"),
        (expand(url__valueUri=VS, colour__valueString="red"), 400, "not-supported"),
        (expand(url__valueUri=VS, system_version__valueCanonical="no-version"), 400, "invalid"),
        (expand(url__valueUri=VS, force_system_version__valueCanonical=f"{ANIMALS}|9"), 404, "not-found"),
        (expand(url__valueUri=VS, useSupplement__valueCanonical="http://nobody"), 404, "not-found"),
        (expand(context__valueUri="http://nobody#Patient.gender"), 404, "not-found"),
        (expand(url__valueUri="http://hl7.org/fhir/ValueSet/all-languages"), 403, "too-costly"),
        (expand(url__valueUri=GENDER, date__valueDateTime="2010-01-01"), 400, "not-supported"),
        (inline({"system": "urn:ietf:bcp:47"}), 403, "too-costly"),
        (inline(filtered("code", "regex", "(")), 400, "invalid"),
        (inline(filtered("concept", "is-a", "unicorn")), 404, "not-found"),
        (inline({"valueSet": ["#nobody"]}), 404, "not-found"),
        (inline({"system": ANIMALS, "filter": "all"}), 400, "structure"),
        (inline(*({"system": "http://dicom.nema.org/resources/ontology/DCM"} for _ in range(3000))), 403, "too-costly"),
        (("CodeSystem/$lookup", parameters(code__valueCode="x", system__valueUri="http://nobody")), 404, "not-found"),
        (("CodeSystem/$lookup", parameters(code__valueCode="unicorn", system__valueUri=ANIMALS)), 404, "not-found"),
        (("CodeSystem/$lookup", parameters(code__valueCode="x")), 422, "required"),
        (("CodeSystem/$subsumes", parameters(codeA__valueCode="dog", codeB__valueCode="cat")), 422, "required"),
        (("ValueSet/$validate-code", parameters(url__valueUri=VS, code__valueCode="dog")), 422, "required"),
        (("ValueSet/$validate-code", parameters(url__valueUri=VS)), 400, "invalid"),
        (("ConceptMap/$translate", parameters(url__valueUri="http://nobody", code__valueCode="x")), 404, "not-found"),
        (("ConceptMap/$translate", parameters(url__valueUri=MAP)), 400, "invalid"),
        (("$closure", parameters(name__valueString="n" * 300)), 400, "invalid"),
        (("$closure", parameters(name__valueString="n", version__valueString="x")), 400, "invalid"),
    ],
)
def test_what_cannot_be_answered_is_told_clearly(client: httpx.Client, asked: tuple[str, dict[str, Any]], status: int, code: str) -> None:
    path, body = asked
    answer = client.post(f"/fhir/{path}", json=body)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (status, code), answer.text
    assert "unicorn" not in answer.text and "nobody" not in answer.text


def test_the_operations_need_the_right_to_read_their_type(program: Program, client: httpx.Client) -> None:
    with program.client("system/Patient.rs system/ValueSet.rs") as other:
        assert other.get("/fhir/ValueSet/$expand", params={"url": VS}).status_code == 200
        assert other.get("/fhir/CodeSystem/$lookup", params={"system": ANIMALS, "code": "dog"}).status_code == 403
        assert closure(other, name__valueString="t").status_code == 403


def test_an_expansion_comes_as_xml_too(client: httpx.Client) -> None:
    answer = client.get("/fhir/ValueSet/$expand", params={"url": VS, "_format": "xml"})
    assert answer.status_code == 200 and b'<code value="puppy"/>' in answer.content
