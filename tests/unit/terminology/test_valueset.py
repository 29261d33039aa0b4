import time
from typing import Any

import pytest

from penstock.errors import Problem
from tests.unit.terminology.given import ANIMALS, animals, code_system, filtered, terminology, value_set

VS = "http://example.org/vs/"
WHOLE = {"system": ANIMALS}


def listing(*codes: str, system: str = ANIMALS) -> dict[str, Any]:
    return {"system": system, "concept": [{"code": code} for code in codes]}


@pytest.mark.parametrize(
    ("definition", "codes"),
    [
        (value_set(VS + "a", listing("dog", "cat", "unicorn")), "dog cat"),
        (value_set(VS + "a", filtered("concept", "is-a", "dog")), "dog puppy"),
        (value_set(VS + "a", listing("dog"), listing("cat")), "dog cat"),
        (value_set(VS + "a", WHOLE, exclude=[filtered("concept", "is-a", "beast")]), "dodo"),
        (value_set(VS + "a", WHOLE, exclude=[filtered("concept", "is-a", "beast")], inactive=False), ""),
        (value_set(VS + "a", {"valueSet": [VS + "dogs"]}), "dog puppy"),
        (value_set(VS + "a", {"valueSet": [VS + "dogs", VS + "pups"]}), "puppy"),
        (value_set(VS + "a", {**listing("dog", "cat"), "valueSet": [VS + "dogs"]}), "dog"),
        (value_set(VS + "a", WHOLE, exclude=[{"valueSet": [VS + "dogs"]}]), "beast mammal cat bird duck platypus dodo"),
        (
            value_set(VS + "a", {"valueSet": ["#in"]}, contained=[{**value_set("", listing("cat")), "id": "in"}]),
            "cat",
        ),
        (value_set(VS + "a", {"system": ANIMALS, "version": "1", "concept": [{"code": "cat"}]}), "cat"),
    ],
)
def test_a_value_set_is_what_its_definition_says(definition: dict[str, Any], codes: str) -> None:
    known = terminology(
        animals(), value_set(VS + "dogs", filtered("concept", "is-a", "dog")), value_set(VS + "pups", listing("puppy", "duck")), definition
    )
    wanted = {(ANIMALS, code) for code in codes.split()}
    assert known.codes(VS + "a") == wanted
    every = ["beast", "mammal", "dog", "puppy", "cat", "bird", "duck", "platypus", "dodo", "unicorn"]
    assert {code for code in every if known.member(VS + "a", ANIMALS, code)} == {code for _, code in wanted}
    assert {known.member(VS + "a", ANIMALS, code) for code in every} <= {True, False}


@pytest.mark.parametrize(
    ("definition", "system", "code", "answer"),
    [
        (value_set(VS + "a", {"system": "http://nobody"}), "http://nobody", "x", None),
        (value_set(VS + "a", {"system": "http://nobody"}), ANIMALS, "dog", False),
        (value_set(VS + "a", {"system": "http://nobody"}, listing("dog")), ANIMALS, "dog", True),
        (value_set(VS + "a", listing("x", "y", system="http://nobody")), "http://nobody", "x", True),
        (value_set(VS + "a", listing("x", "y", system="http://nobody")), "http://nobody", "z", False),
        (value_set(VS + "a", {"valueSet": [VS + "nobody"]}), ANIMALS, "dog", None),
        (value_set(VS + "a", {**listing("dog"), "valueSet": [VS + "nobody"]}), ANIMALS, "cat", False),
        (value_set(VS + "a", WHOLE, exclude=[{"valueSet": [VS + "nobody"]}]), ANIMALS, "dog", None),
        (value_set(VS + "a", WHOLE, exclude=[{"valueSet": [VS + "nobody"]}]), ANIMALS, "unicorn", False),
        (value_set(VS + "a", {"system": ANIMALS, "version": "9"}), ANIMALS, "dog", None),
        (value_set(VS + "a", {"system": "http://x/part"}), "http://x/part", "in", True),
        (value_set(VS + "a", {"system": "http://x/part"}), "http://x/part", "out", None),
        (value_set(VS + "a", {"system": "http://x/none"}), "http://x/none", "in", None),
        (value_set(VS + "a", filtered("wings", "=", "2")), ANIMALS, "dog", None),
    ],
)
def test_what_is_not_known_here_is_neither_true_nor_false(definition: dict[str, Any], system: str, code: str, answer: bool | None) -> None:
    known = terminology(
        animals(), code_system("http://x/part", "in", content="fragment"), code_system("http://x/none", content="not-present"), definition
    )
    assert known.member(VS + "a", system, code) is answer


def test_a_value_set_that_is_not_here_has_no_answers() -> None:
    known = terminology()
    assert known.member(VS + "nobody", ANIMALS, "dog") is None
    assert known.codes(VS + "nobody") is None


def test_a_code_without_its_system_is_one_of_any_system_of_the_set() -> None:
    known = terminology(animals(), value_set(VS + "a", listing("dog"), listing("x", system="http://nobody")))
    assert known.member(VS + "a", None, "dog") is True
    assert known.member(VS + "a", None, "x") is True
    assert known.member(VS + "a", None, "cat") is False


def test_an_expansion_without_a_definition_is_the_list_of_its_codes() -> None:
    rows = [{"system": ANIMALS, "code": "mammal", "abstract": True, "contains": [{"system": ANIMALS, "code": "dog"}]}]
    whole = {"resourceType": "ValueSet", "url": VS + "a", "status": "active", "expansion": {"contains": rows}}
    part = {"resourceType": "ValueSet", "url": VS + "b", "status": "active", "expansion": {"total": 9, "contains": rows}}
    known = terminology(animals(), whole, part)
    assert known.codes(VS + "a") == {(ANIMALS, "dog")}
    assert known.member(VS + "b", ANIMALS, "dog") is None


@pytest.mark.parametrize("length", [1, 2, 5])
def test_value_sets_that_are_made_of_themselves_are_a_problem(length: int) -> None:
    known = terminology(*(value_set(f"{VS}{place}", {"valueSet": [f"{VS}{(place + 1) % length}"]}) for place in range(length)))
    assert known.member(VS + "0", ANIMALS, "dog") is None
    with pytest.raises(Problem, match="made of itself"):
        known.library().value_set(VS + "0")


def test_a_long_chain_of_value_sets_is_refused() -> None:
    known = terminology(*(value_set(f"{VS}{place}", {"valueSet": [f"{VS}{place + 1}"]}) for place in range(2000)))
    with pytest.raises(Problem, match="one within the other"):
        known.library().value_set(VS + "0")


def test_sets_that_are_made_of_the_same_sets_over_and_over_take_no_time() -> None:
    layers = [
        value_set(f"{VS}{place}", {"valueSet": [f"{VS}{place - 1}", f"{VS}{place - 1}"]}, {"valueSet": [f"{VS}{place - 1}"]})
        for place in range(1, 25)
    ]
    known = terminology(animals(), value_set(VS + "0", listing("dog")), *layers)
    begun = time.perf_counter()
    assert known.member(VS + "24", ANIMALS, "dog") is True
    assert known.member(VS + "24", ANIMALS, "cat") is False
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize(
    "row",
    [
        {"property": "concept", "op": "is-a"},
        {"property": "concept", "value": "dog"},
        {"op": "is-a", "value": "dog"},
        {"property": "concept", "op": "is-a", "_value": {"extension": []}},
    ],
)
def test_a_filter_that_lacks_something_is_told_with_its_place(row: dict[str, Any]) -> None:
    known = terminology(animals(), value_set(VS + "a", WHOLE, {"system": ANIMALS, "filter": [row]}))
    with pytest.raises(Problem) as raised:
        known.library().value_set(VS + "a")
    assert (raised.value.code, raised.value.at) == ("invalid", "ValueSet.compose.include[1].filter[0]")


@pytest.mark.parametrize(
    "broken",
    [
        {"resourceType": "ValueSet", "url": VS + "a", "compose": "everything"},
        {"resourceType": "ValueSet", "url": VS + "a", "compose": {"include": [7]}},
        {"resourceType": "ValueSet", "url": VS + "a", "compose": {"include": [{"system": ["not", "one"]}]}},
        {"resourceType": "ValueSet", "url": VS + "a", "compose": {"include": [{"system": ANIMALS, "concept": [7]}]}},
    ],
)
def test_a_definition_that_is_not_fhir_is_a_problem(broken: dict[str, Any]) -> None:
    known = terminology(animals(), broken)
    assert known.member(VS + "a", ANIMALS, "dog") is None
    with pytest.raises(Problem, match="not written as FHIR says"):
        known.library().value_set(VS + "a")


def test_an_answer_follows_a_change_of_the_definitions() -> None:
    from penstock.formats.fhir.canonical import Shelf
    from penstock.terminology import Terminology

    shelf = Shelf([animals(), value_set(VS + "a", listing("dog"))])
    known = Terminology(shelf)
    system = known.library().system(ANIMALS)
    assert known.member(VS + "a", ANIMALS, "cat") is False
    shelf.put(value_set(VS + "a", listing("cat")))
    assert known.member(VS + "a", ANIMALS, "cat") is True
    assert known.library().system(ANIMALS) is system
    shelf.put(animals(concept=[{"code": "cow"}]))
    assert known.member(VS + "a", ANIMALS, "cat") is False
    assert known.subsumed(ANIMALS, "cow") == {"cow"}


def test_what_lies_below_and_above_a_code() -> None:
    known = terminology(animals())
    assert known.subsumed(ANIMALS, "dog") == {"dog", "puppy"}
    assert known.subsuming(ANIMALS, "duck") == {"duck", "bird", "beast"}
    assert known.subsumed(ANIMALS, "unicorn") is None
    assert known.subsumed("http://nobody", "dog") is None


@pytest.mark.parametrize(
    ("url", "codes"),
    [
        (f"{ANIMALS}?fhir_vs", 9),
        (f"{ANIMALS}?fhir_vs=isa/mammal", 5),
        (f"{ANIMALS}?fhir_vs=isa/unicorn", None),
        (f"{ANIMALS}?fhir_vs=refset/1", None),
        ("http://nobody?fhir_vs", None),
        ("?fhir_vs", None),
        ("http://loinc.org/vs", 1),
    ],
)
def test_a_value_set_may_be_implied_by_its_url(url: str, codes: int | None) -> None:
    found = terminology(animals(), code_system("http://loinc.org", "8867-4")).codes(url)
    assert (None if found is None else len(found)) == codes
