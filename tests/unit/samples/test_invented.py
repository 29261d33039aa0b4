"""The invented people and messages: the same seed, the same bytes; each sample is what its story says."""

from __future__ import annotations

from datetime import UTC
from itertools import islice
from typing import Any

import pytest

from penstock.convert import Context, convert, plan
from penstock.demo import STORY
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.fhir.validate import check
from penstock.formats.hl7v2 import parse
from penstock.samples import sample_messages
from penstock.samples.people import patient, people, transaction
from penstock.samples.traffic import admissions, adt, oru

SAMPLES = dict(sample_messages())


def _resources(name: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for resource in convert(parse(SAMPLES[name]), plan(), Context(zone=UTC)).resources:
        found.setdefault(resource["resourceType"], []).append(resource)
    return found


def test_the_same_seed_gives_the_same_people_and_another_gives_others() -> None:
    assert people(50, seed=3) == people(50, seed=3)
    assert people(50, seed=3) != people(50, seed=4)
    assert people(50, seed=3)[:10] == people(10, seed=3)
    assert len({person.mrn for person in people(500)}) == 500


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert json.encode(transaction(5, seed=2)) == json.encode(transaction(5, seed=2))
    assert list(islice(admissions(prefix="A", patients=3, seed=2), 9)) == list(islice(admissions(prefix="A", patients=3, seed=2), 9))


def test_control_ids_never_repeat_and_each_patient_is_admitted_before_anything_else() -> None:
    messages = [parse(raw) for raw in islice(admissions(prefix="A", patients=4), 12)]
    assert len({message.get("MSH-10") for message in messages}) == 12
    assert [message.get("MSH-9.2") for message in messages] == ["A01"] * 4 + ["A08"] * 8
    assert len({message.get("PID-3.1") for message in messages}) == 4


@pytest.mark.parametrize("trigger", ["A01", "A02", "A03", "A08"])
def test_traffic_is_converted_without_a_word(trigger: str) -> None:
    (person,) = people(1)
    converted = convert(parse(adt(person, "1", trigger=trigger)), plan(), Context(zone=UTC))
    assert not [issue for resource in converted.resources for issue in check(resource) if issue.severity in ("error", "fatal")]


def test_a_laboratory_result_has_as_many_observations_as_asked_for() -> None:
    converted = convert(parse(oru(people(1)[0], "1", results=30)), plan(), Context(zone=UTC))
    assert sum(resource["resourceType"] == "Observation" for resource in converted.resources) == 30


def test_people_are_valid_patients_and_their_transaction_refers_only_to_itself() -> None:
    assert not check(patient(people(1)[0]))
    bundle = transaction(3)
    urls = {entry["fullUrl"] for entry in bundle["entry"] if "fullUrl" in entry}
    subjects = {entry["resource"]["subject"]["reference"] for entry in bundle["entry"] if "subject" in entry["resource"]}
    assert (len(urls), subjects) == (3, urls)
    assert {entry["request"]["method"] for entry in bundle["entry"]} == {"PUT"}, "sent twice it changes nothing"


def test_every_sample_has_a_story_and_every_story_a_sample() -> None:
    assert list(SAMPLES) == list(STORY)


def test_samples_end_their_segments_with_a_carriage_return() -> None:
    assert all(b"\n" not in body and body.endswith(b"\r") for body in SAMPLES.values())


def test_the_admission_has_its_admit_date_in_the_wrong_field_and_says_so() -> None:
    message = parse(SAMPLES["01_admission.hl7"])
    assert (message.get("PV1-44"), bool(message.get("PV1-39"))) == ("", True)
    remainder = dict(convert(message, plan(), Context(zone=UTC)).remainder)
    assert remainder["PV1-39"].startswith("drift:")


def test_the_transfer_is_of_the_same_encounter_at_another_ward() -> None:
    (admitted,), (moved,) = _resources("02_admission_northgate.hl7")["Encounter"], _resources("03_transfer.hl7")["Encounter"]
    assert admitted["id"] == moved["id"]
    assert admitted["location"] != moved["location"]


def test_the_laboratory_result_has_a_critical_potassium() -> None:
    potassium = next(o for o in _resources("04_lab_critical_potassium.hl7")["Observation"] if o["code"]["coding"][0]["code"] == "2823-3")
    assert float(potassium["valueQuantity"]["value"]) == 6.9
    assert potassium["interpretation"][0]["coding"][0]["code"] == "HH"


def test_the_unknown_codes_are_listed_for_a_steward() -> None:
    converted = convert(parse(SAMPLES["05_unknown_code.hl7"]), plan(), Context(zone=UTC))
    assert {"Q", "ZZ"} <= {steward.code for steward in converted.steward}


def test_the_merge_replaces_who_was_registered_twice() -> None:
    (registered,) = _resources("06_registration.hl7")["Patient"]
    gone = next(p for p in _resources("07_merge.hl7")["Patient"] if p["id"] == registered["id"])
    assert gone["active"] is False
    assert gone["link"][0]["type"] == "replaced-by"


def test_the_broken_one_is_known_to_no_map() -> None:
    with pytest.raises(Problem) as caught:
        _resources("08_broken.hl7")
    assert caught.value.code == "not-supported"
