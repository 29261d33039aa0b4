"""Reading the tables that ship in this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import zstandard

FOLDER = Path(__file__).parent


def load(stem: str) -> Any:
    """One table, decompressed and decoded."""
    packed = (FOLDER / f"{stem}.json.zst").read_bytes()
    return msgspec.json.decode(zstandard.ZstdDecompressor().decompress(packed))
