"""Where a running program can be found: ``running.json`` in its data folder, written when it serves and removed when it stops."""

from __future__ import annotations

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
    """Say where this program is."""
    aside = data / f".running-{os.getpid()}"
    aside.write_bytes(msgspec.json.encode(running._asdict()))
    aside.replace(data / "running.json")


def withdraw(data: Path) -> None:
    """Say that this program is no more."""
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
