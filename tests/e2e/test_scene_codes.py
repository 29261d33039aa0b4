"""A local code: a task for a steward, a concept map, and exactly the messages that waited processed again (scene 4)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Program, Start

LOCAL = "urn:id:NORTHGATE:L"


def result(number: int, code: str) -> bytes:
    return (
        f"MSH|^~\\&|LAB|NORTHGATE|||20250414120000+0000||ORU^R01^ORU_R01|C{number}|P|2.5.1\r"
        f"PID|1||P{number}^^^NORTHGATE^MR\rOBR|1||F{number}^LAB|24323-8^Panel^LN\rOBX|1|NM|{code}^Something^L||97|mg/dL^^UCUM|||||F\r"
    ).encode()


@pytest.fixture(scope="module")
def program(start: Start) -> Program:
    return start(PENSTOCK_WORKERS="2")


@pytest.fixture(scope="module")
def client(program: Program) -> Iterator[httpx.Client]:
    with program.client() as client:
        yield client


def observation(client: httpx.Client, number: int) -> dict[str, Any]:
    found = client.get("/fhir/DiagnosticReport", params={"identifier": f"F{number}", "_include": "DiagnosticReport:result"}).json()
    (one,) = [each["resource"] for each in found["entry"] if each["resource"]["resourceType"] == "Observation"]
    return dict(one)


def codes(one: dict[str, Any]) -> list[tuple[str, str]]:
    return [(coding["system"], coding["code"]) for coding in one["code"]["coding"]]


def replays(client: httpx.Client) -> dict[str, int]:
    """How often each message was processed again, by control id."""
    rows = client.get("/admin/v1/inbox", params={"state": "stored", "limit": "1000"}).json()
    return {row["control_id"]: row["replays"] for row in rows}


@pytest.mark.req("CM-06", "CM-07")
def test_a_local_code_becomes_a_task_and_its_map_takes_up_exactly_the_messages_that_waited(program: Program, client: httpx.Client) -> None:
    for answer in program.send(*(result(number, "KALI") for number in range(1, 6)), result(6, "NATR")):
        assert answer.code == "AA"
    program.settle(client)
    tasks = {one["code"]: one for one in client.get("/admin/v1/codes").json() if one["system"] == LOCAL}
    assert (tasks["KALI"]["waiting"], tasks["NATR"]["waiting"]) == (5, 1)
    before = observation(client, 3)
    assert codes(before) == [(LOCAL, "KALI")]

    arguments = ("codes", "map", "--system", LOCAL, "--code", "KALI", "--to", "http://loinc.org|2823-3", "--display", "Potassium")
    preview = program.cli(*arguments, "--preview")
    assert "5 messages wait for this code, 0 are" in preview.stdout, preview.stderr
    done = program.cli(*arguments)
    assert "5 messages wait for this code, 5 are processed again" in done.stdout, done.stderr
    program.settle(client)
    after = observation(client, 3)
    assert codes(after) == [(LOCAL, "KALI"), ("http://loinc.org", "2823-3")]
    assert (after["id"], after["meta"]["versionId"]) == (before["id"], "2")
    assert codes(observation(client, 6)) == [(LOCAL, "NATR")]
    assert replays(client) == {"C1": 1, "C2": 1, "C3": 1, "C4": 1, "C5": 1, "C6": 0}
    assert "KALI" not in {one["code"] for one in client.get("/admin/v1/codes").json()}

    elements = {each["element"]: each for each in client.get(f"/admin/v1/lineage/Observation/{after['id']}").json()["elements"]}
    map_ = client.get("/fhir/ConceptMap", params={"source-system": LOCAL}).json()["entry"][0]["resource"]
    assert elements["code.coding[1].code"]["rule"] == f"ConceptMap/{map_['id']}|{map_['meta']['versionId']}"

    program.send(result(7, "KALI"))
    program.settle(client)
    assert codes(observation(client, 7)) == codes(after)


def test_a_map_that_is_written_as_a_resource_takes_up_what_waited_and_a_changed_entry_holds_for_all(
    client: httpx.Client, program: Program
) -> None:
    program.send(result(20, "CRE"), result(21, "CRE"))
    program.settle(client)
    element: dict[str, Any] = {"code": "CRE", "target": [{"code": "2160-0", "equivalence": "equivalent"}]}
    group = {"source": LOCAL, "target": "http://loinc.org", "element": [element]}
    own = {"resourceType": "ConceptMap", "id": "ours", "url": "https://example.org/maps/ours", "status": "active", "group": [group]}
    assert client.put("/fhir/ConceptMap/ours", json=own).status_code == 201
    for _ in range(100):
        if [codes(observation(client, number))[-1] for number in (20, 21)] == [("http://loinc.org", "2160-0")] * 2:
            break
        time.sleep(0.1)
    else:
        raise AssertionError(observation(client, 20))
    element["target"][0]["code"] = "38483-4"
    assert client.put("/fhir/ConceptMap/ours", json=own).status_code == 200
    program.send(result(22, "CRE"))
    program.settle(client)
    assert codes(observation(client, 22))[-1] == ("http://loinc.org", "38483-4")


def test_maps_go_out_and_come_in_as_resources_and_a_code_can_be_ignored(program: Program, client: httpx.Client) -> None:
    bundle = json.loads(program.cli("codes", "export").stdout)
    assert {entry["resource"]["resourceType"] for entry in bundle["entry"]} == {"ConceptMap"}
    one = next(entry["resource"] for entry in bundle["entry"] if entry["resource"]["id"].startswith("local-codes-"))
    one["group"][0]["element"].append({"code": "NATR", "target": [{"code": "2951-2", "equivalence": "equal"}]})
    answer = client.post("/admin/v1/codes/maps", json={"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one}]})
    assert answer.json() == {"maps": 1, "taken_up": 1}
    program.settle(client)
    assert codes(observation(client, 6))[-1] == ("http://loinc.org", "2951-2")

    program.send(result(30, "JUNK"))
    program.settle(client)
    assert "ignored: 1" in program.cli("codes", "ignore", "--system", LOCAL, "--code", "JUNK").stdout
    assert "JUNK" not in program.cli("codes", "list").stdout
    refused = client.post("/admin/v1/codes/map", json={"system": LOCAL, "code": "X"})
    assert refused.status_code == 422
    assert client.post("/admin/v1/codes/maps", json={"resourceType": "Patient"}).status_code in (400, 422)
