"""Turn the published FHIR R4 definitions into the compact tables that the package ships.

    python tools/fhir_definitions.py [FOLDER]

FOLDER holds the definitions as NDJSON.xz (default: ``$PENSTOCK_DATA/fhir-definitions/r4-4.0.1``). The output is deterministic:
the same definitions give the same tables, which a test checks.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

import fhir_elements
import fhir_profiles
import fhir_searchparams
import fhir_terms

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src" / "penstock" / "formats" / "fhir" / "definitions"
DATA = Path(os.environ.get("PENSTOCK_DATA") or ROOT.parent / "shared" / "data")
R4 = Path("fhir-definitions") / "r4-4.0.1"


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    """All resources of one kind, in the order of their URL, so that the order of the source does not matter."""
    with lzma.open(folder / f"{kind}.ndjson.xz", "rt", encoding="utf-8") as lines:
        found: Iterator[dict[str, Any]] = (json.loads(line) for line in lines)
        return sorted(found, key=lambda row: (row["url"], row["id"]))


def tables(folder: Path) -> dict[str, bytes]:
    """Every table by file stem, as the JSON that is compressed into it."""
    structures = rows(folder, "StructureDefinition")
    systems = rows(folder, "CodeSystem")
    sets = rows(folder, "ValueSet")
    elements = fhir_elements.table(structures)
    content: dict[str, Any] = {
        "elements": elements,
        "search": fhir_searchparams.table(rows(folder, "SearchParameter"), rows(folder, "CompartmentDefinition")),
        "bindings": fhir_terms.bindings(elements, sets, systems),
        "codesystems": fhir_terms.code_systems(systems),
        "valuesets": fhir_terms.value_sets(sets),
        "profiles": fhir_profiles.profiles(structures),
        "words": fhir_profiles.words(structures),
    }
    return {stem: json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode() for stem, table in content.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA / R4)
    folder: Path = parser.parse_args().folder
    for stem, data in tables(folder).items():
        packed = zstandard.ZstdCompressor(level=19).compress(data)
        (TARGET / f"{stem}.json.zst").write_bytes(packed)
        print(f"{stem}: {len(data):,} bytes, {len(packed):,} compressed")


if __name__ == "__main__":
    main()
