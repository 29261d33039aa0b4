"""Delivery as a running part: one dispatcher, one consumer for each subscription, and the tidying up.

Strategy: a consumer runs in exactly one process, because that process holds the advisory lock of its subscription on one connection
that it keeps. When the process or the connection dies, PostgreSQL lets the locks go and another process takes over at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta

from penstock.clock import Chance, Clock
from penstock.db import Database, Tx
from penstock.delivery import metrics, registry
from penstock.delivery.consumer import Consumer
from penstock.delivery.dispatch import Dispatcher, Matches
from penstock.delivery.outbound import Door
from penstock.delivery.policy import Policy
from penstock.delivery.registry import SQL
from penstock.delivery.secrets import Vault
from penstock.delivery.sinks import SINKS, HttpSink, Sink
from penstock.delivery.sinks.wire import Client
from penstock.delivery.subscription import Subscription
from penstock.delivery.world import World, wait
from penstock.errors import Problem, explain
from penstock.events import Horizon
from penstock.events.feed import Bodies
from penstock.log import get
from penstock.settings import Settings

log = get("delivery")

#: Writes a subscription's status (and the reason of an error) into its resource: (resource id, status, reason).
Report = Callable[[str, str, str | None], Awaitable[None]]

_LOCKS = 0x70737562  # advisory locks of subscriptions: (this, number)
_LOOK_S = 1.0
_TIDY_S = 60.0
_KEEP = timedelta(days=7)  # how long the log of settled deliveries is kept


class Delivery:
    """``await Delivery(…).run()`` until cancelled."""

    def __init__(self, world: World, dispatcher: Dispatcher, client: Client, *, source: str, report: Report | None = None) -> None:
        self._world = world
        self._dispatcher = dispatcher
        self._client = client
        self._report = report
        http = HttpSink(client, world.clock, source=source)
        self._sinks: dict[str, Sink] = {kind: make(http) for kind, make in SINKS.items()}
        self._running: dict[int, tuple[Subscription, Consumer, asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()

    @classmethod
    def of(
        cls,
        database: Database,
        horizon: Horizon,
        vault: Vault,
        settings: Settings,
        *,
        bodies: Bodies,
        matches: Matches,
        source: str,
        clock: Clock,
        chance: Chance,
        report: Report | None = None,
        hear: Callable[[float], Awaitable[object]] = asyncio.sleep,
        tls: ssl.SSLContext | None = None,
    ) -> Delivery:
        """Delivery as the settings want it. ``bodies`` and ``matches`` are the store's; ``source`` is the URI of this server;
        ``hear`` waits for the bell that is rung when something was written."""
        policy = Policy(settings.delivery_retry_s, settings.delivery_retry_cap_s, settings.delivery_horizon_s)
        world = World(database, vault, bodies, clock, chance, policy)
        dispatcher = Dispatcher(database, horizon, vault, matches=matches, bodies=bodies, clock=clock, hear=hear)
        client = Client(Door(settings.delivery_allow), timeout_s=settings.delivery_timeout_s, tls=tls)
        return cls(world, dispatcher, client, source=source, report=report)

    async def run(self) -> None:
        """Dispatch and send. Problems of the database are waited out; a consumer that fails is started again."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._dispatcher.run(self.wake, self._changed.set))
                group.create_task(self._tidy())
                while True:
                    try:
                        await self._hold(group)
                    except Problem as problem:
                        log.warning("delivery.unlocked", code=problem.code)
                        await asyncio.sleep(_LOOK_S)
        finally:
            self._client.close()

    def wake(self) -> None:
        """Something new is due."""
        for _, consumer, _ in self._running.values():
            consumer.wake()

    async def _hold(self, group: asyncio.TaskGroup) -> None:
        """Hold one connection with the locks; every second start, restart and end consumers."""
        async with self._world.database.connection() as tx:
            try:
                while True:
                    self._changed.clear()
                    await self._look(tx, group)
                    await wait(self._changed, _LOOK_S)
            finally:
                await self._stop(list(self._running))
                with contextlib.suppress(Exception):  # a dead connection has let its locks go already
                    await tx.execute("select pg_advisory_unlock_all()")

    async def _look(self, tx: Tx, group: asyncio.TaskGroup) -> None:
        live = {s.number: s for s in await registry.all_of(tx) if s.status != "off" and s.spec.endpoint}
        await self._stop([n for n, (s, _, task) in self._running.items() if task.done() or not _same(s, live.get(n))])
        for number, subscription in live.items():
            if number not in self._running and await tx.fetchval("select pg_try_advisory_lock($1, $2)", _LOCKS, number):
                consumer = Consumer(self._world, subscription, self._sinks[subscription.spec.kind])
                task = group.create_task(self._consume(consumer, subscription))
                self._running[number] = (subscription, consumer, task)
        for _, consumer, _ in self._running.values():
            await consumer.look_for_replays()
        if self._report is not None:
            await self._report_all(tx, self._report)

    async def _consume(self, consumer: Consumer, subscription: Subscription) -> None:
        try:
            await consumer.run()
        except Exception as error:  # a defect must not stop the others: it is logged, and this consumer starts again
            log.error("delivery.stopped", subscription=subscription.number, error=type(error).__name__, text=explain(error).text)

    async def _stop(self, numbers: list[int]) -> None:
        tasks = [self._running.pop(number)[2] for number in numbers]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _report_all(self, tx: Tx, report: Report) -> None:
        for row in await tx.fetch(SQL["unreported"]):
            try:
                await report(row["id"].removeprefix("Subscription/"), row["status"], row["reason"])
                await tx.execute(SQL["reported"], row["id"], row["status"], row["reason"])
            except Exception as error:  # whatever it is, it stops nobody: it is tried again
                log.warning("delivery.report", code=explain(error).code)

    async def _tidy(self) -> None:
        while True:
            try:
                await self.tidy()
            except Problem as problem:
                log.warning("delivery.tidy", code=problem.code)
            await asyncio.sleep(_TIDY_S)

    async def tidy(self) -> None:
        """What is past the horizon dies, what was settled long ago is counted instead of kept, gauges are set."""
        now = self._world.clock.now()
        horizon = now - timedelta(seconds=self._world.policy.horizon_s)
        async with self._world.database.connection() as tx:
            for subscription in await registry.all_of(tx):
                await tx.execute(SQL["expire"], subscription.number, horizon, now, "it was not confirmed in time")
                row = await tx.fetchrow(SQL["oldest_pending"], subscription.number)
                assert row is not None
                metrics.PENDING.labels(subscription.number).set(row["pending"])
                metrics.OLDEST.labels(subscription.number).set((now - row["oldest"]).total_seconds() if row["oldest"] else 0)
            while await tx.fetch(SQL["archive"], now - _KEEP):
                pass
            await tx.execute(SQL["forget_secrets"], now - timedelta(days=7))


def _same(before: Subscription, now: Subscription | None) -> bool:
    return now is not None and (before.spec, before.registered) == (now.spec, now.registered)
