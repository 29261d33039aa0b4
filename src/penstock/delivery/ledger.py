"""What happened to jobs since the last write, gathered so that many outcomes cost one statement."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import orjson

from penstock.db import Database
from penstock.delivery.lanes import Job
from penstock.delivery.policy import Answer
from penstock.delivery.registry import SQL


class Ledger:
    """Outcomes of one subscription. A crash before :meth:`write` repeats these deliveries, with the same ids; it loses none."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._delivered: list[tuple[int, int]] = []
        self._failed: list[tuple[object, ...]] = []

    @property
    def size(self) -> int:
        return len(self._delivered) + len(self._failed)

    def delivered(self, job: Job) -> None:
        """The subscriber confirmed it."""
        self._delivered.append((job.replay, job.seq))

    def failed(self, job: Job, answer: Answer, at: datetime, *, state: str, reason: str) -> None:
        """An attempt failed; ``state`` is pending when it will be tried again, else dead."""
        entry = orjson.dumps([{"at": at.isoformat(timespec="seconds"), "status": answer.status, "reason": answer.words}]).decode()
        self._failed.append((self._number, job.replay, job.seq, state, job.next_at, reason, at, entry))

    async def write(self, database: Database, now: datetime) -> None:
        """Make it durable. What cannot be written now stays for the next time."""
        delivered, self._delivered = self._delivered, []
        failed, self._failed = self._failed, []
        by_replay: dict[int, list[int]] = defaultdict(list)
        for replay, seq in delivered:
            by_replay[replay].append(seq)
        try:
            async with database.transaction() as tx:
                for replay, seqs in by_replay.items():
                    await tx.execute(SQL["delivered"], self._number, replay, seqs, now)
                if failed:
                    await tx.executemany(SQL["failed"], failed)
        except BaseException:
            self._delivered[:0] = delivered
            self._failed[:0] = failed
            raise
