"""What the store would hand to ``append``, and a scale model of the store's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Version:
    """A written version, as the store gives it."""

    type: str = "Patient"
    id: str = "1"
    ver: int = 1
    op: str = "create"
    last_updated: datetime = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    body: bytes = b'{"resourceType":"Patient","id":"1","name":[{"family":"Canaryname"}]}'


@dataclass(frozen=True)
class Why:
    """A cause, as the store gives it."""

    trace_id: str = "0af7651916cd43dd8448eb211c80319c"
    inbox_id: int | None = 7
    client: str = "interface:adt"
    way: str = ""
    act: str = ""
