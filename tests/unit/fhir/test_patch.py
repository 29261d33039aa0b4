"""What patches do beyond the official cases: extensions of primitives, choices, limits, and what is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import Problem
from penstock.formats.fhir import patch
from penstock.formats.fhir.patch import json_patch
from penstock.formats.fhir.validate import check

Resource = dict[str, Any]

PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "a",
    "extension": [{"url": "http://a.example", "valueString": "x"}],
    "identifier": [{"system": "urn:a", "value": "1"}, {"system": "urn:b", "value": "2"}],
    "name": [{"family": "Smith", "given": ["John", "Paul"], "_given": [None, {"id": "second"}]}],
    "birthDate": "1970-01-01",
    "_birthDate": {"extension": [{"url": "http://b.example", "valueDateTime": "1970-01-01T10:00:00Z"}]},
    "deceasedBoolean": False,
    "contact": [{"name": {"text": "a name"}}],
}


def parameters(*operations: dict[str, Any]) -> bytes:
    """A FHIRPath Patch; a plain value becomes a string, an int an integer, a dict is a part as it is."""
    return json.dumps({"resourceType": "Parameters", "parameter": [_operation(each) for each in operations]}).encode()


def _operation(given: dict[str, Any]) -> Resource:
    parts = []
    for name, value in given.items():
        if isinstance(value, dict):
            parts.append({"name": name, **value})
        else:
            key = "valueCode" if name == "type" else "valueInteger" if isinstance(value, int) else "valueString"
            parts.append({"name": name, key: value})
    return {"name": "operation", "part": parts}


def patched(*operations: dict[str, Any], resource: Resource = PATIENT) -> Resource:
    before = copy.deepcopy(resource)
    result = patch.apply(resource, parameters(*operations), "application/fhir+json")
    assert resource == before, "the resource that is patched stays as it is"
    return result


def refused(run: Callable[[], Any]) -> Problem:
    with pytest.raises(Problem) as caught:
        run()
    return caught.value


def changes(result: Resource) -> Resource:
    """What is different, None for what is gone."""
    return {name: result.get(name) for name in {*PATIENT, *result} if result.get(name) != PATIENT.get(name)}


# FHIRPath Patch


def test_a_primitive_is_deleted_with_its_extensions() -> None:
    assert changes(patched({"type": "delete", "path": "Patient.birthDate"})) == {"birthDate": None, "_birthDate": None}


def test_a_replaced_primitive_keeps_nothing_of_the_old_one() -> None:
    value = {"valueDate": "1980-01-01"}
    assert changes(patched({"type": "replace", "path": "Patient.birthDate", "value": value})) == value_of("1980-01-01")


def value_of(date: str) -> Resource:
    return {"birthDate": date, "_birthDate": None}


def test_the_extension_of_a_primitive_is_deleted_and_the_primitive_stays() -> None:
    assert changes(patched({"type": "delete", "path": "Patient.birthDate.extension[0]"})) == {"_birthDate": None}


def test_an_extension_is_added_to_a_primitive() -> None:
    value = {"part": [{"name": "url", "valueUri": "http://c.example"}, {"name": "value", "valueString": "y"}]}
    result = patched({"type": "add", "path": "Patient.name.family", "name": "extension", "value": value})
    assert result["name"][0]["_family"] == {"extension": [{"url": "http://c.example", "valueString": "y"}]}
    one = patched({"type": "add", "path": "Patient.name.given[0]", "name": "extension", "value": value})
    assert one["name"][0]["_given"] == [result["name"][0]["_family"], {"id": "second"}]


def test_items_of_a_list_move_with_their_extensions() -> None:
    moved = patched({"type": "move", "path": "Patient.name[0].given", "source": 1, "destination": 0})
    assert moved["name"][0]["given"] == ["Paul", "John"] and moved["name"][0]["_given"] == [{"id": "second"}, None]
    gone = patched({"type": "delete", "path": "Patient.name[0].given[0]"})
    assert gone["name"][0]["given"] == ["Paul"] and gone["name"][0]["_given"] == [{"id": "second"}]
    put = patched({"type": "insert", "path": "Patient.name[0].given", "index": 1, "value": "George"})
    assert put["name"][0]["given"] == ["John", "George", "Paul"] and put["name"][0]["_given"] == [None, None, {"id": "second"}]


def test_a_choice_takes_the_type_of_the_new_value() -> None:
    result = patched({"type": "replace", "path": "Patient.deceased", "value": {"valueDateTime": "2020-01-01"}})
    assert changes(result) == {"deceasedBoolean": None, "deceasedDateTime": "2020-01-01"}


def test_a_list_is_begun_where_there_is_none() -> None:
    result = patched({"type": "insert", "path": "Patient.telecom", "index": 0, "value": {"valueContactPoint": {"value": "1"}}})
    assert changes(result) == {"telecom": [{"value": "1"}]}


def test_what_is_empty_after_a_delete_goes_with_it() -> None:
    assert changes(patched({"type": "delete", "path": "Patient.contact.name.text"})) == {"contact": None}


def test_deleting_what_is_not_there_is_fine() -> None:
    assert patched({"type": "delete", "path": "Patient.gender"}) == PATIENT


def test_a_path_may_be_any_fhirpath_that_selects_one_element() -> None:
    path = "Patient.identifier.where(system = 'urn:b').value"
    assert patched({"type": "replace", "path": path, "value": "3"})["identifier"][1]["value"] == "3"
    extension = patched({"type": "replace", "path": "Patient.extension('http://a.example').value", "value": {"valueInteger": 7}})
    assert extension["extension"] == [{"url": "http://a.example", "valueInteger": 7}]


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"type": "add", "path": "Patient", "name": "birthDate", "value": {"valueDate": "1980-01-01"}}, "there already"),
        ({"type": "add", "path": "Patient", "name": "nonsense", "value": "x"}, "no element of that name"),
        ({"type": "add", "path": "Patient.gender", "name": "id", "value": "x"}, "finds nothing"),
        ({"type": "add", "path": "Patient", "name": "gender"}, "has a value"),
        ({"type": "add", "path": "Patient", "name": "maritalStatus", "value": {"valueHumanName": {"text": "x"}}}, "another type"),
        ({"type": "replace", "path": "Patient.birthDate", "value": "1980-01-01"}, "another type"),
        ({"type": "replace", "path": "Patient.identifier", "value": {"valueIdentifier": {"value": "x"}}}, "several"),
        ({"type": "replace", "path": "Patient", "value": "x"}, "an element in the resource"),
        ({"type": "replace", "path": "Patient.gender", "value": {"valueCode": "male"}}, "finds nothing"),
        ({"type": "delete", "path": "Patient.identifier"}, "several"),
        ({"type": "delete", "path": "Patient"}, "an element in the resource"),
        ({"type": "delete", "path": "'constant'"}, "computes values"),
        ({"type": "delete", "path": "Patient..x"}, ""),
        ({"type": "insert", "path": "Patient.identifier", "index": 3, "value": {"valueIdentifier": {"value": "x"}}}, "beyond the end"),
        ({"type": "insert", "path": "Patient.birthDate", "index": 0, "value": {"valueDate": "1980"}}, "not that of a list"),
        ({"type": "move", "path": "Patient.identifier", "source": 2, "destination": 0}, "places in the list"),
        ({"type": "move", "path": "Patient.identifier", "source": 0, "destination": -1}, "from 0"),
        ({"type": "explode", "path": "Patient"}, "add, insert, delete, replace or move"),
        ({"type": "delete"}, "has a path"),
        ({"type": "delete", "path": "Patient.gender", "why": "x"}, "a part is"),
        ({"type": "delete", "path": "a" * 2001}, "longer"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(operation: dict[str, Any], words: str) -> None:
    problem = refused(lambda: patched(operation))
    assert words in problem.text
    assert problem.meaning.http < 500 and (problem.at or not words)


def test_the_first_operation_that_fails_ends_it_all() -> None:
    problem = refused(lambda: patched({"type": "delete", "path": "Patient.gender"}, {"type": "delete", "path": "Patient.identifier"}))
    assert problem.at.startswith("Parameters.parameter[1]")


@pytest.mark.parametrize("media", ["application/fhir+json", "application/json-patch+json", "application/xml-patch+xml"])
def test_a_patch_does_not_change_who_the_resource_is(media: str) -> None:
    sent = {
        "application/fhir+json": parameters({"type": "replace", "path": "Patient.id", "value": {"valueId": "b"}}),
        "application/json-patch+json": b'[{"op":"replace","path":"/id","value":"b"}]',
        "application/xml-patch+xml": b'<diff><replace sel="f:Patient/f:id/@value">b</replace></diff>',
    }
    assert refused(lambda: patch.apply(PATIENT, sent[media], media)).at == "Resource.id"


def test_a_patch_in_a_bundle_is_parameters_or_a_binary() -> None:
    data = "W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2JpcnRoRGF0ZSJ9XQ=="  # [{"op":"remove","path":"/birthDate"}]
    made = patch.of_resource({"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data})(PATIENT)
    assert changes(made) == {"birthDate": None}
    for wrong in ({"resourceType": "Patient"}, {"resourceType": "Binary"}, {"resourceType": "Binary", "data": "%"}):
        assert refused(lambda wrong=wrong: patch.of_resource(wrong)).meaning.http < 500


# JSON Patch


def of_json(*operations: Resource, document: Any = PATIENT) -> Any:
    return json_patch.read(json.dumps(operations).encode())(document)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/active", "value": True},
        {"op": "test", "path": "/deceasedBoolean", "value": 0},
        {"op": "remove", "path": "/identifier/2"},
        {"op": "remove", "path": "/identifier/01"},
        {"op": "remove", "path": "/identifier/-"},
        {"op": "add", "path": "/identifier/3", "value": {}},
        {"op": "replace", "path": "/gender", "value": "male"},
        {"op": "move", "from": "/name", "path": "/name/0/period"},
        {"op": "copy", "from": "/nothing", "path": "/name"},
        {"op": "remove", "path": ""},
        {"op": "add", "path": "gender", "value": "male"},
        {"op": "add", "path": "/gen~2der", "value": "male"},
        {"op": "add", "path": "/gender"},
        {"op": "merge", "path": "/gender"},
        {"op": "replace", "path": "", "value": []},
        {"op": "add", "path": "/birthDate/x", "value": 1},
        "add",
    ],
)
def test_a_json_patch_that_does_not_fit_is_refused(operation: Any) -> None:
    assert refused(lambda: of_json(operation)).meaning.http in (400, 422)


def test_numbers_are_compared_by_their_value() -> None:
    document = patch.json.decode(b'{"a":1.0,"b":[{"c":2}]}')
    of_json({"op": "test", "path": "/a", "value": 1}, {"op": "test", "path": "/b", "value": [{"c": 2.0}]}, document=document)


def test_a_document_that_copies_itself_again_and_again_is_stopped() -> None:
    doubling = [{"op": "copy", "from": "/identifier", "path": "/identifier/-"}] * 900
    assert refused(lambda: of_json(*doubling)).code in ("too-costly", "structure")
    wider = [{"op": "add", "path": "/x", "value": [[0] * 50] * 50}, *[{"op": "copy", "from": "/x", "path": f"/x{n}"} for n in range(900)]]
    assert refused(lambda: of_json(*wider)).code == "too-costly"
    assert refused(lambda: of_json(*[{"op": "remove", "path": "/x"}] * 1001)).code == "too-costly"


def test_many_operations_on_a_large_resource_are_refused() -> None:
    large = {"resourceType": "Patient", "name": [{"given": ["x"]}] * 5000}
    replace = {"type": "replace", "path": "Patient.name[0].given[0]", "value": "y"}
    assert patched(replace, resource=large)["name"][0] == {"given": ["y"]}
    assert refused(lambda: patched(*[replace] * 900, resource=large)).code == "too-costly"
    operations = "".join(['<remove sel="f:Patient/f:gender"/>'] * 900)
    assert refused(lambda: of_xml(operations, large)).code == "too-costly"
    larger = {"resourceType": "Patient", "name": large["name"] * 5}
    assert refused(lambda: of_json(*[{"op": "test", "path": "/active", "value": 1}] * 900, document=larger)).code == "too-costly"


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab/~", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def pointers(value: Any, path: str = "") -> list[str]:
    """Every place in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [place for name, each in inner for place in pointers(each, f"{path}/{str(name).replace('~', '~0').replace('/', '~1')}")]
    return [path, *below]


@given(st.dictionaries(st.text("ab/~", max_size=2), DOCUMENTS, min_size=1, max_size=3), DOCUMENTS, st.data())
def test_a_value_that_was_put_in_is_found_there_and_can_be_taken_out_again(document: Resource, value: Any, data: st.DataObject) -> None:
    before = copy.deepcopy(document)
    path = data.draw(st.sampled_from(pointers(document)[1:]))
    replaced = of_json({"op": "replace", "path": path, "value": value}, {"op": "test", "path": path, "value": value}, document=document)
    assert document == before
    old = of_json({"op": "copy", "from": path, "path": "/old"}, document=document)["old"]
    back = of_json({"op": "replace", "path": path, "value": old}, document=replaced)
    assert json.dumps(back) == json.dumps(before)


# XML Patch


def of_xml(operation: str, resource: Resource = PATIENT) -> Resource:
    return patch.apply(resource, f"<diff>{operation}</diff>".encode(), "application/xml-patch+xml")


def test_xml_is_added_where_the_patch_says_and_ordered_afterwards() -> None:
    added = of_xml('<add sel="f:Patient"><gender xmlns="http://hl7.org/fhir" value="male"/></add>')
    assert changes(added) == {"gender": "male"}
    for position in ("before", "after"):
        put = of_xml(
            f'<add sel="f:Patient/f:identifier[f:system/@value=\'urn:b\']" pos="{position}">'
            '<identifier xmlns="http://hl7.org/fhir"><value value="3"/></identifier></add>'
        )
        assert [each["value"] for each in put["identifier"]] == (["1", "3", "2"] if position == "before" else ["1", "2", "3"])


def test_a_patch_can_be_applied_more_than_once() -> None:
    """A write that somebody else was faster than is done again."""
    read = patch.read(b'<diff><add sel="f:Patient"><gender xmlns="http://hl7.org/fhir" value="male"/></add></diff>', patch.XML_PATCH)
    assert read(PATIENT) == read(PATIENT)
    added = patch.read(
        parameters({"type": "add", "path": "Patient", "name": "name", "value": {"valueHumanName": {"text": "x"}}}), "application/fhir+json"
    )
    first = added(PATIENT)
    first["name"][-1]["text"] = "changed"
    assert added(PATIENT)["name"][-1]["text"] == "x"


@pytest.mark.parametrize(
    "operation",
    [
        '<remove sel="f:Patient/f:gender"/>',
        '<remove sel="f:Patient/f:identifier"/>',
        '<remove sel="f:Patient"/>',
        '<remove sel="//f:Patient"/>',
        '<remove sel="f:Patient/f:identifier[last()]"/>',
        '<remove sel="g:Patient"/>',
        '<remove sel=""/>',
        '<remove sel="f:Patient/f:identifier["/>',
        '<remove sel="f:Patient/ancestor::*"/>',
        f'<remove sel="{"f:a/" * 100}f:b"/>',
        "<remove/>",
        '<explode sel="f:Patient"/>',
        '<add sel="f:Patient" pos="beneath"/>',
        '<add sel="f:Patient" pos="after"><x/></add>',
        '<add sel="f:Patient" type="text()">x</add>',
        '<add sel="f:Patient/f:id" type="@value">x</add>',
        '<add sel="f:Patient/f:id/@value"><x/></add>',
        '<add sel="f:Patient"><nonsense xmlns="http://hl7.org/fhir" value="x"/></add>',
        '<add sel="f:Patient">text</add>',
        '<replace sel="f:Patient/f:id"/>',
        '<replace sel="f:Patient/f:id"><a/><b/></replace>',
        '<replace sel="f:Patient/f:birthDate/@value"/>' * 1001,
        "",
    ],
)
def test_an_xml_patch_that_does_not_fit_is_refused(operation: str) -> None:
    problem = refused(lambda: of_xml(operation))
    assert problem.meaning.http < 500


def test_an_xml_patch_with_a_document_type_is_refused() -> None:
    hostile = b'<!DOCTYPE diff [<!ENTITY a SYSTEM "file:///etc/passwd">]><diff><add sel="f:Patient">&a;</add></diff>'
    assert "document type" in refused(lambda: patch.apply(PATIENT, hostile, patch.XML_PATCH)).text


def test_what_is_no_patch_is_refused() -> None:
    for media in patch.FORMATS:
        for data in (b"", b"x", b"{}", b"[1]", b"<x/>", b'{"resourceType":"Patient"}', b"\xff"):
            assert refused(lambda data=data, media=media: patch.read(data, media)).meaning.http in (400, 422)
    assert refused(lambda: patch.read(b"[]", "text/plain")).code == "media-type"


# any patch at all

PATHS = st.sampled_from(
    "Patient|name|Patient.name|Patient.name[0].given|Patient.name.given[1]|Patient.birthDate|Patient.birthDate.extension|Patient.deceased"
    "|Patient.contact|Patient.contact.name.text|Patient.identifier|Patient.identifier.where(value='2')|Patient.id|Patient.extension.value"
    "|Patient.extension('http://a.example')|Patient.descendants()|Patient.identifier.value.length()|1 + 1|Patient.resolve()|%resource"
    "|Patient.contained|Patient.text.div|$this|Patient.name.`given`|x||Patient.meta|(".split("|")
)
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 5)
    | st.sampled_from(["a", "", "family", "given", "value", "extension", "url", "deceased", "id"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["name", "valueString", "valueHumanName", "valueBoolean", "_valueString", "part", "resource", "id", "extension"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
VALUES = st.sampled_from(
    ["valueString", "valueInteger", "valueHumanName", "valueExtension", "valueCode", "part", "resource", "_valueString"]
)
PART = st.builds(
    lambda name, value: {"name": name, **value},
    st.sampled_from(["value", "name", "index", "source", "destination"]),
    st.dictionaries(VALUES, ANY, max_size=2),
)
OPERATION = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
        "path": st.sampled_from(["/name/0/given/-", "/name", "", "/birthDate", "/x/y", "/extension/0"]),
        "from": st.sampled_from(["/name", "/identifier/0", "/x"]),
        "value": ANY,
    }
)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["add", "insert", "delete", "replace", "move"]), PATHS, st.lists(PART, max_size=4, unique_by=lambda part: part["name"])
)
def test_any_fhirpath_patch_is_done_or_refused(verb: str, path: str, parts: list[Resource]) -> None:
    operation = {"name": "operation", "part": [{"name": "type", "valueCode": verb}, {"name": "path", "valueString": path}, *parts]}
    done_or_refused({"resourceType": "Parameters", "parameter": [operation]}, "application/fhir+json")


@settings(max_examples=200, deadline=None)
@given(st.lists(OPERATION, max_size=4))
def test_any_json_patch_is_done_or_refused(operations: list[Resource]) -> None:
    done_or_refused(operations, "application/json-patch+json")


def done_or_refused(given: Any, media: str) -> None:
    """A patch is done or it is a Problem; what it makes is valid or it is not; nothing else happens."""
    try:
        made = patch.apply(PATIENT, json.dumps(given).encode(), media)
    except Problem as problem:
        assert problem.meaning.http < 500
    else:
        assert made["id"] == PATIENT["id"]
        check(made)
