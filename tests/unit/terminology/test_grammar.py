import pytest
from hypothesis import given, strategies

from penstock.terminology.grammar import GRAMMARS, LANGUAGES, MEDIA_TYPES, UNITS
from tests.unit.terminology.given import terminology, value_set


@pytest.mark.parametrize(
    "tag", ["en", "en-GB", "de-CH-1996", "zh-Hant-TW", "sr-Latn-RS", "x-whatever", "i-klingon", "es-419", "de-u-co-phonebk", "EN-us"]
)
def test_a_well_formed_language_tag_is_known(tag: str) -> None:
    assert GRAMMARS[LANGUAGES].find(tag) is not None


@pytest.mark.parametrize("tag", ["", "e", "english-language-x", "en_GB", "en-", "-en", "en--GB", "en-GB-", "12", "en-x", "de-u"])
def test_a_tag_that_is_not_well_formed_is_none(tag: str) -> None:
    assert GRAMMARS[LANGUAGES].find(tag) is None


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("application/fhir+json", True),
        ("text/plain; charset=utf-8", True),
        ('text/plain;charset="utf 8"', True),
        ("application/vnd.oasis.opendocument.text", True),
        ("text", False),
        ("text/", False),
        ("text/plain;", False),
        ("te xt/plain", False),
    ],
)
def test_a_media_type_is_known_by_how_it_is_written(written: str, known: bool) -> None:
    assert (GRAMMARS[MEDIA_TYPES].find(written) is not None) is known


@pytest.mark.parametrize(("code", "known"), [("mg/dL", True), ("mm[Hg]", True), ("10*9/L", True), ("furlongs", False), ("MG/dl/", False)])
def test_a_unit_is_known_by_how_it_is_written(code: str, known: bool) -> None:
    assert (GRAMMARS[UNITS].find(code) is not None) is known


@pytest.mark.parametrize("url", [LANGUAGES, MEDIA_TYPES, UNITS])
@given(text=strategies.text(max_size=300))
def test_any_text_is_a_code_or_not(url: str, text: str) -> None:
    found = GRAMMARS[url].find(text)
    assert found is None or (found.code == text and len(text) <= 200)


def test_units_can_be_chosen_by_their_dimension() -> None:
    known = terminology()
    assert known.member("http://hl7.org/fhir/ValueSet/all-distance-units", UNITS, "cm") is True
    assert known.member("http://hl7.org/fhir/ValueSet/all-distance-units", UNITS, "kg") is False


def test_a_value_set_of_a_grammar_is_told_but_not_listed() -> None:
    known = terminology(value_set("http://x/vs", {"system": LANGUAGES}))
    assert known.member("http://x/vs", LANGUAGES, "de") is True
    assert known.member("http://x/vs", LANGUAGES, "not a language") is False
    assert known.codes("http://x/vs") is None


@pytest.mark.parametrize(
    ("system", "code", "answer"),
    [
        ("urn:iso:std:iso:3166", "GB", True),
        ("urn:iso:std:iso:3166", "QZ", None),
        ("urn:iso:std:iso:3166", "gb", False),
        ("urn:iso:std:iso:4217", "EUR", True),
        ("urn:iso:std:iso:4217", "QQQ", None),
        ("urn:iso:std:iso:4217", "Euro", False),
    ],
)
def test_countries_and_currencies_are_known_as_far_as_they_are_listed(system: str, code: str, answer: bool | None) -> None:
    known = terminology(value_set("http://x/vs", {"system": system}))
    assert known.member("http://x/vs", system, code) is answer
