"""The official cases of FHIRPath Patch, JSON Patch and XML Patch, of R4 and of R5: all pass."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from penstock.errors import Problem
from penstock.formats.fhir import json as fhir_json
from penstock.formats.fhir import patch, xml
from penstock.formats.fhir.patch import fhirpath_patch, json_patch, xml_patch

#: May only rise.
FHIRPATH = {"r4": 33, "r5": 34}
JSON = {"r4": 16, "r5": 16}
XML = {"r4": 29, "r5": 29}

#: A case whose own data are no FHIR, and how they are put right before it is run: an attribute ``reference`` where ``value`` belongs.
REPAIRED = {"Add extension": (b'<reference reference="', b'<reference value="')}

VERSIONS = ("r4", "r5")
Case = dict[str, etree._Element]


@pytest.fixture(scope="module")
def suites(data_sets: Path) -> Path:
    return data_sets / "suites" / "fhirpath-patch"


def cases(file: Path) -> Iterator[tuple[str, Case]]:
    """Each case of an XML suite by name, with its parts."""
    for case in etree.fromstring(file.read_bytes()):
        if isinstance(case.tag, str):
            yield case.get("name", ""), {etree.QName(part).localname: part for part in case if isinstance(part.tag, str)}


def inside(part: etree._Element) -> bytes:
    """The one document in a part of a case; empty where there is none."""
    held = [each for each in part if isinstance(each.tag, str)]
    return etree.tostring(held[0], with_tail=False) if held else b""


def outcome(run: Any) -> Any:
    try:
        return run()
    except Problem as problem:
        return problem


@pytest.mark.parametrize("version", VERSIONS)
def test_fhirpath_patch(suites: Path, version: str) -> None:
    passed = 0
    for name, case in cases(suites / version / "fhir-patch-tests.xml"):
        wrong, right = REPAIRED.get(name, (b"", b""))

        def resource(part: str, case: Case = case, wrong: bytes = wrong, right: bytes = right) -> dict[str, Any]:
            return xml.decode(inside(case[part]).replace(wrong, right) if wrong else inside(case[part]))

        made = outcome(lambda resource=resource: fhirpath_patch.read(resource("diff"))(resource("input")))
        if "error" in case:
            assert isinstance(made, Problem), name
        else:
            assert isinstance(made, dict), (name, made)
            assert fhir_json.encode(made) == fhir_json.encode(resource("output")), name
        passed += 1
    assert passed >= FHIRPATH[version]


@pytest.mark.parametrize("version", VERSIONS)
def test_json_patch(suites: Path, version: str) -> None:
    found = json.loads((suites / version / "json-patch-tests.json").read_bytes())
    for case in found:
        made = outcome(lambda case=case: json_patch.read(json.dumps(case["patch"]).encode())(case["doc"]))
        assert isinstance(made, Problem) if "error" in case else made == case["expected"], case["comment"]
    assert len(found) >= JSON[version]


@pytest.mark.parametrize("version", VERSIONS)
def test_xml_patch(suites: Path, version: str) -> None:
    passed = 0
    for name, case in cases(suites / version / "xml-patch-tests.xml"):
        given = inside(case["target"]), etree.tostring(case["patch"], with_tail=False)
        made = outcome(lambda given=given: xml_patch.patched(*given))
        if "error" in case:
            assert isinstance(made, Problem), name
        else:
            assert isinstance(made, bytes), (name, made)
            assert canonical(made) == canonical(inside(case["patched"])), name
        passed += 1
    assert passed >= XML[version]


def canonical(document: bytes) -> bytes:
    """The document without white space between its elements, as canonical XML."""
    root = etree.fromstring(document)
    for element in root.iter():
        element.text = element.text if element.text and element.text.strip() else None
        element.tail = element.tail if element.tail and element.tail.strip() else None
    return etree.tostring(root, method="c14n")


def test_every_format_of_a_patch_does_the_same() -> None:
    patient = {"resourceType": "Patient", "id": "a", "gender": "male", "birthDate": "1920-01-01"}
    parameters = (
        b'{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},'
        b'{"name":"path","valueString":"Patient.birthDate"},{"name":"value","valueDate":"1930-01-01"}]}]}'
    )
    sent = {
        "application/json-patch+json": b'[{"op":"replace","path":"/birthDate","value":"1930-01-01"}]',
        "application/xml-patch+xml": b'<diff><replace sel="f:Patient/f:birthDate/@value">1930-01-01</replace></diff>',
        "application/fhir+json": parameters,
        "application/fhir+xml": xml.encode(fhir_json.decode(parameters)),
    }
    for media, data in sent.items():
        assert patch.apply(patient, data, media) == patient | {"birthDate": "1930-01-01"}, media
        assert patient["birthDate"] == "1920-01-01"
