"""Who is who: deterministic matching by identifier, merges followed to the survivor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from penstock.match import Identities
from penstock.match.identity import Identifier, choose, is_merged_away, rename, strong_identifiers, survivor

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
        found = {
            one: frozenset(id_ for id_, patient in self._patients.items() if one in strong_identifiers(patient)) for one in identifiers
        }
        return {one: ids for one, ids in found.items() if ids}

    async def patients(self, ids: Iterable[str]) -> Mapping[str, Resource]:
        self.asked += 1
        return {id_: self._patients[id_] for id_ in ids if id_ in self._patients}

    async def load(self, *messages: list[Resource]) -> Identities:
        return await Identities.load(messages, self.owners, self.patients)


async def _ids(store: _Store, *messages: list[Resource]) -> list[list[str]]:
    """The ids of the resources of each message after identity was applied."""
    identities = await store.load(*messages)
    return [[resource["id"] for resource in identities.apply(message)] for message in messages]


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
    renamed = rename([_patient("a", "1"), encounter], {"a": "b"})
    assert (renamed[0]["id"], renamed[1]["id"]) == ("b", "a")
    assert renamed[1]["subject"] == {"reference": "Patient/b"}
    assert (renamed[1]["participant"], renamed[1]["note"]) == (encounter["participant"], "Patient/a")
    assert encounter["subject"] == {"reference": "Patient/a"}, "the given resources stay as they are"


def test_the_survivor_is_who_a_patient_was_replaced_by() -> None:
    assert survivor(_patient("a", replaced_by="b")) == "b"
    assert survivor({"resourceType": "Patient", "link": [{"other": {"reference": "Patient/b"}, "type": "replaces"}]}) is None
    assert survivor(None) is None
    assert is_merged_away(_patient("a", replaced_by="b"))


async def test_a_known_identifier_leads_to_the_patient_that_has_it() -> None:
    store = _Store(_patient("stored", "1"))
    assert await _ids(store, [_patient("new", "1"), {"resourceType": "Encounter", "id": "e"}]) == [["stored", "e"]]


async def test_a_message_without_a_patient_asks_nothing() -> None:
    store = _Store()
    assert await _ids(store, [{"resourceType": "Location", "id": "l"}]) == [["l"]]
    assert store.asked == 0


async def test_a_chain_of_merges_is_followed_to_its_end() -> None:
    store = _Store(_patient("a", "1", replaced_by="b"), _patient("b", "2", replaced_by="c"), _patient("c", "3"))
    assert await _ids(store, [_patient("a", "1")], [_patient("x", "2")]) == [["c"], ["c"]]


async def test_a_cycle_of_merges_ends_somewhere() -> None:
    store = _Store(_patient("a", "1", replaced_by="b"), _patient("b", "2", replaced_by="a"))
    ((found,),) = await _ids(store, [_patient("a", "1")])
    assert found in {"a", "b"}
    assert store.asked <= 3


async def test_messages_of_one_batch_see_what_those_before_them_made() -> None:
    assert await _ids(_Store(), [_patient("a", "1", "2")], [_patient("b", "2")]) == [["a"], ["a"]]


async def test_a_merge_in_the_batch_is_followed_by_the_next_message() -> None:
    merge = [_patient("a", "1"), _patient("b", "2", replaced_by="a")]
    assert await _ids(_Store(), [_patient("b", "2")], merge, [_patient("b", "2")]) == [["b"], ["a", "b"], ["a"]]


async def test_a_merge_into_a_patient_that_was_merged_away_itself_is_of_the_last_survivor() -> None:
    store = _Store(_patient("a", "1", replaced_by="z"), _patient("z", "9"))
    identities = await store.load([_patient("a", "1"), _patient("b", "2", replaced_by="a")])
    kept, gone = identities.apply([_patient("a", "1"), _patient("b", "2", replaced_by="a")])
    assert (kept["id"], gone["id"], survivor(gone)) == ("z", "b", "z")


async def test_two_numbers_of_one_patient_that_are_merged_do_not_merge_the_patient_into_itself() -> None:
    store = _Store(_patient("one", "1", "2"))
    merge = [_patient("a", "1"), _patient("b", "2", replaced_by="a")]
    identities = await store.load(merge)
    kept, gone = identities.apply(merge)
    assert (kept["id"], survivor(kept)) == ("one", None)
    assert (gone["id"], survivor(gone)) == ("b", "one")
