"""Time and chance as arguments, so that a day of retries can be simulated in a second (invariant 10)."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the parts that care about time are given."""

    def now(self) -> datetime:
        """The time of day, in UTC and aware of it."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...


class SystemClock:
    """The clock on the wall."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class Chance(Protocol):
    """A source of randomness: the real one, or a seeded one in a test."""

    def uniform(self, a: float, b: float, /) -> float: ...

    def getrandbits(self, k: int, /) -> int: ...


def system_chance() -> Chance:
    """Randomness from the operating system."""
    return random.SystemRandom()
