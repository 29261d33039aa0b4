"""Merging by the table: pure, idempotent, and each policy as its row says."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.convert.joined import joined
from penstock.convert.state import merge
from penstock.convert.state.fold import POLICIES
from penstock.convert.state.ways import part, policies, stem_of
from penstock.formats.fhir.definitions import r4

NAME = {"use": "official", "family": "Old"}


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "1", **elements}


def test_every_policy_of_the_table_exists() -> None:
    assert {policy.name for policy in policies().values()} <= set(POLICIES)


def test_identifiers_are_collected_by_system_and_value() -> None:
    one, other = {"system": "a", "value": "1"}, {"system": "b", "value": "1"}
    assert merge(patient(identifier=[one]), patient(identifier=[other, one]))["identifier"] == [one, other]


def test_a_new_official_name_replaces_the_old_one_and_others_stay() -> None:
    nick = {"use": "nickname", "given": ["Al"]}
    new = {"use": "official", "family": "New"}
    assert merge(patient(name=[NAME, nick]), patient(name=[new]))["name"] == [new, nick]


def test_what_is_not_said_stays() -> None:
    assert merge(patient(gender="male"), patient(birthDate="1980-01-01")) == patient(gender="male", birthDate="1980-01-01")


def test_a_null_deletes_inside_a_list() -> None:
    stored = {"resourceType": "Encounter", "id": "1", "status": "finished", "period": {"start": "2025", "end": "2026"}}
    merged = merge(stored, {"resourceType": "Encounter", "id": "1", "status": "in-progress"}, ["period.end", "status"])
    assert merged["period"] == {"start": "2025"} and merged["status"] == "in-progress"


@pytest.mark.parametrize(
    ("old", "new", "kept"), [("final", "unknown", "final"), ("final", "corrected", "corrected"), ("corrected", "final", "final")]
)
def test_an_unknown_status_says_nothing(old: str, new: str, kept: str) -> None:
    one = {"resourceType": "Observation", "id": "1", "status": old}
    assert merge(one, {**one, "status": new})["status"] == kept


def test_merging_changes_neither_argument() -> None:
    stored, produced = patient(name=[NAME], gender="male"), patient(name=[{"use": "usual", "family": "X"}])
    before = copy.deepcopy((stored, produced))
    merge(stored, produced, ["gender"])
    assert (stored, produced) == before


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": "1", **elements}


@pytest.mark.parametrize(
    ("stored", "produced"),
    [
        ({"valueQuantity": {"value": 1}}, {"valueString": "hemolyzed"}),
        ({"valueString": "hemolyzed", "_valueString": {"id": "a"}}, {"valueQuantity": {"value": 1}}),
        ({"effectivePeriod": {"start": "2025"}}, {"effectiveDateTime": "2025-01-01"}),
        ({"valueDateTime": "2025"}, {"_valueDateTime": {"id": "a"}, "valueDateTime": "2026"}),
        ({"dataAbsentReason": {"text": "not asked"}}, {"valueString": "hemolyzed"}),
        ({"valueString": "hemolyzed"}, {"dataAbsentReason": {"text": "not asked"}}),
    ],
)
def test_a_new_variant_of_a_choice_ends_every_other_one(stored: dict[str, Any], produced: dict[str, Any]) -> None:
    assert merge(observation(status="final", **stored), observation(**produced)) == observation(status="final", **produced)


def test_a_new_variant_inside_an_element_that_is_merged_deep_ends_the_others() -> None:
    assert stem_of("Timing.repeat", "boundsPeriod") == "bounds"
    assert {"boundsDuration", "boundsRange"} <= set(part("Timing.repeat", "boundsPeriod").members)


def test_two_descriptions_of_one_thing_never_give_two_variants_of_a_choice() -> None:
    one, other = patient(deceasedBoolean=True), patient(deceasedDateTime="2025-01-01", gender="male")
    assert joined(one, other)[0] == patient(deceasedBoolean=True, gender="male")


def test_one_number_that_is_described_twice_is_one_identifier_and_lineage_follows_the_entries() -> None:
    one = patient(identifier=[{"system": "a", "value": "1"}], name=[{"family": "Doe"}])
    other = patient(identifier=[{"system": "b", "value": "2"}, {"system": "a", "value": "1", "use": "usual"}], name=[{"family": "Doe"}])
    body, moved, _ = joined(one, other)
    assert body["identifier"] == [{"system": "a", "value": "1", "use": "usual"}, {"system": "b", "value": "2"}]
    assert body["name"] == [{"family": "Doe"}]
    assert moved == {"identifier[0]": "identifier[1]", "identifier[1]": "identifier[0]"}


def test_a_value_and_the_reason_for_none_in_one_message_both_stand() -> None:
    both = observation(valueString="x", dataAbsentReason={"text": "not asked"})
    assert merge(observation(valueInteger=1), both) == both


def test_an_extension_of_a_value_goes_with_the_value() -> None:
    stored = patient(gender="other", _gender={"extension": [{"url": "a"}]}, _birthDate={"id": "b"}, birthDate="1980")
    assert merge(stored, patient(gender="female", birthDate="1980")) == patient(gender="female", birthDate="1980", _birthDate={"id": "b"})


def test_every_stem_and_name_of_the_table_is_in_r4() -> None:
    for path, policy in policies().items():
        type, _, name = path.partition(".")
        for one in filter(None, (name, *policy.ends)) if type != "*" else ():
            definition = r4().type(type)
            assert definition is not None and definition.find(one) is not None, path


entry = st.fixed_dictionaries(
    {"system": st.sampled_from("ab"), "value": st.sampled_from("12")}, optional={"use": st.sampled_from(["home", "work"])}
)
place = st.fixed_dictionaries(
    {
        "location": st.sampled_from([{"reference": "Location/1"}, {"reference": "Location/2"}]),
        "status": st.sampled_from(["active", "completed"]),
    },
    optional={"period": st.sampled_from([{"start": "2025-01-01"}, {"start": "2025-01-02"}])},
)
resources = st.one_of(
    st.fixed_dictionaries(
        {"resourceType": st.just("Patient"), "id": st.just("1")},
        optional={
            "identifier": st.lists(entry, max_size=3),
            "telecom": st.lists(entry, max_size=3),
            "gender": st.sampled_from(["male", "female"]),
        },
    )
)
encounters = st.fixed_dictionaries(
    {"resourceType": st.just("Encounter"), "id": st.just("1"), "status": st.sampled_from(["planned", "in-progress", "finished"])},
    optional={"location": st.lists(place, max_size=2)},
)


@given(resources, resources)
def test_merging_the_same_again_changes_nothing(stored: dict[str, Any], produced: dict[str, Any]) -> None:
    once = merge(stored, produced)
    assert merge(once, produced) == once


@given(encounters, encounters)
def test_merging_the_same_visit_again_changes_nothing(stored: dict[str, Any], produced: dict[str, Any]) -> None:
    once = merge(stored, produced)
    assert merge(once, produced) == once
