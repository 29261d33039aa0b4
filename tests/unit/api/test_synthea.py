"""Whole synthetic people as transactions: everything goes in once and comes back as it was."""

from __future__ import annotations

import itertools
import json
import lzma
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import msgspec

PEOPLE = 3


class _Line(msgspec.Struct):
    """A line of the file; the bundle stays the text that it is."""

    bundle: msgspec.Raw


async def test_synthetic_people_come_back_as_they_were(client: httpx.AsyncClient, data_sets: Path) -> None:
    counts: Counter[str] = Counter()
    with lzma.open(data_sets / "synthea" / "smart-r4-100.bundles.ndjson.xz") as lines:
        for line in itertools.islice(lines, PEOPLE):
            bundle = json.loads(line, parse_float=str)["bundle"]
            headers = {"content-type": "application/fhir+json", "prefer": "return=representation"}
            body = msgspec.json.decode(line, type=_Line).bundle
            response = await client.post("/fhir", content=bytes(body), headers=headers)
            assert response.status_code == 200, response.text[:500]
            made = json.loads(response.content, parse_float=str)["entry"]
            names = {
                entry["fullUrl"]: f"{answer['resource']['resourceType']}/{answer['resource']['id']}"
                for entry, answer in zip(bundle["entry"], made, strict=True)
            }
            for entry, answer in zip(bundle["entry"], made, strict=True):
                counts[entry["resource"]["resourceType"]] += 1
                assert _without_identity(answer["resource"]) == _without_identity(_linked(entry["resource"], names))
    for type_, number in counts.items():
        assert (await client.get(f"/fhir/{type_}?_summary=count")).json()["total"] == number


def _linked(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: names.get(each, each) if name == "reference" else _linked(each, names) for name, each in value.items()}
    return [_linked(each, names) for each in value] if isinstance(value, list) else value


def _without_identity(resource: dict[str, Any]) -> dict[str, Any]:
    bare = {name: value for name, value in resource.items() if name not in ("id", "meta")}
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    return bare | ({"meta": meta} if meta else {})
