"""More processes for the HTTP door: Python uses one core a process, and requests need not wait for each other's Python.

Each worker is the api role over the same database; connections come to it through its standard input, a Unix socket (see
:mod:`penstock.api.deal`). Workers hold no state of their own, so one may die at any time: its connections end, the others go on, and it is
started again. A worker ends when its standard input does, however the program died.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import uvloop

from penstock import log
from penstock.api.deal import Dealer, Hand
from penstock.settings import Settings

_log = log.get("workers")
_STOP_S = 12.0
_MOST = 4
#: Where prometheus-client counts for several processes; it looks when it is imported.
_COUNTS = "PROMETHEUS_MULTIPROC_DIR"


def count(settings: Settings) -> int:
    """Processes that answer HTTP, this one included."""
    return settings.workers or min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, _MOST)


def prepare(settings: Settings) -> None:
    """Let all processes count into one place, which ``/metrics`` of any of them shows. Call it before anything is imported that counts."""
    if count(settings) == 1 or not settings.runs("api"):
        return
    folder = settings.data / "metrics"
    for old in folder.glob("*"):
        if not _lives(int(old.name)):
            shutil.rmtree(old, ignore_errors=True)
    mine = folder / str(os.getpid())
    mine.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ[_COUNTS] = str(mine)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@asynccontextmanager
async def workers(settings: Settings, url: str, dealer: Dealer, number: int) -> AsyncIterator[None]:
    """Keep ``number`` workers over the database at ``url``, which ``dealer`` deals to, until the block is left."""
    given = settings.model_dump(mode="json", exclude={"database"}) | {"database": url, "roles": ("api",), "workers": 1}
    tasks = [asyncio.create_task(_keep(given, dealer), name="worker") for _ in range(number)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep(given: dict[str, object], dealer: Dealer) -> None:
    """One worker, started again whenever it ends."""
    pause = 0.2
    while True:
        ours, theirs = socket.socketpair()
        with theirs:
            worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "penstock.workers", stdin=theirs.fileno())
        try:
            with contextlib.suppress(OSError):  # it may have ended already
                ours.sendall(msgspec.json.encode(given) + b"\n")
            dealer.add(ours)
            await worker.wait()
        finally:
            dealer.remove(ours)
            ours.close()
            await _end(worker)
            if _COUNTS in os.environ:
                from prometheus_client.multiprocess import mark_process_dead  # only now: see prepare

                mark_process_dead(worker.pid)  # type: ignore[no-untyped-call] # the library leaves it untyped
        _log.error("worker.ended", status=worker.returncode)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 10.0)


async def _end(worker: asyncio.subprocess.Process) -> None:
    """Let it finish what it answers; kill it when that takes too long."""
    try:
        async with asyncio.timeout(_STOP_S):
            await worker.wait()
    except TimeoutError:
        worker.kill()
        await worker.wait()


async def _work(settings: Settings) -> None:
    """Serve until standard input ends."""
    from penstock.app import worker

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C is told to the program, which tells its workers
    with socket.socket(fileno=0) as channel:
        async with worker(settings, Hand(channel), stop.set):
            await stop.wait()


def _line() -> bytes:
    """The first line of standard input, and no byte more: what follows is its end."""
    read = bytearray()
    while (byte := os.read(0, 1)) not in (b"\n", b""):
        read += byte
    return bytes(read)


def main() -> None:
    """A worker process; its settings are the first line of standard input."""
    settings = Settings(**msgspec.json.decode(_line()))
    log.configure(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(settings))


if __name__ == "__main__":
    main()
