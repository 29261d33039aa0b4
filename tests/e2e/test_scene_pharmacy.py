"""One drug from its order to its charge, told to the running program; and all golden messages of pharmacy and billing."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.formats.fhir.validate import check
from tests.e2e.conftest import Program, bundle_resources
from tests.e2e.test_scene_orders import found, told

GOLDEN = Path(__file__).resolve().parent.parent / "unit" / "convert" / "messages"
TYPES = (
    "MedicationRequest Medication MedicationDispense MedicationAdministration ChargeItem Account Coverage DocumentReference"
    " Procedure Condition"
)
ORDER = "ORC|{}|PL9^CPOE|FL9^PHARM"
DRUG = "197361^Amlodipine 5 MG^RXNORM"
#: (type, control id, time, segments): the order is encoded, answered, dispensed, given, discontinued; its charge is taken back.
STORY = (
    ("BAR^P01", "X1", "20250601080000", "PV1|1|I"),
    ("OMP^O09", "X2", "20250601090000", f"{ORDER.format('NW')}\rTQ1|1||BID||||20250601\rRXO|{DRUG}|5||mg^^UCUM"),
    ("RDE^O11", "X3", "20250601100000", f"{ORDER.format('XO')}\rTQ1|1||Q8H||||20250601\rRXE||{DRUG}|10||mg^^UCUM\rRXR|PO^Oral^HL70162"),
    ("RRE^O12", "X4", "20250601101000", f"MSA|AA|X3\r{ORDER.format('OK')}"),
    ("RDS^O13", "X5", "20250601110000", f"{ORDER.format('RE')}\rRXD|1|{DRUG}|20250601110000|30|TAB^Tablet^L"),
    ("RAS^O17", "X6", "20250601120000", f"{ORDER.format('RE')}\rRXA|0|1|20250601120000|20250601120000|{DRUG}|10|mg^^UCUM||||||||||||||CP"),
    ("MDM^T02", "X7", "20250602080000", "TXA|1|DS|TX|||||||||D9^DICT|||||AU\rOBX|1|TX|18842-5^Letter^LN||Take care.||||||F"),
    ("RDE^O11", "X8", "20250602090000", f"{ORDER.format('DC')}\rTQ1|1||Q8H||||20250601\rRXE||{DRUG}|10||mg^^UCUM"),
    ("DFT^P03", "X9", "20250602100000", "FT1|1|T9||20250601|20250602|CG|99070^Supplies^C4|||2"),
    ("DFT^P03", "X10", "20250603100000", "FT1|1|T9||20250601|20250603|CD|99070^Supplies^C4|||2"),
    ("BAR^P06", "X11", "20250604080000", "PV1|1|I"),
)


def message(type_: str, control_id: str, at: str, segments: str) -> bytes:
    head = f"MSH|^~\\&|CPOE|ELMS|||{at}||{type_}|{control_id}|P|2.5.1\r"
    person = "PID|1||E900^^^ELMS^MR||Moor^Ida||19500101|F||||||||||AC9^^^ELMS^AN\r"
    event = f"EVN||{at}\r" if type_[:3] in ("BAR", "DFT", "MDM") else ""
    if segments.startswith("MSA"):
        answered, _, rest = segments.partition("\r")
        return f"{head}{answered}\r{person}{rest}\r".encode()
    return f"{head}{event}{person}{segments}\r".encode()


@pytest.mark.req("V2-08")
def test_a_drug_from_its_order_to_its_charge_in_any_order(program: Program) -> None:
    messages = [message(*each) for each in STORY]
    shuffled = [messages[place] for place in (7, 3, 10, 9, 5, 1, 8, 4, 0, 6, 2)]
    assert {answer.code for answer in program.send(*shuffled)} == {"AA"}
    told(program)
    about = {"patient": f"Patient/{found(program, 'Patient', identifier='urn:id:ELMS|E900')['id']}"}
    order = found(program, "MedicationRequest", **about)
    assert order["status"] == "stopped"
    (dosage,) = order["dosageInstruction"]
    assert dosage["doseAndRate"][0]["doseQuantity"]["value"] == 10
    assert (dosage["timing"]["repeat"]["period"], dosage["timing"]["repeat"]["periodUnit"]) == (8, "h")
    dispense, given = found(program, "MedicationDispense", **about), found(program, "MedicationAdministration", **about)
    assert dispense["authorizingPrescription"][0]["reference"] == given["request"]["reference"] == f"MedicationRequest/{order['id']}"
    assert (dispense["quantity"]["value"], given["status"]) == (30, "completed")
    charge, account = found(program, "ChargeItem", **about), found(program, "Account", **about)
    assert (charge["status"], charge["quantity"]["value"]) == ("aborted", 2)
    assert charge["account"] == [{"reference": f"Account/{account['id']}"}]
    assert (account["status"], account["servicePeriod"]["end"]) == ("inactive", "2025-06-04T08:00:00+00:00")
    assert found(program, "DocumentReference", **about)["content"]


@pytest.mark.req("V2-08")
def test_the_golden_messages_of_pharmacy_billing_and_documents_are_stored_and_valid(program: Program) -> None:
    golden = [path.read_bytes() for path in sorted(GOLDEN.glob("*.hl7")) if path.name.startswith(("rx_", "billing_", "document"))]
    assert {answer.code for answer in program.send(*golden)} == {"AA"}
    told(program)
    with program.client() as client:
        stored = {type_: bundle_resources(client.get(f"/fhir/{type_}", params={"_count": "500"})) for type_ in TYPES.split()}
    assert [type_ for type_, resources in stored.items() if not resources] == []
    assert [issue for all_ in stored.values() for one in all_ for issue in check(one) if issue.severity == "error"] == []
