"""``_filter``: its grammar, each of its comparisons, and what is no filter."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Problem
from penstock.store.search.expression import Comparison, Logic, Negation, parse
from penstock.store.search.parse import parse as parse_query
from tests.unit.store.conftest import Shelf

PATIENTS: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "a", "name": [{"family": "Petersen", "given": ["Ann"]}], "gender": "female",
     "birthDate": "1980-02-03"},
    {"resourceType": "Patient", "id": "b", "name": [{"family": "Smith", "given": ["Peter", "Paul"]}], "gender": "male",
     "birthDate": "1990", "identifier": [{"system": "urn:x", "value": "7 (old)"}]},
    {"resourceType": "Patient", "id": "c", "name": [{"family": "O\"Neil"}], "active": True},
]  # fmt: skip
RISKS: list[dict[str, Any]] = [
    {"resourceType": "RiskAssessment", "id": "r", "status": "final", "subject": {"reference": "Patient/a"},
     "prediction": [{"probabilityDecimal": 0.5}, {"probabilityDecimal": 0.9}]},
    {"resourceType": "RiskAssessment", "id": "s", "status": "preliminary", "subject": {"reference": "Patient/b"},
     "prediction": [{"probabilityDecimal": 0.5}]},
    {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"},
     "period": {"start": "2024-01-01", "end": "2024-02-01"}},
]  # fmt: skip

FOUND = [
    ("Patient", 'name co "PET"', "a b"),
    ("Patient", 'family sw "pet"', "a"),
    ("Patient", "name ew ter", "b"),
    ("Patient", 'given eq "peter"', "b"),
    ("Patient", 'given eq "pete"', ""),
    ("Patient", 'given ne "peter"', "a b"),
    ("Patient", r'family eq "o\"neil"', "c"),
    ("Patient", r'family eq "O\u0022Neil"', "c"),
    ("Patient", "gender eq male", "b"),
    ("Patient", "gender ne male", "a"),
    ("Patient", "gender sw FE", "a"),
    ("Patient", "gender pr true", "a b"),
    ("Patient", "gender pr false", "c"),
    ("Patient", "_id pr true and active eq true", "c"),
    ("Patient", "_id pr false", ""),
    ("Patient", '_id eq "b"', "b"),
    ("Patient", "_id ne b", "a c"),
    ("Patient", 'identifier eq "urn:x|7 (old)"', "b"),
    ("Patient", "birthdate ge 1990", "b"),
    ("Patient", "birthdate lt 1985-01-01", "a"),
    ("Patient", "birthdate ne 1990", "a"),
    ("Patient", "birthdate sa 1980 and birthdate eb 2000", "b"),
    ("Patient", "birthdate po 1980-02", "a"),
    ("Patient", "birthdate po 1990-06-15", "b"),
    ("Patient", "_lastUpdated po 2100", ""),
    ("Patient", "gender eq male or gender eq female and active eq true", ""),  # from left to right
    ("Patient", "gender eq male or (gender eq female and active eq true)", "b"),
    ("Patient", "not (gender eq male)", "a c"),
    ("Patient", "not(not(gender eq male))", "b"),
    ("Patient", "not (name ew ter) and not (active pr true)", "a"),
    ("RiskAssessment", "probability gt 0.8", "r"),
    ("RiskAssessment", "probability ne 0.5", "r"),
    ("RiskAssessment", "probability eq 0.5", "r s"),
    ("RiskAssessment", "subject re Patient/a", "r"),
    ("RiskAssessment", "subject eq Patient/b", "s"),
    ("RiskAssessment", "subject ne Patient/b", "r"),
    ("RiskAssessment", "subject sw patient/", "r s"),
    ("Encounter", "date po 2024-01-15", "e"),
    ("Encounter", "date po 2024-02-20", ""),
    ("RiskAssessment", 'patient.name co "pet" and probability eq 0.9', "r"),
]  # fmt: skip


async def test_every_comparison_finds_what_it_says(shelf: Shelf) -> None:
    await shelf.put(*PATIENTS, *RISKS)
    for type, text, expected in FOUND:
        found = (await shelf.search(type, [("_filter", text)])).entries
        assert " ".join(entry.stored.id for entry in found) == expected, text


def test_an_expression_is_read_from_left_to_right() -> None:
    read = parse('a eq 1 or b[c eq "x y"].d ne 2 and not (e pr true)')
    assert isinstance(read, Logic) and read.word == "and" and isinstance(read.right, Negation)
    assert isinstance(read.left, Logic) and read.left.word == "or" and isinstance(read.left.right, Comparison)
    assert [step.name for step in read.left.right.path] == ["b", "d"]


@pytest.mark.parametrize(
    "text",
    ["", "name", "name eq", "name xx 1", "(name eq 1", "name eq 1)", "name eq 1 and", "name eq 1 name eq 2", "a[b eq 1] eq 2",
     "a.[b eq 1] eq 2",
     'name eq "x', "not name eq 1", "name pr maybe", "1name eq x", "gender gt male", "birthdate co 19", "name in x", "gender po 2000",
     "colour eq red", "name.family eq x", "(" * 30 + "name eq 1" + ")" * 30],
)  # fmt: skip
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_query("Patient", [("_filter", text or " ")])
        raise AssertionError
    assert caught.value.meaning.http in (400, 403, 422)


WORDS = st.sampled_from(
    ["name", "gender", "eq", "co", "and", "or", "not", "(", ")", "[", "]", ".", " ", '"', "\\", "x", "a|b", "organization", "pr"]
)


@given(st.lists(WORDS, max_size=14))
def test_any_text_is_a_filter_or_refused(words: list[str]) -> None:
    try:
        parse_query("Patient", [("_filter", " ".join(words))])
    except Problem as problem:
        assert problem.meaning.http in (400, 403, 422)
