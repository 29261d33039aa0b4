"""What all sinks over HTTP share: the letter is written by the kind, sent here, and the answer is put into our words."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from penstock.clock import Clock
from penstock.delivery.outbound import Target, parse_url
from penstock.delivery.policy import Answer, retry_after
from penstock.delivery.sinks.parcel import Letter, Parcel
from penstock.delivery.sinks.wire import Broken, Client
from penstock.delivery.subscription import Spec
from penstock.errors import Problem

#: (spec, parcels, secrets by handle, URI of this server, now) → what to post. Pure.
Write = Callable[[Spec, Sequence[Parcel], Mapping[str, str], str, datetime], Letter]


#: What a resource that cannot be written for a subscriber counts as: refused, because no retry would heal it.
_UNWRITABLE = 422


class HttpSink:
    """Sends letters. ``source`` is the URI of this server."""

    def __init__(self, client: Client, clock: Clock, *, source: str) -> None:
        self._client = client
        self._clock = clock
        self._source = source
        self._write: Write | None = None
        self._targets: dict[str, Target] = {}

    def with_letters(self, write: Write) -> HttpSink:
        """The same sender, for one kind of letter."""
        sink = copy.copy(self)
        sink._write = write
        return sink

    async def check(self, spec: Spec) -> Answer:
        try:
            await self._client.check(self._target(spec))
        except (Broken, Problem) as problem:
            return _no_answer(problem)
        return Answer(200)

    async def send(self, spec: Spec, parcels: Sequence[Parcel], secrets: Mapping[str, str]) -> Answer:
        assert self._write is not None
        now = self._clock.now()
        try:
            letter = self._write(spec, parcels, secrets, self._source, now)
        except Problem as problem:
            return Answer(_UNWRITABLE if problem.code == "invalid" else 0, problem.text)
        try:
            reply = await self._client.send(self._target(spec), letter)
        except (Broken, Problem) as problem:
            return _no_answer(problem)
        return Answer(reply.status, wait_s=retry_after(reply.headers.get("retry-after", ""), now))

    def _target(self, spec: Spec) -> Target:
        target = self._targets.get(spec.endpoint)
        if target is None:
            if len(self._targets) > 10_000:
                self._targets.clear()
            target = self._targets[spec.endpoint] = parse_url(spec.endpoint)
        return target


def headers_of(spec: Spec, secrets: Mapping[str, str]) -> list[tuple[str, str]]:
    """The subscriber's own headers, with their values from the vault."""
    try:
        return [(name, secrets[handle]) for name, handle in spec.headers]
    except KeyError:
        raise Problem("value", "a secret of this subscription is not in the vault") from None


def _no_answer(problem: Broken | Problem) -> Answer:
    return Answer(0, problem.reason if isinstance(problem, Broken) else problem.text)
