"""Bodies of definitions on disk: an unnamed temporary file, so that a large code system costs memory only while it is looked at."""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path
from typing import NamedTuple

import zstandard


class Place(NamedTuple):
    """Where a body lies, and how long it is when it is unpacked."""

    start: int
    length: int
    size: int


class Spool:
    """Append and read. ``idle`` counts bytes that nobody needs any more; whoever knows the places may make a new spool then."""

    def __init__(self) -> None:
        self._file, name = tempfile.mkstemp(prefix="penstock-definitions-")
        Path(name).unlink()
        self.close = weakref.finalize(self, os.close, self._file)
        self._end = 0
        self.idle = 0
        self._pack = zstandard.ZstdCompressor(level=3)
        self._unpack = zstandard.ZstdDecompressor()

    @property
    def used(self) -> int:
        """Bytes of the file, idle ones included."""
        return self._end

    def add(self, body: bytes) -> Place:
        """Keep a body."""
        packed = self._pack.compress(body)
        os.pwrite(self._file, packed, self._end)
        place = Place(self._end, len(packed), len(body))
        self._end += len(packed)
        return place

    def read(self, place: Place) -> bytes:
        """The body at ``place``."""
        return self._unpack.decompress(os.pread(self._file, place.length, place.start))

    def drop(self, place: Place) -> None:
        """The body at ``place`` is not needed any more."""
        self.idle += place.length
