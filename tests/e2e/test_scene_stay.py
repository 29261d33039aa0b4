"""A stay told by an admissions system and a laboratory, through the sockets of the real program and back by REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Program, bundle_resources
from tests.e2e.scenes import eventually

Resource = dict[str, Any]


def adt(control_id: str, trigger: str, at: str, *, mrn: str, visit: str, place: str = "AMU^1^A", more: str = "") -> bytes:
    """One message of a stay."""
    structure = {"A02": "ADT_A02", "A03": "ADT_A03", "A11": "ADT_A09", "A28": "ADT_A05"}.get(trigger, "ADT_A01")
    segments = [
        f"MSH|^~\\&|PAS|ELMS|PENSTOCK|ELMS|{at}+0000||ADT^{trigger}^{structure}|{control_id}|P|2.5.1||||||UNICODE UTF-8",
        f"EVN|{trigger}|{at}+0000",
        f"PID|1||{mrn}^^^ELMS^MR||Quarrington^Tamsin||19610203|F",
    ]
    if visit:
        segments.append(f"PV1|1|I|{place}^ELMS{'|' * 16}{visit}^^^ELMS^VN{more}")
    return "\r".join(segments).encode() + b"\r"


def merge(control_id: str, at: str, *, survivor: str, old: str) -> bytes:
    return (
        f"MSH|^~\\&|PAS|ELMS|PENSTOCK|ELMS|{at}+0000||ADT^A40^ADT_A39|{control_id}|P|2.5.1\rEVN|A40|{at}+0000\r"
        f"PID|1||{survivor}^^^ELMS^MR||Quarrington^Tamsin||19610203|F\rMRG|{old}^^^ELMS^MR\r"
    ).encode()


def oru(control_id: str, at: str, *, mrn: str, value: str, status: str) -> bytes:
    return (
        f"MSH|^~\\&|LAB|ELMS|PENSTOCK|ELMS|{at}+0000||ORU^R01^ORU_R01|{control_id}|P|2.5.1\r"
        f"PID|1||{mrn}^^^ELMS^MR||Quarrington^Tamsin||19610203|F\rORC|RE|P77^PAS|F77^LAB\r"
        f"OBR|1|P77^PAS|F77^LAB|24323-8^Comprehensive metabolic panel^LN|||20250601080000+0000{'|' * 15}{at}+0000||CH|{status}\r"
        f"OBX|1|NM|2823-3^Potassium^LN||{value}|mmol/L^^UCUM|3.5-5.1|N|||{status}|||20250601080000+0000\r"
    ).encode()


def tell(program: Program, *messages: bytes) -> None:
    """Send messages, and wait until they are worked off."""
    assert [answer.code for answer in program.send(*messages)] == ["AA"] * len(messages)
    with program.client() as client:
        eventually(lambda: _settled(client))
        assert client.get("/admin/v1/inbox").json() == [], "a message of the stay was quarantined"


def _settled(client: httpx.Client) -> bool:
    counts = client.get("/admin/v1/conservation").json()
    return counts["conserved"] and not any(counts["interfaces"]["mllp"]["in_flight"].values())


@pytest.fixture(scope="module")
def find(program: Program) -> Callable[..., list[Resource]]:
    """Search by REST: ``find("Encounter", subject="Patient/1")``."""

    def found(type_: str, **query: str) -> list[Resource]:
        with program.client() as client:
            return bundle_resources(client.get(f"/fhir/{type_}", params=query))

    return found


Find = Callable[..., list[Resource]]


def patient_of(find: Find, mrn: str) -> str:
    (patient,) = find("Patient", identifier=f"urn:id:ELMS|{mrn}")
    return f"Patient/{patient['id']}"


@pytest.mark.req("V2-05")
def test_a_stay_is_one_encounter_with_its_places_and_period(program: Program, find: Find) -> None:
    stay = {"mrn": "E100", "visit": "VE100"}
    tell(
        program,
        adt("S1", "A01", "20250601080000", **stay),
        adt("S2", "A02", "20250602093000", place="CARD^5^B", **stay),
        adt("S3", "A08", "20250603100000", place="CARD^5^B", **stay),
        adt("S4", "A03", "20250604110000", place="CARD^5^B", **stay),
        adt("S4", "A03", "20250604110000", place="CARD^5^B", **stay),  # sent again, as after a lost acknowledgement
    )
    (encounter,) = find("Encounter", subject=patient_of(find, "E100"))
    assert (encounter["status"], encounter["class"]["code"]) == ("finished", "IMP")
    assert encounter["period"] == {"start": "2025-06-01T08:00:00+00:00", "end": "2025-06-04T11:00:00+00:00"}
    first, second = encounter["location"]
    assert (first["status"], first["period"]) == ("completed", {"start": "2025-06-01T08:00:00+00:00", "end": "2025-06-02T09:30:00+00:00"})
    assert second["period"]["start"] == "2025-06-02T09:30:00+00:00"
    assert first["location"] != second["location"]
    assert len(find("Patient", identifier="urn:id:ELMS|E100")) == 1


@pytest.mark.req("V2-05")
def test_a_cancelled_admission_is_a_cancelled_encounter(program: Program, find: Find) -> None:
    tell(
        program,
        adt("C1", "A01", "20250601080000", mrn="E200", visit="VE200"),
        adt("C2", "A11", "20250601083000", mrn="E200", visit="VE200"),
    )
    (encounter,) = find("Encounter", subject=patient_of(find, "E200"))
    assert encounter["status"] == "cancelled"


@pytest.mark.req("V2-05")
def test_after_a_merge_what_comes_under_the_old_number_reaches_the_survivor(program: Program, find: Find) -> None:
    tell(
        program,
        adt("M1", "A28", "20250601080000", mrn="E301", visit=""),
        adt("M2", "A28", "20250601080100", mrn="E302", visit=""),
        merge("M3", "20250601090000", survivor="E301", old="E302"),
        adt("M4", "A01", "20250601100000", mrn="E302", visit="VE302"),
    )
    (encounter,) = find("Encounter", identifier="urn:id:ELMS|VE302")
    survivors = [patient for patient in find("Patient", identifier="urn:id:ELMS|E301") if patient.get("active", True)]
    assert [f"Patient/{patient['id']}" for patient in survivors] == [encounter["subject"]["reference"]]
    (replaced,) = [patient for patient in find("Patient", identifier="urn:id:ELMS|E302") if patient["id"] != survivors[0]["id"]]
    assert replaced["active"] is False
    assert [(link["type"], link["other"]["reference"]) for link in replaced["link"]] == [("replaced-by", encounter["subject"]["reference"])]


@pytest.mark.req("V2-06")
def test_a_corrected_result_is_the_second_version_of_the_same_observation(program: Program, find: Find) -> None:
    tell(program, oru("R1", "20250601100000", mrn="E400", value="6.90", status="F"))
    (observation,) = find("Observation", subject=patient_of(find, "E400"))
    assert (observation["meta"]["versionId"], observation["status"]) == ("1", "final")
    tell(program, oru("R2", "20250601113000", mrn="E400", value="4.10", status="C"))
    (corrected,) = find("Observation", subject=patient_of(find, "E400"))
    assert (corrected["id"], corrected["meta"]["versionId"], corrected["status"]) == (observation["id"], "2", "corrected")
    assert corrected["valueQuantity"]["value"] == 4.1
    with program.client() as client:
        first = client.get(f"/fhir/Observation/{observation['id']}/_history/1").json()
        assert first["valueQuantity"]["value"] == 6.9
        assert len(find("DiagnosticReport", subject=patient_of(find, "E400"))) == 1
