"""Translation to other versions of FHIR, against their own definitions."""

from __future__ import annotations

import lzma
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from penstock.errors import Problem
from penstock.formats.fhir import json as fhir_json
from penstock.formats.fhir.versions import VERSIONS, mapped, table, translate

Resource = dict[str, Any]

TOOLS = Path(__file__).parents[2] / "tools"
#: Official examples that are translated. May only rise; the others are of types that are not mapped, or hold what has no place there.
TRANSLATED = {"3.0": 168, "4.3": 730, "5.0": 292}


@pytest.fixture(scope="module")
def tool(data_sets: Path) -> Iterator[Any]:
    """The generator, which knows how to read the definitions of a version."""
    sys.path.insert(0, str(TOOLS))
    import fhir_versions

    fhir_versions.DATA = data_sets
    yield fhir_versions
    sys.path.remove(str(TOOLS))


@pytest.fixture(scope="module")
def examples(data_sets: Path) -> list[Resource]:
    with lzma.open(data_sets / "fhir-examples" / "r4-4.0.1-examples.ndjson.xz", "rt", encoding="utf-8") as lines:
        return [fhir_json.decode(line.rstrip().partition(',"resource":')[2][:-1].encode()) for line in lines]


def test_the_table_is_what_the_definitions_say(tool: Any) -> None:
    packed = (table.FOLDER / "differences.json.zst").read_bytes()
    assert msgspec.json.decode(zstandard.ZstdDecompressor().decompress(packed)) == msgspec.json.decode(tool.table())


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_translated_is_what_the_other_version_defines(tool: Any, examples: list[Resource], version: str) -> None:
    types = tool.read(tool.VERSIONS[version])
    done = 0
    for example in examples:
        try:
            made = translate(example, version)
        except Problem as problem:
            assert problem.code == "not-acceptable"
            continue
        assert list(wrong(types, made, made["resourceType"])) == [], example["id"]
        done += 1
    assert done >= TRANSLATED[version]


def wrong(version: Any, value: Resource, owner: str) -> Iterator[str]:
    """Properties that a type of the other version does not have, or has otherwise; required ones that are missing."""
    known = version.properties(owner)
    for name, held in value.items():
        if name == "resourceType" or name.startswith("_"):
            continue
        if name not in known:
            yield f"{owner}.{name}"
        elif known[name].many != isinstance(held, list):
            yield f"{owner}.{name} is a list: {known[name].many}"
        else:
            yield from _inside(version, held, known[name])
    for name in version.required(owner):
        if not any(each.removeprefix("_").startswith(name.removesuffix("[x]")) for each in value):
            yield f"{owner}.{name} is missing"


def _inside(version: Any, held: Any, known: Any) -> Iterator[str]:
    for each in held if isinstance(held, list) else [held]:
        if isinstance(each, dict):
            yield from wrong(version, each, each["resourceType"] if known.type == "Resource" else known.type)
        elif isinstance(each, str) and (allowed := version.allowed(known.value_set)) is not None and each not in allowed:
            yield f"{known.type}: a code that is not allowed"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_rule_is_about_an_element_of_r4(version: str) -> None:
    from penstock.formats.fhir.definitions import r4

    for owner, rules in table.table(version).rules.items():
        definition = r4().type(owner)
        assert definition is not None, owner
        assert rules.keys() <= definition.elements.keys(), owner


def test_a_primitive_keeps_its_extensions_or_is_refused() -> None:
    slot = {
        "resourceType": "Procedure",
        "status": "completed",
        "subject": {},
        "performedDateTime": "2020",
        "_performedDateTime": {"id": "x"},
    }
    made = translate(slot, "5.0")
    assert made["occurrenceDateTime"] == "2020" and made["_occurrenceDateTime"] == {"id": "x"}
    with pytest.raises(Problem) as caught:
        translate({"resourceType": "Appointment", "status": "booked", "comment": "x", "_comment": {"id": "x"}}, "5.0")
    assert caught.value.at == "Appointment.comment"


def test_what_is_mapped_is_listed() -> None:
    assert (
        {"Patient", "Observation", "Encounter", "Bundle", "OperationOutcome"}
        <= set(mapped("5.0"))
        < set(mapped("4.3")) | set(mapped("5.0"))
    )
    with pytest.raises(Problem) as caught:
        translate({"resourceType": "Device"}, "5.0")
    assert "Patient" in caught.value.text and "Device," not in caught.value.text
