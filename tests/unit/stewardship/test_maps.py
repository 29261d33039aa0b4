"""Concept maps as stewardship writes them, and as conversions read them."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.api.parts import Mapped
from penstock.convert import local_codes
from penstock.errors import Problem
from penstock.formats.fhir.validate import require_sound
from penstock.stewardship.maps import maps_of, with_mapping

LOCAL = "urn:id:NORTHGATE:L"
KALI = Mapped(LOCAL, "KALI", "http://loinc.org", "2823-3", "Potassium")


def test_the_map_of_a_system_grows_and_a_code_has_one_meaning() -> None:
    one = with_mapping(None, KALI)
    require_sound(one)
    two = with_mapping(one, Mapped(LOCAL, "NATR", "http://loinc.org", "2951-2"))
    moved = with_mapping(two, Mapped(LOCAL, "KALI", "http://snomed.info/sct", "312468003"))
    assert [[each["code"] for each in group["element"]] for group in moved["group"]] == [["NATR"], ["KALI"]]
    assert one["id"] == two["id"] == moved["id"]


@pytest.mark.parametrize("missing", range(4))
def test_a_mapping_names_both_sides(missing: int) -> None:
    words = [*KALI]
    words[missing] = ""
    with pytest.raises(Problem, match="both sides"):
        with_mapping(None, Mapped(*words))


@pytest.mark.parametrize(
    ("status", "equivalence", "known"),
    [
        ("active", "equivalent", True),
        ("active", "wider", True),
        ("active", "narrower", False),
        ("draft", "equal", False),
        ("active", "disjoint", False),
    ],
)
def test_only_an_active_map_and_a_target_that_may_stand_for_the_code_are_read(status: str, equivalence: str, known: bool) -> None:
    element: dict[str, Any] = {"code": "K", "target": [{"code": "2823-3", "equivalence": equivalence}]}
    resource = {"id": "m", "status": status, "group": [{"source": LOCAL, "target": "http://loinc.org", "element": [element]}]}
    found = local_codes([resource], "1").find(LOCAL, "K")
    assert (found is not None) == known


@pytest.mark.parametrize(
    "given", [{}, {"resourceType": "Bundle"}, {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient"}}]}]
)
def test_what_is_no_bundle_of_concept_maps_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(Problem):
        maps_of(given)
