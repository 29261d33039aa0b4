"""Whatever stands in a Bundle or in Parameters is either read or refused with a Problem; links are replaced alike however it is done."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.api.fhir import links
from penstock.api.fhir.answers import inner
from penstock.api.fhir.entries import Entry, entries
from penstock.api.operations import Parameter
from penstock.api.operations.parameters import decode, encode, from_query, require_declared
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate import check

BASE = "http://penstock.test/fhir"
LINKS = {"urn:uuid:a": "Patient/1", "urn:uuid:b": "Observation/2", "http://x.example/Patient/3": "Patient/3"}

words = st.sampled_from(
    ["resourceType", "request", "method", "url",
     "resource", "fullUrl", "ifMatch", "ifNoneExist", "name", "part", "parameter", "valueString",
     "valueCoding", "reference", "div", "contained", "subject", "identifier", "value", "extension", "text", "derivedFrom"]
)  # fmt: skip
texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "Patient", "Patient/1", "Patient?name=x", "$convert", "Patient/1/$meta", "../x",
         "Binary", "Parameters", "urn:uuid:a", "urn:uuid:none", "Patient?identifier=a|b", '<a href="urn:uuid:a">x</a>', "\0"]
    ),
)  # fmt: skip
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), texts),
    lambda inside: st.one_of(st.lists(inside, max_size=4), st.dictionaries(st.one_of(words, texts), inside, max_size=5)),
    max_leaves=20,
)
objects = st.dictionaries(words, values, max_size=6)
examples = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@examples
@given(
    st.lists(st.one_of(values, st.fixed_dictionaries({"request": objects}, optional={"resource": objects, "fullUrl": texts})), max_size=4)
)
def test_every_entry_of_a_bundle_is_read_or_refused(found: list[Any]) -> None:
    read = list(entries({"resourceType": "Bundle", "entry": found}, BASE))
    assert len(read) == len(found)
    outer = Request("POST", "/fhir", "", {}, None, limit=1000)
    for name in ("access", "expires", "base", "now", "trace_id", "dispatch", "later"):
        setattr(outer, name, None)
    for number, entry in enumerate(read):
        if isinstance(entry, Entry):
            assert entry.number == number
            assert inner(outer, entry).path.startswith("/fhir/")
        else:
            assert entry.at.startswith(f"Bundle.entry[{number}]")


DECLARED = (
    Parameter("name", "string", 0, None), Parameter("url", "uri"), Parameter("value", "*"), Parameter("resource", "Resource"),
    Parameter("part", parts=(Parameter("name", "code", 1),)), Parameter("method", "boolean"), Parameter("identifier", "integer"),
)  # fmt: skip


@examples
@given(objects, st.booleans())
def test_parameters_are_read_or_refused(found: dict[str, Any], lenient: bool) -> None:
    try:
        require_declared(decode({"resourceType": "Parameters", **found}, DECLARED, lenient=lenient), DECLARED)
    except Problem as problem:
        assert problem.text


@examples
@given(st.lists(st.tuples(st.one_of(words, st.text(max_size=5)), texts), max_size=5), st.booleans())
def test_the_parameters_of_a_url_are_read_or_refused(pairs: list[tuple[str, str]], lenient: bool) -> None:
    try:
        require_declared(from_query(pairs, DECLARED, lenient=lenient), DECLARED)
    except Problem as problem:
        assert problem.text


@examples
@given(st.lists(st.tuples(st.sampled_from(["name", "url"]), st.text(min_size=1, max_size=9, alphabet="abc é")), max_size=6))
def test_what_is_written_as_parameters_is_read_back(pairs: list[tuple[str, str]]) -> None:
    declared = (Parameter("name", "string", 0, None), Parameter("url", "uri", 0, None))
    written = encode([(name, "string", value) for name, value in pairs if value.strip() == value])
    read = decode(written, declared)
    for name in ("name", "url"):
        assert list(read[name]) == [value for other, value in pairs if other == name and value.strip() == value]
    assert check(written) == []


targets = st.sampled_from(
    ["urn:uuid:a", "urn:uuid:b", "http://x.example/Patient/3", "Patient/9", "#c", "http://elsewhere.example/Patient/1"]
)
references = st.fixed_dictionaries(
    {}, optional={"reference": targets, "display": texts, "identifier": st.fixed_dictionaries({"value": targets})}
)
extensions = st.one_of(
    st.fixed_dictionaries({"url": targets, "valueReference": references}),
    st.fixed_dictionaries({"url": targets, "valueString": targets}),
    st.fixed_dictionaries({"url": targets, "valueUri": targets}),
)
observations = st.fixed_dictionaries(
    {"resourceType": st.just("Observation")},
    optional={
        "subject": references,
        "performer": st.lists(references, min_size=1, max_size=3),
        "extension": st.lists(extensions, min_size=1, max_size=2),
        "identifier": st.lists(st.fixed_dictionaries({"system": targets, "value": targets}), min_size=1, max_size=2),
        "text": st.fixed_dictionaries({"div": st.sampled_from(["<div>x</div>", '<div><a href="urn:uuid:a">x</a></div>'])}),
        "component": st.lists(st.fixed_dictionaries({"extension": st.lists(extensions, min_size=1, max_size=1)}), min_size=1, max_size=2),
    },
)


@examples
@given(observations)
def test_links_are_replaced_alike_with_and_without_types(resource: dict[str, Any]) -> None:
    before = repr(resource)
    careful = links._object(resource, r4().type("Observation"), LINKS)
    with contextlib.suppress(links._Careful):
        assert links._plain(resource, LINKS) == careful
    assert links.relink(resource, LINKS, "at") == careful
    assert repr(resource) == before, "what was given stays as it is"
    left = repr([each for each in _references(careful) if each in LINKS])
    assert left == "[]", "every reference to an entry is replaced"


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if "reference" in value else []
        return own + [each for inside in value.values() for each in _references(inside)]
    return [each for inside in value for each in _references(inside)] if isinstance(value, list) else []
