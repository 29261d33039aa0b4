"""``penstock doctor``: whether everything that Penstock needs is here. It changes nothing and makes nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from penstock import running
from penstock.db import connect
from penstock.db.embedded import binaries
from penstock.errors import Problem
from penstock.ingress.mllp import address
from penstock.settings import Settings
from penstock.site import load_site

#: Less room than this, in MB, and the embedded PostgreSQL will soon refuse to write.
_ROOM_MB = 512
_WAIT_S = 10.0


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    good: bool
    text: str


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; a finding says what it is about, whether it is good, and what was seen."""
    return [finding for look in (_python, _postgres, _folder, _ports, _site) for finding in look(settings)]


def _python(_: Settings) -> Iterator[Finding]:
    yield Finding("python", sys.version_info >= (3, 11), sys.version.split()[0])


def _postgres(settings: Settings) -> Iterator[Finding]:
    try:
        if settings.database:
            asyncio.run(_greet(settings.database.get_secret_value()))
            yield Finding("postgresql", True, "the one that --database names answers and is good enough")
        else:
            yield Finding("postgresql", True, f"binaries in {binaries()}")
    except Problem as problem:
        yield Finding("postgresql", False, problem.text)


async def _greet(url: str) -> None:
    try:
        async with asyncio.timeout(_WAIT_S):
            await (await connect(url, size=1)).close()
    except TimeoutError:
        raise Problem("timeout", "the database that --database names does not answer") from None


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data.resolve()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    writable = nearest.is_dir() and os.access(nearest, os.W_OK)
    yield Finding("data folder", writable, str(settings.data) if writable else f"{settings.data} cannot be written")
    free = shutil.disk_usage(nearest).free // 2**20
    yield Finding("disk", free >= _ROOM_MB, f"{free} MB free")


def _ports(settings: Settings) -> Iterator[Finding]:
    for name, given in (("http", settings.http), ("mllp", settings.mllp)):
        try:
            free = _is_free(*address(given))
        except Problem:
            yield Finding(name, False, f"{given} is not HOST:PORT")
            continue
        ours = not free and given in _served(settings)
        yield Finding(name, free or ours, f"{given} {'is free' if free else 'is ours' if ours else 'is taken by another program'}")


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _served(settings: Settings) -> list[str]:
    """The addresses of the program that runs on the data folder."""
    try:
        found = running.find(settings.data)
    except Problem:
        return []
    return [urlsplit(found.http).netloc, urlsplit(found.mllp).netloc]


def _site(settings: Settings) -> Iterator[Finding]:
    where = str(settings.site or "the built-in one")
    try:
        site = load_site(settings.site, zone=settings.zone)
        site.plans()
    except (Problem, ExceptionGroup):
        yield Finding("site", False, f"{where} has problems: `penstock check` lists them")
    else:
        yield Finding("site", True, f"{where}: {len(site.channels)} interfaces, {len(site.clients)} clients, {len(site.webhooks)} webhooks")
