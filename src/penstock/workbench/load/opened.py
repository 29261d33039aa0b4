"""What a worker process works with: the store as the program has it, with the site's demands and the definitions in force."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from penstock import events
from penstock.clock import Clock
from penstock.conformance import Follower, Registry
from penstock.db import Bell, Database, Tx
from penstock.formats.fhir.validate.demands import Demands
from penstock.formats.fhir.validate.validator import Validator
from penstock.settings import Settings, read_settings
from penstock.site import load_site
from penstock.store import Cause, Store, Written
from penstock.store.index import Index
from penstock.terminology import Terminology


async def open_store(settings: Settings, database: Database, clock: Clock) -> Store:
    """A store that knows the definitions as they are now: a load goes by those that were in force when it began."""
    registry = Registry()
    terminology = Terminology(registry)
    demands = Demands(Validator(registry, terminology), load_site(settings.site, zone=settings.zone).demands)
    index = Index(registry, f"{settings.base_url}/fhir" if settings.base_url else "", terminology)
    store = Store(_announce, clock=clock, uphold=partial(_uphold, demands), index=index)
    async with Bell(database, "penstock_definitions") as bell:
        follower = Follower(registry, database, store, events.Horizon(database), bell, clock)
        await follower.start()
        await follower.close()
    return store


def _uphold(demands: Demands, resource: dict[str, Any], cause: Cause) -> None:
    demands.require(resource, cause.client, now=cause.at)


async def _announce(tx: Tx, written: Sequence[Written], causes: Sequence[Cause], *, tenant: str) -> None:
    await events.append(tx, written, list(causes), tenant=tenant)


class Begun(NamedTuple):
    """What a worker process is told when it begins, all of it plain values."""

    url: str
    data: str
    site: str | None
    base_url: str | None
    zone: str
    log_level: str

    @classmethod
    def of(cls, settings: Settings, url: str) -> Begun:
        site = None if settings.site is None else str(settings.site)
        return cls(url, str(settings.data), site, settings.base_url, settings.zone, settings.log_level)

    def settings(self) -> Settings:
        """The part of the settings that a store is made from."""
        return read_settings(data=self.data, site=self.site, base_url=self.base_url, zone=self.zone)
