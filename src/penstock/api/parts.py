"""What the HTTP door is built from: the program's other parts, as ``app.py`` knows them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from penstock.audit.transactions import Window
from penstock.audit.unwritten import Unwritten
from penstock.auth.access import Access
from penstock.auth.clients import Client
from penstock.auth.keys import Keys
from penstock.clock import Clock
from penstock.db import Database, Tx
from penstock.errors import Problem
from penstock.events import Feed
from penstock.formats.fhir.canonical import Canonicals, Shelf
from penstock.formats.fhir.validate.demands import Demands
from penstock.formats.fhir.validate.validator import Validator
from penstock.inbox import Accepted
from penstock.settings import Settings
from penstock.store import Store, Writer
from penstock.terminology import Terminology

Json = dict[str, Any]
Resource = dict[str, Any]


class Taken(Protocol):
    """What became of one HL7 v2 message: ``accepted`` is None when it is not durably kept."""

    @property
    def ack(self) -> bytes | None: ...
    @property
    def code(self) -> str: ...
    @property
    def accepted(self) -> Accepted | None: ...
    @property
    def problem(self) -> Problem | None: ...
    @property
    def trace_id(self) -> str: ...


class Ingested(Protocol):
    """What became of a body of HL7 v2; ``answer`` holds the acknowledgements as one piece."""

    @property
    def messages(self) -> Sequence[Taken]: ...
    @property
    def problems(self) -> Sequence[Problem]: ...
    @property
    def answer(self) -> bytes | None: ...


class Ingest(Protocol):
    """Accept one message or a batch: answered after its commit."""

    def __call__(self, body: bytes, content_type: str, /, *, peer: str, rule: str, trace_id: str) -> Awaitable[Ingested]: ...


#: Takes what must not be readable out of a resource before it is stored (the header secrets of a Subscription), in its transaction.
Conceal = Callable[[Tx, Resource], Awaitable[Resource]]


#: Takes the record of a write request that wrote nothing.
Note = Callable[[Unwritten], None]


class Operations(Protocol):
    """What an operator can ask and do under ``/admin/v1`` beyond the inbox: questions that cross the parts of the program."""

    def trace(self, key: str, /) -> Awaitable[Any]: ...
    def transactions(self, asked: Mapping[str, str], window: Window, cursor: str, /) -> Awaitable[Any]: ...
    def lineage(self, type_: str, id_: str, ver: int | None, /) -> Awaitable[Any]: ...
    def dead(self, limit: int, /) -> Awaitable[Any]: ...
    def retry_dead(self, access: Access, subscription: str, seqs: Sequence[int] | None, /) -> Awaitable[Any]: ...
    def discard_dead(self, subscription: str, seqs: Sequence[int] | None, reason: str, /) -> Awaitable[Any]: ...
    def replay_deliveries(self, access: Access, subscription: str, since: datetime, until: datetime, do: bool, /) -> Awaitable[Any]: ...


class Packages(Protocol):
    """Implementation-guide packages: loaded, listed, unloaded."""

    def list(self) -> Awaitable[Any]: ...
    def show(self, name: str, version: str, /) -> Awaitable[Json]: ...
    def in_use(self, name: str, version: str, /) -> Awaitable[Json]: ...
    def add(self, access: Access, data: bytes, now: datetime, /, *, preview: bool) -> Awaitable[Json]: ...
    def remove(self, name: str, version: str, /, *, force: bool) -> Awaitable[Json]: ...


class Mapped(NamedTuple):
    """What one code of a source system means."""

    system: str
    code: str
    target_system: str
    target_code: str
    display: str = ""


class Maps(Protocol):
    """The releases of a site's maps: listed, applied, rolled back."""

    def in_force(self) -> Awaitable[Json]: ...
    def listed(self, limit: int, /) -> Awaitable[Any]: ...
    def files(self, version: str, /) -> Awaitable[Json]: ...
    def apply(self, access: Access, files: Mapping[str, str], reason: str, /, *, preview: bool) -> Awaitable[Json]: ...
    def rollback(self, access: Access, version: str | None, reason: str, /) -> Awaitable[Json]: ...


class Steward(Protocol):
    """Codes that nobody knows: listed, mapped, ignored; the concept maps, exported and imported."""

    def listed(self, state: str | None, interface: str | None, limit: int, /) -> Awaitable[Any]: ...
    def map(self, access: Access, mapping: Mapped, /, *, preview: bool) -> Awaitable[Json]: ...
    def ignore(self, access: Access, system: str, code: str, interface: str | None, /) -> Awaitable[Json]: ...
    def exported(self, access: Access, /) -> Awaitable[Json]: ...
    def imported(self, access: Access, bundle: Json, /) -> Awaitable[Json]: ...


def unnoted(record: Unwritten) -> None:
    """Nobody wants to know."""


async def settled() -> None:
    """Nothing to wait for: definitions are followed by nobody."""


@dataclass(frozen=True)
class Parts:
    """Everything a handler may use.

    ``ready`` names each thing that must work, and whether it does. ``conceal`` is by resource type, ``clients`` by client id.
    ``canonicals`` are the definitions in force, and ``terminology`` and ``validator`` answer from them; ``demands`` are
    what the site asks of resources; ``note`` keeps what wrote nothing; ``settle`` returns when every process knows the
    definitions that this one has changed.
    """

    settings: Settings
    clock: Clock
    database: Database
    store: Store
    writer: Writer
    feed: Feed
    keys: Keys
    ingest: Ingest
    operations: Operations
    ready: Callable[[], Awaitable[Mapping[str, bool]]]
    conceal: Mapping[str, Conceal] = field(default_factory=dict)
    clients: Mapping[str, Client] = field(default_factory=dict)
    canonicals: Canonicals = field(default_factory=Shelf)
    terminology: Terminology = field(default_factory=lambda: Terminology(Shelf()))
    validator: Validator = field(default_factory=lambda: Validator(Shelf()))
    demands: Demands = field(default_factory=lambda: Demands(Validator(Shelf())))
    packages: Packages | None = None
    maps: Maps | None = None
    steward: Steward | None = None
    note: Note = unnoted
    settle: Callable[[], Awaitable[None]] = settled
