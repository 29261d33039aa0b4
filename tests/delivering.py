"""A running delivery beside a scale model of the store, for tests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
from cryptography.fernet import Fernet

from penstock.clock import SystemClock
from penstock.db import Database, Tx
from penstock.delivery import Delivery, Dispatcher, Door, Vault, Webhook, take_secrets
from penstock.delivery import registry as registry
from penstock.delivery.dead import counts
from penstock.delivery.outbound import parse_url
from penstock.delivery.policy import Policy
from penstock.delivery.sinks.wire import Client
from penstock.delivery.world import World, wait
from penstock.events import Horizon, append
from tests.event_versions import Version, Why

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cw=="
FAST = Policy(base_s=0.01, cap_s=0.05, horizon_s=3600)


class House:
    """Bodies by version, appended events, and everything that delivery is built from."""

    def __init__(self, database: Database, policy: Policy = FAST, *, clock=None, wait=wait, timeout_s: float = 2.0) -> None:
        self.database = database
        self.horizon = Horizon(database)
        self.vault = Vault(Fernet.generate_key())
        self.clock = clock or SystemClock()
        self.timeout_s = timeout_s
        self.stored: dict[tuple[str, str, int], bytes] = {}
        self.reports: list[tuple[str, str, str | None]] = []
        self.world = World(database, self.vault, self.bodies, self.clock, random.Random(7), policy, wait)

    async def bodies(self, tx: Tx, keys: Sequence[tuple[str, str, int]]) -> dict[tuple[str, str, int], bytes]:
        return {key: self.stored[key] for key in keys if key in self.stored}

    def matches(self, criteria: str, type_: str, body: bytes) -> bool:
        """A scale model of search: every word of the query must stand in the body."""
        return all(part.partition("=")[2].encode() in body for part in criteria.partition("?")[2].split("&"))

    async def write(self, *versions: Version, why: Why | None = None) -> None:
        """The store's transaction: bodies, then events."""
        async with self.database.transaction() as tx:
            for version in versions:
                self.stored[version.type, version.id, version.ver] = version.body
            await append(tx, versions, why or Why())

    async def subscribe(self, resource: dict, *, id_: str = "s", ver: int = 1, op: str = "create") -> dict:
        """What the API does with a Subscription: take the secrets out, store the rest, tell the log."""
        stored, secrets = take_secrets(resource)
        async with self.database.transaction() as tx:
            await self.vault.keep(tx, secrets, endpoint=parse_url(resource["channel"]["endpoint"]).origin, at=self.clock.now())
        body = msgspec.json.encode(stored | {"id": id_})
        await self.write(Version("Subscription", id_, ver, op, body=body))
        return stored

    async def webhooks(self, *webhooks: Webhook) -> None:
        async with self.database.transaction() as tx:
            await registry.declare(tx, self.vault, webhooks, self.clock.now())

    async def report(self, id_: str, status: str, reason: str | None) -> None:
        self.reports.append((id_, status, reason))

    async def pass_by(self) -> None:
        """Everything that is in the log now has been dispatched: whoever subscribes later is not told of it."""
        dispatcher = Dispatcher(self.database, self.horizon, self.vault, matches=self.matches, bodies=self.bodies, clock=self.clock)
        while await dispatcher.step():
            pass

    def delivery(self) -> Delivery:
        client = Client(Door(["127.0.0.1"]), timeout_s=self.timeout_s)
        dispatcher = Dispatcher(self.database, self.horizon, self.vault, matches=self.matches, bodies=self.bodies, clock=self.clock)
        return Delivery(self.world, dispatcher, client, source="https://here.example/fhir", report=self.report)

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[Delivery]:
        """Delivery runs as long as the block lasts."""
        delivery = self.delivery()
        task = asyncio.create_task(delivery.run())
        try:
            yield delivery
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and task.exception():
                raise task.exception()  # type: ignore[misc]

    async def counts(self) -> dict[str, int]:
        async with self.database.connection() as tx:
            found = await counts(tx)
        assert found["due"] == found["delivered"] + found["pending"] + found["dead"] + found["discarded"]
        return found

    async def until(self, done: Callable[[dict[str, int]], bool], seconds: float = 20) -> dict[str, int]:
        """Wait until the counts satisfy a condition."""
        async with asyncio.timeout(seconds):
            while not done(found := await self.counts()):
                await asyncio.sleep(0.02)
        return found

    async def settled(self, due: int, seconds: float = 20) -> dict[str, int]:
        """Wait until ``due`` deliveries are due and none is pending."""
        return await self.until(lambda c: c["due"] >= due and not c["pending"], seconds)


def hook(endpoint: str, name: str = "w", **how) -> Webhook:
    return Webhook(name, endpoint, (SECRET,), **how)


def observation(number: int, patient: str, ver: int = 1) -> Version:
    body = f'{{"resourceType":"Observation","id":"{number}","subject":{{"reference":"Patient/{patient}"}}}}'
    return Version("Observation", str(number), ver, "create" if ver == 1 else "update", body=body.encode())


class SimulatedClock:
    """A clock that only moves when somebody would wait."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """What is really under way gets a moment; then time jumps."""
        try:
            async with asyncio.timeout(0.02):
                return await event.wait()
        except TimeoutError:
            self.time += timedelta(seconds=seconds)
            return False


__all__ = ["FAST", "SECRET", "House", "SimulatedClock", "Version", "hook", "observation", "replace"]
