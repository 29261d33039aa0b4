import time
from typing import Any

import pytest
from hypothesis import given, strategies

from penstock.errors import Problem
from penstock.terminology import expansion
from penstock.terminology.expansion import Wanted
from penstock.terminology.shown import Manner
from tests.unit.terminology.given import ANIMALS, animals, code_system, filtered, terminology, value_set

VS = "http://example.org/vs/a"
ALL = value_set(VS, {"system": ANIMALS}, version="2", description="All animals")


def expanded(*resources: dict[str, Any], wanted: Wanted = Wanted(), url: str = VS) -> dict[str, Any]:
    found = terminology(*(resources or (animals(), ALL))).expand(url, wanted, identifier="urn:uuid:x", timestamp="2024-01-01T00:00:00Z")
    return found


def codes(found: dict[str, Any]) -> str:
    return " ".join(row["code"] for row in found["expansion"].get("contains", ()))


def tree(rows: list[dict[str, Any]]) -> str:
    return " ".join(row["code"] + (f"({tree(row['contains'])})" if "contains" in row else "") for row in rows)


def test_the_whole_comes_as_a_tree_with_what_it_was_made_from() -> None:
    found = expanded()
    assert tree(found["expansion"]["contains"]) == "beast(mammal(dog(puppy) cat platypus) bird(duck)) dodo"
    assert found["expansion"]["total"] == 9
    assert found["expansion"]["parameter"] == [{"name": "used-codesystem", "valueUri": ANIMALS + "|1"}]
    assert found["url"] == VS and "compose" not in found


def test_a_code_whose_parent_is_left_out_has_no_place_in_the_tree() -> None:
    found = expanded(animals(), value_set(VS, {"system": ANIMALS}, exclude=[{"system": ANIMALS, "concept": [{"code": "mammal"}]}]))
    assert tree(found["expansion"]["contains"]) == "beast(bird(duck platypus)) dog(puppy) cat dodo"


@pytest.mark.parametrize(
    ("wanted", "result"),
    [
        (Wanted(nested=False), "beast mammal dog puppy cat bird duck platypus dodo"),
        (Wanted(limit=2), "beast mammal"),
        (Wanted(limit=2, offset=3), "puppy cat"),
        (Wanted(offset=8), "dodo"),
        (Wanted(limit=5, offset=100), ""),
        (Wanted(limit=0), ""),
        (Wanted(limit=2, nested=True), "beast mammal"),
        (Wanted(limit=9, nested=True), "beast dodo"),
        (Wanted(words=("d",)), "dog bird duck dodo"),
        (Wanted(words=("katze",)), "cat"),
        (Wanted(words=("d", "g")), "dog"),
        (Wanted(active_only=True, nested=False), "beast mammal dog puppy cat bird duck platypus"),
        (Wanted(selectable_only=True, nested=False), "mammal dog puppy cat bird duck platypus dodo"),
        (Wanted(without=frozenset({ANIMALS})), ""),
        (Wanted(without=frozenset({ANIMALS + "|2"}), limit=1), "beast"),
    ],
)
def test_what_is_wanted_is_what_is_listed(wanted: Wanted, result: str) -> None:
    assert codes(expanded(wanted=wanted)) == result


@given(size=strategies.integers(1, 4))
def test_pages_together_are_the_whole(size: int) -> None:
    pages = [codes(expanded(wanted=Wanted(limit=size, offset=offset))) for offset in range(0, 9, size)]
    assert " ".join(pages) == "beast mammal dog puppy cat bird duck platypus dodo"


def test_a_display_is_in_the_language_that_is_wanted_as_far_as_there_is_one() -> None:
    rows = {
        row["code"]: row
        for row in expanded(wanted=Wanted(nested=False, manner=Manner(("de-AT",), designations=True)))["expansion"]["contains"]
    }
    assert rows["cat"]["display"] == "Katze"
    assert rows["cat"]["designation"] == [{"language": "en", "value": "Cat"}]
    assert rows["dog"]["display"] == "Dog"


def test_a_value_set_may_show_a_code_in_its_own_words() -> None:
    listed = {"code": "cat", "display": "Pussycat", "designation": [{"language": "fr", "value": "chat"}]}
    found = expanded(animals(), value_set(VS, {"system": ANIMALS, "concept": [listed]}), wanted=Wanted(manner=Manner(designations=True)))
    row = found["expansion"]["contains"][0]
    assert row["display"] == "Pussycat"
    assert [each["value"] for each in row["designation"]] == ["Cat", "chat", "Katze"]


def test_properties_come_in_the_extensions_that_stand_for_r5() -> None:
    found = expanded(wanted=Wanted(nested=False, manner=Manner(properties=("legs", "parent"))))
    dog = next(row for row in found["expansion"]["contains"] if row["code"] == "dog")
    values = [each["extension"] for each in dog["extension"]]
    assert values == [
        [{"url": "code", "valueCode": "parent"}, {"url": "value", "valueCode": "mammal"}],
        [{"url": "code", "valueCode": "legs"}, {"url": "value", "valueInteger": 4}],
    ]
    assert [each["extension"][0]["valueCode"] for each in found["expansion"]["extension"]] == ["parent", "legs", "status"]


@pytest.mark.parametrize(
    ("resources", "code"),
    [
        ((value_set(VS, {"system": "http://nobody"}),), "not-found"),
        ((value_set(VS, {"valueSet": ["http://nobody"]}),), "not-found"),
        ((value_set(VS, {"system": "urn:ietf:bcp:47"}),), "too-costly"),
        ((animals(), value_set(VS, filtered("concept", "is-a", "unicorn"))), "not-found"),
        ((), "not-found"),
    ],
)
def test_what_cannot_be_listed_is_a_problem(resources: tuple[dict[str, Any], ...], code: str) -> None:
    with pytest.raises(Problem) as raised:
        expanded(*resources, animals(), url=VS)
    assert raised.value.code == code


def test_more_codes_than_an_answer_holds_are_refused_and_come_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "MOST", 5)
    with pytest.raises(Problem, match="pages") as raised:
        expanded()
    assert raised.value.code == "too-costly"
    assert codes(expanded(wanted=Wanted(limit=5))) == "beast mammal dog puppy cat"


def test_a_small_text_that_means_much_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "_WORK", 100)
    product = value_set(VS, *({"system": ANIMALS} for _ in range(20)))
    with pytest.raises(Problem, match="more work"):
        expanded(animals(), product)


def test_a_system_of_which_only_a_part_is_here_says_so() -> None:
    part = code_system("http://x/part", "a", content="fragment", version="3")
    found = expanded(part, value_set(VS, {"system": "http://x/part"}))
    assert codes(found) == "a"
    assert {"name": "fragment", "valueUri": "http://x/part|3"} in found["expansion"]["parameter"]


def test_codes_above_each_other_in_a_circle_are_a_list() -> None:
    up = [{"code": a, "property": [{"code": "parent", "valueCode": b}]} for a, b in (("a", "b"), ("b", "a"))]
    found = expanded(code_system("http://x/cs", *up), value_set(VS, {"system": "http://x/cs"}))
    assert tree(found["expansion"]["contains"]) == "a b"


@pytest.mark.parametrize("shape", ["chain", "star"])
def test_deep_and_wide_systems_are_listed_in_time(shape: str) -> None:
    above = {"chain": lambda place: place - 1, "star": lambda place: 0}[shape]
    rows = [{"code": f"c{place}", "property": [{"code": "parent", "valueCode": f"c{above(place)}"}]} for place in range(1, 5_000)]
    definition = code_system("http://x/cs", "c0", *rows)
    is_a = [filtered("concept", "is-a", f"c{place}", "http://x/cs") for place in range(20)]
    begun = time.perf_counter()
    found = expanded(definition, value_set(VS, {"system": "http://x/cs"}, *is_a))
    assert found["expansion"]["total"] == 5_000
    assert ("contains" in found["expansion"]["contains"][0]) is (shape == "star")
    assert time.perf_counter() - begun < 5


def test_many_excludes_of_many_codes_are_refused_at_once() -> None:
    many = code_system("http://x/cs", *(f"c{place}" for place in range(5_000)))
    excludes = [filtered("concept", "is-a", f"c{place}", "http://x/cs") for place in range(3_000)]
    begun = time.perf_counter()
    with pytest.raises(Problem, match="more work"):
        expanded(many, value_set(VS, {"system": "http://x/cs"}, exclude=excludes))
    assert time.perf_counter() - begun < 5


def test_what_cannot_be_listed_may_still_limit_what_can() -> None:
    languages = value_set("http://x/languages", {"system": "urn:ietf:bcp:47"})
    listed = {"system": "urn:ietf:bcp:47", "concept": [{"code": "de"}, {"code": "not a language"}], "valueSet": ["http://x/languages"]}
    assert codes(expanded(languages, value_set(VS, listed))) == "de"
    others = value_set(VS, {"system": ANIMALS, "concept": [{"code": "dog"}]}, exclude=[{"valueSet": ["http://x/languages"]}])
    assert codes(expanded(animals(), languages, others)) == "dog"
