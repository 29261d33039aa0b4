"""What the cases of the terminology suite do not ask."""

from typing import Any

import pytest

from penstock.terminology.languages import parse
from penstock.terminology.lookup import find_matches, lookup, subsumes
from penstock.terminology.validation import of_code, of_coding, validate
from penstock.terminology.verdict import Rules
from tests.unit.terminology.given import ANIMALS, animals, code_system, terminology, value_set

VS = "http://example.org/vs/a"


def answered(coding: dict[str, Any], rules: Rules = Rules(), *resources: dict[str, Any]) -> dict[str, Any]:
    library = terminology(animals(), value_set(VS, {"system": ANIMALS}), *resources).library()
    found = library.value_set(VS) if rules.system is None else None
    values = {name: value for name, _, value in validate(of_coding(coding), found, library, rules)}
    issues = values.pop("issues", {}).get("issue", [])
    return {**values, "kinds": [each["details"]["coding"][0]["code"] for each in issues], "at": [each.get("expression") for each in issues]}


def test_an_abstract_code_is_refused_only_where_that_is_asked_for() -> None:
    coding = {"system": ANIMALS, "code": "beast"}
    assert answered(coding)["result"] is True
    refused = answered(coding, Rules(abstract=False))
    assert (refused["result"], refused["kinds"]) == (False, ["code-rule"])


def test_a_version_that_is_not_here_is_not_guessed() -> None:
    found = answered({"system": ANIMALS, "code": "dog", "version": "9"})
    assert (found["result"], found["kinds"], found["at"][-1]) == (False, ["not-found"], ["Coding.system"])


def test_another_version_than_the_value_set_uses_is_an_error() -> None:
    found = answered({"system": ANIMALS, "code": "dog", "version": "0"}, Rules(), animals(version="0", status="retired"))
    assert (found["result"], found["kinds"]) == (False, ["vs-invalid"])


def test_a_coding_of_another_system_than_the_one_that_is_asked_for_is_an_error() -> None:
    found = answered({"system": "http://other", "code": "dog"}, Rules(system=ANIMALS))
    assert (found["result"], found["kinds"]) == (False, ["invalid-data"])


def test_a_coding_without_a_code_is_an_error() -> None:
    assert answered({"system": ANIMALS})["kinds"][-1] == "invalid-data"


def test_a_code_beyond_the_known_part_of_a_system_is_a_warning() -> None:
    library = terminology(code_system("http://x/part", "in", content="fragment")).library()
    values = {name: value for name, _, value in validate(of_code("out", "http://x/part", None, None), None, library, Rules())}
    assert values["result"] is True
    assert values["issues"]["issue"][0]["severity"] == "warning"


def test_a_listed_code_of_an_unknown_system_is_valid_with_a_warning() -> None:
    listed = value_set(VS, {"system": "http://nobody", "concept": [{"code": "x"}]})
    library = terminology(listed).library()
    values = {
        name: value for name, _, value in validate(of_code("x", "http://nobody", None, None), library.value_set(VS), library, Rules())
    }
    assert values["result"] is True
    assert [each["severity"] for each in values["issues"]["issue"]] == ["warning"]


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        ("de", ("de",)),
        ("en;q=0.4, de", ("de", "en")),
        ("*", ()),
        ("", ()),
        (None, ()),
        ("en;q=0", ()),
        ("en;q=x", ()),
        ("en, *;q=0.1", ("en",)),
    ],
)
def test_languages_come_in_the_order_in_which_they_are_wanted(header: str | None, languages: tuple[str, ...]) -> None:
    assert parse(header) == languages


@pytest.mark.parametrize(
    ("one", "other", "outcome"),
    [
        ("dog", "dog", "equivalent"),
        ("mammal", "puppy", "subsumes"),
        ("platypus", "bird", "subsumed-by"),
        ("dog", "cat", "not-subsumed"),
        ("dog", "dodo", "not-subsumed"),
    ],
)
def test_how_two_codes_are_related(one: str, other: str, outcome: str) -> None:
    system = terminology(animals()).library().system(ANIMALS)
    assert system is not None
    concepts = system.find(one), system.find(other)
    assert concepts[0] is not None and concepts[1] is not None
    assert subsumes(system, *concepts) == outcome


@pytest.mark.parametrize(
    ("asked", "properties"),
    [
        ([], ["inactive", "parent", "child", "legs"]),
        (["legs"], ["legs"]),
        (["parent", "inactive"], ["inactive", "parent"]),
        (["wings"], []),
    ],
)
def test_a_lookup_tells_the_properties_that_are_asked_for(asked: list[str], properties: list[str]) -> None:
    system = terminology(animals()).library().system(ANIMALS)
    assert system is not None
    concept = system.find("dog")
    assert concept is not None
    values = lookup(system, concept, (), asked)
    assert [part[0][2] for name, _, part in values if name == "property"] == properties


def test_codes_are_found_by_all_or_some_of_their_properties() -> None:
    system = terminology(animals()).library().system(ANIMALS)
    assert system is not None
    wanted = {"legs": "2", "parent": "bird"}
    exact = find_matches(system, wanted, exact=True, most=10)
    some = find_matches(system, wanted, exact=False, most=10)
    assert [parts[0][2]["code"] for _, _, parts in exact] == ["duck"]
    assert [parts[0][2]["code"] for _, _, parts in some] == ["duck", "platypus"]
    assert [name for name, _, _ in some[1][2]] == ["code", "unmatched"]
