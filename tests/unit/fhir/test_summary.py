"""``_summary`` and ``_elements``: what is left of a resource, for every type."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.errors import Problem
from penstock.formats.fhir import summary
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.summary import TAG, Cut, asked, subset, subset_of_reply
from penstock.formats.fhir.validate import check

Resource = dict[str, Any]

OBSERVATION: Resource = {
    "resourceType": "Observation",
    "id": "a",
    "meta": {"versionId": "3", "tag": [{"code": "mine"}]},
    "implicitRules": "http://a.example",
    "text": {"status": "generated", "div": "<div>x</div>"},
    "contained": [{"resourceType": "Patient", "id": "p"}],
    "extension": [{"url": "http://a.example", "valueString": "x"}],
    "modifierExtension": [{"url": "http://m.example", "valueString": "x"}],
    "status": "final",
    "_status": {"id": "s"},
    "category": [{"text": "x"}],
    "code": {"coding": [{"code": "c"}], "extension": [{"url": "http://a.example", "valueString": "x"}]},
    "subject": {"reference": "Patient/1"},
    "valueQuantity": {"value": 1},
    "interpretation": [{"text": "high"}],
    "note": [{"text": "n"}],
    "component": [{"code": {"text": "k"}, "valueString": "v", "interpretation": [{"text": "low"}]}],
}


def left(cut: Cut) -> set[str]:
    found = subset(OBSERVATION, cut)
    assert TAG in found["meta"]["tag"] and {"code": "mine"} in found["meta"]["tag"] and found["meta"]["versionId"] == "3"
    assert TAG not in OBSERVATION["meta"]["tag"], "the resource that is given stays as it is"
    return found.keys() - {"resourceType", "id", "meta"}


def test_a_summary_is_what_the_definitions_mark() -> None:
    marked = {"implicitRules", "modifierExtension", "status", "_status", "code", "subject", "valueQuantity", "component"}
    assert left(Cut("true")) == marked
    found = subset(OBSERVATION, Cut("true"))
    assert found["component"] == [{"code": {"text": "k"}, "valueString": "v"}]
    assert found["code"] == {"coding": [{"code": "c"}]}
    assert found["modifierExtension"] == OBSERVATION["modifierExtension"], "extensions stay whole"


def test_the_other_summaries() -> None:
    assert left(Cut("text")) == {"text", "status", "_status", "code"}
    assert left(Cut("data")) == OBSERVATION.keys() - {"text", "resourceType", "id", "meta"}


@pytest.mark.parametrize("name", ["value", "valueQuantity", "Observation.value"])
def test_elements_come_with_what_must_be_there_and_what_changes_the_meaning(name: str) -> None:
    required = {"implicitRules", "modifierExtension", "status", "_status", "code"}
    assert left(Cut("elements", frozenset([name]))) == {"valueQuantity", *required}
    assert left(Cut("elements", frozenset(["Patient.name"]))) == required


def test_elements_is_the_same_by_its_short_name() -> None:
    assert summary.elements(OBSERVATION, ["note"]) == subset(OBSERVATION, Cut("elements", frozenset(["note"])))


def test_a_cut_resource_is_cut_again_to_the_same() -> None:
    for cut in (Cut("true"), Cut("text"), Cut("data"), Cut("elements", frozenset(["note"]))):
        once = subset(OBSERVATION, cut)
        assert subset(once, cut) == once


def test_what_is_left_is_still_valid_for_every_type_that_is_small() -> None:
    """Required elements stay: a summary of a valid resource misses nothing that its type requires."""
    for type in ("Patient", "Observation", "ValueSet", "Bundle"):
        smallest: Resource = {
            "Patient": {"resourceType": type},
            "Observation": {name: value for name, value in OBSERVATION.items() if name not in ("text", "contained")},
            "ValueSet": {"resourceType": type, "status": "active", "compose": {"include": [{"system": "http://a.example"}]}},
            "Bundle": {"resourceType": type, "type": "collection", "entry": [{"resource": {"resourceType": "Patient", "active": True}}]},
        }[type]
        assert check(smallest) == []
        for mode in ("true", "data"):
            assert [issue for issue in check(subset(smallest, Cut(mode))) if issue.code == "required"] == [], (type, mode)


def test_every_type_has_a_summary() -> None:
    for type in r4().resource_types:
        found = subset({"resourceType": type, "id": "a", "text": {"status": "generated", "div": "<div>x</div>"}}, Cut("true"))
        assert found == {"resourceType": type, "id": "a", "meta": {"tag": [TAG]}}


def test_of_a_searchset_the_entries_are_cut() -> None:
    def searchset() -> Resource:
        return {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": 1,
            "entry": [
                {"fullUrl": "u", "resource": OBSERVATION, "search": {"mode": "match"}},
                {"resource": {"resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1970"}, "search": {"mode": "include"}},
                {"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]}, "search": {"mode": "outcome"}},
            ],
        }

    by_summary = subset_of_reply(searchset(), Cut("true"))["entry"]
    assert "note" not in by_summary[0]["resource"] and by_summary[0]["fullUrl"] == "u"
    assert by_summary[1]["resource"]["meta"]["tag"] == [TAG] and by_summary[2] == searchset()["entry"][2]
    by_name = subset_of_reply(searchset(), Cut("elements", frozenset(["note"])))["entry"]
    assert "note" in by_name[0]["resource"] and by_name[1] == searchset()["entry"][1], "plain names are about what was searched for"
    by_type = subset_of_reply(searchset(), Cut("elements", frozenset(["Patient.gender"])))["entry"]
    assert by_type[0] == searchset()["entry"][0] and by_type[1]["resource"].keys() == {"resourceType", "id", "gender", "meta"}


def test_outcomes_and_parameters_stay_whole() -> None:
    for whole in ({"resourceType": "OperationOutcome", "issue": []}, {"resourceType": "Parameters", "parameter": []}):
        assert subset_of_reply(whole, Cut("true")) == whole


@pytest.mark.parametrize(
    ("pairs", "cut"),
    [
        ([], None),
        ([("_summary", "false")], None),
        ([("_summary", "count")], None),
        ([("_elements", "")], None),
        ([("_summary", "true")], Cut("true")),
        ([("_elements", "a, b"), ("_elements", "c"), ("_summary", "false")], Cut("elements", frozenset("abc"))),
    ],
)
def test_what_parameters_ask(pairs: list[tuple[str, str]], cut: Cut | None) -> None:
    assert asked(pairs) == cut


@pytest.mark.parametrize("pairs", [[("_summary", "yes")], [("_summary", "")], [("_summary", "text"), ("_elements", "a")]])
def test_what_cannot_be_meant_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(Problem):
        asked(pairs)
