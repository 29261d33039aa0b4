"""R4's invariants: the short ways give what the expressions give, and every one of them can be asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import Problem, Problems
from penstock.formats.fhir.definitions import Invariant, r4
from penstock.formats.fhir.path import Env, parse, program
from penstock.formats.fhir.path.nodes import Literal
from penstock.formats.fhir.validate import check, invariants, require_sound
from penstock.formats.fhir.validate.errata import CORRECTED, expression_of
from penstock.formats.fhir.validate.native import NATIVE
from penstock.formats.fhir.validate.specialise import TRUE, specialise

Json = dict[str, Any]


def stated() -> list[tuple[str, Invariant]]:
    """Every invariant of R4 with the type of what it is asked about."""
    found = []
    for name in (*sorted(r4().resource_types), *sorted(r4().data_types)):
        todo = [name]
        while todo:
            definition = r4().type(todo.pop())
            assert definition is not None
            found += [(definition.name, rule) for rule in definition.invariants]
            for element in definition.elements.values():
                found += [(element.type, rule) for rule in element.invariants]
                todo += [element.type] if element.type.startswith(definition.name + ".") else []
    return found


STATED = stated()


def broken(resource: Json, *, warnings: bool = False) -> list[tuple[str, str]]:
    return [(each.key, each.at) for each in invariants.visit(resource, Env(resource=resource, root=resource), warnings=warnings)]


def test_every_invariant_of_r4_compiles() -> None:
    keys = set()
    for type, rule in STATED:
        if rule.key not in NATIVE:
            program(expression_of(rule), type)
        keys.add(rule.key)
    assert len(keys) >= 236


def test_what_is_corrected_is_an_invariant_of_r4_and_says_something_else() -> None:
    expressions = {rule.key: rule.expression for _, rule in STATED}
    assert all(expressions[key] != corrected for key, corrected in CORRECTED.items())


@pytest.mark.parametrize(
    ("resource", "rule"),
    [
        ({"resourceType": "Patient", "contact": [{"gender": "male"}]}, ("pat-1", ".contact[0]")),
        (
            {"resourceType": "Observation", "status": "final", "code": {}, "valueBoolean": True, "dataAbsentReason": {"text": "x"}},
            ("obs-6", ""),
        ),
        (
            {"resourceType": "Patient", "identifier": [{"period": {"start": "2020", "end": "2019"}}]},
            ("per-1", ".identifier[0].period"),
        ),
        ({"resourceType": "Patient", "managingOrganization": {"reference": "#o"}}, ("ref-1", ".managingOrganization")),
        ({"resourceType": "Patient", "contained": [{"resourceType": "Patient", "id": "c"}]}, ("dom-3", "")),
        (
            {
                "resourceType": "Patient",
                "name": [{"_family": {"extension": [{"url": "u:a", "valuePeriod": {"start": "2020", "end": "2019"}}]}}],
            },
            ("per-1", ".name[0].family.extension[0].value"),
        ),
        ({"resourceType": "Observation", "referenceRange": [{"low": {"comparator": "<"}}]}, ("sqty-1", ".referenceRange[0].low")),
        ({"resourceType": "Patient", "text": {"status": "empty", "div": "<div> <p/> </div>"}}, ("txt-2", ".text.div")),
    ],
)
def test_a_broken_invariant_is_found_where_it_is(resource: Json, rule: tuple[str, str]) -> None:
    assert rule in broken(resource)


def test_a_contained_resource_is_read_within_its_container_and_an_entry_by_itself() -> None:
    inner = {"resourceType": "Observation", "id": "i", "subject": {"reference": "#p"}}
    people = {"resourceType": "Patient", "id": "p"}
    container = {"resourceType": "Observation", "contained": [inner, people], "hasMember": [{"reference": "#i"}]}
    assert ("ref-1", ".contained[0].subject") not in broken(container)
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inner}], "contained": [people]}
    assert ("ref-1", ".entry[0].resource.subject") in broken(bundle)


def test_rules_that_only_warn_are_asked_when_somebody_wants_warnings() -> None:
    assert ("dom-6", "") not in broken({"resourceType": "Patient"})
    assert ("dom-6", "") in broken({"resourceType": "Patient"}, warnings=True)


def test_what_is_stored_keeps_structure_and_invariants_and_the_words_are_the_specification_s() -> None:
    require_sound({"resourceType": "Patient", "contact": [{"name": {"text": "x"}}]})
    with pytest.raises(Problems) as caught:
        require_sound({"resourceType": "Patient", "contact": [{"gender": "male"}]})
    assert (caught.value.code, caught.value.at) == ("invariant", "Patient.contact[0]")
    assert "SHALL at least contain a contact's details" in caught.value.text and "(pat-1)" in caught.value.text
    with pytest.raises(Problem) as structure:
        require_sound({"resourceType": "Patient", "contact": [{"gender": 1}]})
    assert structure.value.code == "structure"


#: Objects of types with many rules, whose values keep the structure.
SAMPLES: dict[str, Json] = {
    "Observation": {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "urn:s", "code": "a"}]},
        "valueString": "x",
        "dataAbsentReason": {"text": "x"},
        "component": [{"code": {"coding": [{"system": "urn:s", "code": "a"}]}}],
        "referenceRange": [{"text": "x"}],
        "contained": [{"resourceType": "Patient", "id": "c"}],
        "subject": {"reference": "#c"},
    },
    "Bundle": {
        "resourceType": "Bundle",
        "type": "document",
        "total": 1,
        "identifier": {"value": "x"},
        "timestamp": "2020-01-01T00:00:00Z",
        "entry": [{"fullUrl": "u:a", "resource": {"resourceType": "Patient"}}, {"fullUrl": "u:a", "search": {"score": 1}}],
    },
    "ElementDefinition": {
        "path": "Patient.name",
        "min": 1,
        "max": "0",
        "type": [{"code": "string"}],
        "contentReference": "#x",
        "fixedString": "x",
        "patternString": "x",
        "sliceName": "a/b",
        "binding": {"strength": "required", "valueSet": "u:v"},
        "defaultValueString": "x",
        "meaningWhenMissing": "x",
    },
    "Quantity": {"value": 1, "code": "g", "system": "urn:s", "unit": "g", "comparator": "<"},
    "Timing.repeat": {
        "duration": 1,
        "durationUnit": "h",
        "durationMax": 2,
        "period": -1,
        "periodUnit": "d",
        "periodMax": 1,
        "offset": 1,
        "when": ["C"],
        "timeOfDay": ["10:00:00"],
        "count": 1,
        "countMax": 2,
    },
}


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_rule_that_the_shape_keeps_is_kept_by_the_expression(data: st.DataObject) -> None:
    """What is known from the names of the properties alone is what the whole expression finds, for any of them left out."""
    type = data.draw(st.sampled_from(sorted(SAMPLES)))
    names = data.draw(st.sets(st.sampled_from(sorted(set(SAMPLES[type]) - {"resourceType"}))))
    value = {name: each for name, each in SAMPLES[type].items() if name in names or name == "resourceType"}
    definition = r4().type(type)
    assert definition is not None
    stem = {name: (element.choice or name).removeprefix("_") for name, element in definition.elements.items()}
    for rule in definition.invariants:
        left = specialise(parse(expression_of(rule)), frozenset(stem.values()), frozenset(stem[name] for name in names))
        if isinstance(left, Literal) and rule.key not in NATIVE:
            env = Env(resource=value, root=value)
            assert program(expression_of(rule), type).true(value, env) is (left == TRUE), (rule.key, sorted(names))


@settings(max_examples=200, deadline=None)
@given(
    reference=st.sampled_from(["#a", "#b", "#", "Patient/1", "http://x.example/Patient/1", "urn:uuid:1"]),
    contained=st.lists(st.sampled_from(["a", "b", "c"]), max_size=2),
)
def test_the_plain_rule_on_local_references_says_what_the_expression_says(reference: str, contained: list[str]) -> None:
    root = {"resourceType": "Patient", "contained": [{"resourceType": "Patient", "id": id} for id in contained]}
    env = Env(resource=root, root=root)
    rule = next(rule for _, rule in STATED if rule.key == "ref-1")
    expected = program(rule.expression, "Reference").true({"reference": reference}, env)
    if reference != "#":  # the container itself, which the expression forgot (references.html#contained)
        assert NATIVE["ref-1"]({"reference": reference}, env) is expected


@settings(max_examples=200, deadline=None)
@given(
    entries=st.lists(st.tuples(st.sampled_from([None, "u:a", "u:b"]), st.sampled_from([None, "1", "2"])), max_size=4),
    kind=st.sampled_from(["history", "collection"]),
)
def test_the_plain_rule_on_unique_entries_says_what_the_expression_says(entries: list[tuple[str | None, str | None]], kind: str) -> None:
    bundle: Json = {"resourceType": "Bundle", "type": kind, "entry": [_entry(*each) for each in entries]}
    rule = next(rule for _, rule in STATED if rule.key == "bdl-7")
    expected = program(rule.expression, "Bundle").true(bundle, Env(resource=bundle, root=bundle))
    assert NATIVE["bdl-7"](bundle, Env()) is expected


def _entry(url: str | None, version: str | None) -> Json:
    resource = {"resourceType": "Patient", "meta": {"versionId": version}} if version else {"resourceType": "Patient"}
    return {"fullUrl": url, "resource": resource} if url else {"resource": resource}


def test_check_stays_about_structure() -> None:
    assert check({"resourceType": "Patient", "contact": [{"gender": "male"}]}) == []
