"""The whole HTTP door over a real store on a real PostgreSQL, asked in process; ``served`` puts it behind a real socket."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.api.app import build
from penstock.api.parts import Parts
from penstock.auth.access import SYSTEM
from penstock.auth.keys import open_keys
from penstock.auth.tokens import mint, realm
from penstock.clock import SystemClock, system_chance
from penstock.db import Database, Tx
from penstock.events import Feed, Horizon, append
from penstock.inbox import Receiver
from penstock.ingress import HTTP, Intake, Meters, ingest
from penstock.settings import Settings
from penstock.store import Cause, Store, Writer, Written
from penstock.store.versions import version_bodies

BASE = "http://penstock.test"
Keys3 = Sequence[tuple[str, str, int]]


class Recorded:
    """The operator's questions to other parts: it says what it was asked. (The real ones are tested where they are.)"""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> Any:
            self.calls.append((name, *arguments))
            return [{"asked": name}]

        return call


async def announce(tx: Tx, written: Sequence[Written], cause: Sequence[Cause], *, tenant: str) -> None:
    await append(tx, written, cause, tenant=tenant)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
async def parts(database: Database, tmp_path: Path, recorded: Recorded) -> AsyncIterator[Parts]:
    store = Store(announce)

    async def bodies(tx: Tx, keys: Keys3) -> Mapping[tuple[str, str, int], bytes]:
        return await version_bodies(tx, store, SYSTEM, keys)

    async def ready() -> Mapping[str, bool]:
        return {"database": True}

    async with Receiver(database) as receiver, Writer(database, store) as writer:
        intake = Intake(inbox=receiver, interface=HTTP, clock=SystemClock(), chance=system_chance(), meters=Meters("http"))
        yield Parts(
            settings=Settings(data=tmp_path),
            clock=SystemClock(),
            database=database,
            store=store,
            writer=writer,
            feed=Feed(database, Horizon(database), bodies, source="urn:penstock:test"),
            keys=open_keys(tmp_path),
            ingest=functools.partial(ingest, intake=intake),
            operations=recorded,
            ready=ready,
        )


@pytest.fixture
async def stranger(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    transport = httpx.ASGITransport(app=build(parts), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


@pytest.fixture
def token(parts: Parts) -> Any:
    """Mints tokens: ``token("system/Patient.r")``."""
    return lambda scope, client="tester": mint(parts.keys, realm(None), client=client, scope=scope, now=parts.clock.now())


EVERYTHING = "system/*.cruds admin/*.* events/*.r ingest/*.c"


@pytest.fixture
async def client(stranger: httpx.AsyncClient, token: Any) -> httpx.AsyncClient:
    """A client that may do everything."""
    stranger.headers["authorization"] = f"Bearer {token(EVERYTHING)}"
    return stranger


@pytest.fixture
def patient() -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9000000009"}],
        "name": [{"use": "official", "family": "Smith", "given": ["John", "Paul"]}],
        "gender": "male",
        "birthDate": "1985-03-15",
    }
