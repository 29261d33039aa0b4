"""Every inbound path shows the same stages in its trace, also where nothing was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from penstock.samples import sample_messages
from tests.e2e.conftest import Program, Start
from tests.e2e.scenes import QUICK, Hook, eventually, make_site

Hop = dict[str, Any]
SAMPLES = dict(sample_messages())
PATIENT = {"resourceType": "Patient", "name": [{"family": "Ashgrove"}]}
FEMALE = [{"op": "add", "path": "/gender", "value": "female"}]
STAGES = ["received", "authorised", "validated", "stored", "published", "delivered"]
OF_MESSAGES = ["received", "authorised", "parsed", "mapped", "validated", "stored", "published", "delivered"]


class Came(NamedTuple):
    """Something that came in: what its trace is found by, and who sent it."""

    key: str
    source: str


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    hook = Hook().open()
    yield hook
    hook.close()


@pytest.fixture(scope="module")
def program(start: Start, hook: Hook, tmp_path_factory: pytest.TempPathFactory) -> Program:
    return start("--site", str(make_site(tmp_path_factory.mktemp("site") / "site", ward=hook.port)), **QUICK)


@pytest.fixture(scope="module")
def client(program: Program) -> Iterator[httpx.Client]:
    with program.client() as client:
        yield client


def traced(client: httpx.Client, key: str, *, until: str = "") -> list[Hop]:
    """What is known by a key, once it has come to a stage; requests that wrote nothing are told within a second or two."""

    def look() -> list[Hop]:
        hops: list[Hop] = client.get("/admin/v1/trace", params={"q": key}).json()
        return hops if not until or until in stages(hops) else []

    found: list[Hop] = eventually(look, why=f"the trace does not come to {until}")
    return found


def stages(hops: list[Hop]) -> list[str]:
    return list(dict.fromkeys(hop["stage"] for hop in hops))


def stored(client: httpx.Client) -> str:
    response = client.post("/fhir/Patient", json=PATIENT)
    assert response.status_code == 201
    return f"/fhir/Patient/{response.json()['id']}"


def of_patch(url: str) -> dict[str, Any]:
    return {"url": url, "json": FEMALE, "headers": {"content-type": "application/json-patch+json"}}


def in_bundle(kind: str, *entries: tuple[str, str]) -> dict[str, Any]:
    entry = [{"resource": PATIENT, "request": {"method": method, "url": url}} for method, url in entries]
    return {"resourceType": "Bundle", "type": kind, "entry": entry}


def written(response: httpx.Response) -> Came:
    assert response.is_success, response.text
    return Came(response.headers["x-trace-id"], "test")


def by_mllp(program: Program, client: httpx.Client, folder: Path) -> Came:
    (answer,) = program.send(SAMPLES["01_admission.hl7"])
    assert answer.code == "AA"
    return Came("MSG001", "SENDING_APP|SENDING_FAC")


def by_http(program: Program, client: httpx.Client, folder: Path) -> Came:
    headers = {"content-type": "application/hl7-v2", "accept": "application/hl7-v2", "traceparent": f"00-{'ab' * 16}-{'1' * 16}-01"}
    response = client.post("/ingest/v2", content=SAMPLES["06_registration.hl7"], headers=headers)
    assert response.status_code == 200 and response.headers["x-trace-id"] == "ab" * 16
    return Came("ab" * 16, "WARD_SYSTEM|NORTHGATE")


def by_load(program: Program, client: httpx.Client, folder: Path) -> Came:
    (folder / "some.ndjson").write_text(json.dumps(PATIENT | {"id": "loaded"}))
    assert program.cli("load", str(folder / "some.ndjson")).returncode == 0
    return Came("Patient/loaded", "penstock-load")


Send = Callable[[Program, httpx.Client, Path], Came]
UPDATED = PATIENT | {"id": "traced"}
#: Each way in, by its door, and something sent through it.
DOORS: dict[str, Send] = {
    "mllp": by_mllp,
    "http": by_http,
    "load": by_load,
    "fhir:create": lambda p, c, f: written(c.post("/fhir/Patient", json=PATIENT)),
    "fhir:update": lambda p, c, f: written(c.put("/fhir/Patient/traced", json=UPDATED)),
    "fhir:patch": lambda p, c, f: written(c.patch(**of_patch(stored(c)))),
    "fhir:delete": lambda p, c, f: written(c.delete(stored(c))),
    "fhir:transaction": lambda p, c, f: written(c.post("/fhir", json=in_bundle("transaction", ("POST", "Patient"), ("POST", "Patient")))),
    "fhir:batch:create": lambda p, c, f: written(c.post("/fhir", json=in_bundle("batch", ("POST", "Patient"), ("POST", "Patient")))),
}


@pytest.mark.req("FH-20")
@pytest.mark.parametrize("door", DOORS)
def test_every_inbound_path_shows_the_same_stages(program: Program, client: httpx.Client, tmp_path: Path, door: str) -> None:
    came = DOORS[door](program, client, tmp_path)
    hops = traced(client, came.key, until="delivered")
    assert stages(hops) == (OF_MESSAGES if door in ("mllp", "http") else STAGES)
    assert len({hop["trace_id"] for hop in hops}) == 1
    received, authorised = (next(hop for hop in hops if hop["stage"] == stage) for stage in ("received", "authorised"))
    assert door in (received["what"], received["details"].get("door"))
    assert authorised["transformation_rules"], "nothing says by which rule it was let in"
    assert came.source == received["source_system"]


def refused_by_scope(program: Program) -> httpx.Response:
    with program.client("system/Observation.cruds") as other:
        return other.post("/fhir/Patient", json=PATIENT)


IMAGE, SEVENTH = {"content-type": "image/png", "accept": "*/*"}, {"if-match": 'W/"7"'}
JSON = {"content-type": "application/fhir+json"}
WRONG, OTHER = PATIENT | {"gender": "x"}, PATIENT | {"id": "other"}
#: How a request is refused: what is sent, the stage that it does not pass, the code, and the place.
REFUSED: dict[str, tuple[Callable[[Program, httpx.Client], httpx.Response], str, str, str]] = {
    "an invalid resource": (lambda p, c: c.post("/fhir/Patient", json=WRONG), "validated", "code-invalid", "Patient.gender"),
    "no JSON": (lambda p, c: c.post("/fhir/Patient", content=b"{", headers=JSON), "validated", "structure", "end of text"),
    "an image": (lambda p, c: c.post("/fhir/Patient", content=b"x", headers=IMAGE), "received", "media-type", "http.content-type"),
    "no scope": (lambda p, c: refused_by_scope(p), "authorised", "forbidden", ""),
    "no token": (lambda p, c: httpx.post(f"{p.http}/fhir/Patient", json=PATIENT), "authorised", "login", ""),
    "another version": (lambda p, c: c.put("/fhir/Patient/other", json=OTHER, headers=SEVENTH), "stored", "precondition", ""),
    "an entry of a transaction": (
        lambda p, c: c.post("/fhir", json=in_bundle("transaction", ("POST", "Patient"), ("PUT", "Patient"))), "validated", "required",
        "Bundle.entry[1].request.url",
    ),
    "an entry of a batch": (
        lambda p, c: c.post("/fhir", json=in_bundle("batch", ("PUT", "Patient/other"))), "validated", "invalid", "Resource.id",
    ),
    "messages that are none": (
        lambda p, c: c.post("/ingest/v2", content=b"x", headers=IMAGE), "received", "media-type", "",
    ),
}  # fmt: skip


@pytest.mark.req("FH-20")
@pytest.mark.parametrize("what", REFUSED)
def test_a_write_that_was_refused_shows_how_far_it_came_and_why(program: Program, client: httpx.Client, what: str) -> None:
    send, stage, code, at = REFUSED[what]
    response = send(program, client)
    hops = traced(client, response.headers["x-trace-id"])
    passed = STAGES[: STAGES.index(stage)]
    assert stages(hops) == [*passed, "refused"]
    last = hops[-1]
    assert (last["details"]["stopped"], last["outcome"], last["details"].get("at", "")) == (stage, code, at)


@pytest.mark.req("FH-20")
def test_a_message_that_was_refused_shows_how_far_it_came_and_why(program: Program, client: httpx.Client) -> None:
    program.send(SAMPLES["08_broken.hl7"])
    hops = traced(client, "DEMO-0008")
    assert stages(hops) == ["received", "authorised", "parsed", "refused"]
    assert {name: hops[-1]["details"][name] for name in ("stopped", "code", "at")} == {
        "stopped": "mapped", "code": "not-supported", "at": "MSH-9",
    }  # fmt: skip


@pytest.mark.req("FH-20")
def test_what_a_load_refuses_is_found_by_the_trace_that_it_tells(program: Program, client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "bad.ndjson").write_text(json.dumps(WRONG | {"id": "x"}))
    program.cli("load", str(tmp_path / "bad.ndjson"), "--errors", str(tmp_path / "errors"))
    (error,) = map(json.loads, (tmp_path / "errors").read_text().splitlines())
    hops = traced(client, error["trace_id"])
    assert stages(hops) == ["received", "authorised", "refused"]
    assert (hops[-1]["source_system"], hops[-1]["details"]["at"]) == ("penstock-load", "Patient.gender")


def test_a_request_that_had_nothing_to_change_is_known_too(client: httpx.Client) -> None:
    url = stored(client)
    response = client.put(url, json=client.get(url).json())
    assert (response.status_code, response.headers["etag"]) == (200, 'W/"1"')
    hops = traced(client, response.headers["x-trace-id"])
    assert [(hop["stage"], hop["outcome"]) for hop in hops][-1] == ("stored", "unchanged")
    assert stages(hops) == STAGES[:4]


def test_a_message_that_came_before_is_known_by_its_own_request(client: httpx.Client) -> None:
    headers = {"content-type": "application/hl7-v2", "accept": "application/hl7-v2"}
    first, again = (client.post("/ingest/v2", content=SAMPLES["06_registration.hl7"], headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    hops = traced(client, again.headers["x-trace-id"])
    assert [(hop["stage"], hop["outcome"]) for hop in hops][-1] == ("stored", "unchanged")


def test_the_command_tells_the_stages_of_a_refused_request(program: Program, client: httpx.Client) -> None:
    response = client.post("/fhir/Patient", json=WRONG)
    traced(client, response.headers["x-trace-id"])
    told = program.cli("trace", response.headers["x-trace-id"]).stdout
    assert "refused" in told and "at=Patient.gender" in told and "fhir:create" in told


def test_what_was_refused_is_there_after_a_stop_and_a_flood_is_counted_and_not_kept(start: Start) -> None:
    program = start(PENSTOCK_WORKERS="2")
    with program.client() as client:
        answers = [client.post("/fhir/Patient", json=WRONG) for _ in range(80)]
    assert program.stop() == 0
    again = start(data=program.data)
    with again.client() as client:
        known = [client.get("/admin/v1/trace", params={"q": each.headers["x-trace-id"]}).json() for each in answers]
    kept = [hops[-1]["details"] for hops in known if hops]
    assert 5 <= len(kept) < 60
    assert len(kept) + sum(each.get("more", 0) for each in kept) == 80


SEVEN = ("source_system", "target_system", "message_id", "correlation_id", "schema_version", "transformation_rules", "outcome")


def logged(client: httpx.Client, **asked: str) -> list[Hop]:
    """Every entry of the transaction log that agrees, page by page."""
    found, cursor = [], ""
    while cursor is not None:
        page = client.get("/admin/v1/transactions", params=asked | {"cursor": cursor}).json()
        found, cursor = found + page["entries"], page["next"]
    return found


@pytest.mark.req("AU-08")
def test_the_transaction_log_has_its_seven_fields_for_each_hop_and_is_asked_by_any(program: Program, client: httpx.Client) -> None:
    sent = SAMPLES["02_admission_northgate.hl7"]
    program.send(sent)
    refused = client.post("/fhir/Patient", json=WRONG).headers["x-trace-id"]
    traced(client, refused), traced(client, "DEMO-0002", until="delivered")
    log = logged(client)
    assert all(set(SEVEN) <= set(entry) for entry in log)
    mine = [entry for entry in log if entry["correlation_id"] == logged(client, message_id="DEMO-0002")[0]["correlation_id"]]
    assert stages(mine[::-1]) == OF_MESSAGES
    for entry in mine + [entry for entry in log if entry["correlation_id"] == refused]:
        assert all(entry[name] for name in SEVEN[:5]) and entry["outcome"], entry
    by_stage = {entry["stage"]: entry for entry in mine}
    assert {name: by_stage["mapped"][name] for name in SEVEN[:3]} == {
        "source_system": "WARD_SYSTEM|NORTHGATE", "target_system": "penstock", "message_id": "DEMO-0002",
    }  # fmt: skip
    assert (by_stage["received"]["schema_version"], by_stage["delivered"]["target_system"]) == ("HL7 2.5.1", "site/ward")
    assert by_stage["mapped"]["transformation_rules"][0].startswith("plan:") and len(by_stage["mapped"]["transformation_rules"]) > 5
    for name in SEVEN:
        for entry in (by_stage["mapped"], by_stage["delivered"]):
            value = (entry[name] or [""])[-1] if isinstance(entry[name], list) else entry[name]
            answer = logged(client, **{name: value}) if value else []
            assert entry in answer or not value, (name, value)
            assert all(value == each[name] or value in each[name] for each in answer)
    assert logged(client, source_system="NOBODY") == []
    assert [each["outcome"] for each in logged(client, stage="refused", correlation_id=refused)] == ["code-invalid"]
    assert "source_system=WARD_SYSTEM|NORTHGATE" in program.cli("transactions", "message_id=DEMO-0002", "stage=mapped").stdout


@pytest.mark.req("V2-09")
def test_one_message_shows_parse_validate_map_and_publish_with_their_times_and_rules(program: Program, client: httpx.Client) -> None:
    program.send(SAMPLES["04_lab_critical_potassium.hl7"])
    hops = traced(client, "DEMO-0004", until="delivered")
    by_stage = {hop["stage"]: hop for hop in hops}
    assert all(by_stage[stage]["ms"] > 0 for stage in ("parsed", "mapped", "validated", "stored"))
    assert by_stage["published"]["at"] >= by_stage["stored"]["at"] >= by_stage["mapped"]["at"] >= by_stage["parsed"]["at"]
    assert by_stage["parsed"]["transformation_rules"] == ["structure:ORU_R01"]
    rules = by_stage["mapped"]["transformation_rules"]
    (observation,) = [hop["what"] for hop in hops if hop["stage"] == "published" and hop["what"].startswith("Observation/")][:1]
    origin = client.get(f"/admin/v1/lineage/{observation.replace('/_history', '')}").json()["elements"]
    assert {element["rule"] for element in origin} <= set(rules) and rules[0] == f"plan:{origin[0]['plan']}"
    assert by_stage["validated"]["transformation_rules"] == ["R4 structure and invariants"]
    assert by_stage["published"]["transformation_rules"] == ["penstock.resource.created"]


@pytest.mark.req("AU-13")
def test_the_hash_at_the_door_is_that_of_the_archive_and_each_attempt_is_kept(program: Program, client: httpx.Client, hook: Hook) -> None:
    sent = SAMPLES["05_unknown_code.hl7"]
    hook.status = 503
    try:
        program.send(sent)
        hops = eventually(lambda: [hop for hop in traced(client, "DEMO-0005") if len(hop["details"].get("history", ())) > 1])
    finally:
        hook.status = 200
    assert {attempt["reason"] for hop in hops for attempt in hop["details"]["history"]} == {"the endpoint answered with status 503"}
    (delivered, *_) = eventually(lambda: [hop for hop in traced(client, "DEMO-0005") if hop["outcome"] == "delivered"])
    assert delivered["details"]["attempts"] == len(delivered["details"]["history"]) + 1
    received = traced(client, "DEMO-0005")[0]
    archived = client.get(f"/admin/v1/inbox/{received['details']['inbox_id']}/raw").content
    assert received["details"]["payload_hash"] == "sha256:" + hashlib.sha256(archived).hexdigest() and archived == sent


@pytest.mark.req("AU-10")
def test_each_dead_letter_shows_hop_identity_and_rule(start: Start, tmp_path: Path) -> None:
    hook = Hook(status=400).open()
    try:
        program = start("--site", str(make_site(tmp_path / "site", mode="single", ward=hook.port)), **QUICK)
        with program.client() as client:
            trace_id = client.post("/fhir/Patient", json=PATIENT).headers["x-trace-id"]
            program.send(SAMPLES["08_broken.hl7"])
            (letter,) = eventually(lambda: client.get("/admin/v1/dead").json())
            (message,) = client.get("/admin/v1/inbox").json()
        listed = program.cli("dead", "list").stdout
    finally:
        hook.close()
    assert letter["hop"] == "delivered" and "status 400" in letter["rule"]
    assert (letter["identity"]["subscriber"], letter["identity"]["source"]) == ("site/ward", "test")
    assert letter["identity"]["trace_id"] == trace_id
    assert "hop=delivered" in listed and "subscriber=site/ward" in listed and letter["rule"] in listed
    assert (message["hop"], message["identity"]["control_id"]) == ("mapped", "DEMO-0008")
    assert message["rule"] == "not-supported: there is no map for this message type and trigger event (at MSH-9)"
