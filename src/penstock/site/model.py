"""What a site says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from penstock.auth.clients import Client
from penstock.convert import Row
from penstock.delivery import Partner, Webhook
from penstock.errors import Problem
from penstock.formats.fhir.validate.demands import Demand
from penstock.ingress import HTTP, MLLP, Interface


@dataclass(frozen=True)
class Channel:
    """An interface and what its messages need to become FHIR. ``listen`` is the HOST:PORT of a listener of its own."""

    interface: Interface
    listen: str | None = None
    filters: frozenset[str] = frozenset()
    authorities: Mapping[str, str] = field(default_factory=dict)
    code_systems: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.interface.name

    @property
    def zone(self) -> ZoneInfo:
        """Where times without an offset are meant."""
        return ZoneInfo(self.interface.zone)


@dataclass(frozen=True)
class Site:
    """Everything a site says. Without a folder: the two built-in interfaces and nobody else."""

    name: str = "penstock"
    zone: str = "UTC"
    channels: tuple[Channel, ...] = (Channel(MLLP), Channel(HTTP))
    clients: Mapping[str, Client] = field(default_factory=dict)
    webhooks: tuple[Webhook, ...] = ()
    partners: tuple[Partner, ...] = ()
    demands: tuple[Demand, ...] = ()
    overlay: tuple[Row, ...] = ()

    def channel(self, name: str) -> Channel:
        """The channel of that name; ``not-found`` where the site has none."""
        for channel in self.channels:
            if channel.name == name:
                return channel
        raise Problem("not-found", "the site has no interface of this name")
