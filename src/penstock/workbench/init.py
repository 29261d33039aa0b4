"""``penstock init``: a small site to begin with, in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from penstock.errors import Problem

#: Files whose names would mean something inside of a package, and what they are called in a site.
_NAMES = {"gitignore": ".gitignore"}


def start_site(folder: Path) -> list[Path]:
    """Write the starter site into ``folder``, which must be empty or not there; the files that were written."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Problem("duplicate", "this folder is not empty: a site begins in a folder of its own")
        return [_write(source, folder / name) for name, source in _files(files("penstock.samples") / "starter", Path())]
    except OSError as error:
        raise Problem("forbidden", "the folder of the site cannot be written") from error


def _files(folder: Traversable, under: Path) -> Iterator[tuple[Path, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = under / _NAMES.get(entry.name, entry.name)
        if entry.is_dir():
            yield from _files(entry, path)
        else:
            yield path, entry


def _write(source: Traversable, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    return target
