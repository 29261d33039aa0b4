"""What every consumer needs and none owns, and how it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from penstock.clock import Chance, Clock
from penstock.db import Database
from penstock.delivery.policy import Policy
from penstock.delivery.secrets import Vault
from penstock.events.feed import Bodies


async def wait(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event came within so many seconds, but look again after one. A simulation moves its clock instead."""
    try:
        async with asyncio.timeout(min(seconds, 1.0)):
            return await event.wait()
    except TimeoutError:
        return False


@dataclass(frozen=True)
class World:
    """What every consumer needs and none owns."""

    database: Database
    vault: Vault
    bodies: Bodies
    clock: Clock
    chance: Chance
    policy: Policy
    wait: Callable[[asyncio.Event, float], Awaitable[bool]] = wait
