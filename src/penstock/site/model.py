"""What a site says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from penstock.auth.clients import Client
from penstock.convert import CodeRow, Plan, Row, plan
from penstock.convert.state.moment import EVENT_TIME
from penstock.delivery import Partner, Webhook
from penstock.errors import Problem
from penstock.formats.fhir.validate.demands import Demand
from penstock.ingress import HTTP, MLLP, Interface


@dataclass(frozen=True)
class Overlay:
    """Mapping rows and code tables of a site, later ones over earlier ones."""

    rows: tuple[Row, ...] = ()
    codes: tuple[CodeRow, ...] = ()

    def under(self, later: Overlay) -> Overlay:
        return Overlay(self.rows + later.rows, self.codes + later.codes)


@dataclass(frozen=True)
class Channel:
    """An interface and what its messages need to become FHIR. ``listen`` is the HOST:PORT of a listener of its own.

    ``order`` says what orders its messages: the times that they carry, or their arrival. ``maps`` names the overlays that it chooses
    beside those for everybody: vendor, site, department; the later wins.
    """

    interface: Interface
    listen: str | None = None
    filters: frozenset[str] = frozenset()
    order: str = EVENT_TIME
    authorities: Mapping[str, str] = field(default_factory=dict)
    code_systems: Mapping[str, str] = field(default_factory=dict)
    maps: tuple[str, ...] = ()

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
    #: by name; "" is for every interface
    overlays: Mapping[str, Overlay] = field(default_factory=dict)

    def overlay(self, channel: Channel) -> Overlay:
        """What lies over the shipped tables for one interface."""
        found = Overlay()
        for name in ("", *channel.maps):
            found = found.under(self.overlays.get(name, Overlay()))
        return found

    def plan(self, channel: Channel, *, message: bool = False) -> Plan:
        """The compiled maps of one interface; an ExceptionGroup of Problems where a row does not compile."""
        overlay = self.overlay(channel)
        return plan(overlay.rows, overlay.codes, message=message)

    def plans(self) -> Mapping[str, Plan]:
        """By interface. All rows of all overlays that do not compile are in one ExceptionGroup."""
        found: dict[str, Plan] = {}
        problems: dict[tuple[str, str], Exception] = {}
        for channel in self.channels:
            try:
                found[channel.name] = self.plan(channel)
            except ExceptionGroup as group:
                problems.update(((str(one), getattr(one, "at", "")), one) for one in group.exceptions)
        if problems:
            raise ExceptionGroup("these rows do not compile", [*problems.values()])
        return found

    def channel(self, name: str) -> Channel:
        """The channel of that name; ``not-found`` where the site has none."""
        for channel in self.channels:
            if channel.name == name:
                return channel
        raise Problem("not-found", "the site has no interface of this name")
