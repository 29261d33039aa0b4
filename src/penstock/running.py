"""Where a running program can be found: ``running.json`` in its data folder, written when it serves and removed when it stops.

Where the roles are processes of their own on one folder, the file has the addresses of all of them and belongs to the one with the
HTTP door: others add to it what they serve, and leave it alone when they stop.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from penstock.errors import Problem


class Running(NamedTuple):
    """The addresses of a running program, and its process id."""

    http: str
    mllp: str
    pid: int
    base_url: str | None = None


def announce(data: Path, running: Running) -> None:
    """Say where this program is, beside what another process on the folder serves."""
    with contextlib.suppress(Problem):
        other = find(data)
        mine = running.http or not other.http
        running = Running(
            running.http or other.http,
            running.mllp or other.mllp,
            running.pid if mine else other.pid,
            running.base_url if mine else other.base_url,
        )
    aside = data / f".running-{os.getpid()}"
    aside.write_bytes(msgspec.json.encode(running._asdict()))
    aside.replace(data / "running.json")


def withdraw(data: Path) -> None:
    """Say that this program is no more, unless the file is another's."""
    with contextlib.suppress(Problem):
        if find(data).pid != os.getpid():
            return
    (data / "running.json").unlink(missing_ok=True)


def find(data: Path) -> Running:
    """The program that runs on this data folder; ``not-found`` where there is none."""
    try:
        found = Running(**msgspec.json.decode((data / "running.json").read_bytes()))
        os.kill(found.pid, 0)
    except (FileNotFoundError, ProcessLookupError, msgspec.DecodeError, TypeError) as error:
        raise Problem(
            "not-found", "no Penstock runs on this data folder: start one with `penstock up`, or name another with --data"
        ) from error
    except PermissionError:
        pass  # it runs, as somebody else
    return found
