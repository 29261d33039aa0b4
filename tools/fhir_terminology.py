"""Pack the code systems, value sets and concept maps that FHIR R4 publishes into the one file that ``penstock.terminology`` reads.

    python tools/fhir_terminology.py [FOLDER]

FOLDER holds the definitions as NDJSON.xz (default: ``$PENSTOCK_DATA/fhir-definitions/r4-4.0.1``). The file begins with the length of its
index (four bytes, big-endian), then the index, then blocks; each piece is compressed on its own, so that one definition is read without
the others. Index: ``{type: {url: [version, block, start, length]}}`` and the blocks' offsets and lengths. The output is deterministic.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import zstandard

from fhir_definitions import DATA, R4, ROOT, rows

TARGET = ROOT / "src" / "penstock" / "terminology" / "published.bin"
TYPES = ("CodeSystem", "ValueSet", "ConceptMap")
#: Bytes of JSON that are compressed together.
BLOCK = 256 * 1024
#: What is about the publication and not about what a code means.
_LEFT_OUT = ("text", "meta", "contact", "useContext", "jurisdiction", "purpose", "identifier", "immutable")
_EDITORIAL = "http://hl7.org/fhir/StructureDefinition/structuredefinition-"


def stripped(row: dict[str, Any]) -> dict[str, Any]:
    """A definition without its narrative and editorial parts; an expansion goes too, since we compute it."""
    kept = {name: value for name, value in row.items() if name not in (*_LEFT_OUT, "expansion", "extension")}
    extensions = [each for each in row.get("extension", ()) if not each["url"].startswith(_EDITORIAL)]
    return {**kept, "extension": extensions} if extensions else kept


def pack(folder: Path) -> bytes:
    """The whole file."""
    index: dict[str, dict[str, list[Any]]] = {}
    raw: list[bytearray] = [bytearray()]
    for kind in TYPES:
        for row in rows(folder, kind):
            body = json.dumps(stripped(row), ensure_ascii=False, separators=(",", ":")).encode()
            if len(raw[-1]) + len(body) > BLOCK and raw[-1]:
                raw.append(bytearray())
            index.setdefault(kind, {})[row["url"]] = [row.get("version", ""), len(raw) - 1, len(raw[-1]), len(body)]
            raw[-1] += body
    squeeze = zstandard.ZstdCompressor(level=19).compress
    blocks = [squeeze(bytes(block)) for block in raw]
    places, offset = [], 0
    for block in blocks:
        places.append([offset, len(block)])
        offset += len(block)
    head = squeeze(json.dumps({"definitions": index, "blocks": places}, separators=(",", ":")).encode())
    return len(head).to_bytes(4, "big") + head + b"".join(blocks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA / R4)
    packed = pack(parser.parse_args().folder)
    TARGET.write_bytes(packed)
    print(f"{TARGET.name}: {len(packed):,} bytes")


if __name__ == "__main__":
    main()
