"""From the table of what is due into the lanes of one subscription, in the order of the log, a window at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from penstock.delivery.lanes import Job, Lanes
from penstock.delivery.registry import SQL
from penstock.delivery.subscription import Subscription
from penstock.delivery.world import World
from penstock.events.log import find

_WINDOW = 512  # jobs of one stream in memory
_CHUNK = 256  # rows read at once


class Stream:
    """The live deliveries of a subscription, or those of one replay: lanes, and how many workers they may use."""

    def __init__(self, replay: int, slots: int) -> None:
        self.replay = replay
        self.slots = slots
        self.lanes = Lanes()
        self.active = 0
        self.exhausted = False  # the last read found nothing more

    @property
    def low(self) -> bool:
        """Whether it is time to read on."""
        return self.lanes.size < _WINDOW // 2 or not self.lanes.ready or bool(self.lanes.run_dry())


class Reader:
    """Reads what is due to one subscription. One task reads: lanes are unparked by nobody else."""

    def __init__(self, world: World, subscription: Subscription) -> None:
        self._world = world
        self._number = subscription.number
        self._spec = subscription.spec

    async def replays(self) -> set[int]:
        """The numbers of the replays that have something to send."""
        async with self._world.database.connection() as tx:
            return {int(row["replay"]) for row in await tx.fetch(SQL["pending_replays"], self._number)}

    async def load(self, stream: Stream, now: datetime) -> None:
        lanes = stream.lanes
        for key in lanes.run_dry():
            rows = await self._rows("load_lane", stream.replay, key, lanes.parked[key], lanes.loaded, _CHUNK)
            if len(rows) < _CHUNK:
                del lanes.parked[key]
            await self.complete(rows)
            self._add(stream, rows, now)
        while lanes.size < _WINDOW and not stream.exhausted:
            stream.exhausted = True  # a wake-up during the read says otherwise
            rows = await self._rows("load", stream.replay, lanes.loaded, list(lanes.parked), _CHUNK)
            stream.exhausted = stream.exhausted and len(rows) < _CHUNK
            if rows:
                lanes.loaded = rows[-1].seq
            await self.complete(rows)
            # A lane may have been parked while we read: its rows are read again, in order, when it goes on.
            self._add(stream, [job for job in rows if job.key not in lanes.parked], now)

    async def _rows(self, query: str, *arguments: object) -> list[Job]:
        async with self._world.database.connection() as tx:
            return [Job(**row) for row in await tx.fetch(SQL[query], self._number, *arguments)]

    def _add(self, stream: Stream, jobs: Sequence[Job], now: datetime) -> None:
        for job in jobs:
            stream.lanes.add(job, now)

    async def complete(self, jobs: Sequence[Job]) -> None:
        """Give jobs their events, and their bodies where the payload is full."""
        if not jobs:
            return
        async with self._world.database.connection() as tx:
            events = {event.seq: event for event in await find(tx, [job.seq for job in jobs])}
            keys = [event.version_key for event in events.values() if event.op != "delete"] if self._spec.payload == "full" else []
            bodies = await self._world.bodies(tx, keys) if keys else {}
        for job in jobs:
            job.event = events.get(job.seq, job.event)
            job.body = bodies.get(job.event.version_key) if job.event else None
