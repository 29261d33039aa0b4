"""One real PostgreSQL for the whole run; each test that asks for ``database`` gets a fresh, migrated copy."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from penstock.db import Database, connect, migrate
from penstock.db.embedded import Embedded

# Programs that tests start answer HTTP in one process unless they say otherwise: two would take the cores from each other.
os.environ.setdefault("PENSTOCK_WORKERS", "1")
DATA = Path(os.environ.pop("PENSTOCK_DATA", "") or Path(__file__).parents[2] / "shared" / "data")


@pytest.fixture(scope="session")
def data_sets() -> Path:
    """Folder of the public test data; tests that need it are skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"the public test data is not at {DATA}")
    return DATA


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL (without a database name) of an embedded PostgreSQL that lives as long as the test run."""
    with tempfile.TemporaryDirectory(prefix="penstock-test-", dir=_memory()) as folder:
        Path(folder).chmod(0o755)
        embedded = Embedded(Path(folder))
        embedded.start()
        try:
            asyncio.run(_template(embedded.url))
            yield embedded.url
        finally:
            embedded.stop()


def _memory() -> str | None:
    """A folder in memory where there is room: the many short-lived databases need no disk. What must survive has tests of its own."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and shutil.disk_usage(shared).free > 2 * 2**30 else None


async def _template(url: str) -> None:
    database = await connect(url, size=1)
    await migrate(database)
    await database.close()


_numbers = iter(range(1_000_000))


@pytest.fixture
async def database_url(server: str) -> AsyncIterator[str]:
    """URL of a fresh database with the current schema."""
    name = f"test_{next(_numbers)}"
    postgres = await connect(server.replace("/penstock?", "/postgres?"), size=1)
    async with postgres.connection() as tx:
        await tx.execute(f"create database {name} template penstock strategy file_copy")
    yield server.replace("/penstock?", f"/{name}?")
    async with postgres.connection() as tx:
        await tx.execute(f"drop database {name} with (force)")
    await postgres.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh, migrated Database."""
    database = await connect(database_url, size=8)
    yield database
    await database.close()
