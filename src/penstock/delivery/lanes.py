"""Order in memory: strictly one after the other within a key, keys beside each other. No I/O, no clock.

Strategy: a lane is the queue of one key. A lane is *ready* (its head may be sent), *busy* (its head is being sent) or *waiting*
(its head failed and has a time). While a lane waits, only its head stays in memory: the lane is *parked*, its followers are read
again from the table when it goes on. So a stuck patient neither fills the memory nor keeps others from being read.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from penstock.events import Event


@dataclass
class Job:
    """One delivery that is due: a row of the table, with its event and the body where the payload wants it."""

    seq: int
    key: str
    replay: int
    attempts: int
    due_at: datetime
    next_at: datetime
    event: Event | None = None
    body: bytes | None = None
    refused: bool = False  # the subscriber does not want this one: its return from an outage changes nothing


@dataclass
class Lanes:
    """The jobs of one subscription (or of its replays) that are in memory. ``loaded``: all rows up to it were read, but for parked keys."""

    loaded: int = 0
    parked: dict[str, int] = field(default_factory=dict)  # key to the last seq that was in memory
    _lanes: dict[str, deque[Job]] = field(default_factory=dict)
    _ready: deque[str] = field(default_factory=deque)
    _waiting: list[tuple[datetime, int, str]] = field(default_factory=list)
    size: int = 0

    def add(self, job: Job, now: datetime) -> None:
        """Append a job to its lane; jobs come in order of seq."""
        lane = self._lanes.get(job.key)
        if lane is None:
            lane = self._lanes[job.key] = deque()
            self._queue(job, now)
        lane.append(job)
        self.size += 1

    def take(self, now: datetime) -> Job | None:
        """The head of a lane that is ready, in the order in which lanes became ready; it is busy until ``done`` or ``postpone``."""
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        return self._lanes[self._ready.popleft()][0] if self._ready else None

    def followers(self, job: Job, limit: int) -> list[Job]:
        """The jobs behind a busy head, to be sent together with it."""
        return list(islice(self._lanes[job.key], 1, 1 + max(0, limit)))

    def done(self, jobs: Sequence[Job], now: datetime) -> None:
        """The jobs are settled, heads and the followers sent with them: each of their lanes goes on with the next."""
        for job in jobs:
            self._lanes[job.key].popleft()
            if job.key in self.parked:
                self.parked[job.key] = job.seq
        self.size -= len(jobs)
        for key in dict.fromkeys(job.key for job in jobs):
            if self._lanes[key]:
                self._queue(self._lanes[key][0], now)
            else:
                del self._lanes[key]

    def postpone(self, job: Job, at: datetime) -> None:
        """The job failed: its lane waits until ``at``, and keeps only its head in memory."""
        job.next_at = at
        lane = self._lanes[job.key]
        self.size -= len(lane) - 1
        self._lanes[job.key] = deque([job])
        self.parked[job.key] = job.seq
        heapq.heappush(self._waiting, (at, job.seq, job.key))

    def release(self, now: datetime) -> None:
        """The subscriber is back: nobody waits any longer, but for what it refused."""
        refused = [entry for entry in self._waiting if self._lanes[entry[2]][0].refused]
        for _, _, key in sorted(set(self._waiting) - set(refused), key=lambda entry: entry[1]):
            self._lanes[key][0].next_at = now
            self._ready.append(key)
        self._waiting = sorted(refused)

    def run_dry(self) -> list[str]:
        """Parked keys with nothing in memory: their followers must be read before anything newer."""
        return [key for key in self.parked if key not in self._lanes]

    def next_due(self) -> datetime | None:
        """When the first waiting lane may go on."""
        return self._waiting[0][0] if self._waiting else None

    @property
    def ready(self) -> int:
        return len(self._ready)

    def _queue(self, head: Job, now: datetime) -> None:
        if head.next_at > now:
            heapq.heappush(self._waiting, (head.next_at, head.seq, head.key))
        else:
            self._ready.append(head.key)
