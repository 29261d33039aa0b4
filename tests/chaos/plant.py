"""What the chaos harness puts into the program under test: defects that it must catch, and points at which to die.

Both are patched into the forked child before it starts; the program itself knows nothing of them.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import itertools
import os
import random
import signal
import sys
import uuid
from collections.abc import Callable, Sequence
from typing import Any

#: Name of a crash point to (module, attribute path of an async function, before or after it).
POINTS: dict[str, tuple[str, str, str]] = {
    "arrival, before the inbox": ("penstock.inbox.receiver", "Receiver.submit", "before"),
    "inbox insert, before": ("penstock.inbox.receiver", "accept", "before"),
    "inbox insert, after, not committed": ("penstock.inbox.receiver", "accept", "after"),
    "inbox committed, nobody told": ("penstock.inbox.receiver", "Receiver._commit", "after"),
    "acknowledgement decided, not sent": ("penstock.ingress.intake", "Intake.take", "after"),
    "lanes claimed": ("penstock.inbox", "claim", "after"),
    "resources read and locked": ("penstock.store.read", "Reader.read_many", "after"),
    "resources written, no events": ("penstock.app", "events.append", "before"),
    "events written, not committed": ("penstock.app", "events.append", "after"),
    "lineage, before": ("penstock.audit.lineage", "record", "before"),
    "inbox done, before": ("penstock.inbox", "done", "before"),
    "inbox done, not committed": ("penstock.inbox", "done", "after"),
    "flow committed": ("penstock.flow", "Flow._together", "after"),
    "dispatch, deliveries inserted": ("penstock.delivery.dispatch", "enqueue", "after"),
    "dispatch committed": ("penstock.delivery.dispatch", "Dispatcher.step", "after"),
    "delivery, before it is sent": ("penstock.delivery.sinks.wire", "Client.send", "before"),
    "delivery confirmed, not noted": ("penstock.delivery.sinks.wire", "Client.send", "after"),
    "deliveries noted": ("penstock.delivery.ledger", "Ledger.write", "after"),
}


def crash_at(point: str, number: int) -> None:
    """kill -9 ourselves at the ``number``-th passing of ``point``."""
    module, path, when = POINTS[point]
    passed = itertools.count(1)

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapped(*args: Any, **named: Any) -> Any:
            if when == "before" and next(passed) == number:
                die()
            result = await function(*args, **named)
            if when == "after" and next(passed) == number:
                die()
            return result

        return wrapped

    patch(module, path, wrap)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def patch(module: str, path: str, wrap: Callable[[Any], Any]) -> None:
    """Replace ``path`` of ``module`` by what ``wrap`` makes of it."""
    owner, name = place(module, path)
    setattr(owner, name, wrap(getattr(owner, name)))


def place(module: str, path: str) -> tuple[Any, str]:
    """Who owns what ``path`` of ``module`` names, and under which name. AttributeError where the program has it no more."""
    *owners, name = path.split(".")
    owner: Any = functools.reduce(getattr, owners, importlib.import_module(module))
    getattr(owner, name)
    return owner, name


def ack_before_commit() -> None:
    """The classic: the sender is told before the message is durable."""
    from penstock.inbox import Accepted, Arrival, Receiver

    honest = Receiver.submit
    tasks = set()

    async def submit(self: Receiver, arrival: Arrival) -> Accepted:
        async def later() -> None:
            await asyncio.sleep(0.02)
            await honest(self, arrival)

        task = asyncio.create_task(later())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return Accepted(0, "new", None)

    Receiver.submit = submit  # type: ignore[method-assign]


def lost_event() -> None:
    """One change in ten is not told of."""
    from penstock import events

    honest = events.append

    async def append(tx: Any, written: Sequence[Any], cause: Sequence[Any], **named: Any) -> None:
        told = [(w, c) for w, c in zip(written, cause, strict=True) if random.random() > 0.1]
        await honest(tx, [w for w, _ in told], [c for _, c in told], **named)

    events.append = append


def double_store() -> None:
    """A message that is sent again is taken for a new one."""
    module = sys.modules["penstock.inbox.accept"]  # the package's attribute of that name is the function
    module._KEYS = (("new", lambda arrival: uuid.uuid4()),)  # type: ignore[attr-defined]


def delivery_forgotten() -> None:
    """A delivery is marked as done before it was sent."""
    from penstock.delivery.consumer import Consumer

    honest = Consumer._work  # type: ignore[attr-defined]

    async def work(self: Any, stream: Any, jobs: Any) -> None:
        for job in jobs:
            self._ledger.delivered(job)
        await self._ledger.write(self._world.database, self._world.clock.now())
        await asyncio.sleep(0.05)
        await honest(self, stream, jobs)

    Consumer._work = work  # type: ignore[attr-defined]


def deadly_message() -> None:
    """Converting one message ends the program, each time."""

    def wrap(honest: Callable[..., Any]) -> Callable[..., Any]:
        def convert(message: Any, *args: Any) -> Any:
            if "DEADLY" in message.text:
                die()
            return honest(message, *args)

        return convert

    patch("penstock.flow", "convert", wrap)


#: Name of a planted defect to what plants it, and the words of the fault by which the harness must find it.
DEFECTS: dict[str, tuple[Callable[[], None], str]] = {
    "ack before commit": (ack_before_commit, "an acknowledged message is stored 0 times"),
    "lost event": (lost_event, "an event is missing"),
    "double store": (double_store, "an acknowledged message is stored 2 times"),
    "delivery marked before it is sent": (delivery_forgotten, "an event was not delivered"),
}

#: Misfortunes that are nobody's defect, by name.
MISFORTUNES: dict[str, tuple[Callable[[], None], str]] = {"deadly message": (deadly_message, "")}
