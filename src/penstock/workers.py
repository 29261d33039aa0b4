"""More processes for the HTTP door: Python uses one core a process, and requests need not wait for each other's Python.

Each worker is the api role over the same database, listening at the same address (SO_REUSEPORT: the kernel deals connections out). Workers
hold no state of their own, so one may die at any time: its connections end, the others go on, and it is started again. A worker ends when
its standard input does, however the program died.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import uvloop

from penstock import log
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
async def workers(settings: Settings, url: str, address: str, number: int) -> AsyncIterator[None]:
    """Keep ``number`` workers at ``address`` (HOST:PORT) over the database at ``url`` until the block is left."""
    given = settings.model_dump(mode="json", exclude={"database"}) | {"database": url, "http": address, "roles": ("api",), "workers": 1}
    tasks = [asyncio.create_task(_keep(given), name="worker") for _ in range(number)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep(given: dict[str, object]) -> None:
    """One worker, started again whenever it ends."""
    pause = 0.2
    while True:
        worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "penstock.workers", stdin=asyncio.subprocess.PIPE)
        assert worker.stdin is not None
        try:
            worker.stdin.write(msgspec.json.encode(given) + b"\n")
            await worker.wait()
        finally:
            await _end(worker)
            if _COUNTS in os.environ:
                from prometheus_client.multiprocess import mark_process_dead  # only now: see prepare

                mark_process_dead(worker.pid)  # type: ignore[no-untyped-call] # the library leaves it untyped
        _log.error("worker.ended", status=worker.returncode)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 10.0)


async def _end(worker: asyncio.subprocess.Process) -> None:
    """Let it finish what it answers; kill it when that takes too long."""
    if worker.stdin is not None:
        worker.stdin.close()
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
    loop.add_reader(0, lambda: stop.set() if not os.read(0, 1024) else None)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C is told to the program, which tells its workers
    async with worker(settings):
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
