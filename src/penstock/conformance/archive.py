"""A ``.tgz`` read by somebody who expects the worst: nothing is written to disk, and every size is counted before it is believed.

Links, devices, sparse files, absolute paths and paths with ``..`` are refused, because no package needs them.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from penstock.errors import Problem


class Limits(NamedTuple):
    """What an archive may hold, in bytes and files."""

    packed: int = 64 * 2**20
    unpacked: int = 512 * 2**20
    file: int = 64 * 2**20
    files: int = 20_000
    path: int = 255


_CHUNK = 2**16


class _Unzipped(io.RawIOBase):
    """The bytes of a gzip member, counted while they come out; there is no room for a bomb to go off in."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data = memoryview(data)
        self._at = 0
        self._left = most
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._ready = b""
        #: Where the last byte ended that is not zero, and where all of them did.
        self.content = self.end = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes (tarfile asks for blocks and never for everything)."""
        parts: list[bytes] = []
        wanted = size if size >= 0 else self._left + 1
        while wanted > 0 and (self._ready or self._more()):
            parts.append(self._ready[:wanted])
            self._ready = self._ready[wanted:]
            wanted -= len(parts[-1])
        return b"".join(parts)

    def _more(self) -> bool:
        while not self._ready and not self._inflate.eof:
            chunk = self._inflate.unconsumed_tail or bytes(self._data[self._at : self._at + _CHUNK])
            if not self._inflate.unconsumed_tail:
                self._at += len(chunk)
            if not chunk:
                raise Problem("structure", "this archive ends too early")
            self._ready = self._inflate.decompress(chunk, _CHUNK)
            self._left -= len(self._ready)
            meant = len(self._ready.rstrip(b"\0"))
            self.content = self.end + meant if meant else self.content
            self.end += len(self._ready)
            if self._left < 0:
                raise Problem("too-costly", "this archive unpacks to more than is accepted")
        return bool(self._ready)


def files(data: bytes, limits: Limits = Limits()) -> Iterator[tuple[str, bytes]]:
    """The path and the bytes of each regular file, in the order of the archive. What is wrong with it is a Problem."""
    if len(data) > limits.packed:
        raise Problem("too-long", "this archive is larger than is accepted")
    try:
        unzipped = _Unzipped(data, limits.unpacked)
        with tarfile.open(fileobj=unzipped, mode="r|", errorlevel=2) as archive:
            for count, member in enumerate(archive):
                if count >= limits.files:
                    raise Problem("too-costly", "this archive holds more files than are accepted")
                _refuse_hostile(member, limits)
                if member.isreg():
                    held = archive.extractfile(member)
                    yield member.name, held.read() if held else b""
            while unzipped.read(_CHUNK):
                pass
            if unzipped.content > archive.offset:  # the library takes a damaged header for the end
                raise Problem("structure", "this is not a .tgz archive, or a damaged one")
    except (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError, RecursionError):
        raise Problem("structure", "this is not a .tgz archive, or a damaged one") from None


def _refuse_hostile(member: tarfile.TarInfo, limits: Limits) -> None:
    parts = member.name.split("/")
    if member.name.startswith("/") or "\\" in member.name or "\0" in member.name or ".." in parts or len(member.name) > limits.path:
        raise Problem("invalid", "this archive has a path that leads elsewhere, or one that is too long")
    if member.issparse() or not (member.isreg() or member.isdir()):
        raise Problem("invalid", "this archive holds something else than files and folders")
    if member.size > limits.file:
        raise Problem("too-costly", "this archive holds a file that is larger than is accepted")
