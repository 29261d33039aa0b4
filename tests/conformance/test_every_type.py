"""Every R4 type is accepted, stored as it was sent, and found: all official examples, and a made one for the types that have none.

And every example of US Core, read in JSON and in XML.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.formats.fhir import json, xml
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate import check
from tests.conformance.test_fhir_examples import REFUSED, data, examples
from tests.http_door import client, parts, recorded, stranger, token

__all__ = ["client", "parts", "recorded", "stranger", "token"]

FHIR = {"content-type": "application/fhir+json", "prefer": "return=minimal"}
#: For the types of which nobody published a valid example: what they need to be one.
MADE: dict[str, dict[str, Any]] = {
    "DeviceMetric": {"type": {"text": "x"}, "category": "measurement"},
    "DeviceUseStatement": {"status": "active", "subject": {"reference": "Patient/example"}, "device": {"reference": "Device/example"}},
    "EventDefinition": {"status": "draft", "trigger": [{"type": "named-event", "name": "x"}]},
    "Parameters": {"parameter": [{"name": "a", "valueDecimal": 1}]},
    "SubstanceNucleicAcid": {"numberOfSubunits": 1},
    "SubstancePolymer": {"modification": ["x"]},
    "SubstanceProtein": {"numberOfSubunits": 2},
    "SubstanceReferenceInformation": {"comment": "x"},
    "SubstanceSourceMaterial": {"organismName": "x"},
}
_AT_ONCE = 40
#: Examples of US Core that R4 allows: one has an empty narrative.
US_CORE = 228


async def put(client: httpx.AsyncClient, resource: dict[str, Any], text: bytes) -> str:
    """Store a resource; its URL."""
    url = f"/fhir/{resource['resourceType']}/{resource['id']}"
    response = await client.put(url, content=text, headers=FHIR)
    assert response.status_code in (200, 201), f"{url}: {response.text}"
    return url


def without_version(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource less what the server says about its version."""
    bare = {name: value for name, value in resource.items() if name != "meta"}
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    return bare | ({"meta": meta} if meta else {})


async def all_of(calls: Sequence[Any]) -> list[Any]:
    """The results of all calls, some of them at once."""
    found: list[Any] = []
    for start in range(0, len(calls), _AT_ONCE):
        found += await asyncio.gather(*calls[start : start + _AT_ONCE])
    return found


@pytest.mark.req("FH-02")
async def test_every_type_is_stored_as_it_is_and_found(client: httpx.AsyncClient, data_sets: Path) -> None:
    folder = data_sets / "fhir-examples"
    published = [text for name, text in examples(folder / "r4-4.0.1-examples.ndjson.xz") if name not in REFUSED]
    published += [json.encode({"resourceType": type_, "id": "made", **rest}) for type_, rest in MADE.items()]
    urls = await stored(client, published)
    answers = await read(client, urls, "json")
    assert_the_same(answers, published)
    one_of_each = {answer.json()["resourceType"]: answer for answer in answers}
    assert one_of_each.keys() == r4().resource_types
    found = await all_of([search(client, type_, answer) for type_, answer in one_of_each.items()])
    assert [type_ for type_, right in zip(one_of_each, found, strict=True) if not right] == []


async def test_every_example_of_us_core_is_stored_as_it_is_and_read_in_json_and_in_xml(client: httpx.AsyncClient, data_sets: Path) -> None:
    published = _us_core(data_sets)
    urls = await stored(client, published)
    for format in ("json", "xml"):
        assert_the_same(await read(client, urls, format), published)
    assert len(urls) >= US_CORE


@pytest.mark.soak
async def test_every_official_example_is_read_in_xml_as_it_was_sent_in_json(client: httpx.AsyncClient, data_sets: Path) -> None:
    folder = data_sets / "fhir-examples"
    published = [text for name, text in examples(folder / "r4-4.0.1-examples.ndjson.xz") if name not in REFUSED]
    assert_the_same(await read(client, await stored(client, published), "xml"), published)


def _us_core(data_sets: Path) -> list[bytes]:
    """The examples that may be stored, the last of each type and id."""
    texts = [text for _, text in examples(data_sets / "fhir-examples" / "us-core-9.0.0-examples.ndjson.xz")]
    valid = [(resource, text) for text in texts if not check(resource := json.decode(text))]
    return list({(resource["resourceType"], resource["id"]): text for resource, text in valid}.values())


async def stored(client: httpx.AsyncClient, texts: Sequence[bytes]) -> list[str]:
    """The URLs of resources that were stored as they are."""
    return await all_of([put(client, json.decode(text), text) for text in texts])


async def read(client: httpx.AsyncClient, urls: Sequence[str], format: str) -> list[httpx.Response]:
    return await all_of([client.get(url, headers={"accept": f"application/fhir+{format}"}) for url in urls])


def assert_the_same(answers: Sequence[httpx.Response], texts: Sequence[bytes]) -> None:
    """What is answered says what was sent, digit by digit."""
    for answer, text in zip(answers, texts, strict=True):
        assert answer.status_code == 200, answer.text
        is_xml = answer.headers["content-type"].startswith("application/fhir+xml")
        answered = json.encode(xml.decode(answer.content)) if is_xml else answer.content
        assert without_version(data(answered)) == without_version(data(text))
        assert is_xml or answer.headers["content-type"].startswith("application/fhir+json")


async def search(client: httpx.AsyncClient, type_: str, answer: httpx.Response) -> bool:
    """Whether ``_id`` and ``_lastUpdated`` find a resource, and another id does not."""
    resource = answer.json()
    for query in (f"_id={resource['id']}", f"_id={resource['id']}&_lastUpdated={resource['meta']['lastUpdated']}"):
        entries = (await client.get(f"/fhir/{type_}?{query}")).json().get("entry", ())
        if [entry["resource"] for entry in entries] != [resource]:
            return False
    nothing = (await client.get(f"/fhir/{type_}?_id={resource['id']}&_lastUpdated=lt2001")).json()
    return "entry" not in nothing
