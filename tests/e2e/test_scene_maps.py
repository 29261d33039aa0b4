"""Two interfaces whose maps differ by an overlay alone; maps that change under traffic and are rolled back, without a restart."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.sending import send
from tests.e2e.conftest import BIN, Program, Start

ROWS = "rule,source,type,condition,target,using,vocabulary,assign,reason\n"
GLUCOSE = "OBX[Observation]:3#1,,,=,=,=,LocalTests,=,the laboratory's own codes\n"
CODES = "table,code,source,target,display,system,reason\nLocalTests,{},,2345-7,Glucose,http://loinc.org,agreed with the laboratory\n"
DECLARED = (
    "ORU_R01:PATIENT_RESULT.PATIENT.ZPI#1,ORU_R01.PATIENT_RESULT.PATIENT.ZPI,segment 0..1,,Patient[1],ZPI[Patient],"
    "after ORU_R01:PATIENT_RESULT.PATIENT.PID#1,,our own segment\n"
    "ZPI[Patient]:1#1,ZPI-1,ST,,extension[1].valueString,,,,the colour of the card\n"
    'ZPI[Patient]:1#2,ZPI-1,ST,,extension[1].url,,,"""https://north.example.org/card""",the colour of the card\n'
)


def result(number: int, code: str) -> bytes:
    return (
        f"MSH|^~\\&|LAB|NORTHGATE|||20250414120000+0000||ORU^R01^ORU_R01|M{number}|P|2.5.1\r"
        f"PID|1||P{number % 7}^^^NORTHGATE^MR\rZPI|blue\rZXX|kept\r"
        f"OBR|1||F{number}^LAB|24323-8^Panel^LN\rOBX|1|NM|{code}^Glucose^L||97|mg/dL^^UCUM|||||F\r"
    ).encode()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def printed(*arguments: str) -> str:
    return subprocess.run([BIN, *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


class Mapped:
    """A program with the interfaces north and south."""

    def __init__(self, start: Start, site: Path) -> None:
        self.site, self.ports = site, {"north": free_port(), "south": free_port()}
        self.write("maps/lab.csv", ROWS + GLUCOSE)
        self.write("maps/lab-codes.csv", "table,code,reason\nLocalTests,,each laboratory has its own\n")
        for name, code in (("north", "GLU"), ("south", "BZ")):
            self.write(f"interfaces/{name}.yaml", f"name: {name}\nlisten: 127.0.0.1:{self.ports[name]}\nmaps: [{name}]\n")
            self.write(f"maps/{name}/codes.csv", CODES.format(code))
        self.write("maps/north/zpi.csv", ROWS + DECLARED)
        self.program: Program = start("--site", str(site))

    def write(self, name: str, text: str) -> None:
        path = self.site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def send(self, interface: str, *messages: bytes) -> None:
        for answer in send(messages, f"mllp://127.0.0.1:{self.ports[interface]}"):
            assert answer.code == "AA"

    def cli(self, *arguments: str) -> str:
        done = self.program.cli(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def mapped(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Mapped:
    return Mapped(start, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def client(mapped: Mapped) -> Iterator[httpx.Client]:
    with mapped.program.client() as client:
        yield client


def observation(client: httpx.Client, number: int) -> dict[str, Any]:
    found = client.get("/fhir/DiagnosticReport", params={"identifier": f"F{number}", "_include": "DiagnosticReport:result"}).json()
    (one,) = [each["resource"] for each in found["entry"] if each["resource"]["resourceType"] == "Observation"]
    return dict(one)


def codes(client: httpx.Client, number: int) -> list[str]:
    return [coding["code"] for coding in observation(client, number)["code"]["coding"]]


def map_version(client: httpx.Client, number: int) -> str:
    one = observation(client, number)
    elements = client.get(f"/admin/v1/lineage/Observation/{one['id']}").json()["elements"]
    (version,) = {each["plan"] for each in elements}
    return str(version)


@pytest.mark.req("V2-11")
def test_two_sites_have_different_codes_for_one_test_and_only_the_overlay_differs(mapped: Mapped, client: httpx.Client) -> None:
    mapped.send("north", result(1, "GLU"), result(2, "BZ"))
    mapped.send("south", result(3, "BZ"), result(4, "GLU"))
    mapped.program.settle(client)
    assert [codes(client, number) for number in (1, 2, 3, 4)] == [["2345-7", "GLU"], ["BZ"], ["2345-7", "BZ"], ["GLU"]]
    shown = [printed("maps", "--site", str(mapped.site), "--interface", name, "--changed") for name in ("north", "south")]
    assert "OBX[Observation]:3#1" in shown[0] and "ZPI[Patient]:1#1" in shown[0] and "ZPI" not in shown[1]
    versions = client.get("/admin/v1/maps").json()["interfaces"]
    assert versions["north"] != versions["south"]
    assert map_version(client, 1) == versions["north"]
    assert map_version(client, 3) == versions["south"]


def test_a_declared_z_segment_is_an_extension_and_another_is_kept(mapped: Mapped, client: httpx.Client) -> None:
    mapped.send("north", result(8, "GLU"))
    mapped.program.settle(client)
    patient = client.get("/fhir/" + observation(client, 8)["subject"]["reference"]).json()
    assert {"url": "https://north.example.org/card", "valueString": "blue"} in patient["extension"]
    (message,) = client.get("/admin/v1/inbox", params={"state": "stored", "interface": "north", "limit": "1000"}).json()[-1:]
    assert b"ZXX|kept" in client.get(f"/admin/v1/inbox/{message['inbox_id']}/raw").content


def test_maps_change_under_traffic_and_are_rolled_back_without_a_lost_or_doubled_message(mapped: Mapped, client: httpx.Client) -> None:
    before = client.get("/admin/v1/maps").json()
    mapped.write("maps/north/codes.csv", CODES.format("GLU") + "LocalTests,BZ,,2345-7,Glucose,http://loinc.org,the new analyser\n")
    planned = mapped.program.cli("plan", "--site", str(mapped.site)).stdout.splitlines()
    assert planned[0] == "north: code added: LocalTests BZ" and len(planned) == 2
    assert client.get("/admin/v1/maps").json() == before

    done = threading.Event()
    sent: list[int] = []

    def traffic() -> None:
        while not done.is_set() or len(sent) < 40:
            number = 1000 + len(sent)
            mapped.send("north", result(number, "BZ"))
            sent.append(number)

    sender = threading.Thread(target=traffic)
    sender.start()
    mapped.cli("apply", "--site", str(mapped.site), "--reason", "the new analyser")
    time.sleep(2.5)
    done.set()
    sender.join()
    mapped.program.settle(client)
    total = client.get("/fhir/DiagnosticReport", params={"_total": "accurate", "_count": "0", "_summary": "count"}).json()["total"]
    assert total == 5 + len(sent)
    after = client.get("/admin/v1/maps").json()
    assert after["interfaces"]["south"] == before["interfaces"]["south"] and after["interfaces"]["north"] != before["interfaces"]["north"]
    assert codes(client, sent[0]) == ["BZ"] and codes(client, sent[-1]) == ["2345-7", "BZ"]
    assert map_version(client, sent[0]) == before["interfaces"]["north"]
    assert map_version(client, sent[-1]) == after["interfaces"]["north"]

    mapped.cli("rollback", "--reason", "the analyser is broken")
    assert client.get("/admin/v1/maps").json() == before
    mapped.send("north", result(5000, "BZ"))
    mapped.program.settle(client)
    assert codes(client, 5000) == ["BZ"]
    kinds = [line.split()[-4:] for line in mapped.cli("releases").splitlines()]
    assert len(kinds) == 3


def test_what_does_not_compile_or_fails_its_tests_changes_nothing(mapped: Mapped, client: httpx.Client) -> None:
    before = client.get("/admin/v1/maps").json()
    refused = client.post("/admin/v1/maps/releases", json={"files": {"maps/x.csv": ROWS + "PID[Patient]:7#1,PID-7,DTM,,birthday,,,,\n"}})
    assert refused.status_code in (400, 422) and "PID[Patient]:7#1" in refused.text
    outside = client.post("/admin/v1/maps/releases", json={"files": {"../x.csv": ROWS}})
    assert outside.status_code in (400, 422)
    mapped.write("tests/north/one.hl7", result(1, "GLU").decode())
    mapped.write("tests/north/one.json", '[{"resource": "Observation", "path": "code.coding[0].code", "value": "0-0"}]')
    failed = mapped.program.cli("apply", "--site", str(mapped.site))
    assert failed.returncode == 1 and "does not become what this fact says" in failed.stderr
    assert client.get("/admin/v1/maps").json() == before


def test_a_restart_does_not_undo_a_rollback(mapped: Mapped, start: Start) -> None:
    with mapped.program.client() as client:
        before = client.get("/admin/v1/maps").json()
    mapped.program.stop()
    again = start("--site", str(mapped.site), data=mapped.program.data)
    with again.client() as client:
        assert client.get("/admin/v1/maps").json() == before
