"""FHIR over HTTP, and what the same rows cost the database alone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import count, cycle
from typing import Any

import uvloop

from benchmarks.load import http_request, run
from benchmarks.serve import Served, served
from penstock import events
from penstock.auth.access import SYSTEM
from penstock.client import Client
from penstock.clock import SystemClock
from penstock.db import Tx, connect
from penstock.samples.people import transaction, vitals
from penstock.store import Cause, Change, Store, Writer

_BARE = """insert into bare (rid, self, ver, tenant, pat, code, dlo, dhi, tok, id, content)
select rid, self, ver, tenant, pat, code, dlo, dhi, tok::int8[], id, content
from unnest($1::text::int8[], $2::text::int8[], $3::text::int4[], $4::text::int4[], $5::text::int8[], $6::text::int8[],
            $7::text::int8[], $8::text::int8[], $9::text[], $10::text[], $11::bytea[])
  as w (rid, self, ver, tenant, pat, code, dlo, dhi, tok, id, content)"""
_NUMBERS = ("rid", "self", "ver", "tenant", "pat", "code", "dlo", "dhi")


def creates(seconds: float) -> None:
    """Creates with 1, 8 and 64 clients: over HTTP, through the store alone, and the bare ``unnest`` insert of the same rows."""
    with served() as program:
        for clients in (1, 8, 64):
            requests = (http_request("POST", "/fhir/Observation", program.token, body) for body in observations())
            print(
                f"  HTTP   {clients:3} clients {uvloop.run(run(*program.http, requests, connections=clients, seconds=seconds))}", flush=True
            )
        uvloop.run(_against_bare(program, seconds))


async def _against_bare(program: Served, seconds: float) -> None:
    """Ratios to two baselines: the bare insert by 64 clients who each bring a row, and by one who brings 64 at a time."""
    rows = await _rows(program.database)
    store = await _store_rate(program.database, seconds)
    requests = (http_request("POST", "/fhir/Observation", program.token, body) for body in observations())
    http = (await run(*program.http, requests, connections=64, seconds=seconds)).rate
    clients = await _bare(program.database, rows, partial(_one_row_each, seconds=seconds))
    batches = await _bare(program.database, rows, partial(_batches, seconds=seconds))
    print(f"  bare unnest insert of the same rows: {clients:,.0f}/s by 64 clients with a row each, {batches:,.0f}/s in batches of 64")
    for name, rate in (("the store (index, compress, history, events)", store), ("HTTP (token, parse, validate, store, answer)", http)):
        print(f"  {name:<46} {rate:6,.0f}/s = {100 * rate / clients:.0f} % and {100 * rate / batches:.0f} %", flush=True)


async def _rows(url: str) -> list[Any]:
    database = await connect(url, size=1)
    async with database.connection() as tx:
        rows = await tx.fetch("select rid, self, ver, tenant, pat, code, dlo, dhi, tok, id, content from r_observation limit 30000")
    await database.close()
    return rows


async def _bare(url: str, rows: list[Any], load: Callable[[Tx, list[Any]], Awaitable[float]]) -> float:
    """Rows a second of ``load`` into an empty copy of the real table with the same indexes."""
    database = await connect(url, size=1)
    async with database.connection() as tx:
        await tx.execute("drop table if exists bare; create table bare (like r_observation including all)")
        rate = await load(tx, rows)
        await tx.execute("drop table bare")
    await database.close()
    return rate


async def _batches(tx: Tx, rows: list[Any], *, seconds: float) -> float:
    ready = [_columns(rows[at : at + 64]) for at in range(0, len(rows), 64)]
    done, start = 0, time.perf_counter()
    for columns in ready:
        await tx.execute(_BARE, *columns)
        done += len(columns[-1])
        if time.perf_counter() - start > seconds:
            break
    return done / (time.perf_counter() - start)


async def _one_row_each(tx: Tx, rows: list[Any], *, seconds: float) -> float:
    """64 tasks that each bring one row and wait until it is durable; what waits together is one insert."""
    waiting: list[tuple[Any, asyncio.Future[None]]] = []
    left, start = iter(rows), time.perf_counter()
    done = 0

    async def client() -> None:
        nonlocal done
        for row in left:
            durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiting.append((row, durable))
            await durable
            done += 1
            if time.perf_counter() - start > seconds:
                break

    clients = [asyncio.create_task(client()) for _ in range(64)]
    while not all(task.done() for task in clients):
        await asyncio.sleep(0)
        batch, waiting[:] = list(waiting), []
        if batch:
            await tx.execute(_BARE, *_columns([row for row, _ in batch]))
            for _, durable in batch:
                durable.set_result(None)
    return done / (time.perf_counter() - start)


def _columns(rows: list[Any]) -> list[Any]:
    numbers = [f"{{{','.join('null' if row[name] is None else str(row[name]) for row in rows)}}}" for name in _NUMBERS]
    tokens = [f"{{{','.join(map(str, row['tok']))}}}" for row in rows]
    return [*numbers, tokens, [row["id"] for row in rows], [row["content"] for row in rows]]


async def _store_rate(url: str, seconds: float) -> float:
    """Creates a second of 64 tasks through the store's group commit, with events."""
    database, store, done = await connect(url, size=4), Store(events.append), 0
    await store.ensure(database, ["Observation"])
    until = time.perf_counter() + seconds

    async def client(bodies: Iterator[bytes]) -> None:
        nonlocal done
        while time.perf_counter() < until:
            cause = Cause("0" * 32, None, "bench", SystemClock().now())
            await writer.submit(SYSTEM, Change("create", "Observation", resource=json.loads(next(bodies))), cause)
            done += 1

    async with Writer(database, store) as writer:
        bodies = observations()
        await asyncio.gather(*(client(bodies) for _ in range(64)))
    await database.close()
    return done / seconds


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
            requests = (http_request("POST", "/fhir", program.token, body) for body in bodies)
            result = uvloop.run(run(*program.http, requests, connections=clients, seconds=seconds))
            print(f"  {clients} clients: {result.rate * 100:,.0f} resources/s  {result}", flush=True)
