"""Every inbound path shows the same stages in its trace, also where nothing was written."""

from __future__ import annotations

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
