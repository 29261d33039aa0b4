"""Single requests that are as heavy as may be: each is answered or refused, in bounded time, and never with a server error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Program, program, start

__all__ = ["program", "start"]

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]
#: Seconds that one request may take: the program gives up after so many itself.
MOST_S = 30.0
RING = 5000


@pytest.fixture(scope="module")
def client(program: Program) -> Iterator[httpx.Client]:
    with program.client() as client:
        client.timeout = httpx.Timeout(120)
        yield client


def name(number: int) -> str:
    return f"urn:uuid:00000000-0000-4000-8000-{number % RING:012d}"


def ringed(number: int) -> dict[str, Any]:
    return {"resourceType": "Patient", "link": [{"other": {"reference": name(number + 1)}, "type": "seealso"}]}


def bundle(kind: str, count: int, resource: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    request = {"method": "POST", "url": "Patient"}
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [{"fullUrl": name(n), "resource": resource(n), "request": request} for n in range(count)],
    }


def asked(url: str, count: int) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}}] * count}


def plain(number: int) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"family": "x"}] * 20}


NESTED = "Patient." + "descendants()." * 50 + "x"
PATCH = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": NESTED}]
_NEXT = "link {{ other {{ resource {{ {} }} }} }}"
LINKS = "{ PatientList(_count: 1000) { " + _NEXT.format(_NEXT.format(_NEXT.format("id"))) + " } }"
LONG = {"resourceType": "Patient", "name": [{"given": ["y"] * 5}] * 60_000}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

HEAVY: dict[str, tuple[Callable[[httpx.Client], httpx.Response], set[int]]] = {
    "a ring of references": (lambda c: c.post("/fhir", json=bundle("transaction", RING, ringed)), {200}),
    "a batch of creates": (lambda c: c.post("/fhir", json=bundle("batch", RING, plain)), {200}),
    "a batch of searches": (lambda c: c.post("/fhir", json=asked("Patient?_has:Observation:patient:code=x&name=a", 5000)), {200}),
    "more entries than are accepted": (lambda c: c.post("/fhir", json=bundle("transaction", 20_000, plain)), {413}),
    "a big Bundle validated": (lambda c: c.post("/fhir/Bundle/$validate", json=bundle("collection", 5000, plain)), {200}),
    "ten thousand values": (lambda c: c.post("/fhir/Patient/_search", data={"family": ",".join(map(str, range(10_000)))}), {403}),
    "nine hundred parameters": (lambda c: c.post("/fhir/Patient/_search", content="&".join(["family=x"] * 900), headers=FORM), {403}),
    "includes of everything": (lambda c: c.get("/fhir/Patient?_include=*&_revinclude=*&_count=1000&_include:iterate=*"), {403}),
    "a pattern that explodes elsewhere": (lambda c: c.get("/fhir/Patient?family:contains=" + "(" * 500 + "a%2B%2B" * 100), {200}),
    "a resource of megabytes": (
        lambda c: c.post("/fhir/Patient", json=LONG),
        {201},
    ),
    "a path of paths": (
        lambda c: c.patch(
            "/fhir/Patient/heavy",
            json={"resourceType": "Parameters", "parameter": [{"name": "operation", "part": PATCH}]},
            headers={"Content-Type": "application/fhir+json"},
        ),
        {200, 400, 403, 422},
    ),
    "references followed from a thousand": (lambda c: c.post("/fhir/$graphql", json={"query": LINKS}), {200, 403}),
}


@pytest.mark.parametrize("what", HEAVY)
def test_a_heavy_request_is_answered_in_bounded_time(client: httpx.Client, what: str) -> None:
    assert client.put("/fhir/Patient/heavy", json={"resourceType": "Patient", "id": "heavy"}).is_success
    send, statuses = HEAVY[what]
    began = time.monotonic()
    answer = send(client)
    assert answer.status_code in statuses, answer.text[:500]
    assert time.monotonic() - began < MOST_S
