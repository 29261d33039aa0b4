"""What a row of a message map can say: a part of a resource, the first segment only, a segment inside a group, why nothing is made."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.convert import Context, Converted, Row
from penstock.convert.compiler import build
from penstock.convert.engine import convert
from penstock.errors import Problem
from penstock.formats.hl7v2 import parse

MR = "MedicationRequest[1]"


def row(rule: str, type: str, condition: str = "", target: str = "", using: str = "", assign: str = "", reason: str = "") -> Row:
    source = rule.partition("#")[0].replace(":", ".")
    return Row(f"TST_T01:{rule}", f"TST_T01.{source}", type, condition, target, using, "", assign, reason)


HEAD = (row("MSH#1", "segment 1..1"), row("PID#1", "segment 1..1", target="Patient[1]", using="PID[Patient]"))
DOSAGE = (
    Row("ZDS[Dosage]:1#1", "ZDS-1", "ST", "", "text"),
    Row("ZDS[Dosage]:2#1", "ZDS-2", "CWE", "", "route", "CWE[CodeableConcept]"),
    Row("ZTQ[Dosage]:1#1", "ZTQ-1", "SI", "", "sequence"),
    Row("ZMR[MedicationRequest]:1#1", "ZMR-1", "EI", "", "identifier", "EI[Identifier-Extension]"),
)


def converted(rows: tuple[Row, ...], text: str) -> Converted:
    plan = build(("TST_T01",), (*HEAD, *rows, *DOSAGE))
    message = parse(f"MSH|^~\\&|A|B|||20250101||TST^T01|1|P|2.5\rPID|1||7^^^X^MR\r{text}")
    return convert(message, plan.structures["TST_T01"], plan, Context())


def only(result: Converted, type: str) -> dict[str, Any]:
    [found] = [one for one in result.resources if one["resourceType"] == type]
    return found


ORDER = (
    row("ORDER#1", "begin 1..*"),
    row("ORDER.ZMR#1", "segment 1..1", target=MR, using="ZMR[MedicationRequest]", assign=f"{MR}.subject.reference=Patient[1].id"),
)
END = (Row("TST_T01:ORDER#2", "/TST_T01.ORDER", "end 0..1"),)


def test_segments_with_one_label_fill_one_part() -> None:
    rows = (
        *ORDER,
        row("ORDER.ZTQ#1", "segment 0..*", target=f"{MR}.dosageInstruction[1]", using="ZTQ[Dosage]"),
        row("ORDER.ZDS#1", "segment 0..*", target=f"{MR}.dosageInstruction[1]", using="ZDS[Dosage]"),
        *END,
    )
    result = converted(rows, "ZMR|1\rZTQ|3\rZDS|one a day\rZMR|2\rZTQ|4\rZTQ|5")
    first, second = (one for one in result.resources if one["resourceType"] == "MedicationRequest")
    assert first["dosageInstruction"] == [{"sequence": 3, "text": "one a day"}]
    assert second["dosageInstruction"] == [{"sequence": 4}, {"sequence": 5}]
    assert (1, "dosageInstruction[0].text", "ZDS[Dosage]:1#1", "ZDS-1") in result.lineage
    assert (2, "dosageInstruction[1].sequence", "ZTQ[Dosage]:1#1", "ZTQ[3]-1") in result.lineage


def test_a_segment_for_all_parts_fills_those_that_come_behind_it_too_and_shares_nothing() -> None:
    rows = (
        *ORDER,
        row("ORDER.ZDS#1", "segment 0..*", target=f"{MR}.dosageInstruction[all]", using="ZDS[Dosage]"),
        row("ORDER.ZTQ#1", "segment 0..*", target=f"{MR}.dosageInstruction[1]", using="ZTQ[Dosage]"),
        *END,
    )
    result = converted(rows, "ZMR|1\rZDS|each|PO^oral^HL70162\rZTQ|1\rZTQ|2")
    first, second = only(result, "MedicationRequest")["dosageInstruction"]
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert first["route"] == second["route"] and first["route"] is not second["route"]
    assert {path for _, path, rule, _ in result.lineage if rule == "ZDS[Dosage]:1#1"} == {
        "dosageInstruction[0].text",
        "dosageInstruction[1].text",
    }


def test_a_segment_for_all_parts_makes_one_where_there_is_none() -> None:
    rows = (*ORDER, row("ORDER.ZDS#1", "segment 0..*", target=f"{MR}.dosageInstruction[all]", using="ZDS[Dosage]"), *END)
    assert only(converted(rows, "ZMR|1\rZDS|a\rZMR|"), "MedicationRequest")["dosageInstruction"] == [{"text": "a"}]


CASES = (
    Row("ZCM[CareTeam]:1#1", "ZCM-1", "ST", "", "participant.member.display"),
    Row("ZCM[CareTeam]:2#1", "ZCM-2", "DTM", "", "participant.period.start"),
)


def test_a_row_that_names_an_element_of_its_map_adds_to_one_resource() -> None:
    rows = (row("ZCM#1", "segment 0..*", target="CareTeam[1].participant[2]", using="ZCM[CareTeam]"), *CASES)
    assert only(converted(rows, "ZCM|Ann\rZCM|Ben"), "CareTeam")["participant"] == [
        {"member": {"display": "Ann"}},
        {"member": {"display": "Ben"}},
    ]


def test_a_reference_in_the_element_that_a_row_names_stands_in_the_entry_that_the_row_made() -> None:
    reference = "CareTeam[1].participant.onBehalfOf.reference=Organization[1].id"
    rows = (
        row("ZOR#1", "segment 0..*", target="Organization[1]", using="ZOR[Organization]"),
        row("ZCM#1", "segment 0..*", target="CareTeam[1].participant", using="ZCM[CareTeam]", assign=reference),
        Row("ZOR[Organization]:1#1", "ZOR-1", "ST", "", "name"),
        *CASES,
    )
    team = only(converted(rows, "ZOR|House\rZCM|Ann\rZCM|Ben"), "CareTeam")
    assert [set(one) for one in team["participant"]] == [{"member", "onBehalfOf"}] * 2


def test_a_target_behind_a_reference_is_a_resource_of_its_own() -> None:
    target = f"{MR}.reasonReference(Condition)"
    rows = (*ORDER, row("ORDER.DG1#1", "segment 0..*", target=target, using="DG1[Condition]"), *END)
    result = converted(rows, "ZMR|1\rDG1|1||J45^Asthma^I10")
    assert only(result, "MedicationRequest")["reasonReference"] == [{"reference": f"Condition/{only(result, 'Condition')['id']}"}]


def test_a_part_of_another_type_than_the_map_fills_is_refused() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        converted((*ORDER, row("ORDER.ZDS#1", "segment 0..*", target=f"{MR}.note[1]", using="ZDS[Dosage]"), *END), "ZMR|1")
    assert [problem.at for problem in caught.value.exceptions if isinstance(problem, Problem)] == ["TST_T01:ORDER.ZDS#1"]


def test_a_row_can_be_for_the_first_segment_of_its_name_in_its_group() -> None:
    why = "R4 has one route"
    rows = (
        *ORDER,
        row("ORDER.ZDS#1", "segment 0..*", "FIRST", f"{MR}.dosageInstruction[1]", "ZDS[Dosage]", reason=why),
        *END,
    )
    result = converted(rows, "ZMR|1\rZDS|a\rZDS|b\rZMR|2\rZDS|c")
    assert [one["dosageInstruction"] for one in result.resources[1:]] == [[{"text": "a"}], [{"text": "c"}]]
    assert ("ZDS[2]-1", why) in result.remainder


def test_a_condition_can_ask_for_a_segment_inside_a_group() -> None:
    rows = (
        *ORDER,
        row(
            "ORDER.ZDS#1",
            "segment 0..*",
            "INNER.ZDS NOT VALUED",
            f"{MR}.dosageInstruction[1]",
            "ZDS[Dosage]",
            reason="the inner one says it",
        ),
        row("ORDER.INNER#1", "begin 0..1"),
        row("ORDER.INNER.ZIN#1", "segment 1..1"),
        row("ORDER.INNER.ZDS#1", "segment 0..1", target=f"{MR}.dosageInstruction[1]", using="ZDS[Dosage]"),
        Row("TST_T01:ORDER.INNER#2", "/TST_T01.ORDER.INNER", "end 0..1"),
        *END,
    )
    result = converted(rows, "ZMR|1\rZDS|outer\rZIN|\rZDS|inner\rZMR|2\rZDS|alone")
    assert [one["dosageInstruction"] for one in result.resources[1:]] == [[{"text": "inner"}], [{"text": "alone"}]]
    assert ("ZDS[1]-1", "the inner one says it") in result.remainder


def test_a_condition_about_a_group_that_does_not_hold_the_segment_is_refused() -> None:
    rows = (*ORDER, row("ORDER.ZDS#1", "segment 0..*", "INNER.ZDS VALUED", f"{MR}.dosageInstruction[1]", "ZDS[Dosage]"), *END)
    with pytest.raises(ExceptionGroup):
        converted(rows, "ZMR|1")


def test_a_segment_without_a_target_is_left_over_with_the_reason_of_its_row() -> None:
    result = converted((row("ZAA#1", "segment 0..*", reason="kept with the message"),), "ZAA|x")
    assert ("ZAA-1", "kept with the message") in result.remainder


def test_a_label_may_be_a_field_then_the_same_text_there_is_the_same_part() -> None:
    rows = (
        *ORDER,
        row("ORDER.ZDS#1", "segment 0..*", target=f"{MR}.dosageInstruction[ZDS-3]", using="ZDS[Dosage]"),
        *END,
    )
    result = converted(rows, "ZMR|1\rZDS|one a day||a\rZDS|two a day||b\rZDS||PO|a")
    texts = [(one.get("text"), "route" in one) for one in only(result, "MedicationRequest")["dosageInstruction"]]
    assert texts == [("one a day", True), ("two a day", False)]


def test_a_map_may_fill_an_element_that_has_no_type_of_its_own() -> None:
    rows = (
        *ORDER,
        row("ORDER.ZDI#1", "segment 0..1", target=f"{MR}.dispenseRequest", using="ZDI[MedicationRequest.dispenseRequest]"),
        *END,
        Row("ZDI[MedicationRequest.dispenseRequest]:1#1", "ZDI-1", "NM", "", "numberOfRepeatsAllowed"),
    )
    assert only(converted(rows, "ZMR|1\rZDI|3"), "MedicationRequest")["dispenseRequest"] == {"numberOfRepeatsAllowed": 3}


def test_a_constant_beside_a_reference_may_stand_in_an_element_that_nothing_else_fills() -> None:
    part = "Encounter[1].participant"
    assign = f'{part}.individual.reference=Patient[1].id; {part}.type.coding.code="SELF"'
    rows = (row("ZEN#1", "segment 1..1", target="Encounter[1]", using="ZEN[Encounter]", assign=assign), Row(*ZEN))
    (found,) = only(converted(rows, "ZEN|1"), "Encounter")["participant"]
    assert found["type"] == [{"coding": [{"code": "SELF"}]}]
    assert found["individual"]["reference"].startswith("Patient/")


ZEN = ("ZEN[Encounter]:1#1", "ZEN-1", "EI", "", "identifier", "EI[Identifier-Extension]")


def test_a_reference_under_a_label_that_no_row_makes_is_refused() -> None:
    rows = (
        *ORDER[:1],
        row("ORDER.ZMR#1", "segment 1..1", target=MR, using="ZMR[MedicationRequest]", assign=f"{MR}.subject=Patient[PID].id"),
        *END,
    )
    with pytest.raises(ExceptionGroup) as caught:
        converted(rows, "ZMR|1")
    assert [problem.at for problem in caught.value.exceptions if isinstance(problem, Problem)] == ["TST_T01:ORDER.ZMR#1"]


def test_a_segment_can_fill_each_resource_of_its_group() -> None:
    rows = (
        row("ACTS#1", "begin 1..*"),
        row("ACTS.ACT#1", "begin 1..*"),
        row("ACTS.ACT.ZMR#1", "segment 1..1", target=MR, using="ZMR[MedicationRequest]"),
        Row("TST_T01:ACTS.ACT#2", "/TST_T01.ACTS.ACT", "end 0..1"),
        row("ACTS.ZNT#1", "segment 0..1", target="MedicationRequest[all]", using="ZNT[MedicationRequest]"),
        Row("TST_T01:ACTS#2", "/TST_T01.ACTS", "end 0..1"),
        Row("ZNT[MedicationRequest]:1#1", "ZNT-1", "ST", "", "note.text"),
    )
    result = converted(rows, "ZMR|1\rZMR|2\rZNT|both\rZMR|3")
    assert [one.get("note") for one in result.resources[1:]] == [[{"text": "both"}], [{"text": "both"}], None]
