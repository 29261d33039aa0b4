"""Train the zstd dictionary that bodies of the store are compressed with.

    python tools/train_dictionary.py DATA src/penstock/store/dictionary.zdict

DATA holds the official R4 examples (CC0) and the Synthea bundles (synthetic). The output ships with the program; databases keep
every dictionary that they were written with, so a new one never makes old data unreadable.
"""

from __future__ import annotations

import lzma
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import zstandard

SIZE = 110 * 1024
#: Resources of one type that take part at most, so that a few types do not own the dictionary.
PER_TYPE = 400
#: Longer ones are rare and would fill the dictionary with their narrative.
LONGEST = 20_000


def resources(data: Path) -> Iterator[dict[str, Any]]:
    """Every resource of the training data."""
    with lzma.open(data / "fhir-examples" / "r4-4.0.1-examples.ndjson.xz") as lines:
        for line in lines:
            row = orjson.loads(line)
            yield row.get("resource", row)
    with lzma.open(data / "synthea" / "smart-r4-100.bundles.ndjson.xz") as lines:
        for line in lines:
            for entry in orjson.loads(line)["bundle"]["entry"]:
                yield entry["resource"]


def samples(data: Path) -> list[bytes | bytearray | memoryview]:
    """A fair choice over the types, as bodies look in the store."""
    by_type: dict[str, list[bytes | bytearray | memoryview]] = defaultdict(list)
    for resource in resources(data):
        type, id = resource.pop("resourceType"), resource.pop("id", "x")
        resource.pop("text", None)
        meta = {"versionId": "1", "lastUpdated": "2026-01-01T00:00:00.000Z"} | resource.pop("meta", {})
        body = orjson.dumps({"resourceType": type, "id": id, "meta": meta} | resource)
        if len(body) <= LONGEST:
            by_type[type].append(body)
    chance = random.Random(1)
    chosen = [body for bodies in by_type.values() for body in chance.sample(bodies, min(PER_TYPE, len(bodies)))]
    chance.shuffle(chosen)
    return chosen


def main() -> None:
    """Train, and print what the dictionary does for the samples."""
    data, output = Path(sys.argv[1]), Path(sys.argv[2])
    bodies = samples(data)
    dictionary = zstandard.train_dictionary(SIZE, bodies, level=3)
    output.write_bytes(dictionary.as_bytes())
    packer = zstandard.ZstdCompressor(level=3, dict_data=dictionary, write_dict_id=False)
    packed = sum(len(packer.compress(body)) for body in bodies)
    print(f"{len(bodies)} samples, {sum(map(len, bodies))} bytes, {packed} packed, dictionary of {len(dictionary)} bytes")


if __name__ == "__main__":
    main()
