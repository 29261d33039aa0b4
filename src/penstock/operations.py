"""What an operator asks of the running program, each answered by the parts that know: trace, lineage, dead letters, replays.

It sits beside ``app.py`` because its questions cross stages; a stage itself never looks at another one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock.audit import failure, lineage, trace, transactions
from penstock.audit.hop import US, Hop, version_of
from penstock.audit.transactions import Window
from penstock.audit.way import FHIR, Way, encode, microseconds
from penstock.auth.access import SYSTEM, Access
from penstock.clock import Clock
from penstock.db import Database, Tx
from penstock.delivery import Vault, dead, parse, replay
from penstock.delivery.outbound import parse_url
from penstock.delivery.registry import REPORTER
from penstock.delivery.secrets import take_secrets
from penstock.errors import Problem
from penstock.events import Event, Horizon
from penstock.events.cloudevents import SCHEMA_VERSION
from penstock.events.log import find as find_events
from penstock.formats.fhir import json
from penstock.store import Cause, Change, Store

Resource = dict[str, Any]

#: What a subscriber of a kind is told in, where it is not FHIR.
_SCHEMAS = {"webhook": f"CloudEvents {SCHEMA_VERSION}"}


@dataclass(frozen=True)
class Operator:
    """The questions and the actions, over the parts of one program."""

    database: Database
    store: Store
    horizon: Horizon
    vault: Vault
    clock: Clock

    async def trace(self, key: str) -> list[dict[str, Any]]:
        """Every hop of what ``key`` names, oldest first."""
        async with self.database.transaction(readonly=True) as tx:
            return [hop._asdict() for hop in await trace.find(tx, key, _deliveries)]

    async def transactions(self, asked: Mapping[str, str], window: Window, cursor: str) -> dict[str, Any]:
        """A page of the transaction log: the hops that agree with what is asked, newest first."""
        async with self.database.transaction(readonly=True) as tx:
            return (await transactions.find(tx, asked, window, cursor, _deliveries))._asdict()

    async def lineage(self, type_: str, id_: str, ver: int | None) -> dict[str, Any]:
        """Which rule made which element of a resource version (None: the newest) from which field of which message."""
        async with self.database.transaction(readonly=True) as tx:
            origins = await lineage.origins(tx, type_, id_, ver or 2**31 - 1)
        if not origins:
            raise Problem("not-found", "no message made this resource, or there is no such resource")
        return {"resource": f"{type_}/{id_}", "elements": [origin._asdict() for origin in origins]}

    async def dead(self, limit: int) -> list[dict[str, Any]]:
        """Deliveries that were given up, each with the hop, the identities and the rule of its failure."""
        async with self.database.transaction(readonly=True) as tx:
            entries = await dead.entries(tx, state="dead", limit=limit)
            known = {event.seq: event for event in await find_events(tx, [entry["seq"] for entry in entries])}
        return [entry | failure.of_delivery(entry, known.get(entry["seq"])) for entry in entries]

    async def retry_dead(self, access: Access, subscription: str, seqs: Sequence[int] | None) -> dict[str, int]:
        """Send dead letters of a subscription again (None: all of them)."""
        async with self.database.transaction() as tx:
            count = await dead.retry(tx, subscription, seqs, client=access.client, reason="retried by an operator", now=self.clock.now())
        return {"retried": count}

    async def discard_dead(self, subscription: str, seqs: Sequence[int] | None, reason: str) -> dict[str, int]:
        """Give dead letters up for good, for a reason that is kept."""
        async with self.database.transaction() as tx:
            return {"discarded": await dead.discard(tx, subscription, seqs, reason=reason, now=self.clock.now())}

    async def replay_deliveries(self, access: Access, subscription: str, since: datetime, until: datetime, do: bool) -> dict[str, Any]:
        """Tell a subscriber a window of time again; without ``do``, what that would be."""
        asked = replay.Request(subscription, since=since, until=until)
        upto = await self.horizon.advance()
        async with self.database.transaction() as tx:
            planned = await replay.preview(tx, asked, upto)
            told: dict[str, Any] = dict(vars(planned))
            if do:
                number, count = await replay.replay(
                    tx, asked, upto, client=access.client, reason="asked for by an operator", now=self.clock.now()
                )
                told |= {"replay": number, "sent": count}
        return told

    async def conceal(self, tx: Tx, resource: Resource) -> Resource:
        """A Subscription as it may be stored: one that we could not serve is refused (unless it is off), and header values go to
        the vault, sealed, for the origin of its endpoint."""
        concealed, secrets = take_secrets(resource)
        if concealed.get("status") != "off":
            parse(concealed)
        if secrets:
            endpoint = resource.get("channel", {}).get("endpoint", "")
            await self.vault.keep(tx, secrets, endpoint=parse_url(endpoint).origin, at=self.clock.now())
        return concealed

    async def report(self, id_: str, status: str, reason: str | None) -> None:
        """Write what delivery says of a subscription into its resource, so that its owner sees it."""
        async with self.database.transaction() as tx:
            stored = (await self.store.read_many(tx, SYSTEM, [("Subscription", id_)], lock=True)).get(("Subscription", id_))
            if stored is None:
                return
            resource = json.decode(stored.body)
            resource["status"] = status
            resource.pop("error", None)
            if reason:
                resource["error"] = reason
            now = self.clock.now()
            way = Way("penstock", "", "", FHIR, microseconds(now), 0, 0)
            cause = Cause(uuid.uuid4().hex, None, REPORTER, now, encode(way))
            (outcome,) = await self.store.write(tx, SYSTEM, [Change("update", "Subscription", id_, resource=resource)], cause)
            if isinstance(outcome, Problem):
                raise outcome


async def _deliveries(tx: Tx, events: Sequence[Event]) -> Iterable[Hop]:
    """What became of each event at each subscriber, as hops of its trace."""
    by_seq = {event.seq: event for event in events}
    entries = await dead.of_events(tx, sorted(by_seq)) if by_seq else []
    return [_delivery(by_seq[entry["seq"]], entry) for entry in entries]


def _delivery(event: Event, entry: Mapping[str, Any]) -> Hop:
    details = {name: entry[name] for name in ("attempts", "reason", "history", "replay") if entry.get(name)}
    settled, due = entry.get("settled_at"), entry["due_at"]
    if settled is None and entry["next_at"] > due:
        details["next_attempt"] = entry["next_at"].isoformat()
    ms = round((settled - due).total_seconds() * 1000, 3) if settled else None
    target, rules = entry["subscription"], (_asked(entry["criteria"]),) if entry["criteria"] else ()
    hop = Hop(settled or due, event.trace_id, "delivered", f"{version_of(event)} to {target}", entry["state"], details, ms, US, target)
    return hop._replace(message_id=str(event.id), schema_version=_SCHEMAS.get(entry["kind"], FHIR), transformation_rules=rules)


def _asked(criteria: str) -> str:
    """What criteria ask about, without the values, which may be a patient's: ``Patient?identifier``."""
    type_, _, query = criteria.partition("?")
    names = "&".join(pair.partition("=")[0] for pair in query.split("&") if pair)
    return f"{type_}?{names}" if names else type_
