"""Sentences of docs/mapping.md, each with the smallest message that shows it."""

from __future__ import annotations

from typing import Any

from penstock import convert
from penstock.convert import Context, Converted
from penstock.formats.hl7v2 import parse


def converted(type: str, *segments: str) -> Converted:
    header = f"MSH|^~\\&|A|B|||20250101||{type}|1|P|2.5.1"
    return convert.convert(parse("\r".join((header, *segments))), convert.plan(), Context(interface="test"))


def of(result: Converted, type: str) -> list[dict[str, Any]]:
    return [one for one in result.resources if one["resourceType"] == type]


PERSON = "PID|1||7^^^X^MR||Doe^Ann"


def test_two_nationalities_are_two_extensions_with_one_code_each() -> None:
    (patient,) = of(converted("ADT^A08", PERSON + "|" * 23 + "GBR~FRA"), "Patient")
    found = [one["extension"] for one in patient["extension"] if one["url"].endswith("patient-nationality")]
    assert [[part["valueCodeableConcept"]["coding"][0]["code"] for part in parts] for parts in found] == [["GBR"], ["FRA"]]


def test_all_who_care_for_a_patient_are_one_team_whatever_segment_names_them() -> None:
    role = "ROL|{0}||{1}^^HL70443|47{0}^Okafor"
    result = converted("ADT^A08", PERSON, role.format(1, "RP"), role.format(2, "CP"), "PRT|3||||4799^Diaz", "PRT|4||AD|AT|4798^Wong")
    (team,) = of(result, "CareTeam")
    assert len(team["participant"]) == 3
    paths = {path.partition(".")[0] for index, path, _, _ in result.lineage if result.resources[index] is team}
    assert {"participant[0]", "participant[1]", "participant[2]"} <= paths


def test_a_condition_of_a_segment_map_means_a_component_of_its_field_by_the_name_of_its_type() -> None:
    (coverage,) = of(converted("ADT^A08", PERSON, "IN1|1|P|C" + "|" * 7 + "G1^^^ACME^SN"), "Coverage")
    assert coverage["extension"][0]["valueIdentifier"]["value"] == "G1"
    result = converted("ADT^A08", PERSON, "IN1|1|P|C" + "|" * 7 + "G1^^^ACME^XX")
    assert not any("extension" in one for one in of(result, "Coverage"))
    assert "IN1-10.1" in dict(result.remainder)


def test_what_a_segment_makes_on_its_way_is_of_the_person_who_is_near() -> None:
    result = converted(
        "ORU^R01",
        "PID|1||7^^^X^MR||Doe^Ann",
        "PRT|1||AD|C^^HL70131|^Kin^One",
        "PID|2||8^^^X^MR||Roe^Bob",
        "PRT|2||AD|C^^HL70131|^Kin^Two",
    )
    patients = {one["identifier"][0]["value"]: f"Patient/{one['id']}" for one in of(result, "Patient")}
    kin = {one["name"][0]["given"][0]: one["patient"]["reference"] for one in of(result, "RelatedPerson")}
    assert kin == {"One": patients["7"], "Two": patients["8"]}


def test_a_diagnosis_of_a_visit_is_the_patients_and_the_encounter_says_its_use() -> None:
    result = converted("ADT^A01", PERSON, "PV1|1|I", "DG1|1||R07^Pain^I10|||A|||||||||2")
    (encounter,), (condition,) = of(result, "Encounter"), of(result, "Condition")
    assert condition["subject"] == encounter["subject"]
    assert condition["encounter"]["reference"] == f"Encounter/{encounter['id']}"
    assert encounter["diagnosis"][0]["condition"]["reference"] == f"Condition/{condition['id']}"
    assert encounter["diagnosis"][0]["rank"] == 2


VACCINE = "RXA|0|1|20250410||141^Influenza^CVX|999"


def test_a_vaccination_without_a_number_of_its_own_is_who_got_what_when() -> None:
    result = converted("VXU^V04", PERSON, "ORC|RE||9999^X", VACCINE, "ORC|RE||9999^X", VACCINE.replace("141", "20"))
    assert len({one["id"] for one in of(result, "Immunization")}) == 2
    again = converted("VXU^V04", PERSON, "ORC|RE||9999^X", VACCINE)
    assert of(again, "Immunization")[0]["id"] == of(result, "Immunization")[0]["id"]


def test_an_observation_of_a_vaccination_is_known_by_it() -> None:
    obx = "OBX|1|CE|31044-1^Reaction^LN||A^One^L||||||F"
    one = converted("VXU^V04", PERSON, "ORC|RE||1^X", VACCINE, obx, "ORC|RE||2^X", VACCINE, obx)
    assert len({found["id"] for found in of(one, "Observation")}) == 2


def test_the_remainder_gives_the_reasons_of_the_maps_that_the_segment_was_given_to() -> None:
    result = converted(
        "VXU^V04", PERSON, "ORC|RE||1^X", VACCINE, "OBX|1|CE|64994-7^E^LN|1|V02^Medicaid^HL70064||||||F", "OBX|2|ST|X^Y^L||a||||||F"
    )
    rest = dict(result.remainder)
    assert rest["OBX[1]-3"] == "it says which element OBX-5 fills"
    assert "OBX[2]-3" not in rest


ORDERED = "ORC|{0}|100^X|{1}"
SERVICE = "OBR|1|100^X|{0}|GLU^Glucose^L"


def test_an_order_and_its_result_meet_by_the_placers_number() -> None:
    announced = converted("MDM^T02", PERSON, ORDERED.format("NW", ""), SERVICE.format(""), "TXA|1|DS|TX|||||||||D1^X", "OBX|1|TX|||a")
    result = converted("ORU^R01", PERSON, ORDERED.format("RE", "200^Y"), SERVICE.format("200^Y"), "OBX|1|NM|GLU^Glucose^L||5||||||F")
    (order,), (report,) = of(announced, "ServiceRequest"), of(result, "DiagnosticReport")
    assert report["basedOn"] == [{"reference": f"ServiceRequest/{order['id']}"}]


def test_orders_with_one_number_in_one_message_are_told_apart_by_their_service() -> None:
    result = converted("ORU^R01", PERSON, "OBR|1|100^X||GLU^Glucose^L", "OBR|2|100^X||NA^Sodium^L")
    again = converted("ORU^R01", PERSON, "OBR|1|100^X||GLU^Glucose^L", "OBR|2|100^X||NA^Sodium^L")
    orders = [one["id"] for one in of(result, "ServiceRequest")]
    assert len(set(orders)) == 2
    assert [one["id"] for one in of(again, "ServiceRequest")] == orders


def test_a_code_of_another_known_system_is_no_work_for_the_steward_of_a_table() -> None:
    named = converted("ADT^A08", PERSON, "PV1|1|I" + "|" * 8 + "394802001^General medicine^SCT")
    unknown = converted("ADT^A08", PERSON, "PV1|1|I" + "|" * 8 + "GM^General medicine")
    assert [one.code for one in named.steward] == []
    assert [one.code for one in unknown.steward] == ["GM"]


def test_a_further_order_may_begin_without_orc() -> None:
    result = converted("OML^O21", PERSON, "ORC|NW|1^X", "OBR|1|1^X||GLU^Glucose^L", "OBX|1|NM|W^W^L||1||||||F", "OBR|2|2^X||NA^Sodium^L")
    assert [one["code"]["coding"][0]["code"] for one in of(result, "ServiceRequest")] == ["GLU", "NA"]


def test_repeated_files_of_a_result_are_documents_that_it_is_derived_from() -> None:
    file = "LAB^AP^PDF^Base64^JVBERi0="
    result = converted("ORU^R01", PERSON, "OBR|1|1^X||GLU^Glucose^L", f"OBX|1|ED|R^Report^L||{file}~{file}||||||F")
    (found,) = of(result, "Observation")
    documents = {f"DocumentReference/{one['id']}" for one in of(result, "DocumentReference")}
    assert {one["reference"] for one in found["derivedFrom"]} == documents
    assert len(documents) == 2


def test_a_trigger_that_ends_an_appointment_comes_before_the_status_that_its_segment_says() -> None:
    segment = "SCH|1^X|2^X|||||||||^^^20250421090000^20250421100000" + "|" * 14 + "Booked"
    status = {
        trigger: of(converted(f"SIU^{trigger}", segment, PERSON), "Appointment")[0]["status"] for trigger in ("S12", "S15", "S17", "S26")
    }
    assert status == {"S12": "booked", "S15": "cancelled", "S17": "entered-in-error", "S26": "noshow"}


def test_an_appointment_without_an_end_says_that_it_is_not_known() -> None:
    (found,) = of(converted("SIU^S12", "SCH|1^X|2^X|||||||||^^^20250421090000", PERSON), "Appointment")
    assert found["start"] == "2025-04-21T09:00:00+00:00"
    assert found["_end"]["extension"][0]["valueCode"] == "unknown"


def test_a_booked_visit_without_a_number_is_no_stay() -> None:
    result = converted("SIU^S12", "SCH|1^X|2^X", PERSON, "PV1|1|O|CLIN")
    assert of(result, "Encounter") == []
    assert dict(result.remainder)["PV1-3"].startswith("a visit without a number")


def test_an_order_of_a_medication_in_orm_is_a_medication_request_and_its_neighbour_is_not() -> None:
    result = converted(
        "ORM^O01", PERSON, "ORC|NW|1^X", "RXO|1191^Aspirin^RXNORM|500||mg", "RXR|PO", "ORC|NW|2^X", "OBR|1|2^X||GLU^Glucose^L"
    )
    assert [one["identifier"][0]["value"] for one in of(result, "MedicationRequest")] == ["1"]
    assert [one["identifier"][0]["value"] for one in of(result, "ServiceRequest")] == ["2"]
