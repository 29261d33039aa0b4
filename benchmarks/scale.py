"""Growth: the same searches over 100,000 and over 1,000,000 resources, and what a resource costs to load and to keep."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import uvloop

from benchmarks.load import Result, http_request, run
from benchmarks.serve import PENSTOCK, Served, served
from penstock.db import connect
from penstock.samples.people import patient, people

SIZES = (100_000, 1_000_000)
#: Observations of one patient: more resources are more patients.
EACH = 99
_CODES = [f"{1000 + 37 * n}-{n % 10}" for n in range(150)]
_START = datetime(2020, 1, 1, tzinfo=UTC)
_SIZES = """
select coalesce(sum(pg_total_relation_size(oid)), 0) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
"""


def growth(seconds: float) -> None:
    """Load to each size, then search: rate and latencies with eight clients, and how the p99 grew."""
    with served() as program:
        before: dict[str, Result] = {}
        have = 0
        for size in SIZES:
            _load(program, have, size)
            have = size
            found = {name: _measure(program, targets, seconds) for name, targets in _searches(size).items()}
            for name, result in found.items():
                grown = f"  p99 x {result.percentile_ms(99) / before[name].percentile_ms(99):.2f}" if name in before else ""
                print(f"  {size:9,} {name:<46} {result}{grown}", flush=True)
            before = found
            print(f"  {size:9,} memory of all processes {program.memory_mb():.0f} MB", flush=True)


def _load(program: Served, have: int, size: int) -> None:
    """Bring the database to ``size`` resources by ``penstock load``, and say what each cost."""
    with tempfile.NamedTemporaryFile("wb", suffix=".ndjson") as file:
        file.writelines(resources(have, size))
        file.flush()
        lsn = _ask(program, "select pg_current_wal_lsn() - '0/0'::pg_lsn")
        done = subprocess.run([PENSTOCK, "load", file.name, "--data", program.data, "--json"], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    wal = (_ask(program, "select pg_current_wal_lsn() - '0/0'::pg_lsn") - lsn) / (size - have)
    kept = _ask(program, _SIZES) / size
    print(
        f"  {size:9,} loaded by COPY: {told['rate']:,.0f} resources/s, {wal:,.0f} B of WAL and {kept:,.0f} B on disk a resource", flush=True
    )


def resources(first: int, last: int) -> Iterator[bytes]:
    """Lines of NDJSON: for each patient one Patient and EACH Observations."""
    block = EACH + 1
    everyone = people(-(-last // block))
    for number in range(first, last):
        who, place = divmod(number, block)
        made = {"id": f"s{who}", **patient(everyone[who])} if place == 0 else _observation(number, who)
        yield json.dumps(made).encode() + b"\n"


def _observation(number: int, who: int) -> dict[str, Any]:
    chance = random.Random(number)
    code = _CODES[min(int(chance.expovariate(1) * 30), len(_CODES) - 1)]
    at = (_START + timedelta(minutes=chance.randrange(2_600_000))).isoformat()
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": f"Analyte {code}"}], "text": f"Analyte {code}"},
        "subject": {"reference": f"Patient/s{who}"},
        "effectiveDateTime": at,
        "issued": at,
        "valueQuantity": {
            "value": chance.randrange(10, 3000) / 10,
            "unit": "mg/dL",
            "system": "http://unitsofmeasure.org",
            "code": "mg/dL",
        },
    }


def _searches(size: int) -> dict[str, list[str]]:
    """Families of searches, with values spread over all that is loaded."""
    chance = random.Random(7)
    patients = [chance.randrange(size // (EACH + 1)) for _ in range(500)]
    codes = [f"http://loinc.org|{_CODES[chance.randrange(60)]}" for _ in range(500)]
    days = [(_START + timedelta(days=chance.randrange(1700))).date().isoformat() for _ in range(500)]
    numbers = [who * (EACH + 1) + 1 + chance.randrange(EACH) for who in patients]
    everyone = people(size // (EACH + 1))
    pairs = list(zip(patients, codes, days, strict=True))
    return {
        "read": [f"/fhir/Observation/o{number}" for number in numbers],
        "identifier": [f"/fhir/Patient?identifier={everyone[who].mrn}" for who in patients],
        "patient + code, newest first, 20": [f"/fhir/Observation?patient=s{w}&code={c}&_sort=-date&_count=20" for w, c, _ in pairs],
        "patient, newest first, 20": [f"/fhir/Observation?patient=s{who}&_sort=-date&_count=20" for who in patients],
        "code, newest first, 20": [f"/fhir/Observation?code={code}&_sort=-date&_count=20" for code in codes],
        "code + date, 20": [f"/fhir/Observation?code={code}&date=ge{day}&_count=20" for _, code, day in pairs],
        "status + category, latest first, 20": ["/fhir/Observation?status=final&category=laboratory&_sort=-_lastUpdated&_count=20"],
        "code + value above, 20": [f"/fhir/Observation?code={code}&value-quantity=gt290&_count=20" for code in codes],
        "family and given begin with": [
            f"/fhir/Patient?family={everyone[w].family[:4]}&given={everyone[w].given[:3]}&_count=20" for w in patients
        ],
        "patient.family chained + code, 20": [
            f"/fhir/Observation?patient.identifier={everyone[w].mrn}&code={c}&_count=20" for w, c, _ in pairs
        ],
    }


def _measure(program: Served, targets: list[str], seconds: float) -> Result:
    requests = (http_request("GET", path.replace("|", "%7C"), program.token) for path in cycle(targets))
    uvloop.run(run(*program.http, requests, connections=8, seconds=0.5))
    return uvloop.run(run(*program.http, requests, connections=8, seconds=seconds / 2))


def _ask(program: Served, sql: str) -> float:
    async def ask() -> float:
        database = await connect(program.database, size=1)
        try:
            async with database.connection() as tx:
                return float(await tx.fetchval(sql))
        finally:
            await database.close()

    return asyncio.run(ask())
