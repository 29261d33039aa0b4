"""Who is who: deterministic matching by identifier; and who speaks for a record that ended in another one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from penstock.match import Identities, Survivors, next_of, redirected, rename, restored
from penstock.match.identity import Identifier, choose, strong_identifiers, survivor

Resource = dict[str, Any]


def _patient(id_: str, *values: str, replaced_by: str = "") -> Resource:
    patient: Resource = {"resourceType": "Patient", "id": id_, "identifier": [{"system": "urn:mrn", "value": value} for value in values]}
    if replaced_by:
        patient["link"] = [{"other": {"reference": f"Patient/{replaced_by}"}, "type": "replaced-by"}]
    return patient


class _Store:
    """The patients that are stored, as identity asks for them."""

    def __init__(self, *patients: Resource) -> None:
        self._patients = {patient["id"]: patient for patient in patients}
        self.asked = 0

    async def owners(self, identifiers: Iterable[Identifier]) -> Mapping[Identifier, frozenset[str]]:
        self.asked += 1
        found = {
            one: frozenset(id_ for id_, patient in self._patients.items() if one in strong_identifiers(patient)) for one in identifiers
        }
        return {one: ids for one, ids in found.items() if ids}


async def _ids(store: _Store, *messages: list[Resource]) -> list[list[str]]:
    """The ids of the resources of each message after identity was applied."""
    identities = await Identities.load(messages, store.owners)
    return [[resource["id"] for resource in rename(message, identities.names(message))] for message in messages]


def test_an_identifier_without_a_system_or_of_a_visit_tells_nobody_apart() -> None:
    def typed(code: str) -> Resource:
        return {"type": {"coding": [{"code": code}]}, "system": "urn:x", "value": "1"}

    patient = {"resourceType": "Patient", "identifier": [{"value": "1"}, {"system": "urn:x"}, typed("VN"), typed("AN"), typed("MR")]}
    assert strong_identifiers(patient) == [("urn:x", "1")]
    assert strong_identifiers({"resourceType": "Patient"}) == []


def test_a_patient_keeps_its_own_id_unless_exactly_one_other_has_its_identifier() -> None:
    one, two = ("urn:a", "1"), ("urn:b", "2")
    assert choose("own", [one], {}) == "own"
    assert choose("own", [one], {one: frozenset({"other"})}) == "other"
    assert choose("own", [one], {one: frozenset({"other", "own"})}) == "own"
    assert choose("own", [one, two], {one: frozenset({"other"}), two: frozenset({"third"})}) == "own"
    assert choose("own", [], {one: frozenset({"other"})}) == "own"


def test_renaming_reaches_ids_and_references_at_any_depth_and_nothing_else() -> None:
    encounter = {
        "resourceType": "Encounter",
        "id": "a",
        "subject": {"reference": "Patient/a"},
        "participant": [{"individual": {"reference": "Practitioner/a"}}],
        "note": "Patient/a",
    }
    renamed = rename([_patient("a", "1"), encounter], {"Patient/a": "Patient/b"})
    assert (renamed[0]["id"], renamed[1]["id"]) == ("b", "a")
    assert renamed[1]["subject"] == {"reference": "Patient/b"}
    assert (renamed[1]["participant"], renamed[1]["note"]) == (encounter["participant"], "Patient/a")
    assert encounter["subject"] == {"reference": "Patient/a"}, "the given resources stay as they are"


def test_the_survivor_is_who_a_patient_was_replaced_by() -> None:
    assert survivor(_patient("a", replaced_by="b")) == "b"
    assert survivor({"resourceType": "Patient", "link": [{"other": {"reference": "Patient/b"}, "type": "replaces"}]}) is None
    assert survivor(None) is None
    assert next_of(_patient("a", replaced_by="b")) == "Patient/b"


async def test_a_known_identifier_leads_to_the_patient_that_has_it() -> None:
    store = _Store(_patient("stored", "1"))
    assert await _ids(store, [_patient("new", "1"), {"resourceType": "Encounter", "id": "e"}]) == [["stored", "e"]]


async def test_a_message_without_a_patient_asks_nothing() -> None:
    store = _Store()
    assert await _ids(store, [{"resourceType": "Location", "id": "l"}]) == [["l"]]
    assert store.asked == 0


async def test_messages_of_one_batch_see_what_those_before_them_made() -> None:
    assert await _ids(_Store(), [_patient("a", "1", "2")], [_patient("b", "2")]) == [["a"], ["a"]]


async def test_what_is_said_under_a_number_stays_with_its_record_after_a_merge() -> None:
    store = _Store(_patient("a", "1", replaced_by="b"), _patient("b", "2"))
    assert await _ids(store, [_patient("x", "1")]) == [["a"]]


# -- who speaks for whom -----------------------------------------------------------------------------------------------


def survivors(**next_: str) -> Survivors:
    found = Survivors()
    for reference, other in next_.items():
        found.learn(reference, other)
    return found


def test_a_chain_of_merges_is_followed_to_its_end() -> None:
    found = survivors(a="b", b="c")
    assert (found.final("a"), found.way("a"), found.names()) == ("c", ["a", "b", "c"], {"a": "c", "b": "c"})
    found.learn("b", None)
    assert (found.final("a"), found.next("b")) == ("b", None)


def test_a_cycle_of_merges_is_known_and_is_not_walked_for_ever() -> None:
    found = survivors(a="b", b="c", c="a", x="a")
    assert set(found.cycle("a")) == {"a", "b", "c"}
    assert found.cycle("x") == []
    assert survivors(a="b").cycle("a") == []
    assert found.way("x") == ["x", "a", "b", "c"]


def test_a_record_is_never_its_own_survivor() -> None:
    assert not survivors(a="a")


VISIT: Resource = {
    "resourceType": "Encounter",
    "id": "e",
    "subject": {"reference": "Patient/a"},
    "participant": [{"individual": {"reference": "Practitioner/a"}}, {"individual": {"reference": "Patient/a"}}],
}


def test_references_follow_and_can_be_led_back() -> None:
    led, found = redirected(VISIT, {"Patient/a": "Patient/b"})
    assert (led["subject"], led["participant"][0]) == ({"reference": "Patient/b"}, VISIT["participant"][0])
    assert found == [("subject", "Patient/a"), ("participant.1.individual", "Patient/a")]
    assert restored(led, [path for path, _ in found], "Patient/b", "Patient/a") == VISIT
    assert VISIT["subject"] == {"reference": "Patient/a"}, "the given resource stays as it is"


def test_a_reference_that_was_changed_since_is_not_led_back() -> None:
    changed = {**VISIT, "subject": {"reference": "Patient/c"}, "participant": []}
    assert restored(changed, ["subject", "participant.1.individual", "gone.0"], "Patient/b", "Patient/a") == changed


@pytest.mark.parametrize("type_", ["Patient", "AuditEvent", "Provenance"])
def test_links_between_patients_and_what_was_recorded_do_not_follow(type_: str) -> None:
    resource = {"resourceType": type_, "id": "x", "link": [{"other": {"reference": "Patient/a"}}], "target": [{"reference": "Patient/a"}]}
    assert redirected(resource, {"Patient/a": "Patient/b"}) == (resource, [])
