"""How far one may read without ever missing an event (invariant 6: commit order is not number order).

Strategy. A number is handed out before its transaction commits. So: (1) read the last number M that was handed out; (2) then
list the transactions that are writing events now. Whoever holds a number up to M and has not ended is on that list, because
an INSERT takes its table lock before it draws a number, and PostgreSQL lets the lock go only after the commit has become
visible. When none of the listed transactions is left, every event up to M is visible or will never exist: M is safe.

Transaction ids are not used. ``pg_snapshot_xmax`` is one past the last *finished* transaction, so a lone open writer lies
outside the snapshot (``xmin = xmax`` while it is open), and ``xmin`` is held back by writers in other databases.
"""

from __future__ import annotations

import asyncio
from collections import deque

from prometheus_client import Gauge

from penstock.db import Database
from penstock.events.log import SQL

LAG = Gauge(
    "penstock_events_horizon_lag",
    "Events numbered but not yet safe to read, because an older transaction is open.",
    multiprocess_mode="livemax",
)

#: Marks kept while a writer stays open; the newest is replaced beyond that, so memory is bounded.
_MARKS = 64


class Horizon:
    """The highest number below which every event is visible. One for a process is enough; it only ever grows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._safe = 0
        self._looking = asyncio.Lock()  # an answer that was late must not be held against a newer mark
        self._marks: deque[tuple[int, frozenset[str]]] = deque()

    @property
    def safe(self) -> int:
        """What the last :meth:`advance` returned."""
        return self._safe

    async def advance(self) -> int:
        """Look again. A snapshot that is taken after this returned sees every event up to the number returned."""
        async with self._looking, self._database.connection() as tx:
            last = int(await tx.fetchval(SQL["last"]))
            if last > self._safe:
                writers = frozenset(row[0] for row in await tx.fetch(SQL["writers"]))
                self._settle(last, writers)
            LAG.set(max(0, last - self._safe))
            return self._safe

    def _settle(self, last: int, writers: frozenset[str]) -> None:
        if len(self._marks) == _MARKS:
            self._marks.pop()
        self._marks.append((last, writers))
        # Marks settle in order: whoever keeps an older one open was also there when the newer one was made.
        while self._marks and not self._marks[0][1] & writers:
            self._safe = max(self._safe, self._marks.popleft()[0])
