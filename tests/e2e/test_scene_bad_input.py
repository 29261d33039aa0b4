"""Bad input through the real sockets: each has one documented answer, none is a server error, and the program is well afterwards."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from penstock.formats.hl7v2 import wrap
from penstock.samples.people import people
from penstock.samples.traffic import adt
from tests.e2e.conftest import Program, Start
from tests.e2e.scenes import eventually, exchange, read_frames, talk

LARGEST = 20_000
LONGEST_URL = 2000
(PERSON, *OTHERS) = people(200, seed=23, first_mrn=80001)


@pytest.fixture(scope="module")
def program(start: Start) -> Program:
    return start(
        PENSTOCK_MLLP_MAX_BYTES=str(LARGEST), PENSTOCK_HTTP_MAX_BYTES="100000", PENSTOCK_HTTP_MAX_URL=str(LONGEST_URL),
        PENSTOCK_MLLP_MAX_CONNECTIONS="250",
    )  # fmt: skip


@pytest.fixture(scope="module")
def client(program: Program) -> Iterator[httpx.Client]:
    with program.client() as client:
        yield client


@pytest.fixture(autouse=True)
def well(program: Program, client: httpx.Client) -> Iterator[None]:
    """After each test: it serves, it takes messages, nothing is unaccounted for."""
    yield
    assert client.get("/health/ready").status_code == 200
    (answer,) = exchange(program.mllp, adt(PERSON, f"WELL{time.monotonic_ns()}", trigger="A08"))
    assert b"MSA|AA|" in answer
    assert client.get("/admin/v1/conservation").json()["conserved"]


def noise(client: httpx.Client) -> float:
    """Bytes that belonged to no frame, so far."""
    for line in client.get("/metrics", headers={"Accept": "*/*"}).text.splitlines():
        if line.startswith('penstock_ingress_noise_bytes_total{interface="mllp"}'):
            return float(line.split()[1])
    return 0.0


def gone(connection: socket.socket) -> bool:
    """Whether the other side closes, within the timeout."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


# MLLP


def test_unframed_bytes_are_counted_and_what_follows_them_is_read(program: Program, client: httpx.Client) -> None:
    before = noise(client)
    with talk(program.mllp) as connection:
        connection.sendall(b"GET / HTTP/1.1" + wrap(adt(PERSON, "BAD1")))
        assert b"MSA|AA|BAD1" in read_frames(connection, 1)[0]
    assert noise(client) - before == 14


def test_a_peer_that_never_frames_is_cut_off(program: Program) -> None:
    with talk(program.mllp) as connection:
        try:
            for _ in range(40):
                connection.sendall(b"x" * 4096)
        except ConnectionError:
            return
        assert gone(connection)


@pytest.mark.req("V2-01")
def test_an_oversized_frame_is_refused_and_kept_and_the_next_is_read(program: Program, client: httpx.Client) -> None:
    huge = adt(PERSON, "BAD2") + b"NTE|1||" + b"x" * (2 * LARGEST) + b"\r"
    refused, accepted = exchange(program.mllp, huge, adt(PERSON, "BAD3"))
    assert b"MSA|AR|BAD2" in refused
    assert b"MSA|AA|BAD3" in accepted
    assert "BAD2" in {row["control_id"] for row in client.get("/admin/v1/inbox").json()}


@pytest.mark.req("V2-01")
def test_half_a_frame_is_never_taken_for_a_message(program: Program, client: httpx.Client) -> None:
    with talk(program.mllp) as connection:
        connection.sendall(wrap(adt(PERSON, "BAD4"))[:-2])
        connection.shutdown(socket.SHUT_WR)
        answers = read_frames(connection, 1)
    assert all(b"MSA|AA" not in answer for answer in answers)
    (answer,) = exchange(program.mllp, adt(PERSON, "BAD4"))
    assert b"MSA|AA|BAD4" in answer


@pytest.mark.req("V2-01")
def test_a_frame_that_comes_in_every_cut_is_one_message(program: Program) -> None:
    frame = wrap(adt(PERSON, "BAD5"))
    with talk(program.mllp) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(frame), 7):
            connection.sendall(frame[start : start + 7])
        assert b"MSA|AA|BAD5" in read_frames(connection, 1)[0]


@pytest.mark.req("V2-01")
def test_messages_in_one_write_are_answered_in_their_order(program: Program) -> None:
    ids = [f"PIPE{number:03}" for number in range(100)]
    answers = exchange(program.mllp, *(adt(PERSON, control_id, trigger="A08") for control_id in ids))
    assert [answer.split(b"MSA|AA|")[1].split(b"\r")[0].decode() for answer in answers] == ids


@pytest.mark.req("V2-01")
def test_two_hundred_connections_at_once_are_all_answered(program: Program) -> None:
    everyone = [PERSON, *OTHERS]
    connections = [talk(program.mllp) for _ in everyone]
    for number, (connection, person) in enumerate(zip(connections, everyone, strict=True)):
        connection.sendall(wrap(adt(person, f"MANY{number}")))
    answers = [read_frames(connection, 1)[0] for connection in connections]
    for connection in connections:
        connection.close()
    assert all(b"MSA|AA|MANY%d\r" % number in answer for number, answer in enumerate(answers))


@pytest.mark.req("V2-02", "V2-03")
@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"this is not HL7", b"MSA|AR"),
        (adt(PERSON, "").replace(b"||ADT", b"||ADT"), b"MSA|AR"),
        (adt(PERSON, "BAD10").replace(b"|2.5.1|", b"|3.0|"), b"MSA|AR|BAD10"),
        (adt(PERSON, "BAD11").replace(b"ADT^A01^ADT_A01", b"ZZZ^Z99"), b"MSA|AE|BAD11"),
        (adt(PERSON, "BAD12").replace(b"UNICODE UTF-8", b"8859/1").replace(b"PID|1", b"PID|\x81") + b"\xff", b"MSA|A"),
        (adt(PERSON, "BAD13").replace(b"UNICODE UTF-8", b"KLINGON"), b"MSA|AR|BAD13"),
        (adt(PERSON, "BAD14").replace(b"PID|1", b"PID|\xff\xfe"), b"MSA|A"),
    ],
    ids=["not-v2", "no-control-id", "unknown-version", "unknown-trigger", "wrong-bytes", "unknown-charset", "not-utf-8"],
)
def test_a_message_that_cannot_be_processed_is_refused_and_kept(program: Program, message: bytes, said: bytes) -> None:
    with program.client() as client:
        before = client.get("/admin/v1/conservation").json()["interfaces"]["mllp"]["accepted"]
        (answer,) = exchange(program.mllp, message)
        assert said in answer
        assert b"MSA|AA" not in answer
        assert client.get("/admin/v1/conservation").json()["interfaces"]["mllp"]["accepted"] == before + 1


def test_a_control_id_used_again_for_something_else_is_not_lost(program: Program, client: httpx.Client) -> None:
    first, again, other = exchange(program.mllp, adt(PERSON, "BAD20"), adt(PERSON, "BAD20"), adt(PERSON, "BAD20", bed=9))
    assert first.split(b"MSA")[1] == again.split(b"MSA")[1]
    assert b"|BAD20" in other

    def kept() -> list[bool]:
        rows = [row for state in ("stored", "quarantined") for row in client.get(f"/admin/v1/inbox?state={state}&limit=1000").json()]
        return sorted(row["collided"] for row in rows if row["control_id"] == "BAD20")

    eventually(lambda: kept() == [False, True], within=5)
    trace = client.get("/admin/v1/trace", params={"q": "BAD20"}).json()
    assert len({hop["trace_id"] for hop in trace}) == 2


# HTTP

PATIENT = {"resourceType": "Patient", "active": True}
FHIR = {"Content-Type": "application/fhir+json"}

#: name: (method, path, body, status, issue code), as docs/api.md says.
HTTP: dict[str, tuple[str, str, Any, int, str]] = {
    "malformed JSON": ("POST", "/fhir/Patient", b'{"resourceType": "Patient"', 400, "structure"),
    "duplicate keys": ("POST", "/fhir/Patient", b'{"resourceType": "Patient", "active": true, "active": false}', 400, "structure"),
    "NaN": ("POST", "/fhir/Observation", b'{"resourceType": "Observation", "valueQuantity": {"value": NaN}}', 400, "structure"),
    "not UTF-8": ("POST", "/fhir/Patient", b'{"resourceType": "Patient", "id": "\xff"}', 400, "structure"),
    "sixty-five levels": ("POST", "/fhir/Patient", b'{"resourceType": "Patient", "x": ' + b"[" * 65 + b"]" * 65 + b"}", 400, "structure"),
    "unknown element": ("POST", "/fhir/Patient", PATIENT | {"shoeSize": 43}, 400, "structure"),
    "wrong type": ("POST", "/fhir/Patient", PATIENT | {"active": "yes"}, 400, "structure"),
    "another type than the URL": ("POST", "/fhir/Observation", PATIENT, 400, "invalid"),
    "another id than the URL": ("PUT", "/fhir/Patient/a", PATIENT | {"id": "b"}, 400, "invalid"),
    "wrong code": ("POST", "/fhir/Patient", PATIENT | {"gender": "F"}, 422, "code-invalid"),
    "wrong date": ("POST", "/fhir/Patient", PATIENT | {"birthDate": "1990-13-01"}, 422, "value"),
    "missing element": ("POST", "/fhir/Observation", {"resourceType": "Observation", "status": "final"}, 422, "required"),
    "unknown resource type": ("POST", "/fhir/Shoe", {"resourceType": "Shoe"}, 404, "not-found"),
    "unknown search parameter": ("GET", "/fhir/Patient?shoe=43", None, 400, "not-supported"),
    "unknown modifier": ("GET", "/fhir/Patient?family:loudly=a", None, 400, "not-supported"),
    "bad search value": ("GET", "/fhir/Patient?birthdate=soon", None, 422, "value"),
    "bad count": ("GET", "/fhir/Patient?_count=many", None, 422, "value"),
    "strange page link": ("GET", "/fhir/Patient?_cursor=AAAA", None, 400, "invalid"),
    "what was never there": ("GET", "/fhir/Patient/nobody", None, 404, "not-found"),
    "condition without criteria": ("DELETE", "/fhir/Patient", None, 422, "required"),
    "over-long URL": ("GET", "/fhir/Patient?family=" + "a" * LONGEST_URL, None, 414, "too-long"),
    "over-long body": ("POST", "/fhir/Patient", b" " * 100_001, 413, "too-long"),
    "method that is not served": ("POST", "/fhir/Patient/a", PATIENT, 405, "not-supported"),
    "a patch in no patch format": ("PATCH", "/fhir/Patient/a", PATIENT, 400, "invalid"),
}


@pytest.mark.parametrize("name", HTTP)
def test_a_bad_request_has_its_documented_answer(client: httpx.Client, name: str) -> None:
    method, path, body, status, code = HTTP[name]
    content = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
    answer = client.request(method, path, headers=FHIR, **content)  # type: ignore[arg-type]
    outcome = answer.json()
    assert (answer.status_code, outcome["resourceType"]) == (status, "OperationOutcome")
    assert code in {issue["code"] for issue in outcome["issue"]}


def test_other_media_are_refused(client: httpx.Client) -> None:
    assert client.post("/fhir/Patient", content=b"id,name", headers={"Content-Type": "text/csv"}).status_code == 415
    assert client.get("/fhir/Patient", headers={"Accept": "text/csv"}).status_code == 406


def test_a_version_conflict_is_412_and_changes_nothing(client: httpx.Client) -> None:
    made = client.post("/fhir/Patient", json=PATIENT, headers=FHIR)
    path = f"/fhir/Patient/{made.json()['id']}"
    changed = made.json() | {"active": False}
    assert client.put(path, json=changed, headers=FHIR | {"If-Match": 'W/"7"'}).status_code == 412
    assert client.put(path, json=changed, headers=FHIR | {"If-None-Match": "*"}).status_code == 412
    assert client.get(path).json() == made.json()


def test_a_broken_reference_in_a_transaction_undoes_all_of_it(client: httpx.Client) -> None:
    before = client.get("/fhir/Patient", params={"_summary": "count"}).json()["total"]
    observation = {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient?identifier=nobody"},
    }  # fmt: skip
    entry = [
        {"resource": PATIENT, "request": {"method": "POST", "url": "Patient"}},
        {"resource": observation, "request": {"method": "POST", "url": "Observation"}},
    ]
    answer = client.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": entry}, headers=FHIR)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (412, "conflict")
    assert client.get("/fhir/Patient", params={"_summary": "count"}).json()["total"] == before


def test_bytes_that_are_no_http_are_answered_400(program: Program) -> None:
    parts = urlsplit(program.http)
    for bytes_ in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", wrap(adt(PERSON, "HTTP")) + b"\r\n\r\n"):
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            connection.sendall(bytes_)
            assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_many_bad_requests_at_once_get_no_server_error(program: Program, client: httpx.Client) -> None:
    def ask(name: str) -> int:
        method, path, body, _, _ = HTTP[name]
        content = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        return client.request(method, path, headers=FHIR, **content).status_code  # type: ignore[arg-type]

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(ask, list(HTTP) * 5))
    assert statuses == [HTTP[name][3] for name in HTTP] * 5
