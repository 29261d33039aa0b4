"""Our own messages, each with the facts that it must become: `messages/<name>.hl7` and `messages/<name>.facts`.

Of those called `told-…` what tells of the message itself is made as well.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock import convert
from penstock.convert import Context, Converted
from penstock.formats.fhir import validate
from penstock.formats.hl7v2 import parse

FOLDER = Path(__file__).parent / "messages"
RECEIVED = datetime(2025, 4, 14, tzinfo=UTC)
NAMES = sorted(path.stem for path in FOLDER.glob("*.facts"))


def converted(name: str) -> Converted:
    plan, context = convert.plan(message=name.startswith("told-")), Context(interface="test", received_at=RECEIVED)
    return convert.convert(parse((FOLDER / f"{name}.hl7").read_bytes()), plan, context)


def flat(node: Any, at: str) -> list[tuple[str, str]]:
    if isinstance(node, dict):
        return [pair for name, value in node.items() for pair in flat(value, f"{at}.{name}")]
    if isinstance(node, list):
        return [pair for value in node for pair in flat(value, at)]
    return [(at, str(node))]


def holds(fact: str, result: Converted) -> bool:
    facts = {pair for one in result.resources for pair in flat(one, one["resourceType"])}
    word, _, rest = fact.partition(" ")
    left, _, right = rest.partition(" = ")
    if word == "count":
        return Counter(one["resourceType"] for one in result.resources)[left] == int(right)
    if word == "absent":
        return not any(path == rest for path, _ in facts)
    if word == "reference":
        path, _, target = rest.partition(" -> ")
        ids = {f"{one['resourceType']}/{one['id']}" for one in result.resources}
        return any(at == f"{path}.reference" and value.startswith(f"{target}/") and value in ids for at, value in facts)
    if word == "remainder":
        return (left, right) in result.remainder
    if word == "steward":
        return (left, right) in {(one.source, one.code) for one in result.steward}
    path, _, value = fact.partition(" = ")
    return (path, value.replace("\\n", "\n")) in facts


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.req("V2-04", "V2-06")
def test_a_message_becomes_its_facts(name: str) -> None:
    result = converted(name)
    missing = [fact for fact in (FOLDER / f"{name}.facts").read_text().splitlines() if fact and not holds(fact, result)]
    assert missing == []


@pytest.mark.parametrize("name", NAMES)
def test_every_resource_is_valid_r4(name: str) -> None:
    issues = [
        (one["resourceType"], issue) for one in converted(name).resources for issue in validate.check(one) if issue.severity == "error"
    ]
    assert issues == []


@pytest.mark.parametrize("name", NAMES)
def test_the_same_message_again_is_the_same(name: str) -> None:
    first, again = converted(name), converted(name)
    assert first.resources == again.resources
    assert first.lineage == again.lineage


def at_path(node: Any, path: str) -> Any:
    """What a lineage path names; a primitive's extensions stand in its underscore twin."""
    for step in filter(None, path.split(".")):
        name, _, index = step.partition("[")
        found = node.get(name) if isinstance(node, dict) else None
        if not isinstance(found, (dict, list)) and isinstance(node, dict) and f"_{name}" in node and step != path.split(".")[-1]:
            found = node[f"_{name}"]
        node = found[int(index[:-1])] if index and isinstance(found, list) else found
    return node


@pytest.mark.parametrize("name", NAMES)
def test_every_lineage_path_names_an_element_that_is_there(name: str) -> None:
    result = converted(name)
    lost = [entry for entry in result.lineage if entry[2] != "null" and at_path(result.resources[entry[0]], entry[1]) is None]
    assert lost == []


@pytest.mark.parametrize("name", NAMES)
def test_every_leaf_has_a_way_back(name: str) -> None:
    result = converted(name)
    known = {(entry[0], entry[1]) for entry in result.lineage}
    lost = []
    for index, resource in enumerate(result.resources):
        for path in leaves(resource, ""):
            if path not in ("resourceType", "id") and not any((index, prefix) in known for prefix in prefixes(path)):
                lost.append((resource["resourceType"], path))
    assert lost == []


def leaves(node: Any, at: str) -> list[str]:
    if isinstance(node, dict):
        return [leaf for name, value in node.items() for leaf in leaves(value, f"{at}.{name.lstrip('_')}" if at else name.lstrip("_"))]
    if isinstance(node, list):
        return [leaf for place, value in enumerate(node) for leaf in leaves(value, f"{at}[{place}]")]
    return [at]


def prefixes(path: str) -> list[str]:
    """The path itself, and for what a rule writes as one object (a coding, an extension, a default) the objects around it."""
    parts = path.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)] + [
        path + "[0]",
        path.removesuffix(".system") + ".code",
        path.removesuffix(".display") + ".code",
        path.removesuffix(".url") + ".valueCodeableConcept.coding[0].code",
        path.removesuffix(".url") + ".extension[0].valueString",
    ]
