"""The code systems, value sets and concept maps of FHIR R4 itself, read one at a time.

``tools/fhir_terminology.py`` packs the file: the length of the index (four bytes, big-endian), the index, then blocks, each piece
compressed on its own. Nothing but the index is held; a definition that somebody compiled is held by who compiled it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec
import zstandard

Resource = dict[str, Any]

FILE = Path(__file__).with_name("published.bin")
#: Blocks that are kept decompressed (256 kB each): definitions that belong together lie together.
_BLOCKS = 8


class Published:
    """A :class:`~penstock.formats.fhir.canonical.Canonicals` that never changes."""

    revision = 0

    def revision_of(self, type: str) -> int:
        return 0

    def __init__(self, file: Path = FILE) -> None:
        data = file.read_bytes()
        end = 4 + int.from_bytes(data[:4], "big")
        index = msgspec.json.decode(_expand(data[4:end]))
        self._index: dict[str, dict[str, list[Any]]] = index["definitions"]
        self._places: list[tuple[int, int]] = [(end + offset, length) for offset, length in index["blocks"]]
        self._data = data
        self._block = lru_cache(maxsize=_BLOCKS)(self._read)

    def find(self, type: str, url: str) -> Resource | None:
        """The definition by ``url`` or ``url|version``."""
        bare, _, version = url.partition("|")
        row = self._index.get(type, {}).get(bare)
        if row is None or version not in ("", row[0]):
            return None
        return self._decode(row)

    def all(self, type: str) -> Iterator[Resource]:
        """Every definition of a type."""
        return map(self._decode, self._index.get(type, {}).values())

    def _decode(self, row: list[Any]) -> Resource:
        _, block, start, length = row
        found: Resource = msgspec.json.decode(self._block(block)[start : start + length])
        return found

    def _read(self, block: int) -> bytes:
        start, length = self._places[block]
        return _expand(self._data[start : start + length])


def _expand(packed: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(packed)


@cache
def published() -> Published:
    """What FHIR 4.0.1 publishes. Read once a process."""
    return Published()
