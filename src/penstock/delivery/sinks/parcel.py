"""What goes into a sink, and what a sink is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from penstock.delivery.policy import Answer
from penstock.delivery.subscription import Spec
from penstock.events import Event


class Parcel(NamedTuple):
    """One event on its way to one subscriber; ``replay`` is the number of the replay, 0 when it is live."""

    event: Event
    body: bytes | None
    replay: int


class Letter(NamedTuple):
    """One request: ``path`` is what follows the endpoint's own."""

    headers: list[tuple[str, str]]
    body: bytes
    method: str = "POST"
    path: str = ""


class Sink(Protocol):
    """One way to send: the same parcels give the same idempotency ids, whenever and how often they are sent."""

    async def check(self, spec: Spec) -> Answer:
        """The handshake: whether the subscriber can be reached at all; status 200, or 0 and the reason."""
        ...

    async def send(self, spec: Spec, parcels: Sequence[Parcel], secrets: Mapping[str, str]) -> Answer:
        """Tell these events, in this order, in one go. Never raises for what a subscriber does."""
        ...
