"""Any values for any parameters of the terminology operations: an answer or a clear refusal, never a defect."""

import dataclasses
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies

from penstock.api.app import build
from penstock.api.operations import OPERATIONS, Operation
from penstock.api.parts import Parts
from penstock.formats.fhir.canonical import Shelf
from penstock.terminology import Terminology
from tests.http_door import BASE, EVERYTHING, parts, recorded, token
from tests.unit.terminology.given import ANIMALS, animals, filtered, value_set

__all__ = ["parts", "recorded", "token"]

VS = "http://example.org/vs/a"
CODES = {"closure", "expand", "find-matches", "lookup", "subsumes", "translate", "validate-code"}
SERVED = [each for each in OPERATIONS if each.code in CODES]
TEXTS = [ANIMALS, VS, f"{VS}|1", f"{ANIMALS}|9", "dog", "cat", "unicorn", "de", "*", "|", "#", "x" * 300, "http://nobody", "2020-01-01"]
TEXTS += ["urn:ietf:bcp:47", "http://unitsofmeasure.org", "mg/dL", "[", "0", "", "é\u0001", "a\u0000b", "\U0001f600"]
TEXTS += ["http://hl7.org/fhir/StructureDefinition/Patient#Patient.gender"]
CODINGS: list[dict[str, Any]] = [
    {"system": ANIMALS, "code": "dog"},
    {"system": ANIMALS, "code": "dog", "display": "Katze", "version": "9"},
    {"code": "dog"},
    {"system": VS, "code": "x"},
    {"display": "x"},
    {"system": "relative", "code": "x"},
]
RESOURCES: list[dict[str, Any]] = [
    animals(),
    {**animals(), "url": ""},
    value_set(VS, filtered("concept", "is-a", "dog")),
    value_set("http://x", {"valueSet": ["http://x"]}),
    value_set("", {"system": ANIMALS, "filter": [{"property": "code", "op": "regex", "value": "("}]}),
    {"resourceType": "ConceptMap", "status": "active", "group": []},
    {"resourceType": "ValueSet"},
    {"resourceType": "Patient"},
]


def _concept(codings: list[dict[str, Any]]) -> dict[str, Any]:
    return {"coding": codings} if codings else {"text": "x"}


VALUES: dict[str, tuple[str, strategies.SearchStrategy[Any]]] = {
    "boolean": ("valueBoolean", strategies.booleans()),
    "integer": ("valueInteger", strategies.sampled_from([0, 1, -1, 5, 2**31, 10**30])),
    "Coding": ("valueCoding", strategies.sampled_from(CODINGS)),
    "CodeableConcept": ("valueCodeableConcept", strategies.lists(strategies.sampled_from(CODINGS), max_size=3).map(_concept)),
}


@strategies.composite
def call(draw: Any) -> tuple[Operation, dict[str, Any]]:
    """An operation and Parameters of those that it declares."""
    operation = draw(strategies.sampled_from(SERVED))
    rows = []
    for parameter in draw(strategies.lists(strategies.sampled_from(operation.takes), max_size=7)):
        if parameter.type in ("Resource", "ValueSet", "CodeSystem", "ConceptMap"):
            rows.append({"name": parameter.name, "resource": draw(strategies.sampled_from(RESOURCES))})
        else:
            key, values = VALUES.get(parameter.type, ("valueString", strategies.sampled_from(TEXTS)))
            rows.append({"name": parameter.name, key: draw(values)})
    return operation, {"resourceType": "Parameters", **({"parameter": rows} if rows else {})}


@pytest.fixture
def door(parts: Parts, token: Any) -> httpx.AsyncClient:
    shelf = Shelf([animals(), value_set(VS, {"system": ANIMALS}, version="1")])
    app = build(dataclasses.replace(parts, canonicals=shelf, terminology=Terminology(shelf)))
    headers = {"authorization": f"Bearer {token(EVERYTHING)}", "content-type": "application/fhir+json"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app, raise_app_exceptions=False), base_url=BASE, headers=headers)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(asked=call())
async def test_any_parameters_are_answered_or_refused(door: httpx.AsyncClient, asked: tuple[Operation, dict[str, Any]]) -> None:
    operation, body = asked
    path = f"/fhir/{operation.types[0]}/${operation.code}" if operation.types else f"/fhir/${operation.code}"
    answer = await door.post(path, json=body)
    assert answer.status_code < 500, answer.text
    assert "unicorn" not in answer.text or answer.status_code == 200
