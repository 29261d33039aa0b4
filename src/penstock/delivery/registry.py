"""The table of subscribers: kept in step with the Subscription resources by the log, and with the site's webhooks at start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from penstock.db import Tx, named_sql
from penstock.delivery.outbound import parse_url
from penstock.delivery.partner import Partner
from penstock.delivery.secrets import Secret, Vault
from penstock.delivery.subscription import Spec, Subscription, Webhook, parse
from penstock.errors import Problem
from penstock.events import Event

SQL = named_sql("penstock.delivery")

_REFUSED = Spec(kind="rest-hook", endpoint="", types=("",))  # what we keep of a Subscription that we cannot serve
#: The client in whose name the program writes the status of a subscription back to its resource. No token can carry this name.
REPORTER = "penstock:delivery"

_LOST = "header values must be given again: they are unknown, or were given for another endpoint"


def _row(row: Any) -> Subscription:
    values = dict(row) | {"spec": msgspec.json.decode(row["spec"], type=Spec)}
    return Subscription(**values)


async def all_of(tx: Tx) -> list[Subscription]:
    """Every subscription, also those that are off."""
    return [_row(row) for row in await tx.fetch(SQL["subscriptions"])]


async def get(tx: Tx, id_: str) -> Subscription | None:
    """The subscription with this id (``Subscription/…`` or ``site/…``)."""
    row = await tx.fetchrow(SQL["subscription"], id_)
    return _row(row) if row is not None else None


async def register(tx: Tx, vault: Vault, event: Event, resource: Mapping[str, Any]) -> Subscription:
    """Take over what a Subscription resource says. Our own report of a status changes nothing; anything else begins anew."""
    before = await get(tx, event.subject)
    if before is None or event.source != REPORTER:
        status, reason, spec = await _judge(tx, vault, event, resource)
        packed = msgspec.json.encode(spec).decode()
        said = f"{resource.get('status', '')}{resource.get('error', '')}"
        await tx.fetchval(SQL["register"], event.subject, spec.kind, packed, status, reason, _until(resource), event.seq, said)
    after = await get(tx, event.subject)
    assert after is not None
    return after


async def _judge(tx: Tx, vault: Vault, event: Event, resource: Mapping[str, Any]) -> tuple[str, str | None, Spec]:
    if resource.get("status") == "off":
        return "off", "turned off by its owner", _REFUSED
    try:
        spec = parse(resource, tenant=event.tenant)
    except Problem as problem:
        return "error", problem.text, _REFUSED
    if not await vault.bind(tx, spec.handles, subscription=event.subject, endpoint=parse_url(spec.endpoint).origin):
        return "error", _LOST, _REFUSED
    return "requested", None, spec


def _until(resource: Mapping[str, Any]) -> datetime | None:
    end = resource.get("end")
    try:
        until = datetime.fromisoformat(end) if isinstance(end, str) else None
    except ValueError:
        return None
    return until if until is None or until.tzinfo else None


async def turn_off(tx: Tx, id_: str, reason: str, now: datetime) -> None:
    """No more for this subscriber: what waits for it is discarded in the same transaction."""
    number = await tx.fetchval(SQL["turn_off"], id_, reason)
    if number is not None:
        await tx.execute(SQL["discard_pending"], number, now, "the subscription has ended")


async def declare(tx: Tx, vault: Vault, declared: Sequence[Webhook | Partner], now: datetime, *, since: int | None = None) -> None:
    """Make the table agree with the site's webhooks and partners: new ones are told what is dispatched from now on
    (or what follows the event ``since``), absent ones end."""
    await tx.fetchval(SQL["cursor"])
    wanted = {_id_of(one): one for one in declared}
    known = {s.id: s for s in await all_of(tx) if s.id.startswith(("site/", "partner/"))}
    for id_ in known.keys() - wanted.keys():
        await turn_off(tx, id_, "no longer in the site", now)
    start = since if since is not None else int(await tx.fetchval(SQL["cursor"]))
    for id_, one in wanted.items():
        spec = await (_webhook_spec(tx, vault, id_, one, now) if isinstance(one, Webhook) else _partner_spec(tx, vault, id_, one, now))
        before = known.get(id_)
        if before is None or before.status == "off" or before.spec != spec:
            await tx.fetchval(SQL["register"], id_, spec.kind, msgspec.json.encode(spec).decode(), "requested", None, None, start, None)


def _id_of(one: Webhook | Partner) -> str:
    return f"{'site' if isinstance(one, Webhook) else 'partner'}/{one.name}"


async def _webhook_spec(tx: Tx, vault: Vault, id_: str, webhook: Webhook, now: datetime) -> Spec:
    if not webhook.secrets:
        raise Problem("required", "a webhook needs a signing secret", at="subscriptions.secrets")
    keys = {f"{id_}/key/{place}": secret for place, secret in enumerate(webhook.secrets)}
    headers = await _kept(tx, vault, id_, webhook.endpoint, webhook.headers, keys, now)
    return Spec(
        kind="webhook",
        endpoint=webhook.endpoint,
        types=webhook.types,
        payload=webhook.payload,
        headers=headers,
        keys=tuple(keys),
        batch=max(1, webhook.batch),
        concurrency=1 if webhook.batch > 1 else max(1, webhook.concurrency),
    )


async def _partner_spec(tx: Tx, vault: Vault, id_: str, partner: Partner, now: datetime) -> Spec:
    headers = await _kept(tx, vault, id_, partner.endpoint, partner.headers, {}, now)
    return Spec(
        kind="fhir",
        endpoint=partner.endpoint,
        types=partner.types,
        payload="full",
        headers=headers,
        concurrency=partner.concurrency,
        partner=partner.manners,
    )


async def _kept(
    tx: Tx, vault: Vault, id_: str, endpoint: str, headers: Sequence[tuple[str, str]], keys: Mapping[str, str], now: datetime
) -> tuple[tuple[str, str], ...]:
    """Seal what is secret, bound to this subscriber and its origin; the headers with handles instead of values."""
    handles = tuple((name, f"{id_}/header/{name.lower()}") for name, _ in headers)
    values = dict(keys) | {handle: value for (_, handle), (_, value) in zip(handles, headers, strict=True)}
    origin = parse_url(endpoint).origin
    await vault.keep(tx, [Secret(handle, value) for handle, value in values.items()], endpoint=origin, at=now)
    await vault.bind(tx, values, subscription=id_, endpoint=origin)
    return handles


async def needed_from(tx: Tx) -> int:
    """The lowest event number that delivery still needs: retention of the log must not go beyond it."""
    return int(await tx.fetchval(SQL["needed_from"]))
