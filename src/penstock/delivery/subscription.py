"""What a subscriber asked for, as one value: from an R4 Subscription (http://hl7.org/fhir/R4/subscription.html) or from the site."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from penstock.delivery.outbound import parse_url
from penstock.delivery.partner import Manners
from penstock.delivery.secrets import headers_of
from penstock.errors import Problem

Resource = Mapping[str, Any]

#: Subscription.channel.payload to our word for it; no payload means a bare notification.
PAYLOADS: dict[str, str] = {"": "none", "application/fhir+json": "full", "application/json": "full"}

_CRITERIA = re.compile(r"([A-Z][A-Za-z]{1,63})(\?\S*)?")


class Spec(msgspec.Struct, frozen=True):
    """How to reach a subscriber, and with what. Header values and keys are handles: the values are in the vault."""

    kind: str
    endpoint: str
    criteria: str = ""
    types: tuple[str, ...] = ()
    payload: str = "none"
    headers: tuple[tuple[str, str], ...] = ()
    keys: tuple[str, ...] = ()
    batch: int = 1
    concurrency: int = 8
    tenant: str = "main"
    partner: Manners | None = None

    @property
    def takes_deletions(self) -> bool:
        """R4's rest-hook has no word for them, and not every partner lets us delete."""
        return self.kind != "rest-hook" and (self.partner is None or (self.partner.deletes and self.partner.write == "update"))

    @property
    def handles(self) -> list[str]:
        """Every handle that must be in the vault."""
        return [*(handle for _, handle in self.headers), *self.keys]


@dataclass(frozen=True)
class Webhook:
    """A webhook of the site. ``secrets`` sign, the first is the newest: two are valid while one is being replaced."""

    name: str
    endpoint: str
    secrets: tuple[str, ...]
    types: tuple[str, ...] = ()
    payload: str = "none"
    headers: tuple[tuple[str, str], ...] = ()
    batch: int = 1
    concurrency: int = 16


@dataclass(frozen=True)
class Subscription:
    """A row of the table ``subscription``."""

    number: int
    id: str
    spec: Spec
    status: str
    reason: str | None
    attempts: int
    retry_at: datetime | None
    until: datetime | None
    since: int
    registered: int
    archived_to: int


def parse(resource: Resource, *, tenant: str = "main") -> Spec:
    """The Spec of an R4 Subscription whose secrets were taken out; what we cannot do is said here, before it is stored."""
    channel = resource.get("channel")
    if not isinstance(channel, dict):
        raise Problem("required", "a Subscription needs a channel", at="Subscription.channel")
    if channel.get("type") != "rest-hook":
        raise Problem("not-supported", "only the channel type rest-hook is served", at="Subscription.channel.type")
    payload = PAYLOADS.get(channel.get("payload") or "")
    if payload is None:
        raise Problem("not-supported", "this payload type is not served", at="Subscription.channel.payload")
    criteria, type_ = _criteria(resource)
    return Spec(
        kind="rest-hook",
        endpoint=_endpoint(channel.get("endpoint")),
        criteria=criteria,
        types=(type_,),
        payload=payload,
        headers=tuple(headers_of(resource)),
        tenant=tenant,
    )


def criteria_type(resource: Resource) -> str:
    """The resource type a Subscription asks for: whoever creates it must be allowed to read that type."""
    return _criteria(resource)[1]


def _criteria(resource: Resource) -> tuple[str, str]:
    criteria = resource.get("criteria")
    found = _CRITERIA.fullmatch(criteria) if isinstance(criteria, str) else None
    if found is None:
        raise Problem("value", "the criteria must be a resource type, or a search on one", at="Subscription.criteria")
    return str(criteria), found[1]


def _endpoint(endpoint: object) -> str:
    if not isinstance(endpoint, str):
        raise Problem("required", "a rest-hook needs an endpoint", at="Subscription.channel.endpoint")
    try:
        parse_url(endpoint)
    except Problem as problem:
        raise Problem(problem.code, problem.text, at="Subscription.channel.endpoint") from None
    return endpoint
