"""The words of the store: what is asked of it (Change, Cause) and what it answers (Written, Stored, Version)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from penstock.db import Tx
from penstock.formats.fhir import json
from penstock.store.rid import first_rid

Resource = dict[str, Any]
Verb = Literal["create", "update", "patch", "delete"]
Op = Literal["create", "update", "delete", "same"]
Key = tuple[str, str]
"""A resource by (type, id)."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is written: the trace it belongs to, the message it came from (or None), who wrote, when, and how it came in."""

    trace_id: str
    inbox_id: int | None
    client: str
    at: datetime
    way: str = ""
    #: what this does to the record beyond a new version: ``merge`` (it ends in another one) or ``unmerge``
    act: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to be done to one resource.

    ``create`` without an ``id`` gets a new one. ``if_match`` is the version that must be current (http.html#concurrency).
    ``if_none_exist`` is the query of a conditional create; ``criteria`` that of a conditional update, patch or delete (their ``id``
    may be None). ``expect_new`` refuses an update of a resource that exists (``If-None-Match: *``). ``edit`` makes the next version of
    a ``patch`` out of the current one, which is locked meanwhile: a pure function, that raises what is wrong.
    """

    verb: Verb
    type: str
    id: str | None = None
    resource: Resource | None = None
    if_match: int | None = None
    if_none_exist: str | None = None
    criteria: str | None = None
    expect_new: bool = False
    edit: Callable[[Resource], Resource] | None = None


class Written(NamedTuple):
    """What became of a Change. ``same`` changed nothing (no version, no event); ``body`` is empty after a delete."""

    type: str
    id: str
    ver: int
    rid: int
    op: Op
    last_updated: datetime
    body: bytes


class Stored(NamedTuple):
    """One version of a resource as its JSON bytes; a tombstone has the op ``delete`` and an empty body."""

    type: str
    id: str
    ver: int
    rid: int
    op: Op
    last_updated: datetime
    body: bytes

    def resource(self) -> Resource:
        """The body as a dict; not for a tombstone."""
        return json.decode(self.body)


class History(NamedTuple):
    """One page of versions, newest first; ``before`` goes into the request for the next page, or None at the end."""

    entries: list[Stored]
    before: int | None


@dataclass(frozen=True, slots=True)
class Window:
    """Which versions a history has (http.html#history).

    Those made from ``since`` on; those that were ``current`` at some time from the first moment to the second; those ``before`` a page
    that was answered already.
    """

    since: datetime | None = None
    current: tuple[datetime, datetime] | None = None
    before: int | None = None

    @property
    def rids(self) -> tuple[int, ...]:
        """Made before, made at or after, and, with ``current``, current at or after."""
        before, since = self.before or _NEVER, first_rid(self.since) if self.since else 0
        if self.current is None:
            return before, min(since, _NEVER)
        return min(before, first_rid(self.current[1])), min(since, _NEVER), min(first_rid(self.current[0]), _NEVER)


_NEVER = 2**62
ALWAYS = Window()


class Announce(Protocol):
    """Appends the events of what was written, in the same transaction: one cause for each, all of one tenant."""

    def __call__(self, tx: Tx, written: Sequence[Written], cause: Sequence[Cause], /, *, tenant: str) -> Awaitable[None]: ...
