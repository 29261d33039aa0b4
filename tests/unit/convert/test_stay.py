"""A stay told by its trigger events: what each message changes in the stored Encounter, by convert and merge alone."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import convert
from penstock.convert import Context
from penstock.convert.state import Marks, fold, moment, statements
from penstock.convert.state import Record as Kept
from penstock.formats.fhir import validate
from penstock.formats.hl7v2 import parse

Resource = dict[str, Any]
PLACES = {"A01": "WardA^R1^B1", "A02": "WardB^R2^B2"}


def message(trigger: str, time: str, *, place: str = "WardA^R1^B1", visit: str = "V1^^^RXH", structure: str = "", more: str = "") -> str:
    lines = (
        f"MSH|^~\\&|PAS|RXH|EHR|RXH|{time}||ADT^{trigger}{structure}|{trigger}{time}|P|2.5",
        f"EVN|{trigger}|{time}",
        "PID|1||MRN7^^^RXH^MR||Doe^Ann||19800229|F",
        "PV1|1|I|" + place + "|" * 16 + visit + more,
    )
    return "\r".join(lines)


class Record:
    """A store of one kind: it keeps what fold gives."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Kept] = {}

    def take(self, text: str) -> None:
        result = convert.convert(parse(text), convert.plan(), Context())
        for statement in statements(result, moment(parse(text), Context())):
            key = (statement.resource["resourceType"], statement.resource["id"])
            self.kept[key] = found = fold(self.kept.get(key, Kept(None, Marks())), statement)
            assert found.resource is not None
            assert [issue for issue in validate.check(found.resource) if issue.severity == "error"] == []

    @property
    def resources(self) -> dict[tuple[str, str], Resource]:
        return {key: record.resource for key, record in self.kept.items() if record.resource is not None}

    def only(self, type: str) -> Resource:
        (found,) = [one for (kind, _), one in self.resources.items() if kind == type]
        return found


def stay(*messages: str) -> Record:
    record = Record()
    for text in messages:
        record.take(text)
    return record


ADMIT = message("A01", "20250401080000")
TRANSFER = message("A02", "20250402090000", place=PLACES["A02"])
UPDATE = message("A08", "20250403100000", place=PLACES["A02"])
DISCHARGE = message("A03", "20250404110000", place=PLACES["A02"])


@pytest.mark.req("V2-05")
@pytest.mark.parametrize("visit", ["V1^^^RXH", ""])
def test_a_scripted_stay_is_one_encounter_with_its_places_and_period(visit: str) -> None:
    record = stay(
        message("A01", "20250401080000", visit=visit),
        message("A02", "20250402090000", place=PLACES["A02"], visit=visit),
        message("A08", "20250403100000", place=PLACES["A02"], visit=visit),
        message("A03", "20250404110000", place=PLACES["A02"], visit=visit),
    )
    encounter = record.only("Encounter")
    assert encounter["status"] == "finished"
    assert encounter["period"] == {"start": "2025-04-01T08:00:00+00:00", "end": "2025-04-04T11:00:00+00:00"}
    first, second = encounter["location"]
    assert (first["status"], second["status"]) == ("completed", "active")
    assert first["period"] == {"start": "2025-04-01T08:00:00+00:00", "end": "2025-04-02T09:00:00+00:00"}
    record.only("Patient")


def test_the_same_message_again_changes_nothing() -> None:
    record = stay(ADMIT, TRANSFER, DISCHARGE)
    before = dict(record.resources)
    record.take(DISCHARGE)
    assert record.resources == before


def test_an_update_after_the_discharge_does_not_open_the_stay_again() -> None:
    assert stay(ADMIT, DISCHARGE, UPDATE).only("Encounter")["status"] == "finished"


@pytest.mark.req("V2-05")
def test_a_cancelled_admission_is_cancelled() -> None:
    assert stay(ADMIT, message("A11", "20250401090000")).only("Encounter")["status"] == "cancelled"


@pytest.mark.req("V2-05")
def test_a_cancelled_discharge_is_in_progress_without_an_end() -> None:
    encounter = stay(ADMIT, DISCHARGE, message("A13", "20250404120000")).only("Encounter")
    assert encounter["status"] == "in-progress"
    assert encounter["period"] == {"start": "2025-04-01T08:00:00+00:00"}


def test_a_pre_admission_is_planned_and_the_admission_begins_it() -> None:
    planned = message("A05", "20250330080000")
    assert stay(planned).only("Encounter")["status"] == "planned"
    assert stay(planned, ADMIT).only("Encounter")["status"] == "in-progress"


@pytest.mark.parametrize("trigger", ["A01", "A02", "A03", "A04", "A05", "A08", "A11", "A13", "A28", "A31"])
@pytest.mark.parametrize("structure", ["", "^ADT_A01", "^ADT_XYZ"])
def test_the_trigger_tells_the_structure_whatever_msh_9_3_says(trigger: str, structure: str) -> None:
    assert stay(message(trigger, "20250401080000", structure=structure)).only("Patient")["birthDate"] == "1980-02-29"


def test_a_person_update_makes_no_encounter() -> None:
    text = "\r".join(line for line in message("A31", "20250401080000").split("\r") if not line.startswith("PV1"))
    assert {kind for kind, _ in stay(text).resources} == {"Patient"}


def test_a_null_deletes_and_an_absence_keeps() -> None:
    full = ADMIT.replace("19800229|F", "19800229|F|||1 Road^^Town||0161 4960000|||M")
    nulls = UPDATE.replace("19800229|F", '""|F|||""||""')
    patient = stay(full, nulls).only("Patient")
    assert "birthDate" not in patient and "address" not in patient and "telecom" not in patient
    assert patient["maritalStatus"]["coding"][0]["code"] == "M"
    assert patient["name"][0]["family"] == "Doe"


def test_coming_back_to_a_place_is_another_entry() -> None:
    back = message("A02", "20250403090000")
    places = stay(ADMIT, TRANSFER, back).only("Encounter")["location"]
    assert [one["status"] for one in places] == ["completed", "completed", "active"]


MERGE = "MSH|^~\\&|PAS|RXH|EHR|RXH|20250405||ADT^A40|M40|P|2.5\rEVN|A40|20250405\rPID|1||NEW1^^^RXH^MR||Doe^Ann\rMRG|MRN7^^^RXH^MR"


@pytest.mark.req("V2-05")
def test_a_merge_ends_the_prior_record_and_links_both() -> None:
    record = stay(ADMIT, MERGE)
    patients = {one["identifier"][0]["value"]: one for (kind, _), one in record.resources.items() if kind == "Patient"}
    prior, surviving = patients["MRN7"], patients["NEW1"]
    assert prior["active"] is False
    assert prior["birthDate"] == "1980-02-29"
    assert prior["link"] == [{"other": {"reference": f"Patient/{surviving['id']}"}, "type": "replaced-by"}]
    assert surviving["link"] == [{"other": {"reference": f"Patient/{prior['id']}"}, "type": "replaces"}]


def test_a_merge_of_a_record_with_itself_ends_nothing() -> None:
    text = MERGE.replace("NEW1", "MRN7")
    patient = stay(ADMIT, text).only("Patient")
    assert "active" not in patient and "link" not in patient
    result = convert.convert(parse(text), convert.plan(), Context())
    assert "the prior record is the surviving one: nothing is merged" in {reason for _, reason in result.remainder}


def converted(*lines: str) -> list[Resource]:
    head = "MSH|^~\\&|PAS|RXH|EHR|RXH|20250101||ORU^R01|1|P|2.5"
    return convert.convert(parse("\r".join((head, *lines))), convert.plan(), Context()).resources


def test_what_is_said_of_a_person_without_any_data_stands_in_a_patient_of_his_own() -> None:
    patient = next(one for one in converted("PID|1", "NK1|1|Doe^Jo|BRO") if one["resourceType"] == "Patient")
    assert patient["contact"][0]["name"]["family"] == "Doe"


def test_a_note_to_an_empty_result_is_none_to_the_result_before() -> None:
    results = converted("PID|1||7", "OBR|1|||K", "OBX|1|NM|K||4.1||||||F", "OBX|2", "NTE|1||see above")
    notes = {one["code"].get("text", "K"): one.get("note") for one in results if one["resourceType"] == "Observation"}
    assert notes == {"K": None, "unknown": [{"text": "see above"}]}


def test_what_a_second_description_of_one_thing_says_otherwise_is_left_over() -> None:
    twice = "MSH|^~\\&|PAS|RXH|EHR|RXH|20250101||ADT^A08|1|P|2.5\rPID|1||7^^^RXH^MR||Doe^Ann\rPD1|||One^L^5~Two^L^5\rPV1|1|I"
    result = convert.convert(parse(twice), convert.plan(), Context())
    assert [one["name"] for one in result.resources if one["resourceType"] == "Organization"] == ["One"]
    assert [source for source, reason in result.remainder if "twice" in reason] == ["PD1-3[2].1"]
    assert ("PD1-3[2].1" in {entry[3] for entry in result.lineage}) is False
