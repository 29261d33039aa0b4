"""What R4 does not allow is taken out, part by part, and what it came from is left over."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import convert
from penstock.convert import Context
from penstock.convert.mend import REASON, mended, without
from penstock.errors import Problem
from penstock.formats.fhir.validate import require_sound
from penstock.formats.hl7v2 import parse

PHONE = {"system": "phone", "value": "1"}
CODE = {"coding": [{"system": "http://loinc.org", "code": "2951-2"}]}
HEAD = "MSH|^~\\&|A|B|||20250101||ADT^A08|1|P|2.5\rPID|1||7^^^X^MR||Doe^Ann||19800101|F"


@pytest.mark.parametrize(
    ("resource", "removed"),
    [
        (
            {"resourceType": "Organization", "name": "N", "telecom": [PHONE | {"use": "work"}, PHONE | {"use": "home"}]},
            ["telecom[1].use"],
        ),
        (
            {"resourceType": "Observation", "status": "final", "code": CODE, "valueString": "x", "dataAbsentReason": CODE},
            ["dataAbsentReason"],
        ),
        ({"resourceType": "Observation", "status": "final", "code": CODE, "note": [{"text": "a"}, {"time": "2025"}]}, ["note[1]"]),
        ({"resourceType": "Patient", "gender": "none", "birthDate": "1980"}, ["gender"]),
        ({"resourceType": "Patient", "birthDate": "1980"}, []),
    ],
)
def test_a_bad_part_is_taken_out_and_nothing_else(resource: dict[str, Any], removed: list[str]) -> None:
    out, gone = mended(resource, require_sound)
    require_sound(out)
    assert gone == removed
    assert set(resource) - set(out) == {path.partition("[")[0].partition(".")[0] for path in removed if path.partition("[")[0] not in out}


def test_what_cannot_be_mended_is_a_problem() -> None:
    with pytest.raises(Problem):
        mended({"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/1"}, "code": CODE}, require_sound)


def test_what_a_part_came_from_is_left_over() -> None:
    found = convert.convert(parse(HEAD), convert.plan(), Context())
    after = without(found, 0, ["gender"])
    assert ("PID-8.1", REASON) in after.remainder
    assert not any(path == "gender" for _, path, _, _ in after.lineage)
    assert len(after.remainder) == len(found.remainder) + 1


def test_an_organization_without_name_and_identifier_is_none_and_what_was_said_of_it_is_left_over() -> None:
    result = "OBX|1|ST|1^T^L||x||||||F|||||||||||||1 High Street^^Bath"
    message = f"MSH|^~\\&|A|B|||20250101||ORU^R01|1|P|2.5\rPID|1||7^^^X^MR\rOBR|1||F^L|1^P^L\r{result}"
    found = convert.convert(parse(message), convert.plan(), Context())
    assert [one for one in found.resources if one["resourceType"] == "Organization"] == []
    assert any(source.startswith("OBX-24") and "org-1" in reason for source, reason in found.remainder)
    for one in found.resources:
        require_sound(one)


def test_what_only_refers_to_what_is_none_is_none_either() -> None:
    order = "ORC|RE||||||||||||||||||||||^PRN^BP^^1^260^7595016"  # the telephone of an organization without a name
    found = convert.convert(
        parse(f"MSH|^~\\&|A|B|||20250101||ORU^R01|1|P|2.5\rPID|1||7^^^X^MR\r{order}\rOBR|1||F^L|1^P^L"), convert.plan(), Context()
    )
    assert all(len(one) > 2 for one in found.resources)
    assert {index for index, *_ in found.lineage} <= set(range(len(found.resources)))
    assert any(source.startswith("ORC-23") for source, _ in found.remainder)
