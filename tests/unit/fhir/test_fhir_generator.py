"""The tables in the package are what the generator makes of the published definitions."""

import sys
from pathlib import Path

import pytest
import zstandard

from penstock.formats.fhir.definitions.tables import FOLDER

TOOLS = Path(__file__).parents[3] / "tools"


@pytest.fixture(scope="module")
def regenerated(data_sets: Path) -> dict[str, bytes]:
    sys.path.insert(0, str(TOOLS))
    try:
        import fhir_definitions

        tables: dict[str, bytes] = fhir_definitions.tables(data_sets / fhir_definitions.R4)
        return tables
    finally:
        sys.path.remove(str(TOOLS))


@pytest.mark.parametrize("stem", ["elements", "search", "bindings", "codesystems", "valuesets", "profiles", "words"])
def test_generating_again_gives_the_same_bytes(regenerated: dict[str, bytes], stem: str) -> None:
    shipped = zstandard.ZstdDecompressor().decompress((FOLDER / f"{stem}.json.zst").read_bytes())
    assert shipped == regenerated[stem]


def test_all_tables_together_are_smaller_than_one_megabyte() -> None:
    assert sum(file.stat().st_size for file in FOLDER.glob("*.zst")) < 1_000_000
