import time

import pytest

from penstock.errors import Problem
from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.filters import compile_filter
from tests.unit.terminology.given import animals, code_system

SYSTEM = CodeSystem(animals())


@pytest.mark.parametrize(
    ("property", "operator", "value", "codes"),
    [
        ("concept", "is-a", "mammal", "mammal dog puppy cat platypus"),
        ("code", "is-a", "dog", "dog puppy"),
        ("concept", "descendent-of", "mammal", "dog puppy cat platypus"),
        ("concept", "child-of", "mammal", "dog cat platypus"),
        ("concept", "descendent-leaf", "mammal", "puppy cat platypus"),
        ("concept", "is-not-a", "mammal", "beast bird duck dodo"),
        ("concept", "generalizes", "platypus", "beast mammal bird platypus"),
        ("concept", "in", "cat, dog", "dog cat"),
        ("concept", "not-in", "cat,dog,puppy,beast,mammal,bird", "duck platypus dodo"),
        ("legs", "=", "4", "dog"),
        ("legs", "exists", "true", "dog duck"),
        ("legs", "exists", "false", "beast mammal puppy cat bird platypus dodo"),
        ("legs", "in", "2,4", "dog duck"),
        ("legs", "regex", "[0-3]", "duck"),
        ("parent", "=", "bird", "duck platypus"),
        ("child", "=", "duck", "bird"),
        ("display", "regex", ".*r.", "bird"),
        ("display", "=", "Dodo", "dodo"),
        ("code", "regex", "d.*", "dog duck dodo"),
        ("code", "regex", "o", ""),
        ("notSelectable", "=", "true", "beast"),
        ("status", "=", "retired", "dodo"),
    ],
)
def test_an_operator_selects_codes(property: str, operator: str, value: str, codes: str) -> None:
    test = compile_filter(SYSTEM, property, operator, value)
    selected = {each.code for each in SYSTEM if test(each)}
    assert selected == set(codes.split())


@pytest.mark.parametrize(
    ("property", "operator", "value", "code"),
    [
        ("concept", "like", "dog", "not-supported"),
        ("wings", "=", "2", "not-supported"),
        ("concept", "is-a", "unicorn", "not-found"),
        ("code", "regex", "(", "invalid"),
        ("code", "regex", "(?=a)", "invalid"),
    ],
)
def test_a_filter_that_cannot_be_understood_is_a_problem(property: str, operator: str, value: str, code: str) -> None:
    with pytest.raises(Problem) as raised:
        compile_filter(SYSTEM, property, operator, value)
    assert raised.value.code == code


def test_a_pattern_that_would_backtrack_for_ever_takes_no_time() -> None:
    system = CodeSystem(code_system("http://x/cs", "a" * 5000))
    test = compile_filter(system, "code", "regex", "(a+)+b")
    begun = time.perf_counter()
    assert not any(test(each) for each in system)
    assert time.perf_counter() - begun < 1
