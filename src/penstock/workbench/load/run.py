"""A load from its files to its count: batches are dealt out to processes, and no more are read than they can take."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from penstock.db import connect, migrate
from penstock.db.embedded import Embedded, running_url
from penstock.errors import Problem
from penstock.settings import Settings
from penstock.store.load import analyze
from penstock.workbench.load.files import batches
from penstock.workbench.load.opened import Begun
from penstock.workbench.load.worker import Done, Refused, begin, end, work

#: Batches that wait for each process: while one is written the next is there.
_AHEAD = 2
#: Bytes of files that are not worth another process.
_SMALL = 2**20


@dataclass
class Loaded:
    """What a load did: resources by (type, deed), what was refused, and how long it took."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: int = 0
    seconds: float = 0.0

    @property
    def resources(self) -> int:
        return self.counts.total()

    @property
    def rate(self) -> float:
        return self.resources / self.seconds if self.seconds else 0.0

    def told(self) -> dict[str, Any]:
        """As JSON."""
        deeds: Counter[str] = Counter()
        types: dict[str, Counter[str]] = {}
        for (type, deed), number in sorted(self.counts.items()):
            deeds[deed] += number
            types.setdefault(type, Counter())[deed] += number
        return {
            "resources": self.resources, **deeds, "refused": self.refused, "seconds": round(self.seconds, 2), "rate": round(self.rate),
            "types": types,
        }  # fmt: skip


def load_files(settings: Settings, paths: Sequence[Path], *, processes: int, tell: Callable[[Refused], None]) -> Loaded:
    """Load all of ``paths`` into the database of ``settings``; ``tell`` hears of everything that is refused."""
    for path in paths:
        if not path.is_file():
            raise Problem("not-found", "this file cannot be read", at=str(path))
    loaded, started = Loaded(), time.monotonic()
    with _database(settings) as url:
        asyncio.run(_prepare(url))
        for done in _deal(Begun.of(settings, url), paths, processes or _enough(paths)):
            loaded.counts += done.counts
            loaded.refused += len(done.refused)
            for each in done.refused:
                tell(each)
        asyncio.run(_finish(url, {type for type, _ in loaded.counts}))
    loaded.seconds = time.monotonic() - started
    return loaded


def _enough(paths: Sequence[Path]) -> int:
    """One process for each core; this one alone for what is loaded sooner than another process starts."""
    return 1 if sum(path.stat().st_size for path in paths) < _SMALL else os.cpu_count() or 1


@contextmanager
def _database(settings: Settings) -> Iterator[str]:
    """Where the database is: the given one, that of the program on the data folder, else an embedded one for as long as this takes."""
    if settings.database is not None:
        yield settings.database.get_secret_value()
    elif (url := running_url(settings.data)) is not None:
        yield url
    else:
        embedded = Embedded(settings.data, shared_buffers_mb=settings.pg_shared_buffers_mb)
        embedded.start()
        try:
            yield embedded.url
        finally:
            embedded.stop()


def _deal(begun: Begun, paths: Sequence[Path], processes: int) -> Iterator[Done]:
    """Every batch, worked by one of the processes. Fewer are in the air than memory could mind."""
    if processes == 1:
        begin(begun)
        yield from map(work, batches(paths))
        end()
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=begin, initargs=(begun,)) as pool:
        waiting: set[Future[Done]] = set()
        try:
            for batch in batches(paths):
                waiting.add(pool.submit(work, batch))
                if len(waiting) >= processes * _AHEAD:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (each.result() for each in done)
            yield from (each.result() for each in waiting)
        except BrokenProcessPool:
            raise Problem("exception", "a process that loads has died: start the load again, what is there is left as it is") from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


async def _prepare(url: str) -> None:
    database = await connect(url, size=1)
    await migrate(database)
    await database.close()


async def _finish(url: str, types: set[str]) -> None:
    database = await connect(url, size=1, timeout_s=600)
    async with database.connection() as tx:
        await analyze(tx, types)
    await database.close()
