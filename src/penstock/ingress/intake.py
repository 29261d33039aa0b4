"""One message through the door: read, record, answer. The same for every kind of ingress.

An acknowledgement is made only from what the inbox said; whatever else happens is an error answer that asks to try again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from penstock import log
from penstock.clock import Chance, Clock
from penstock.errors import Problem, explain
from penstock.formats.hl7v2 import Header, acknowledge, answer_code
from penstock.formats.hl7v2.ack import CODES
from penstock.inbox import Accepted, Arrival
from penstock.ingress.arrival import Check, Sender, arrive, outcome
from penstock.ingress.interface import Interface
from penstock.ingress.metrics import Meters
from penstock.telemetry import span

#: Waits until a message is processed and gives the Problem that it ended in, if any: what ``ack: processed`` needs.
Settled = Callable[[int], Awaitable[Problem | None]]


class Inbox(Protocol):
    """Where messages go; returns when the message is durable, raises a Problem when it is not known to be."""

    async def submit(self, arrival: Arrival, /) -> Accepted: ...


class Taken(NamedTuple):
    """What became of one message: its acknowledgement (None where the sender wants none), and how it is found again."""

    ack: bytes | None
    code: str
    accepted: Accepted | None
    problem: Problem | None
    trace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What takes messages in for one interface.

    ``timeout_s`` bounds the wait for the inbox (and for ``settled``). ``answers_all`` is for carriers that have a response in any
    case (HTTP): a sender whose header wants no acknowledgement gets one all the same.
    """

    inbox: Inbox
    interface: Interface
    clock: Clock
    chance: Chance
    meters: Meters
    check: Check | None = None
    settled: Settled | None = None
    timeout_s: float = 30.0
    answers_all: bool = False

    async def take(self, data: bytes, *, sender: Sender, trace_id: str = "", flaw: Problem | None = None) -> Taken:
        """Record what arrived and decide on its answer. Never raises: what goes wrong is an answer too."""
        started = self.clock.monotonic()
        trace_id = trace_id or f"{self.chance.getrandbits(128) or 1:032x}"
        arrived = arrive(
            data, self.interface, sender=sender, now=self.clock.now(), trace_id=trace_id, check=self.check, flaw=flaw,
            lap=self.clock.monotonic,
        )  # fmt: skip
        with span("ingress", trace_id, interface=self.interface.name):
            accepted, problem = await self._record(arrived.arrival)
        taken = self._answer(arrived.header, accepted, problem, trace_id)
        self.meters.bytes.inc(len(data))
        self.meters.messages[taken.code].inc()
        self.meters.seconds.observe(self.clock.monotonic() - started)
        return taken

    async def _record(self, arrival: Arrival) -> tuple[Accepted | None, Problem | None]:
        accepted = None
        try:
            async with asyncio.timeout(self.timeout_s):
                accepted = await self.inbox.submit(arrival)
                problem = accepted.problem
                if problem is None and self._waits:
                    problem = await self._settle(accepted.inbox_id)
        except Exception as error:
            problem = explain(error)
        if problem is not None:
            self._tell(arrival, accepted, problem)
        return accepted, problem

    def _tell(self, arrival: Arrival, accepted: Accepted | None, problem: Problem) -> None:
        log.get("ingress").info(
            "message.refused", interface=self.interface.name, inbox_id=accepted.inbox_id if accepted else None,
            trace_id=arrival.trace_id, code=problem.code, text=problem.text, at=problem.at,
        )  # fmt: skip

    @property
    def _waits(self) -> bool:
        return self.interface.ack == "processed" and self.settled is not None

    async def _settle(self, inbox_id: int) -> Problem | None:
        assert self.settled is not None
        return await self.settled(inbox_id)

    def _answer(self, header: Header, accepted: Accepted | None, problem: Problem | None, trace_id: str) -> Taken:
        result = outcome(problem, self.interface) if accepted is not None else "error"
        code = answer_code(header.accept_ack, header.application_ack, result, processed=self._waits)
        if code is None and self.answers_all:
            code = CODES[result][0]
        if code is None:
            return Taken(None, "none", accepted, problem, trace_id)
        number = str(accepted.inbox_id) if accepted is not None else trace_id[:20]
        told = None if result == "accepted" else problem
        ack = acknowledge(header, code, problem=told, now=self.clock.now(), control_id=number)
        return Taken(ack, code, accepted, problem, trace_id)
