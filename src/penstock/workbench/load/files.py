"""Files of resources, read as they are unpacked: NDJSON line by line, a JSON document as one piece."""

from __future__ import annotations

import gzip
import io
import lzma
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple, cast

import zstandard

from penstock.errors import Problem

#: Bytes of one line or document.
LONGEST = 256 * 2**20
#: A batch is closed when it has so many bytes or pieces.
BATCH_BYTES, BATCH_PIECES = 2 * 2**20, 1_000

_PACKED = (".gz", ".xz", ".zst")
_LINES = (".ndjson", ".jsonl")


class Piece(NamedTuple):
    """A line of a file, or a file that is one document (``line`` is 0)."""

    file: int
    line: int
    data: bytes


def batches(paths: Sequence[Path]) -> Iterator[list[Piece]]:
    """The pieces of all files, in batches of a size that one transaction does well with."""
    batch: list[Piece] = []
    size = 0
    for piece in pieces(paths):
        if batch and (size + len(piece.data) > BATCH_BYTES or len(batch) >= BATCH_PIECES):
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += len(piece.data)
    if batch:
        yield batch


def pieces(paths: Sequence[Path]) -> Iterator[Piece]:
    """Every line and document; empty lines are no pieces. A file that cannot be read ends it all."""
    for number, path in enumerate(paths):
        inner = path.with_suffix("") if path.suffix in _PACKED else path
        try:
            with _opened(path) as file:
                if inner.suffix in _LINES:
                    yield from _lines(file, number)
                else:
                    yield Piece(number, 0, _bounded(file.read(LONGEST + 1), path))
        except (OSError, EOFError, lzma.LZMAError, zstandard.ZstdError):
            raise Problem("structure", "this file cannot be read, or is damaged", at=str(path)) from None


def _opened(path: Path) -> IO[bytes]:
    """The unpacked bytes of a file."""
    match path.suffix:
        case ".gz":
            return cast(IO[bytes], gzip.open(path, "rb"))
        case ".xz":
            return lzma.open(path, "rb")
        case ".zst":
            return io.BufferedReader(zstandard.open(path, "rb"))
    return path.open("rb")


def _lines(file: IO[bytes], number: int) -> Iterator[Piece]:
    count = 0
    while line := file.readline(LONGEST + 1):
        count += 1
        if len(line) > LONGEST:
            raise Problem("too-long", "a line is longer than is accepted")
        if not line.isspace():
            yield Piece(number, count, line)


def _bounded(data: bytes, path: Path) -> bytes:
    if len(data) > LONGEST:
        raise Problem("too-long", "this document is longer than is accepted: make it NDJSON", at=str(path))
    return data
