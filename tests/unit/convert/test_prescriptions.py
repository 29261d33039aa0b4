"""Orders of pharmacy from message to message: their state, and that what is done for an order finds it."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import convert
from penstock.convert import Context, merge
from penstock.formats.hl7v2 import parse


def resources(text: str, type: str = "RDE^O11", facility: str = "NORTHGATE") -> list[dict[str, Any]]:
    head = f"MSH|^~\\&|CPOE|{facility}|||20250413||{type}|1|P|2.5\rPID|1||7^^^X^MR\r"
    return convert.convert(parse(head + text), convert.plan(), Context()).resources


def order(text: str, type: str = "RDE^O11", facility: str = "NORTHGATE") -> dict[str, Any]:
    [found] = [one for one in resources(text, type, facility) if one["resourceType"] == "MedicationRequest"]
    return found


@pytest.mark.parametrize(
    ("control", "filler", "status"),
    [
        ("NW", "", "active"),
        ("CA", "", "cancelled"),
        ("CA", "IP", "cancelled"),
        ("CA", "CM", "completed"),
        ("DC", "", "stopped"),
        ("DC", "HD", "stopped"),
        ("HD", "SC", "on-hold"),
        ("RL", "HD", "active"),
        ("XO", "", "active"),
        ("XO", "HD", "on-hold"),
        ("RP", "", "stopped"),
        ("RO", "", "active"),
        ("UC", "", "active"),
        ("RE", "", "unknown"),
        ("SC", "CM", "completed"),
        ("SS", "", "unknown"),
        ("NW", "ER", "unknown"),
    ],
)
def test_control_and_state_of_an_order_say_its_status(control: str, filler: str, status: str) -> None:
    assert order(f"ORC|{control}|P1^CPOE|||{filler}\rRXE||T1^Pill^L|1||mg")["status"] == status


def test_the_encoded_order_is_the_order_that_was_placed() -> None:
    placed = order("ORC|NW|P1^CPOE\rRXO|T1^Pill^L|1||mg", "OMP^O09")
    encoded = order("ORC|XO|P1^CPOE|F1^RX\rRXE||T2^Generic^L|1||mg")
    assert placed["id"] == encoded["id"]
    both = merge(placed, encoded)
    assert both["medicationCodeableConcept"]["coding"][0]["code"] == "T2"
    assert [one["value"] for one in both["identifier"]] == ["P1", "F1"]


def test_numbers_of_two_senders_do_not_meet() -> None:
    text = "ORC|NW|P1\rRXE||T1^Pill^L|1||mg"
    assert order(text)["id"] != order(text, facility="SOUTHGATE")["id"]


def test_two_orders_under_one_number_in_one_message_are_two() -> None:
    text = "ORC|NW|P1^CPOE\rRXE||T1^Pill^L|1||mg\r"
    assert len({one["id"] for one in resources(text + text) if one["resourceType"] == "MedicationRequest"}) == 2


def test_a_message_without_the_drug_does_not_end_what_is_known_of_it() -> None:
    known = order("ORC|NW|P1^CPOE\rRXE||T1^Pill^L|1||mg|FRM^Form^L")
    later = order("ORC|DC|P1^CPOE")
    assert later["medicationCodeableConcept"] == {"text": "unknown"}
    both = merge(known, later)
    assert both["medicationReference"] == known["medicationReference"] and "medicationCodeableConcept" not in both
    assert both["status"] == "stopped" and both["dosageInstruction"] == known["dosageInstruction"]


def test_a_drug_that_becomes_known_takes_the_place_of_an_unknown_one() -> None:
    unknown, known = order("ORC|NW|P1^CPOE"), order("ORC|NW|P1^CPOE\rRXE||T1^Pill^L|1||mg|FRM^Form^L")
    both = merge(unknown, known)
    assert "medicationReference" in both and "medicationCodeableConcept" not in both


def test_the_time_of_a_change_is_not_when_the_order_was_written() -> None:
    placed = order("ORC|NW|P1^CPOE|||||||20250413\rRXE||T1^Pill^L|1||mg")
    changed = order("ORC|XO|P1^CPOE|||||||20250415\rRXE||T1^Pill^L|2||mg")
    assert merge(placed, changed)["authoredOn"] == "2025-04-13"


def test_a_reason_why_a_field_was_not_used_is_the_one_that_holds() -> None:
    def rest(text: str) -> dict[str, str]:
        head = "MSH|^~\\&|CPOE|N|||20250413||RDE^O11|1|P|2.5\rPID|1||7^^^X^MR\rORC|NW|P1\r"
        return dict(convert.convert(parse(head + text), convert.plan(), Context()).remainder)

    assert rest("RXO|T1^Pill^L\rRXE||T2^Pill^L")["RXO-1"] == "the encoded order (RXE) says it"
    assert rest("RXO|T1^Pill^L|||mg")["RXO-4"] == "the condition of no rule for this field held"


def test_what_is_done_for_an_order_refers_to_the_order_that_was_placed() -> None:
    placed = order("ORC|NW|P1^CPOE\rRXO|T1^Pill^L|1||mg", "OMP^O09")
    dispensed = resources("ORC|RE|P1^CPOE|F1^RX\rRXD|1|T2^Generic^L|20250413|10", "RDS^O13")
    given = resources("ORC|RE|P1^CPOE|F1^RX\rRXA|0|1|20250413|20250413|T2^Generic^L|1|mg", "RAS^O17")
    to = f"MedicationRequest/{placed['id']}"
    assert [one["authorizingPrescription"] for one in dispensed if "authorizingPrescription" in one] == [[{"reference": to}]]
    assert [one["request"] for one in given if "request" in one] == [{"reference": to}]


def test_a_dispense_does_not_change_what_was_ordered() -> None:
    placed = order("ORC|NW|P1^CPOE\rRXO|T1^Pill^L|1||mg", "OMP^O09")
    again = merge(placed, order("ORC|RE|P1^CPOE|F1^RX\rRXD|1|T2^Generic^L|20250413|10", "RDS^O13"))
    assert {name: again[name] for name in placed if name != "identifier"} == {name: placed[name] for name in placed if name != "identifier"}


@pytest.mark.parametrize(
    ("text", "type", "made"),
    [
        ("RXD|{0}|T2^Generic^L|20250413|10", "RDS^O13", "MedicationDispense"),
        ("RXA|0|{0}|20250413||T2^Generic^L|1|mg", "RAS^O17", "MedicationAdministration"),
        ("RXA|0|1|2025041{0}||T2^Generic^L|1|mg", "RAS^O17", "MedicationAdministration"),
        ("RXG|{0}|||T2^Generic^L|1||mg", "RGV^O15", "MedicationRequest"),
    ],
)
def test_the_next_of_its_kind_is_another_one_and_the_same_again_is_the_same(text: str, type: str, made: str) -> None:
    def ids(number: str) -> list[str]:
        found = resources(f"ORC|RE|P1^CPOE\r{text.format(number)}", type)
        return [one["id"] for one in found if one["resourceType"] == made and one.get("intent") != "order"]

    assert ids("1") == ids("1") != ids("2")
    assert len(ids("1")) == 1


def test_an_administration_without_a_dose_has_no_dosage_and_its_route_is_left_over() -> None:
    head = "MSH|^~\\&|CPOE|N|||20250413||RAS^O17|1|P|2.5\rPID|1||7^^^X^MR\rORC|RE|P1\r"
    result = convert.convert(parse(head + "RXA|0|1|||T2^Generic^L|some\rRXR|PO"), convert.plan(), Context())
    [given] = [one for one in result.resources if one["resourceType"] == "MedicationAdministration"]
    assert "dosage" not in given
    assert given["_effectiveDateTime"]["extension"][0]["valueCode"] == "unknown"
    assert ("RXR-1", "R4 has this only beside a dose or a rate (mad-1)") in result.remainder
