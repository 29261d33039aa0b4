"""One stay told in several orders to the running program: what is stored is the same; and an interface that goes by arrival.

And orders of the other kind: a result meets its order, and one whose order nobody told of is flagged.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Program, Start, bundle_resources
from tests.e2e.scenes import eventually
from tests.e2e.test_scene_stay import adt, oru

Resource = dict[str, Any]

#: (trigger, time, place) of a stay in which a transfer and a discharge are cancelled.
STAY = (
    ("A05", "20250530080000", "AMU^1^A"),
    ("A01", "20250601080000", "AMU^1^A"),
    ("A08", "20250601090000", "AMU^1^A"),
    ("A02", "20250602093000", "CARD^5^B"),
    ("A02", "20250602100000", "ICU^2^C"),
    ("A12", "20250602101500", "CARD^5^B"),
    ("A03", "20250604110000", "CARD^5^B"),
    ("A13", "20250604120000", "CARD^5^B"),
)
ORDERS = [list(range(8)), list(range(7, -1, -1)), [7, 0, 6, 1, 5, 2, 4, 3], *(random.Random(seed).sample(range(8), 8) for seed in range(5))]


@pytest.fixture(scope="module")
def program(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Program:
    site = tmp_path_factory.mktemp("site")
    (site / "interfaces").mkdir()
    Path(site / "interfaces" / "http.yaml").write_text("name: http\norder: arrival\n")
    return start("--site", str(site))


def told(program: Program) -> None:
    """Wait until everything that was sent is worked off, and nothing is quarantined."""
    with program.client() as client:

        def settled() -> bool:
            counts = client.get("/admin/v1/conservation").json()
            return bool(counts["conserved"]) and not any(sum(each["in_flight"].values()) for each in counts["interfaces"].values())

        eventually(settled)
        assert client.get("/admin/v1/inbox").json() == []


def found(program: Program, type_: str, **query: str) -> Resource:
    with program.client() as client:
        (resource,) = bundle_resources(client.get(f"/fhir/{type_}", params=query))
    return resource


def plain(resource: Resource) -> Resource:
    """Without what is different in each telling: ids, numbers and versions."""
    return {name: value for name, value in resource.items() if name not in ("id", "meta", "identifier", "subject")}


@pytest.mark.req("V2-05")
def test_a_stay_told_in_any_order_is_one_encounter_in_one_state(program: Program) -> None:
    for number, order in enumerate(ORDERS):
        messages = [
            adt(f"O{number}-{place}", trigger, at, mrn=f"E7{number}", visit=f"VE7{number}", place=where)
            for place in order
            for trigger, at, where in [STAY[place]]
        ]
        assert {answer.code for answer in program.send(*messages, messages[3])} == {"AA"}
    told(program)
    encounters = [found(program, "Encounter", identifier=f"urn:id:ELMS|VE7{number}") for number in range(len(ORDERS))]
    assert [plain(one) for one in encounters] == [plain(encounters[0])] * len(ORDERS)
    first, second = encounters[0]["location"]
    assert (encounters[0]["status"], encounters[0]["period"]) == ("in-progress", {"start": "2025-06-01T08:00:00+00:00"})
    assert (first["status"], first["period"]["end"]) == ("completed", "2025-06-02T09:30:00+00:00")
    assert (second["status"], "end" in second["period"]) == ("active", False)


@pytest.mark.req("V2-06")
def test_a_late_preliminary_result_changes_nothing_and_says_so(program: Program) -> None:
    stages = [("20250601120000", "7.0", "C"), ("20250601100000", "5.0", "P"), ("20250601110000", "6.0", "F")]
    assert {
        answer.code
        for number, (at, value, status) in enumerate(stages)
        for answer in program.send(oru(f"L{number}", at, mrn="E790", value=value, status=status))
    } == {"AA"}
    told(program)
    patient = found(program, "Patient", identifier="urn:id:ELMS|E790")
    observation = found(program, "Observation", subject=f"Patient/{patient['id']}")
    assert (observation["status"], observation["valueQuantity"]["value"], observation["meta"]["versionId"]) == ("corrected", 7.0, "1")
    with program.client() as client:
        origins = client.get(f"/admin/v1/lineage/Observation/{observation['id']}").json()["elements"]
        (hop,) = [hop for hop in client.get("/admin/v1/trace", params={"q": "L1"}).json() if hop["stage"] == "mapped"]
    assert len({origin["inbox_id"] for origin in origins if origin["element"] in ("status", "valueQuantity.value")}) == 1
    assert hop["details"]["not_mapped"] > 0


def test_an_interface_that_goes_by_arrival_stores_what_came_last(program: Program) -> None:
    name = "Quarrington^Tamsin"
    with program.client() as client:
        for control_id, at, said in (("H1", "20250602080000", name), ("H2", "20250601080000", "Quarrington^Thomasina")):
            body = adt(control_id, "A28", at, mrn="E791", visit="").replace(name.encode(), said.encode())
            answer = client.post("/ingest/v2", content=body, headers={"Content-Type": "application/hl7-v2", "Accept": "*/*"})
            assert answer.status_code < 300, answer.text
            told(program)
    assert found(program, "Patient", identifier="urn:id:ELMS|E791")["name"][0]["given"] == ["Thomasina"]


def orm(control_id: str, at: str, *, mrn: str, number: str, control: str = "NW", status: str = "") -> bytes:
    return (
        f"MSH|^~\\&|PAS|ELMS|PENSTOCK|ELMS|{at}+0000||ORM^O01^ORM_O01|{control_id}|P|2.5.1\r"
        f"PID|1||{mrn}^^^ELMS^MR||Quarrington^Tamsin||19610203|F\rORC|{control}|{number}^PAS|||{status}\r"
        f"OBR|1|{number}^PAS||24323-8^Comprehensive metabolic panel^LN|||20250601080000+0000\r"
    ).encode()


def drift(program: Program, control_id: str) -> list[str]:
    with program.client() as client:
        (hop,) = [hop for hop in client.get("/admin/v1/trace", params={"q": control_id}).json() if hop["stage"] == "mapped"]
    return list(hop["details"].get("drift", []))


@pytest.mark.req("V2-07")
def test_a_result_meets_its_order_and_one_without_an_order_is_flagged(program: Program) -> None:
    ordered = orm("W1", "20250601080000", mrn="E792", number="P792", status="IP")
    result = oru("W2", "20250601100000", mrn="E792", value="4.1", status="F")
    orphan = oru("W3", "20250601100000", mrn="E793", value="4.2", status="F").replace(b"P77^", b"P793^").replace(b"F77^", b"F793^")
    assert {answer.code for answer in program.send(ordered, result.replace(b"P77^", b"P792^").replace(b"F77^", b"F792^"), orphan)} == {"AA"}
    told(program)
    for mrn, number, flagged in (("E792", "W2", []), ("E793", "W3", ["ORC-2.1: a result of an order that no message told of"])):
        patient = found(program, "Patient", identifier=f"urn:id:ELMS|{mrn}")
        order = found(program, "ServiceRequest", subject=f"Patient/{patient['id']}")
        report = found(program, "DiagnosticReport", subject=f"Patient/{patient['id']}")
        assert report["basedOn"] == [{"reference": f"ServiceRequest/{order['id']}"}]
        assert [entry for entry in drift(program, number) if "order" in entry] == flagged


@pytest.mark.req("V2-07")
def test_an_order_is_one_request_whose_state_follows_its_messages(program: Program) -> None:
    stages = (
        ("0800", "NW", "", "active"),
        ("0900", "HD", "HD", "on-hold"),
        ("0930", "RL", "IP", "active"),
        ("1000", "CA", "CA", "revoked"),
    )
    for number, (at, control, status, state) in enumerate(stages):
        message = orm(f"X{number}", f"20250601{at}00", mrn="E794", number="P794", control=control, status=status)
        assert [answer.code for answer in program.send(message)] == ["AA"]
        told(program)
        order = found(program, "ServiceRequest", identifier="urn:id:PAS|P794")
        assert (order["status"], order["intent"], order["meta"]["versionId"]) == (state, "order", str(number + 1))


@pytest.mark.req("V2-07")
def test_an_appointment_is_booked_moved_and_cancelled(program: Program) -> None:
    for number, (trigger, at, start) in enumerate((("S12", "0800", "1000"), ("S13", "0810", "1400"), ("S15", "0820", "1400"))):
        assert [answer.code for answer in program.send(siu(f"Y{number}", trigger, f"20250601{at}00", start=f"20250610{start}"))] == ["AA"]
        told(program)
        appointment = found(program, "Appointment", identifier="urn:id:ELMS|B795")
        assert appointment["start"] == f"2025-06-10T{start[:2]}:00:00+00:00"
        assert appointment["status"] == ("cancelled" if trigger == "S15" else "booked")
    assert any(one["actor"].get("reference", "").startswith("Patient/") for one in appointment["participant"])


def siu(control_id: str, trigger: str, at: str, *, start: str) -> bytes:
    return (
        f"MSH|^~\\&|PAS|ELMS|PENSTOCK|ELMS|{at}+0000||SIU^{trigger}^SIU_S12|{control_id}|P|2.5.1\r"
        f"SCH||B795^ELMS|||||FOLLOWUP^Follow-up^L||30|min|^^30^{start}00+0000\r"
        "PID|1||E795^^^ELMS^MR||Quarrington^Tamsin||19610203|F\rRGS|1\r"
        f"AIP|1||D7^Marchbanks^Odile^^^^^^ELMS|||{start}00+0000\r"
    ).encode()
