from typing import Any

import pytest

from penstock.errors import Problem
from penstock.terminology.conceptmap import ConceptMap, Translated, translate
from tests.unit.terminology.given import terminology

A, B, C = "http://a", "http://b", "http://c"


def concept_map(url: str, *groups: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "ConceptMap", "url": url, "status": "active", "group": list(groups)}


def group(source: str, target: str, *rows: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    elements = [{"code": code, "target": [{"code": to, "equivalence": how}]} for code, to, how in rows]
    return {"source": source, "target": target, "element": elements, **more}


MAP = concept_map("http://m", group(A, B, ("1", "one", "equivalent"), ("2", "two", "wider")), group(A, C, ("1", "uno", "unmatched")))


def told(asked: Translated, *maps: dict[str, Any], back: bool = False) -> list[tuple[str, str, str]]:
    known = terminology(*(maps or (MAP,)))
    first = ConceptMap((maps or (MAP,))[0])
    found = translate([first], asked, known.library().concept_map, back=back)
    return [(each.equivalence, each.system, each.code) for each in found]


@pytest.mark.parametrize(
    ("asked", "matches"),
    [
        (Translated(A, "1"), [("equivalent", B, "one"), ("unmatched", C, "uno")]),
        (Translated(A, "1", target=B), [("equivalent", B, "one")]),
        (Translated(None, "2"), [("wider", B, "two")]),
        (Translated(B, "1"), []),
        (Translated(A, "9"), []),
    ],
)
def test_a_map_tells_the_targets_of_a_code(asked: Translated, matches: list[tuple[str, str, str]]) -> None:
    assert told(asked) == matches


def test_a_map_read_backwards_turns_its_equivalences() -> None:
    assert told(Translated(B, "two"), back=True) == [("narrower", A, "2")]


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({"mode": "provided"}, [("equal", B, "9")]),
        ({"mode": "fixed", "code": "other"}, [("inexact", B, "other")]),
        ({"mode": "other-map", "url": "http://n"}, [("equal", B, "nine")]),
        ({"mode": "other-map", "url": "http://nobody"}, []),
    ],
)
def test_what_is_not_mapped_follows_the_rule_for_that(rule: dict[str, Any], matches: list[tuple[str, str, str]]) -> None:
    one = concept_map("http://m", group(A, B, ("1", "one", "equal"), unmapped=rule))
    other = concept_map("http://n", group(A, B, ("9", "nine", "equal")))
    assert told(Translated(A, "9"), one, other) == matches
    assert told(Translated(A, "1"), one, other) == [("equal", B, "one")]


def test_maps_that_send_on_to_each_other_for_ever_are_a_problem() -> None:
    rule = {"mode": "other-map", "url": "http://m"}
    with pytest.raises(Problem, match="too often"):
        told(Translated(A, "9"), concept_map("http://m", group(A, B, ("1", "one", "equal"), unmapped=rule)))


@pytest.mark.parametrize(("given", "matches"), [({"http://sex": "f"}, ["one"]), ({"http://sex": "m"}, []), ({}, [])])
def test_a_target_that_depends_on_a_value_counts_where_that_is_given(given: dict[str, str], matches: list[str]) -> None:
    row = group(A, B, ("1", "one", "equal"))
    row["element"][0]["target"][0]["dependsOn"] = [{"property": "http://sex", "value": "f"}]
    found = told(Translated(A, "1", dependencies=given), concept_map("http://m", row))
    assert [code for _, _, code in found] == matches


def test_the_maps_that_fit_are_found_by_their_system_and_value_sets() -> None:
    library = terminology().library()
    gender = "http://hl7.org/fhir/administrative-gender"
    assert {each.resource["id"] for each in library.maps_from(gender, None, None)} == {
        "cm-administrative-gender-v2",
        "cm-administrative-gender-v3",
    }
    narrowed = library.maps_from(
        gender, "http://hl7.org/fhir/ValueSet/administrative-gender", "http://terminology.hl7.org/ValueSet/v2-0001"
    )
    assert [each.resource["id"] for each in narrowed] == ["cm-administrative-gender-v2"]
