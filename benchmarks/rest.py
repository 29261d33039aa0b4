"""FHIR over HTTP, and what the same rows cost the database alone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from itertools import count, cycle, islice

import uvloop

from benchmarks.bare import bare_rates
from benchmarks.load import http_request, run
from benchmarks.serve import Served, served
from penstock import events
from penstock.auth.access import SYSTEM
from penstock.client import Client
from penstock.clock import SystemClock
from penstock.db import connect
from penstock.samples.people import transaction, vitals
from penstock.store import Cause, Change, Store, Writer

#: Bodies that are made before a load; creates may repeat themselves.
_READY = 20_000


def creates(seconds: float) -> None:
    """Creates with 1, 8 and 64 clients: over HTTP, through the store alone, and the bare ``unnest`` insert of the same rows."""
    with served() as program:
        for clients in (1, 8, 64):
            requests = cycle(_requests(program, "/fhir/Observation", observations(), _READY))
            print(
                f"  HTTP   {clients:3} clients {uvloop.run(run(*program.http, requests, connections=clients, seconds=seconds))}", flush=True
            )
        uvloop.run(_against_bare(program, seconds))


async def _against_bare(program: Served, seconds: float) -> None:
    store = await _store_rate(program.database, seconds)
    requests = cycle(_requests(program, "/fhir/Observation", observations(), _READY))
    http = (await run(*program.http, requests, connections=64, seconds=seconds)).rate
    bare = await bare_rates(program.database)
    for name, rate in bare.items():
        print(f"  bare unnest insert, 64 creates a transaction, durable: {name:<32} {rate:7,.0f}/s")
    for name, rate in (("the store, 64 clients", store), ("HTTP, 64 clients", http)):
        shares = ", ".join(f"{100 * rate / each:.0f} % of {what}" for what, each in bare.items())
        print(f"  {name:<22} {rate:7,.0f}/s = {shares}", flush=True)


async def _store_rate(url: str, seconds: float) -> float:
    """Creates a second of 64 tasks through the store's group commit, with events."""
    database, store, done = await connect(url, size=4), Store(events.append), 0
    await store.ensure(database, ["Observation"])
    until = 0.0

    async def client(bodies: Iterator[bytes]) -> None:
        nonlocal done
        while time.perf_counter() < until:
            cause = Cause("0" * 32, None, "bench", SystemClock().now())
            await writer.submit(SYSTEM, Change("create", "Observation", resource=json.loads(next(bodies))), cause)
            done += 1

    async with Writer(database, store) as writer:
        bodies = cycle(list(islice(observations(), _READY)))
        until = time.perf_counter() + seconds
        await asyncio.gather(*(client(bodies) for _ in range(64)))
    await database.close()
    return done / seconds


def _requests(program: Served, path: str, bodies: Iterator[bytes], many: int) -> list[bytes]:
    """Requests made before the load begins: their making is not what is measured."""
    return [http_request("POST", path, program.token, body) for body in islice(bodies, many)]


def observations() -> Iterator[bytes]:
    """Endless Observations over a thousand patients."""
    for number in count():
        for observation in vitals(f"Patient/p{number % 1000}", seed=number, at="2025-04-14T09:00:00Z"):
            yield json.dumps(observation).encode()


def reads_and_searches(seconds: float) -> None:
    """Reads by id and indexed searches with 64 clients, over some ten thousand Observations."""
    with served() as program:
        client = Client(f"http://{program.http[0]}:{program.http[1]}", program.token)
        for seed in range(10):
            client.post("/fhir", transaction(200, seed=seed), media="application/fhir+json")
        uvloop.run(_fill(program, 10_000))
        page = client.get("/fhir/Observation", _count="100")
        paths = [f"/fhir/Observation/{entry['resource']['id']}" for entry in page["entry"]]
        searches = {
            "read": paths,
            "search by identifier": [f"/fhir/Patient?identifier=urn:id:NORTHGATE|{50001 + n}" for n in range(200)],
            "search by patient and code, newest first": [
                f"/fhir/Observation?patient=Patient/p{n}&code=http://loinc.org|8867-4&_sort=-date&_count=20" for n in range(1000)
            ],
        }
        for name, targets in searches.items():
            requests = (http_request("GET", path, program.token) for path in cycle(targets))
            result = uvloop.run(run(*program.http, requests, connections=64, seconds=seconds))
            print(f"  {name:<42} {result}", flush=True)
        print(f"  memory of all processes {program.memory_mb():.0f} MB", flush=True)


async def _fill(program: Served, many: int) -> None:
    bodies = observations()
    requests = (http_request("POST", "/fhir/Observation", program.token, next(bodies)) for _ in range(many))
    await run(*program.http, requests, connections=64, seconds=600)


def transactions(seconds: float) -> None:
    """Transaction bundles of 25 people with their vital signs (100 resources), one client and four; resources a second."""
    with served() as program:
        for clients in (1, 4):
            bodies = (json.dumps(transaction(25, seed=1000 * clients + n)).encode() for n in count())
            requests = iter(_requests(program, "/fhir", bodies, round(100 * seconds)))
            result = uvloop.run(run(*program.http, requests, connections=clients, seconds=seconds))
            print(f"  {clients} clients: {result.rate * 100:,.0f} resources/s  {result}", flush=True)
