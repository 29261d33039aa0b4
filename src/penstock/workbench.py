"""What the command line can do without a running program, or with the answers of one: convert, explain, mint, examine, tell."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from penstock import running
from penstock.auth.keys import open_keys
from penstock.auth.tokens import mint, realm
from penstock.clock import SystemClock
from penstock.convert import Context, convert, explain, plan, to_bundle
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.hl7v2 import Message, parse, split_batch
from penstock.settings import Settings
from penstock.site import Site, load_site


class Finding(NamedTuple):
    """One thing that ``penstock doctor`` looked at."""

    what: str
    good: bool
    text: str


def bundle_lines(raw: bytes, settings: Settings, *, indent: int) -> Iterator[str]:
    """The Bundle of each message in ``raw``; one line each where ``indent`` is 0."""
    for message, context, compiled in _messages(raw, settings):
        body = json.encode(to_bundle(convert(message, compiled, context)))
        yield (msgspec.json.format(body, indent=indent) if indent else body).decode()


def explanation(raw: bytes, settings: Settings, *, as_json: bool) -> Iterator[str]:
    """Rule by rule what became what in each message of ``raw``, and what was left over and why."""
    for message, context, compiled in _messages(raw, settings):
        steps = explain(message, compiled, context)
        if as_json:
            yield msgspec.json.encode([step._asdict() for step in steps]).decode()
        else:
            yield from _table([(step.source, step.rule, step.target, f"{step.outcome} {step.why}") for step in steps])


def _messages(raw: bytes, settings: Settings) -> Iterator[tuple[Message, Context, Any]]:
    site = load_site(settings.site, zone=settings.zone)
    compiled = plan(site.overlay)
    for one in split_batch(raw).messages:
        yield parse(one), _context(site), compiled


def _context(site: Site) -> Context:
    channel = site.channels[0]
    return Context(
        interface=channel.interface.name,
        zone=ZoneInfo(site.zone),
        received_at=SystemClock().now(),
        authorities=channel.authorities,
        code_systems=channel.code_systems,
    )


def mint_token(settings: Settings, *, client: str, scope: str, lifetime: timedelta) -> str:
    """A token signed with the key of the data folder, for the program that runs on it (or will)."""
    base_url = settings.base_url
    with contextlib.suppress(Problem):  # it may be minted ahead of the start
        base_url = base_url or running.find(settings.data).base_url
    return mint(open_keys(settings.data), realm(base_url), client=client, scope=scope, now=SystemClock().now(), lifetime=lifetime)


def trace_lines(hops: Sequence[dict[str, Any]]) -> list[str]:
    """The hops of ``/admin/v1/trace`` for people: the time, how long after the first, what happened."""
    if not hops:
        return ["nothing is known by that name"]
    first = datetime.fromisoformat(hops[0]["at"])
    lines = [f"trace {', '.join(dict.fromkeys(hop['trace_id'] for hop in hops))}"]
    for hop in hops:
        at = datetime.fromisoformat(hop["at"])
        details = " ".join(f"{name}={_short(value)}" for name, value in hop["details"].items())
        moment = f"{at:%H:%M:%S.%f} {(at - first).total_seconds() * 1000:+10.1f} ms"
        lines.append(f"{moment}  {hop['stage']:<10} {hop['what']} {hop['outcome']}  {details}".rstrip())
    return lines


def _short(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    lines = list(rows)
    widths = [max((len(line[column]) for line in lines), default=0) for column in range(len(lines[0]) - 1)] if lines else []
    for line in lines:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip()


def examine(settings: Settings) -> list[Finding]:
    """Look whether everything that Penstock needs is here."""
    return [finding for look in (_python, _postgres, _folder, _ports, _site) for finding in look(settings)]


def _python(_: Settings) -> Iterator[Finding]:
    yield Finding("python", sys.version_info >= (3, 11), sys.version.split()[0])


def _postgres(settings: Settings) -> Iterator[Finding]:
    if settings.database:
        yield Finding("postgresql", True, "the one that --database names")
        return
    from penstock.db.embedded import binaries

    try:
        yield Finding("postgresql", True, f"binaries in {binaries()}")
    except Problem as problem:
        yield Finding("postgresql", False, problem.text)


def _folder(settings: Settings) -> Iterator[Finding]:
    parent = next(path for path in (settings.data.resolve(), *settings.data.resolve().parents) if path.exists())
    free = shutil.disk_usage(parent).free // 2**20
    yield Finding("data folder", os.access(parent, os.W_OK), f"{settings.data}, {free} MB free")
    yield Finding("disk", free > 512, f"{free} MB free")


def _ports(settings: Settings) -> Iterator[Finding]:
    for name, address in (("http", settings.http), ("mllp", settings.mllp)):
        host, _, port = address.rpartition(":")
        yield Finding(name, _is_free(host, int(port)) or _is_ours(settings), address)


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError:
            return False
    return True


def _is_ours(settings: Settings) -> bool:
    try:
        running.find(settings.data)
    except Problem:
        return False
    return True


def _site(settings: Settings) -> Iterator[Finding]:
    where = str(settings.site or "the built-in one")
    try:
        site = load_site(settings.site, zone=settings.zone)
        plan(site.overlay)
    except (Problem, ExceptionGroup) as error:
        yield Finding("site", False, f"{where}: {error}")
    else:
        yield Finding("site", True, f"{where}: {len(site.channels)} interfaces, {len(site.clients)} clients, {len(site.webhooks)} webhooks")
