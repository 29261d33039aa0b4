"""FHIR XML: what goes in comes out, what is not FHIR is refused with its place, and nothing that is hostile gets far."""

from __future__ import annotations

import string
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from penstock.errors import Problem
from penstock.formats.fhir import json, xml
from penstock.formats.fhir.definitions import Element, r4

Resource = dict[str, Any]
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def document(inside: str, type: str = "Patient", attributes: str = "") -> bytes:
    return f'<{type} xmlns="http://hl7.org/fhir"{attributes}>{inside}</{type}>'.encode()


def read(inside: str, type: str = "Patient") -> Resource:
    found = xml.decode(document(inside, type))
    assert found.pop("resourceType") == type
    return found


def refused(data: bytes) -> Problem:
    with pytest.raises(Problem) as caught:
        xml.decode(data)
    assert caught.value.meaning.http < 500
    return caught.value


# what is read


def test_each_kind_of_element_has_its_json() -> None:
    found = read(
        '<id value="a"/><!-- a comment --><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">x</div></text>'
        '<contained><Organization><id value="o"/><active value="true"/></Organization></contained>'
        '<extension url="http://a.example"><valueDecimal value="1.10"/></extension>'
        '<identifier id="i"><value value="1"/></identifier><?ignored by everybody?>'
        '<birthDate value="1970" id="b"><extension url="http://b.example"><valueInteger value="7"/></extension></birthDate>'
        '<multipleBirthInteger value="2"/>'
    )
    assert found == {
        "id": "a",
        "text": {"status": "generated", "div": f"<div {XHTML}>x</div>"},
        "contained": [{"resourceType": "Organization", "id": "o", "active": True}],
        "extension": [{"url": "http://a.example", "valueDecimal": Decimal("1.10")}],
        "identifier": [{"id": "i", "value": "1"}],
        "birthDate": "1970",
        "_birthDate": {"id": "b", "extension": [{"url": "http://b.example", "valueInteger": 7}]},
        "multipleBirthInteger": 2,
    }


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ('<given value="a"/><given value="b"/>', {"given": ["a", "b"]}),
        ('<given value="a"/><given value="b" id="x"/><given value="c"/>', {"given": ["a", "b", "c"], "_given": [None, {"id": "x"}, None]}),
        ('<given id="x"/><given value="b"/>', {"given": [None, "b"], "_given": [{"id": "x"}, None]}),
        ('<given id="x"/>', {"_given": [{"id": "x"}]}),
    ],
)
def test_arrays_of_primitives_are_aligned_with_their_extensions(given: str, name: Resource) -> None:
    assert read(f"<name>{given}</name>") == {"name": [name]}
    patient = {"resourceType": "Patient", "name": [name]}
    assert xml.decode(xml.encode(patient)) == patient


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.10", "1.10"), ("-0.50", "-0.50"), ("1e2", "1E+2"), ("0", "0"), ("-0", "-0"), ("100", "100"), ("1.0E-20", "1.0E-20")],
)
def test_decimals_keep_their_digits(text: str, value: str) -> None:
    found = read(f'<status value="final"/><valueQuantity><value value="{text}"/></valueQuantity>', "Observation")
    assert str(found["valueQuantity"]["value"]) == value


@pytest.mark.parametrize(
    ("div", "text"),
    [
        (f"<div {XHTML}>a&#160;b &quot;c&quot;<br/></div>", f"<div {XHTML}>a&#160;b &quot;c&quot;<br/></div>"),
        (f"<div {XHTML}/>", f"<div {XHTML}/>"),
        (f"<div {XHTML}></div>", f"<div {XHTML}></div>"),
        (f"<div {XHTML}>/></div>", f"<div {XHTML}>/></div>"),
        (f"<div {XHTML}><br/></div>", f"<div {XHTML}><br/></div>"),
        (f'<div class="a" {XHTML}>x<!-- > --></div>', f'<div class="a" {XHTML}>x<!-- > --></div>'),
        (f'<div {XHTML} title="/">x</div  >', f'<div {XHTML} title="/">x</div  >'),
        (f"<div {XHTML}><div>in</div>ner</div>", f"<div {XHTML}><div>in</div>ner</div>"),
        ('<h:div xmlns:h="http://www.w3.org/1999/xhtml">a<h:b>c</h:b></h:div>', f"<div {XHTML}>a<b>c</b></div>"),
    ],
)
def test_a_narrative_keeps_its_text(div: str, text: str) -> None:
    assert read(f'<text><status value="generated"/>{div}</text><active value="true"/>')["text"]["div"] == text


def test_a_narrative_with_namespaces_from_around_it_stands_alone() -> None:
    around = document(
        '<text><status value="generated"/><h:div>a<h:b>c</h:b></h:div></text>', attributes=' xmlns:h="http://www.w3.org/1999/xhtml"'
    )
    assert xml.decode(around)["text"]["div"] == f"<div {XHTML}>a<b>c</b></div>"
    again = document(f'<text><status value="generated"/><div {XHTML}>a:b = c</div></text>', attributes=' xmlns:k="urn:k"')
    assert xml.decode(again)["text"]["div"] == f"<div {XHTML}>a:b = c</div>"


def test_a_schema_location_is_ignored() -> None:
    attributes = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://hl7.org/fhir fhir-all.xsd"'
    assert xml.decode(b"\xef\xbb\xbf" + document('<active value="true"/>', attributes=attributes)) == {
        "resourceType": "Patient",
        "active": True,
    }


# what is refused


@pytest.mark.parametrize(
    ("inside", "at", "words"),
    [
        ('<nonsense value="x"/>', "Patient.nonsense", "no such element"),
        ('<name><family value="a"/><nonsense/></name>', "Patient.name[0].nonsense", "no such element"),
        ('<active value="true"/><active value="true"/>', "Patient.active", "repeated"),
        ('<active value="yes"/>', "Patient.active", "as its type asks"),
        ('<multipleBirthInteger value="1.0"/>', "Patient.multipleBirthInteger", "as its type asks"),
        ('<multipleBirthInteger value="٣"/>', "Patient.multipleBirthInteger", "as its type asks"),
        ('<name/><name><period><start value="1970" start="x"/></period></name>', "Patient.name[0]", "never empty"),
        ('<name id="a"/><name id="b" url="c"/>', "Patient.name[1]", "attribute"),
        ("<active/>", "Patient.active", "never empty"),
        ('<birthDate value="1970"/><active value="true"/>', "Patient.active", "before"),
        ('<name><given value="a"/>text</name>', "Patient.name[0]", "text between"),
        ('<active value="true">text</active>', "Patient.active", "text between"),
        ('<text><status value="generated"/><div>x</div></text>', "Patient.text.div", "no such element"),
        ("<contained><Nonsense/></contained>", "Patient.contained[0]", "named like a type"),
        ("<contained/>", "Patient.contained[0]", "never empty"),
        ("<contained><Patient/><Patient/></contained>", "Patient.contained[0]", "one resource"),
        ('<contained a="b"><Patient/></contained>', "Patient.contained[0]", "attribute"),
        ('<x:active xmlns:x="urn:x" value="true"/>', "Patient", "no such element"),
    ],
)
def test_what_r4_does_not_have_is_refused_with_its_place(inside: str, at: str, words: str) -> None:
    problem = refused(document(inside))
    assert words in problem.text and problem.at == at


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   ",
        b"text",
        b"<",
        b"<Patient/>",
        b'<Nonsense xmlns="http://hl7.org/fhir"/>',
        b'<Patient xmlns="http://hl7.org/fhir">',
        b'<Patient xmlns="http://hl7.org/fhir"/><Patient xmlns="http://hl7.org/fhir"/>',
        b'<Patient xmlns="http://hl7.org/fhir" id="a"/>',
        b'<Patient xmlns="http://hl7.org/fhir"><active value="true" value="true"/></Patient>',
        b'<Patient xmlns="http://hl7.org/fhir"><birthDate value="\xff"/></Patient>',
        b'<Patient xmlns="http://hl7.org/fhir"><birthDate value="&#0;"/></Patient>',
        b'<Patient xmlns="http://hl7.org/fhir"><birthDate value="&nbsp;"/></Patient>',
        b'<?xml version="1.0" encoding="ISO-8859-1"?><Patient xmlns="http://hl7.org/fhir"/>',
        document('<active value="true"/>').decode().encode("utf-16"),
        b'{"resourceType":"Patient"}',
    ],
)
def test_what_is_no_resource_in_xml_is_refused(data: bytes) -> None:
    assert refused(data).code == "structure"


LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    "declaration",
    [
        f'<!DOCTYPE p [<!ENTITY a0 "ha">{LAUGHS}]>',
        '<!DOCTYPE p [<!ENTITY a11 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE p [<!ENTITY % e SYSTEM "http://127.0.0.1/x"> %e;]>',
        '<!DOCTYPE p SYSTEM "http://127.0.0.1/p.dtd">',
        '<!DOCTYPE p [<!ATTLIST Patient id CDATA "x">]>',
    ],
)
def test_a_document_type_is_refused_whatever_is_in_it(declaration: str) -> None:
    problem = refused(declaration.encode() + document('<birthDate value="&a11;"/>'))
    assert "document type" in problem.text


def test_elements_nest_as_deep_as_in_json_and_no_deeper() -> None:
    def nested(depth: int) -> bytes:
        return document('<extension url="a">' * depth + '<valueString value="x"/>' + "</extension>" * depth)

    deepest = xml.decode(nested(30))
    assert json.decode(json.encode(deepest)) == deepest
    assert "nested" in refused(nested(40)).text
    assert "nested" in refused(nested(100_000)).text
    deep_div = f"<div {XHTML}>" + "<b>" * 100_000 + "</b>" * 100_000 + "</div>"
    assert "nested" in refused(document(f'<text><status value="generated"/>{deep_div}</text>')).text


@pytest.mark.parametrize("number", ["1" * 65, "1e999999999", "1e" + "9" * 40, "1e400", "0." + "0" * 80 + "1"])
def test_numbers_that_are_too_large_are_refused(number: str) -> None:
    data = document(f'<status value="final"/><valueQuantity><value value="{number}"/></valueQuantity>', "Observation")
    assert refused(data).at == "Observation.valueQuantity.value"


def test_a_document_of_many_elements_is_read() -> None:
    found = read('<name><given value="x"/></name>' * 100_000)
    assert len(found["name"]) == 100_000


# what is written


def test_characters_that_xml_escapes_come_back() -> None:
    text = "<&>\"'\t\n\r é😀 \x85"
    patient = {"resourceType": "Patient", "name": [{"text": text}]}
    assert xml.decode(xml.encode(patient)) == patient
    assert xml.decode(xml.encode(patient, pretty=True)) == patient


@pytest.mark.parametrize("text", ["a\x01", "\ufffe", "\ud800", "\x0b"])
def test_what_xml_cannot_hold_can_only_be_had_as_json(text: str) -> None:
    with pytest.raises(Problem) as caught:
        xml.encode({"resourceType": "Patient", "name": [{"text": text}]})
    assert caught.value.code == "not-acceptable"


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonsense": "x"},
        {"name": {"text": "x"}},
        {"name": ["x"]},
        {"active": {"a": 1}},
        {"active": [True]},
        {"_active": "x"},
        {"_name": {}},
        {"name": [{"_id": {"id": "x"}}]},
        {"contained": [{"resourceType": "Nonsense"}]},
        {"contained": ["x"]},
        {"text": {"div": 1}},
        {"birthDate": None},
    ],
)
def test_what_is_no_resource_is_not_written(wrong: Resource) -> None:
    with pytest.raises(Problem):
        xml.encode({"resourceType": "Patient"} | wrong)


@pytest.mark.parametrize("div", ["x", "<div>", f"<div {XHTML}>", f"</text><div {XHTML}/>", f"<div {XHTML}>&unknown;</div>", "<p/>"])
def test_a_narrative_that_would_break_the_document_is_not_written(div: str) -> None:
    with pytest.raises(Problem) as caught:
        xml.encode({"resourceType": "Patient", "text": {"status": "generated", "div": div}})
    assert caught.value.code == "not-acceptable"


def test_a_narrative_without_its_namespace_and_with_names_of_html_is_written_as_xml() -> None:
    patient = {"resourceType": "Patient", "text": {"status": "generated", "div": "<div>a&nbsp;b &lt;&eacute;</div>"}}
    written = xml.decode(xml.encode(patient))["text"]["div"]
    assert written == f"<div {XHTML}>a&#160;b &lt;&#233;</div>"


def test_properties_are_written_in_the_order_of_the_definitions() -> None:
    written = xml.encode({"birthDate": "1970", "active": True, "resourceType": "Patient", "id": "a"})
    assert [etree.QName(each).localname for each in etree.fromstring(written)] == ["id", "active", "birthDate"]


# any resource at all

TEXT = st.text(string.ascii_letters + " <>&\"'é\n\t", min_size=1, max_size=8)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": st.integers(-(10**9), 10**9),
    "unsignedInt": st.integers(0, 10**9),
    "positiveInt": st.integers(1, 10**9),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False, places=3) | st.integers(-5, 5),
    "xhtml": st.just(f"<div {XHTML}>x &amp; <b>y</b></div>"),
}


@st.composite
def things(draw: st.DrawFn, type: str, depth: int = 0) -> Resource:
    """Something of a type with some of its elements, each of a value that JSON and XML can hold."""
    definition = r4().type(type)
    assert definition is not None
    made: Resource = {"resourceType": type} if definition.kind == "resource" else {}
    plain = [each for each in definition.elements.values() if not each.sibling and (each.primitive or depth < 3)]
    for element in draw(st.lists(st.sampled_from(plain), min_size=1, max_size=4, unique_by=lambda each: each.choice or each.name)):
        held = draw(st.lists(values(element, depth), min_size=1, max_size=2)) if element.many else draw(values(element, depth))
        made[element.name] = held
        attribute = (element.name == "id" and definition.kind != "resource") or (type == "Extension" and element.name == "url")
        if element.primitive and not attribute and element.type != "xhtml" and draw(st.booleans()):
            made["_" + element.name] = [{"id": "x"}] * len(held) if element.many else {"id": "x"}
    return made


def values(element: Element, depth: int) -> st.SearchStrategy[Any]:
    if element.primitive:
        return VALUES.get(element.type, TEXT)
    return things("Basic" if element.type == "Resource" else element.type, depth + 1)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(sorted(r4().resource_types)).flatmap(things))
def test_any_resource_of_any_type_comes_back_from_xml(resource: Resource) -> None:
    written = xml.encode(resource)
    assert json.encode(xml.decode(written)) == json.encode(resource)
    assert xml.decode(xml.encode(resource, pretty=True)) == xml.decode(written)


@given(st.binary(max_size=60) | st.text(string.printable, max_size=60).map(lambda text: document(text)))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        xml.decode(data)
    except Problem as problem:
        assert problem.meaning.http in (400, 422)
