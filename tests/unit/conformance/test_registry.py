"""The index of definitions: which one is found, and what it costs to hold them."""

from __future__ import annotations

import json
from typing import Any

from penstock.conformance import Registry, definition_of
from penstock.conformance.registry import Source

URL = "http://example.org/ValueSet/colours"


def value_set(**more: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "url": URL, "status": "active", **more}


def put(registry: Registry, resource: dict[str, Any], source: Source, order: int = 0) -> None:
    body = json.dumps(resource).encode()
    definition = definition_of(body)
    assert definition is not None
    registry.put(definition, body, source, order)


def stored(id: str) -> Source:
    return Source(None, f"ValueSet/{id}")


def test_without_a_version_the_newest_active_one_is_found() -> None:
    registry = Registry()
    for id, version, status in (("a", "1.9.0", "active"), ("b", "1.10.0", "active"), ("c", "2.0.0", "draft")):
        put(registry, value_set(version=version, status=status), stored(id), 1)
    found = registry.find("ValueSet", URL)
    assert found is not None and found["version"] == "1.10.0"
    assert registry.find("ValueSet", URL + "|2.0.0") is not None
    assert registry.find("ValueSet", URL + "|3") is None
    assert registry.find("CodeSystem", URL) is None


def test_what_the_site_stores_wins_over_packages_and_a_later_package_over_an_earlier() -> None:
    registry = Registry()
    put(registry, value_set(version="1", title="second"), Source(2, "0"))
    put(registry, value_set(version="1", title="first"), Source(1, "0"))
    assert (registry.find("ValueSet", URL) or {})["title"] == "second"
    put(registry, value_set(version="1", title="site"), stored("a"), 1)
    assert (registry.find("ValueSet", URL + "|1") or {})["title"] == "site"
    assert [each["title"] for each in registry.all("ValueSet")] == ["site"]
    registry.drop(stored("a"), 2)
    assert (registry.find("ValueSet", URL) or {})["title"] == "second"


def test_older_news_never_replaces_newer_and_each_change_is_a_new_revision() -> None:
    registry = Registry()
    put(registry, value_set(title="two"), stored("a"), 2)
    revision = registry.revision
    put(registry, value_set(title="one"), stored("a"), 1)
    assert registry.revision == revision
    assert (registry.find("ValueSet", URL) or {})["title"] == "two"
    registry.drop(stored("a"), 3)
    put(registry, value_set(title="late"), stored("a"), 2)
    assert registry.find("ValueSet", URL) is None
    assert registry.revision == revision + 1


def test_decoded_definitions_are_kept_within_their_budget_and_bodies_beyond_it_are_still_found() -> None:
    registry = Registry(cache_bytes=4000)
    for number in range(50):
        put(registry, value_set(url=f"{URL}/{number}", description="x" * 500), stored(str(number)), 1)
    for number in range(50):
        found = registry.find("ValueSet", f"{URL}/{number}")
        assert found is not None and len(found["description"]) == 500
    assert registry._held <= 4000
    assert registry.find("ValueSet", f"{URL}/49") is registry.find("ValueSet", f"{URL}/49")
    put(registry, value_set(url=URL + "/big", description="x" * 5000), stored("big"), 1)
    assert (registry.find("ValueSet", URL + "/big") or {})["description"] == "x" * 5000


def test_what_defines_nothing_is_no_definition() -> None:
    assert definition_of(b'{"resourceType":"Patient","url":"http://example.org"}') is None
    assert definition_of(b'{"resourceType":"ValueSet"}') is None
    assert definition_of(b'{"resourceType":"ValueSet","url":5}') is None
    assert definition_of(b"\xff") is None
    system = definition_of(b'{"resourceType":"NamingSystem","name":"Nhs","status":"active"}')
    assert system is not None and system.url.endswith("/Nhs")
