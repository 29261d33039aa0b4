"""One subscriber: its own lanes, its own workers, its own breaker. Whatever it does, no other subscriber notices.

Strategy: a keeper task writes outcomes and reads what is due; workers (at most ``concurrency``) send. Order holds within a key,
because a lane gives out its next job only when the one before it is settled. After some failures in a row the breaker closes the
subscription for a growing time; then one probe goes out, and its success opens everything. Replays have lanes of their own and a
quarter of the workers, so that neither stream starves the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from penstock.delivery import metrics
from penstock.delivery.lanes import Job
from penstock.delivery.ledger import Ledger
from penstock.delivery.policy import DELIVERED, GONE, REJECTED, Answer
from penstock.delivery.reading import Reader, Stream
from penstock.delivery.registry import SQL
from penstock.delivery.sinks import Parcel, Sink
from penstock.delivery.subscription import Subscription
from penstock.delivery.world import World
from penstock.errors import Problem, explain
from penstock.log import get

__all__ = ["Consumer", "World"]

log = get("delivery")

_UNWRITTEN = 2000  # outcomes that may wait for the database before sending pauses


class Consumer:
    """Sends what is due to one subscription until cancelled."""

    def __init__(self, world: World, subscription: Subscription, sink: Sink) -> None:
        self._world = world
        self._subscription = subscription
        self._spec = subscription.spec
        self._number = subscription.number
        self._sink = sink
        self._ledger = Ledger(subscription.number)
        self._reader = Reader(world, subscription)
        self._streams = {0: Stream(0, self._spec.concurrency)}
        self._wake = asyncio.Event()
        self._status = subscription.status
        self._failures = subscription.attempts
        self._closed_until = subscription.retry_at
        self._changed = False  # status or breaker must be written
        self._reason = subscription.reason
        self._batch = self._spec.batch
        self._secrets: Mapping[str, str] = {}
        self._workers: asyncio.TaskGroup | None = None

    def wake(self) -> None:
        """Something new may be due."""
        for stream in self._streams.values():
            stream.exhausted = False
        self._wake.set()

    async def run(self) -> None:
        """Send for ever; problems of the database are waited out."""
        try:
            async with asyncio.TaskGroup() as self._workers:
                while True:
                    self._wake.clear()
                    try:
                        await self.keep()
                    except Problem as problem:
                        log.warning("delivery.keep", subscription=self._number, code=problem.code)
                        await asyncio.sleep(0.5)
                    now = self._world.clock.now()
                    self._fill(now)
                    await self._sleep(now)
        finally:
            await self._leave()

    async def _leave(self) -> None:
        """Write what is known; what was in flight is sent again by whoever comes next."""
        try:
            async with asyncio.timeout(5):
                await self._ledger.write(self._world.database, self._world.clock.now())
        except (Problem, TimeoutError):
            log.warning("delivery.unwritten", subscription=self._number, count=self._ledger.size)

    async def keep(self) -> None:
        """One round of housekeeping: write outcomes, write the status, read what is due."""
        now = self._world.clock.now()
        if self._ledger.size:
            await self._ledger.write(self._world.database, now)
        if self._changed:
            await self._write_status()
        if self._status == "off":
            return
        if not self._secrets and self._spec.handles:
            async with self._world.database.connection() as tx:
                self._secrets = await self._world.vault.open(tx, self._spec.handles, subscription=self._subscription.id)
        for stream in list(self._streams.values()):
            await self._reader.load(stream, now)
        idle = self._status == "error" and self._failures > 0 and not any(stream.lanes.size for stream in self._streams.values())
        if (self._status == "requested" or idle) and not self._closed(now):
            await self._handshake(now)

    async def look_for_replays(self) -> None:
        """Open a stream for each replay that has something to send; close those that are through."""
        found = await self._reader.replays()
        for replay in found - self._streams.keys():
            self._streams[replay] = Stream(replay, max(1, self._spec.concurrency // 4))
        for replay in self._streams.keys() - found - {0}:
            if not self._streams[replay].lanes.size:
                del self._streams[replay]

    # sending

    def _fill(self, now: datetime) -> None:
        """Start workers while there is something to send and a place to send it."""
        for stream in self._streams.values():
            while stream.active < self._slots(stream, now) and (jobs := self._take(stream, now)):
                stream.active += 1
                assert self._workers is not None
                self._workers.create_task(self._work(stream, jobs))

    def _slots(self, stream: Stream, now: datetime) -> int:
        if self._status in ("requested", "off") or self._closed(now) or self._ledger.size > _UNWRITTEN:
            return 0
        probing = self._failures >= self._world.policy.failures
        return (1 if stream.replay == 0 or not self._streams[0].lanes.size else 0) if probing else stream.slots

    def _closed(self, now: datetime) -> bool:
        return self._closed_until is not None and now < self._closed_until

    def _take(self, stream: Stream, now: datetime) -> list[Job]:
        """The next job, or as many as make a batch, in the order of the log; what is too old or cannot be told dies on the way."""
        jobs: list[Job] = []
        while len(jobs) < self._batch and (job := stream.lanes.take(now)) is not None:
            if (now - job.due_at).total_seconds() > self._world.policy.horizon_s:
                self._bury(stream, job, Answer(0, "it was not confirmed in time"), now)
            elif job.event is None:
                self._bury(stream, job, Answer(0, "the event is no longer kept"), now)
            else:
                jobs += [job, *stream.lanes.followers(job, self._batch - len(jobs) - 1)]
        return sorted(jobs, key=lambda job: job.seq)

    async def _work(self, stream: Stream, jobs: list[Job]) -> None:
        """Send, settle, take the next: until there is none or no place."""
        while jobs:
            answer = await self._send(jobs)
            now = self._world.clock.now()
            self._settle(stream, jobs, answer, now)
            stream.active -= 1
            jobs = self._take(stream, now) if stream.active < self._slots(stream, now) else []
            stream.active += bool(jobs)
        self._wake.set()

    async def _send(self, jobs: list[Job]) -> Answer:
        try:
            if self._spec.payload == "full" and jobs[0].attempts and jobs[0].body is None:
                await self._reader.complete(jobs)
            parcels = [Parcel(job.event, job.body, job.replay) for job in jobs if job.event is not None]
            return await self._sink.send(self._spec, parcels, self._secrets)
        except Exception as error:
            return Answer(0, explain(error).text)

    # what an answer does

    def _settle(self, stream: Stream, jobs: list[Job], answer: Answer, now: datetime) -> None:
        if answer.meaning == DELIVERED:
            self._delivered(stream, jobs, now)
        else:
            metrics.FAILED.labels(self._number).inc(len(jobs))
            self._failed(answer, now)
            for job in {job.key: job for job in reversed(jobs)}.values():  # the heads: their followers wait behind them
                self._postpone(stream, job, answer, now, alone=len(jobs) == 1)
            if answer.meaning == REJECTED and len(jobs) > 1:
                self._batch = 1  # one of them is bad: find out which
        if stream.low or self._ledger.size >= 64:
            self._wake.set()

    def _delivered(self, stream: Stream, jobs: list[Job], now: datetime) -> None:
        for job in jobs:
            self._ledger.delivered(job)
        stream.lanes.done(jobs, now)
        metrics.DELIVERED.labels(self._number).inc(len(jobs))
        if self._failures:
            if self._failures >= self._world.policy.failures:
                for other in self._streams.values():
                    other.lanes.release(now)
            self._failures, self._closed_until, self._changed = 0, None, True
            self._set_status("active", None)
        elif self._batch < self._spec.batch:
            self._batch = min(self._spec.batch, self._batch * 2)

    def _postpone(self, stream: Stream, job: Job, answer: Answer, now: datetime, *, alone: bool) -> None:
        job.attempts += 1
        job.refused = answer.meaning == REJECTED
        if job.refused and alone and job.attempts >= self._world.policy.rejections:
            self._bury(stream, job, answer, now)
            return
        wait = max(answer.wait_s, self._world.policy.backoff(job.attempts, self._world.chance))
        job.body = None
        stream.lanes.postpone(job, now + timedelta(seconds=min(wait, self._world.policy.horizon_s)))
        self._ledger.failed(job, answer, now, state="pending", reason=answer.words)

    def _bury(self, stream: Stream, job: Job, answer: Answer, now: datetime) -> None:
        self._ledger.failed(job, answer, now, state="dead", reason=answer.words)
        stream.lanes.done([job], now)
        metrics.DEAD.labels(self._number).inc()
        log.warning("delivery.dead", subscription=self._number, seq=job.seq, attempts=job.attempts, status=answer.status)

    def _failed(self, answer: Answer, now: datetime) -> None:
        """Count it; after some in a row close the subscription for a while and show why."""
        policy = self._world.policy
        if not self._closed(now):  # others that were under way when it closed do not count again
            self._failures += 1
            self._changed = True
        if answer.meaning == GONE:
            self._set_status("off", "the endpoint answered that it is gone")
        elif (self._failures >= policy.failures and not self._closed(now)) or answer.wait_s:
            pause = max(answer.wait_s, policy.backoff(max(1, self._failures - policy.failures + 1), self._world.chance))
            self._closed_until = now + timedelta(seconds=min(pause, policy.horizon_s))
            if self._failures >= policy.failures:
                self._set_status("error", answer.words)

    async def _handshake(self, now: datetime) -> None:
        answer = await self._sink.check(self._spec)
        if answer.meaning == DELIVERED:
            self._failures, self._closed_until = 0, None
            self._set_status("active", None)
        else:
            self._failed(answer, now)
            if not self._closed(now):
                pause = self._world.policy.backoff(self._failures, self._world.chance)
                self._closed_until = now + timedelta(seconds=pause)
            self._set_status(self._status, answer.words)
        await self._write_status()

    def _set_status(self, status: str, reason: str | None) -> None:
        if (self._status, self._reason) != (status, reason):
            log.info("subscription.status", subscription=self._number, status=status)
        self._status, self._reason, self._changed = status, reason, True

    async def _write_status(self) -> None:
        self._changed = False
        try:
            async with self._world.database.transaction() as tx:
                await tx.execute(SQL["set_failures"], self._number, self._failures, self._closed_until)
                await tx.execute(SQL["set_status"], self._number, self._status, self._reason)
                if self._status == "off":
                    await tx.execute(SQL["discard_pending"], self._number, self._world.clock.now(), "the subscription has ended")
        except BaseException:
            self._changed = True
            raise

    # waiting

    async def _sleep(self, now: datetime) -> None:
        """Until woken, or until the first thing that waits may go on. What could go on at ``now`` and did not waits for a worker."""
        times = [at for stream in self._streams.values() if (at := stream.lanes.next_due()) is not None and at > now]
        if self._closed(now) and self._closed_until is not None:
            times = [self._closed_until]
        seconds = min(((at - now).total_seconds() for at in times), default=1.0)
        if not self._wake.is_set() and not await self._world.wait(self._wake, seconds):
            for stream in self._streams.values():
                stream.exhausted = False  # another process may have made something due
