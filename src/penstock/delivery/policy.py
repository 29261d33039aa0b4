"""What an answer means, and when to try again: pure tables and arithmetic."""

from __future__ import annotations

import email.utils
from dataclasses import dataclass
from datetime import UTC, datetime

from penstock.clock import Chance

#: What becomes of a delivery.
DELIVERED, RETRY, REJECTED, GONE = "delivered", "retry", "rejected", "gone"

#: HTTP status to its meaning, where it is not the one of its class.
_STATUSES: dict[int, str] = {408: RETRY, 410: GONE, 421: RETRY, 423: RETRY, 425: RETRY, 429: RETRY}

#: Hundreds of a status to its meaning. A redirect is a refusal: following it would lead around the door.
_CLASSES: dict[int, str] = {2: DELIVERED, 3: REJECTED, 4: REJECTED, 5: RETRY}


@dataclass(frozen=True)
class Answer:
    """What a subscriber said: an HTTP status, or 0 and the reason why there was none. ``wait_s`` is its Retry-After."""

    status: int
    reason: str = ""
    wait_s: float = 0.0

    @property
    def meaning(self) -> str:
        return RETRY if not self.status else _STATUSES.get(self.status) or _CLASSES.get(self.status // 100, RETRY)

    @property
    def words(self) -> str:
        """Why it failed, in our words: nothing that the subscriber said but the number of its status."""
        return self.reason or f"the endpoint answered with status {self.status}"


@dataclass(frozen=True)
class Policy:
    """When to try again and when to give up; the values come from Settings."""

    base_s: float = 1.0
    cap_s: float = 3600.0
    horizon_s: float = 3 * 86400.0
    rejections: int = 5  # a delivery that was refused as often is dead
    failures: int = 5  # failures in a row after which the whole subscription waits, and shows that it is in error

    def backoff(self, attempt: int, chance: Chance) -> float:
        """Seconds before the retry after failure number ``attempt``: exponential with full jitter, capped."""
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 60))
        return chance.uniform(0, ceiling)


def retry_after(value: str, now: datetime) -> float:
    """Seconds of a Retry-After header (RFC 9110 section 10.2.3): a number or a date; 0 for anything else."""
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        at = email.utils.parsedate_to_datetime(value)
    except (ValueError, IndexError):
        return 0.0
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
