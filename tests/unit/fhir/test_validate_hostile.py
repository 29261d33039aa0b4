"""Definitions and resources that hold anything: validation ends, with issues or with a Problem."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import Problem
from penstock.formats.fhir.canonical import Shelf
from penstock.formats.fhir.validate import require_sound, run
from penstock.formats.fhir.validate.validator import Validator
from penstock.terminology import Terminology

Json = dict[str, Any]

URL = "http://p.example/p"
PROFILE: Json = {
    "resourceType": "StructureDefinition",
    "url": URL,
    "name": "P",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {
        "element": [
            {"path": "Patient", "constraint": [{"key": "x-1", "severity": "error", "human": "x", "expression": "name.exists()"}]},
            {
                "path": "Patient.identifier",
                "slicing": {"discriminator": [{"type": "value", "path": "system"}], "rules": "closed", "ordered": True},
            },
            {"path": "Patient.identifier", "sliceName": "a", "min": 1, "max": "1"},
            {"path": "Patient.identifier.system", "fixedUri": "urn:a"},
            {"path": "Patient.maritalStatus", "binding": {"strength": "required", "valueSet": "urn:vs"}},
            {"path": "Patient.generalPractitioner", "type": [{"code": "Reference", "targetProfile": [URL]}]},
            {"path": "Patient.multipleBirthInteger", "maxValueInteger": 3},
        ]
    },
}
EXTENSION: Json = {
    "resourceType": "StructureDefinition",
    "url": "http://p.example/e",
    "type": "Extension",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
    "derivation": "constraint",
    "context": [{"type": "element", "expression": "Patient"}, {"type": "fhirpath", "expression": "name"}],
    "contextInvariant": ["true"],
    "differential": {"element": [{"path": "Extension", "isModifier": False}, {"path": "Extension.value[x]", "type": [{"code": "string"}]}]},
}
PATIENT: Json = {
    "resourceType": "Patient",
    "meta": {"profile": [URL]},
    "extension": [{"url": "http://p.example/e", "valueString": "x"}],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "x"}],
    "identifier": [{"system": "urn:a", "value": "1"}],
    "name": [{"family": "A", "given": ["B"], "period": {"start": "2020"}}],
    "maritalStatus": {"coding": [{"system": "urn:s", "code": "M"}]},
    "generalPractitioner": [{"reference": "#o"}],
    "multipleBirthInteger": 2,
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
}

junk = st.sampled_from(
    [None, True, 0, -1, "", "x", "#o", "Patient", "Patient.name", "Patient.x.y", URL, "a(", "$this", "resolve()", {}, [], [None], {"a": 1}]
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every member and item: what holds it, and its name or number there."""
    found: list[tuple[Any, Any]] = []
    todo = [value]
    while todo:
        one = todo.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        found += [(one, key) for key in keys]
        todo += [one[key] for key in keys]
    return found


def damaged(data: st.DataObject, value: Json) -> Json:
    """A copy with some members replaced by anything, or gone; it keeps what it is asked for by."""
    changed = copy.deepcopy(value)
    for _ in range(data.draw(st.integers(1, 4))):
        candidates = [(holder, key) for holder, key in places(changed) if key not in ("url", "resourceType")]
        holder, key = data.draw(st.sampled_from(candidates))
        if data.draw(st.booleans()):
            holder[key] = copy.deepcopy(data.draw(junk))
        else:
            holder.pop(key)
    return changed


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_a_definition_may_hold_anything(data: st.DataObject) -> None:
    shelf = Shelf([damaged(data, PROFILE), damaged(data, EXTENSION)])
    issues = Validator(shelf, Terminology(shelf)).check(PATIENT, [URL])
    assert all(issue.at.startswith("Patient") for issue in issues)


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_a_resource_may_hold_anything(data: st.DataObject) -> None:
    shelf = Shelf([PROFILE, EXTENSION])
    resource = damaged(data, PATIENT)
    issues = Validator(shelf, Terminology(shelf)).check(resource, [URL])
    try:
        require_sound(resource)
    except Problem:
        assert any(issue.severity == "error" for issue in issues)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_definition_may_be_validated_whatever_it_holds(data: st.DataObject) -> None:
    shelf = Shelf([PROFILE])
    Validator(shelf, Terminology(shelf)).check(damaged(data, PROFILE))


def test_what_would_take_too_much_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MOST_STEPS", 100)
    many = {"resourceType": "Patient", "name": [{"given": ["x"]}] * 200}
    with pytest.raises(Problem) as caught:
        Validator(Shelf()).check(many)
    assert caught.value.code == "too-costly"


def test_a_path_of_a_profile_that_is_very_deep_is_no_path() -> None:
    deep = copy.deepcopy(PROFILE)
    deep["differential"]["element"].append({"path": ".".join(["Patient"] + ["contact"] * 5000)})
    issues = Validator(Shelf([deep])).check(PATIENT, [URL])
    assert ("warning", "invalid") in [(issue.severity, issue.code) for issue in issues if issue.rule == "profile"]


def test_a_thousand_slices_and_references_to_what_is_contained_are_found_by_name() -> None:
    """Each is looked up, not searched for: the work stays under the bound that a search would break."""
    many = 2_000
    resource = {
        "resourceType": "Patient",
        "contained": [{"resourceType": "Practitioner", "id": f"c{number}"} for number in range(many)],
        "generalPractitioner": [{"reference": f"#c{number}"} for number in range(many)],
    }
    issues = Validator(Shelf()).check(resource)
    assert not [issue for issue in issues if issue.severity == "error"]
