"""The program: builds every part from Settings and wires them. The only file that knows everyone.

A role that fails is logged and started again; what it was doing is in the database. Stopping goes the way of the data: listeners
first, so that nothing new comes in, then those who work, then the database.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any

import uvloop

from penstock import events, inbox, log, running, stewardship, telemetry, workers
from penstock.api.app import App, build
from penstock.api.deal import Dealer, Hand
from penstock.api.fhir import idempotency
from penstock.api.parts import Parts
from penstock.api.serve import Served, serving, taking
from penstock.audit import unwritten
from penstock.auth.access import SYSTEM
from penstock.auth.keys import open_keys
from penstock.auth.secrets import made_secret
from penstock.clock import Chance, Clock, SystemClock, system_chance
from penstock.conformance import KINDS, Follower, Packages, Registry, notice
from penstock.convert import Context, Plan
from penstock.convert.api import structure_of
from penstock.db import Bell, Database, Tx, after_commit, connect, migrate
from penstock.db.embedded import Embedded
from penstock.delivery import Delivery, Vault
from penstock.delivery.registry import declare, needed_from
from penstock.errors import Problem, explain
from penstock.events import retention
from penstock.flow import Flow, Ways
from penstock.formats.fhir import json
from penstock.formats.fhir.searchparams import Parameters
from penstock.formats.fhir.validate.demands import Demands
from penstock.formats.fhir.validate.validator import Validator
from penstock.formats.hl7v2 import Header, Message
from penstock.inbox import Accepted, Arrival, Received, Receiver
from penstock.inbox.tend import drop_bodies
from penstock.ingress import Ingested, Intake, Meters, Mllp, Settling, ingest
from penstock.operations import Operator
from penstock.releases import Follower as Maps
from penstock.releases import InForce, Release, files_of
from penstock.releases.operate import Releases
from penstock.running import Running
from penstock.settings import Settings
from penstock.site import Channel, Site, load_site
from penstock.stewardship import CodesInForce
from penstock.store import Cause, Store, Writer, Written
from penstock.store.index import Index
from penstock.store.search.match import matches
from penstock.store.search.parse import parse
from penstock.store.search.query import Query
from penstock.store.versions import version_bodies
from penstock.terminology import Terminology

_log = log.get("app")

Ready = Callable[[Running], None]
Afterwards = Callable[[Settings, Running], Coroutine[Any, Any, None]]
#: Puts something in front of the HTTP application.
Around = Callable[[App], Served]


@dataclass(frozen=True)
class Core:
    """What every role is built from."""

    settings: Settings
    site: Site
    url: str
    database: Database
    store: Store
    maps: Maps[Ways]
    ways: InForce[Ways]
    codes: CodesInForce
    clock: Clock
    chance: Chance
    inbox_bell: Bell
    events_bell: Bell
    horizon: events.Horizon
    registry: Registry
    terminology: Terminology
    validator: Validator
    demands: Demands
    packages: Packages
    follower: Follower


def run(settings: Settings, *, on_ready: Ready | None = None, afterwards: Afterwards | None = None, around: Around | None = None) -> None:
    """Serve until SIGTERM or SIGINT. ``afterwards`` is something to do while serving, such as the demonstration."""
    log.configure(settings.log_level)
    telemetry.configure()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, on_ready or _say_ready, afterwards, around))


def tame_gc() -> None:
    """What was made so far (tables, compiled maps) lives for ever and is not looked at again; cycles are rare, so looks are rarer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _say_ready(found: Running) -> None:
    print(f"penstock ready http={found.http} mllp={found.mllp}", flush=True)  # noqa: T201 # the contract of `penstock up`


async def _serve(settings: Settings, on_ready: Ready, afterwards: Afterwards | None, around: Around | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with program(settings, around) as found:
        on_ready(found)
        story = asyncio.create_task(afterwards(settings, found), name="afterwards") if afterwards else None
        await stop.wait()
        if story:
            story.cancel()
            await asyncio.gather(story, return_exceptions=True)
        _log.info("app.stopping")


@asynccontextmanager
async def program(settings: Settings, around: Around | None = None) -> AsyncIterator[Running]:
    """Everything that ``settings`` asks for, serving at the yielded addresses until the block is left."""
    async with AsyncExitStack() as stack:
        core = await _core(settings, stack)
        http = mllp = ""
        if settings.runs("delivery"):
            await _deliver(core, stack)
        if settings.runs("flow"):
            await _flow(core, stack)
        if settings.runs("ingress"):
            mllp = await _listen(core, stack)
        if settings.runs("api"):
            http = await _api(core, stack, around)
        tame_gc()
        found = Running(http, mllp, os.getpid(), settings.base_url)
        running.announce(settings.data, found)
        stack.callback(running.withdraw, settings.data)
        yield found


@asynccontextmanager
async def worker(settings: Settings, hand: Hand, end: Callable[[], None]) -> AsyncIterator[None]:
    """The HTTP door alone, for connections and on a database that a program already has (see :mod:`penstock.workers`)."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(taking(await _door(await _core(settings, stack), stack), hand, end))
        tame_gc()
        yield


async def _core(settings: Settings, stack: AsyncExitStack) -> Core:
    settings.data.mkdir(parents=True, exist_ok=True)
    site = load_site(settings.site, zone=settings.zone, secret_of=lambda name: made_secret(settings.data, f"webhook-{name}"))
    if settings.database:
        url = settings.database.get_secret_value()
    else:
        url = await stack.enter_async_context(Embedded(settings.data, shared_buffers_mb=settings.pg_shared_buffers_mb))
    database = await _connected(stack, url, 16)
    await migrate(database)
    clock, chance = SystemClock(), system_chance()
    await inbox.tend(database, clock.now())
    events_bell = await stack.enter_async_context(Bell(database, "penstock_events"))
    horizon, registry = events.Horizon(database), Registry()
    terminology = Terminology(registry)
    validator = Validator(registry, terminology)
    demands = Demands(validator, site.demands)
    index = Index(registry, f"{settings.base_url}/fhir" if settings.base_url else "", terminology)
    store = Store(partial(_announce, events_bell, registry), clock=clock, uphold=partial(_uphold, demands), index=index)
    definitions_bell = await stack.enter_async_context(Bell(database, "penstock_definitions"))
    follower = Follower(registry, database, store, horizon, definitions_bell, clock)
    stack.push_async_callback(follower.close)
    await follower.start()
    _role(stack, "definitions", follower.run)
    reindexer = store.reindexer(database)
    await reindexer.load()
    _role(stack, "reindex", reindexer.run)
    maps_bell = await stack.enter_async_context(Bell(database, "penstock_maps"))
    codes = CodesInForce(registry)
    maps = Maps(database, maps_bell, clock, partial(_ways_of, codes), settings.zone)
    core = Core(
        settings=settings,
        site=site,
        url=url,
        database=database,
        store=store,
        maps=maps,
        ways=await maps.start(files_of(settings.site)),
        codes=codes,
        clock=clock,
        chance=chance,
        inbox_bell=await stack.enter_async_context(Bell(database, "penstock_inbox")),
        events_bell=events_bell,
        horizon=horizon,
        registry=registry,
        follower=follower,
        terminology=terminology,
        validator=validator,
        demands=demands,
        packages=Packages(database, store, registry, follower.look, follower.publish),
    )
    _role(stack, "maps", maps.run)
    return core


async def _connected(stack: AsyncExitStack, url: str, size: int) -> Database:
    database = await connect(url, size=size)
    stack.push_async_callback(database.close)
    return database


def _uphold(demands: Demands, resource: dict[str, Any], cause: Cause) -> None:
    """What the site demands of a resource; what it lets pass with a warning is in the log."""
    for issue in demands.require(resource, cause.client, now=cause.at):
        _log.warning("demand.unmet", type=resource["resourceType"], rule=issue.rule, at=issue.at, client=cause.client)


async def _announce(bell: Bell, registry: Registry, tx: Tx, written: Sequence[Written], causes: Sequence[Cause], *, tenant: str) -> None:
    """The store's events, in its transaction; the bell rings when that has committed, and definitions are in force at once."""
    await events.append(tx, written, list(causes), tenant=tenant)
    definitions = [each for each in written if each.type in KINDS]
    if definitions and tenant == SYSTEM.tenant:
        after_commit(tx, partial(notice, registry, definitions))
    after_commit(tx, bell.ring)


class _Ringing:
    """The inbox as the listeners see it: rings for the flow after each commit."""

    def __init__(self, receiver: Receiver, bell: Bell) -> None:
        self._receiver, self._bell = receiver, bell

    async def submit(self, arrival: Arrival, /) -> Accepted:
        accepted = await self._receiver.submit(arrival)
        self._bell.ring()
        return accepted


async def _listen(core: Core, stack: AsyncExitStack) -> str:
    """The listeners of the site; the address of the first."""
    receiver = await _receiver(core, stack)
    addresses = []
    for channel in core.site.channels:
        listen = channel.listen or (core.settings.mllp if channel.interface.name == "mllp" else None)
        if listen:
            mllp = Mllp(_intake(core, receiver, channel), core.settings.model_copy(update={"mllp": listen}))
            await stack.enter_async_context(mllp)
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, mllp.reload_tls)
            addresses.append(f"mllp://{mllp.host}:{mllp.port}")
    return addresses[0] if addresses else ""


async def _receiver(core: Core, stack: AsyncExitStack) -> _Ringing:
    """Group commit on connections of its own: whatever the others do, a message can be recorded."""
    database = await _connected(stack, core.url, 2)
    return _Ringing(await stack.enter_async_context(Receiver(database)), core.inbox_bell)


def _intake(core: Core, receiver: _Ringing, channel: Channel) -> Intake:
    def check(header: Header, message: Message) -> Problem | None:
        way = core.ways.get(channel.name)
        if way is None or f"{header.type}^{header.trigger}" in way.filters:
            return None
        try:
            structure_of(message, way.plan)
        except Problem as problem:
            return problem
        return None

    interface = channel.interface
    meters = Meters(interface.name)
    return Intake(
        inbox=receiver,
        interface=interface,
        clock=core.clock,
        chance=core.chance,
        meters=meters,
        check=check,
        settled=Settling(core.database),
        timeout_s=core.settings.request_s,
    )


async def _flow(core: Core, stack: AsyncExitStack) -> None:
    flow = Flow(
        database=await _connected(stack, core.url, 4),
        store=core.store,
        ways=core.ways,
        clock=core.clock,
        chance=core.chance,
        inbox_bell=core.inbox_bell,
        batch=core.settings.flow_batch,
        retry_s=core.settings.flow_retry_s,
        attempts=core.settings.flow_attempts,
    )
    _role(stack, "flow", flow.run)
    _role(stack, "stewardship", _stewardship(core).run)
    _role(stack, "upkeep", partial(_upkeep, core))


def _ways_of(codes: CodesInForce, release: Release) -> dict[str, Ways]:
    """How the messages of each interface are converted under a release."""
    return {channel.name: _ways(channel, release.plans[channel.name], codes) for channel in release.site.channels}


def _ways(channel: Channel, plan: Plan, codes: CodesInForce) -> Ways:
    blank = Context(
        interface=channel.interface.name,
        zone=channel.zone,
        authorities=channel.authorities,
        code_systems=channel.code_systems,
    )

    def context(received: Received) -> Context:
        return replace(blank, received_at=received.received_at, local=codes())

    interface = channel.interface
    return Ways(
        plan=plan, context=context, charset=interface.charset, fallback=interface.fallback, filters=channel.filters, order=channel.order
    )


def _stewardship(core: Core) -> stewardship.Upkeep:
    return stewardship.Upkeep(core.database, core.codes, core.inbox_bell, core.clock)


async def _upkeep(core: Core) -> None:
    """Every hour: partitions made ahead, and what is older than its retention dropped."""
    while True:
        now, settings = core.clock.now(), core.settings
        await inbox.tend(core.database, now)
        async with core.database.transaction() as tx:
            await idempotency.drop(tx, now - timedelta(hours=settings.idempotency_hours))
            if settings.unwritten_days:
                await unwritten.drop(tx, now - timedelta(days=settings.unwritten_days))
            if settings.message_days:
                await drop_bodies(tx, now - timedelta(days=settings.message_days))
            needed = await needed_from(tx)
        before = now - timedelta(days=settings.event_days) if settings.event_days else None
        await retention.keep(core.database, before=before, still_needed=needed)
        await asyncio.sleep(3600)


async def _deliver(core: Core, stack: AsyncExitStack) -> None:
    settings = core.settings
    database = await _connected(stack, core.url, 12)
    vault = _vault(core)
    async with database.transaction() as tx:
        await declare(tx, vault, [*core.site.webhooks, *core.site.partners], core.clock.now())

    async def work() -> None:
        await Delivery.of(
            database,
            core.horizon,
            vault,
            settings,
            bodies=partial(_bodies, core.store),
            matches=partial(_concerns, core.store.index),
            source=_source(settings),
            clock=core.clock,
            chance=core.chance,
            report=_operator(core).report,
            hear=core.events_bell.wait,
        ).run()

    _role(stack, "delivery", work)


async def _api(core: Core, stack: AsyncExitStack, around: Around | None = None) -> str:
    """Listen, alone or with others; the address."""
    settings, api = core.settings, await _door(core, stack)
    others, dealer = workers.count(settings) - 1, Dealer()
    address = await stack.enter_async_context(serving(around(api) if around else api, settings.http, dealer))
    if others:
        await stack.enter_async_context(workers.workers(settings, core.url, dealer, others))
    return address


async def _door(core: Core, stack: AsyncExitStack) -> App:
    settings, database = core.settings, await _connected(stack, core.url, 8)
    intake = _intake(core, await _receiver(core, stack), core.site.channel("http"))
    operator = _operator(core)
    parts = Parts(
        settings=settings,
        clock=core.clock,
        database=database,
        store=core.store,
        writer=await stack.enter_async_context(Writer(database, core.store)),
        feed=events.Feed(database, core.horizon, partial(_bodies, core.store), source=_source(settings)),
        keys=open_keys(settings.data),
        ingest=partial(_ingest, intake),
        operations=operator,
        ready=partial(_ready, core),
        conceal={"Subscription": operator.conceal},
        clients=core.site.clients,
        canonicals=core.registry,
        terminology=core.terminology,
        validator=core.validator,
        demands=core.demands,
        packages=core.packages,
        maps=Releases(core.database, core.maps),
        steward=stewardship.Steward(core.database, core.store, _stewardship(core), core.follower.settle, core.clock, core.chance),
        settle=core.follower.settle,
        note=(await stack.enter_async_context(unwritten.Ledger(database, most=settings.unwritten_most))).note,
    )
    return build(parts)


async def _ingest(intake: Intake, body: bytes, content_type: str, /, *, peer: str, rule: str, trace_id: str) -> Ingested:
    return await ingest(body, content_type, intake, peer=peer, rule=rule, trace_id=trace_id)


async def _ready(core: Core) -> Mapping[str, bool]:
    """What must work for this program to be of use."""
    try:
        async with core.database.connection() as tx:
            return {"database": await tx.fetchval("select 1") == 1}
    except Problem:
        return {"database": False}


async def _bodies(store: Store, tx: Tx, keys: Sequence[tuple[str, str, int]]) -> Mapping[tuple[str, str, int], bytes]:
    return await version_bodies(tx, store, SYSTEM, keys)


@lru_cache(maxsize=1024)
def _query(criteria: str, parameters: Parameters) -> Query:
    type_, _, query = criteria.partition("?")
    return parse(type_, query, parameters=parameters)


def _concerns(index: Index, criteria: str, type_: str, body: bytes) -> bool:
    """Whether a resource is one that a Subscription's criteria ask for."""
    resource, parameters = json.decode(body), index.parameters
    indexed = parameters.extract(resource)
    return matches(_query(criteria, parameters), indexed, resource, parameters=parameters, terminology=index.terminology)


def _operator(core: Core) -> Operator:
    return Operator(database=core.database, store=core.store, horizon=core.horizon, vault=_vault(core), clock=core.clock)


def _vault(core: Core) -> Vault:
    (core.settings.data / "keys").mkdir(mode=0o700, exist_ok=True)
    return Vault.at(core.settings.data / "keys" / "delivery.key")


def _source(settings: Settings) -> str:
    """The URI by which events name this server (CloudEvents ``source``)."""
    return settings.base_url or "urn:penstock"


def _role(stack: AsyncExitStack, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do ``work`` for ever; when it fails, say so and begin again."""

    async def keep() -> None:
        pause = 0.1
        while True:
            try:
                await work()
            except Exception as error:
                problem = explain(error)
                _log.error("role.failed", role=name, code=problem.code, text=problem.text, origin=log.origin(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, 10.0)

    task = asyncio.create_task(keep(), name=name)

    async def cancel() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(cancel)
