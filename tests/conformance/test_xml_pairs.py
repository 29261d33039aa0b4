"""The official examples in XML and in JSON: the same resource either way, and nothing lost on the way there and back."""

import json
import lzma
import tarfile
from decimal import Decimal, DecimalTuple
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from penstock.formats.fhir import json as fhir_json
from penstock.formats.fhir import xml

Resource = dict[str, Any]

#: The publication tool marks its XML pages, and not its JSON, with this label; some examples have it as a tag in JSON.
PUBLISHED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST", "display": "test health data"}
#: May only rise.
PAIRS = 442
EXAMPLES = 1034


def data(text: bytes) -> Any:
    """What a JSON text says, each number as its digits and exponent."""
    return json.loads(text, parse_float=_digits, parse_int=_digits)


def _digits(text: str) -> DecimalTuple:
    return Decimal(text).as_tuple()


def numbers(text: bytes) -> Any:
    """The same, but 1.00 is 1.0: the JSON of the pairs went through a program that did not keep the zeros."""
    return json.loads(text, parse_float=_normal, parse_int=_normal)


def _normal(text: str) -> Decimal:
    return Decimal(text).normalize()


def without_label(value: Any) -> Any:
    """The same without the label of the publication tool, in entries of a Bundle too; a narrative as canonical XML."""
    if isinstance(value, list):
        return [without_label(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {name: etree.canonicalize(each) if name == "div" else without_label(each) for name, each in value.items()}
    if isinstance(kept.get("meta"), dict):
        meta = {name: [each for each in kept["meta"].pop(name, []) if each != PUBLISHED] for name in ("security", "tag")}
        kept["meta"] |= {name: labels for name, labels in meta.items() if labels}
        kept = kept if kept["meta"] else {name: each for name, each in kept.items() if name != "meta"}
    return kept


@pytest.fixture(scope="module")
def pairs(data_sets: Path) -> dict[str, tuple[bytes, bytes]]:
    with tarfile.open(data_sets / "fhir-examples" / "xml-json-pairs.tar.xz") as archive:
        files = {member.name: file.read() for member in archive if (file := archive.extractfile(member))}
    stems = sorted(name.removesuffix(".xml") for name in files if name.endswith(".xml"))
    return {stem: (files[f"{stem}.xml"], files[f"{stem}.json"]) for stem in stems}


@pytest.fixture(scope="module")
def examples(data_sets: Path) -> dict[str, bytes]:
    folder = data_sets / "fhir-examples"
    return _examples(folder / "r4-4.0.1-examples.ndjson.xz") | _examples(folder / "us-core-9.0.0-examples.ndjson.xz")


def _examples(file: Path) -> dict[str, bytes]:
    with lzma.open(file, "rt", encoding="utf-8") as lines:
        rows = [line.rstrip().partition(',"resource":') for line in lines]
    return {json.loads(head + "}")["file"]: body[:-1].encode() for head, _, body in rows}


def test_every_pair_says_the_same_in_both_formats(pairs: dict[str, tuple[bytes, bytes]]) -> None:
    for stem, (as_xml, as_json) in pairs.items():
        read = numbers(fhir_json.encode(xml.decode(as_xml)))
        assert without_label(read) == without_label(numbers(as_json)), stem
    assert len(pairs) >= PAIRS


def test_what_is_written_as_xml_is_read_as_the_same_xml(pairs: dict[str, tuple[bytes, bytes]]) -> None:
    for stem, (as_xml, _) in pairs.items():
        once = xml.encode(xml.decode(as_xml))
        assert xml.encode(xml.decode(once)) == once, stem


@pytest.mark.req("FH-09")
def test_json_to_xml_to_json_loses_nothing(examples: dict[str, bytes]) -> None:
    for name, text in examples.items():
        for pretty in (False, True):
            written = xml.encode(fhir_json.decode(text), pretty=pretty)
            assert data(fhir_json.encode(xml.decode(written))) == data(text), name
    assert len(examples) >= EXAMPLES
