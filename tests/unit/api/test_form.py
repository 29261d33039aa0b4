"""Which form an answer takes, from an Accept header and a few parameters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.api.form import FORMATS, PLAIN, Form, chosen, form_of
from penstock.errors import Problem
from penstock.formats.fhir.summary import Cut

JSON, XML = "application/fhir+json", "application/fhir+xml"


def test_nothing_asked_for_is_whole_json() -> None:
    assert form_of(None, [], None) == form_of("", [], None) == form_of("*/*", [], "json") == PLAIN == Form()
    assert PLAIN.media == b"application/fhir+json; charset=utf-8"


def test_every_parameter_has_its_part() -> None:
    asked = form_of(f"{JSON};fhirVersion=4.0", [("_format", "xml"), ("_pretty", "true"), ("_elements", "name"), ("name", "x")], None)
    assert asked == Form("xml", pretty=True, cut=Cut("elements", frozenset(["name"])))
    assert form_of(f"{XML}; fhirVersion=4.0.1", [], None).media == b"application/fhir+xml; charset=utf-8; fhirVersion=4.0.1"
    assert form_of(JSON, [("_format", "xml"), ("_format", "json")], None).format == "xml", "the first one counts"


@pytest.mark.parametrize("accept", ["text/html", f"{XML};q=0", ";", "application/fhir+json;fhirVersion=2", f"{XML};fhirVersion=5.0"])
def test_none_of_ours_is_not_acceptable(accept: str) -> None:
    with pytest.raises(Problem) as caught:
        chosen(accept, "json")
    assert caught.value.meaning.http == 406


def test_other_versions_are_for_what_is_read() -> None:
    accept = f"{JSON};fhirVersion=5.0"
    assert form_of(accept, [], None).other == "5.0"
    assert form_of(f"{JSON};fhirVersion=4.3.0", [], None).other == "4.3"
    assert form_of(JSON, [], None).other is None
    with pytest.raises(Problem):
        form_of(accept, [], None, reads=False)


RANGES = st.builds(
    lambda name, quality: (name, quality),
    st.sampled_from([*FORMATS, "text/html", "image/*"]),
    st.integers(0, 1000).map(lambda number: number / 1000),
)


@given(st.lists(RANGES, min_size=1, max_size=5))
def test_the_best_of_ours_is_chosen(ranges: list[tuple[str, float]]) -> None:
    accept = ", ".join(f"{name};q={quality:.3f}" for name, quality in ranges)
    ours = [(name, quality) for name, quality in ranges if name in FORMATS and quality > 0]
    if not ours:
        with pytest.raises(Problem):
            chosen(accept, "json")
    else:
        best = max(quality for _, quality in ours)
        assert chosen(accept, "json")[0] == next(FORMATS[name] for name, quality in ours if quality == best)


@given(st.text('ajx/*;,q=.01 fhirVson+"é', max_size=40), st.text("xmljson/+;= ", max_size=20))
def test_any_header_gives_a_form_or_a_refusal(accept: str, format: str) -> None:
    try:
        form_of(accept, [("_format", format)], None)
    except Problem as problem:
        assert problem.meaning.http == 406
