"""Hostile expressions end soon, with a Problem; two ways of evaluating agree; any text and any data are answered."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import Problem
from penstock.formats.fhir.path import Env, Item, parse, program
from penstock.formats.fhir.path.compiler.calls import FUNCTIONS
from penstock.formats.fhir.path.compiler.scalars import SCALARS
from penstock.formats.fhir.path.program import _compiled

BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {
            "fullUrl": f"urn:uuid:{n}",
            "resource": {"resourceType": "Patient", "id": str(n), "name": [{"family": f"F{n}", "given": ["a", "b"]}]},
        }
        for n in range(1000)
    ],
}
STEPS = 200_000


@pytest.mark.parametrize(
    "expression",
    [
        "descendants().where($this in %resource.descendants()).count()",
        "entry.select(%resource.entry.resource.descendants()).count()",
        "entry.aggregate($total.combine($total).combine($this), 1).count()",
        "entry.aggregate($total & $total, 'x').length()",
        "'x'" + ".select($this & $this)" * 40 + ".length()",
        "'x'" + ".replace('x', 'xxxxxxxxxx')" * 9 + ".length()",
        "'x'" + ".replaceMatches('x', '$0xxxxxxxxx')" * 9 + ".length()",
        "1.repeat($this + 1)",
        "'a'.repeat($this & 'a')",
        "$this" + ".select($this.combine($this))" * 25,
        "entry.repeat(%resource.entry.select(fullUrl & %resource.entry.fullUrl.first()))" + ".repeat($this & 'x')",
        "entry.resource ~ entry.resource.skip(1).combine(entry.resource.first())",
        "('a' | 'b').join('" + "x" * 10_000 + "')" + ".select($this & $this & $this)" * 12,
    ],
)
def test_a_hostile_expression_is_too_costly_before_long(expression: str) -> None:
    start = time.process_time()
    with pytest.raises(Problem) as caught:
        program(expression, "Bundle")(BUNDLE, Env(steps=STEPS))
    assert caught.value.code == "too-costly"
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "expression",
    [
        "a" + ".b" * 4_000,
        "1" + " + 1" * 5_000,
        "{}" + " | {}" * 4_000,
        "iif(true, " * 70 + "1" + ", 2)" * 70,
        "-" * 100 + "1",
        "contact" + ".where(telecom.where(true).exists())" * 3 + ".where(name.where(given.where(true).exists()).exists())" * 400,
        "contained.where(" * 16 + "true" + ")" * 16,
    ],
)
def test_an_expression_of_endless_depth_is_refused(expression: str) -> None:
    with pytest.raises(Problem) as caught:
        program(expression, "Patient")
    assert caught.value.code in ("too-costly", "too-long", "invalid")


def test_a_pattern_takes_linear_time_and_must_be_one() -> None:
    start = time.process_time()
    assert program("('" + "a" * 5_000 + "!').matches('^(a+)+$')", "Patient")({}) == [False]
    assert time.process_time() - start < 2
    for pattern in ("(", "(a{1,100}){1,100}{1,100}", "a" * 3_000):
        with pytest.raises(Problem):
            program(f"'a'.matches('{pattern}')", "Patient")({})


@pytest.mark.parametrize(
    "expression",
    [
        "2.power(2000000000)", "2.5.power(100000)", "1000000.exp()", "@9999-12-31 + 1 day", "@0001 - 2 years", "1.lowBoundary(99)", "1 / 0",
        "2147483647 + 1", "(-2147483647) - 2", "2147483647 * 2", "@2020 + 9999999999999999999999 days", "1.log(1)", "(-1).ln()",
    ],
)  # fmt: skip
def test_what_cannot_be_represented_is_nothing(expression: str) -> None:
    assert program(expression, "Patient")({}) == []


ENV = Env(now=datetime(2026, 3, 4, tzinfo=UTC), variables={"v": [1, "a", {"resourceType": "Organization", "name": "x"}]}, steps=100_000)

PATIENTS = st.fixed_dictionaries(
    {"resourceType": st.just("Patient")},
    optional={
        "active": st.booleans(),
        "birthDate": st.sampled_from(["1970", "1970-01", "1970-01-01"]),
        "_birthDate": st.just({"id": "x", "extension": [{"url": "u", "valueString": "s"}]}),
        "multipleBirthInteger": st.integers(0, 3),
        "contained": st.just([{"resourceType": "Organization", "id": "o"}, {"resourceType": "Nope"}]),
        "identifier": st.just([{"system": "s", "value": "v", "period": {"start": "2020"}}]),
        "extension": st.just(
            [{"url": "u", "valueQuantity": {"value": Decimal("1.0"), "code": "kg"}}, {"url": "w", "valueDateTime": "2020"}]
        ),
        "text": st.just({"div": "<div>x</div>"}),
        "name": st.lists(
            st.fixed_dictionaries(
                {}, optional={"use": st.sampled_from(["usual", "old"]), "family": st.text("ab", max_size=2), "given": st.just(["a", "b"])}
            ),
            min_size=1,
            max_size=3,
        ),
    },
)


OPERATORS = "and or xor implies = != ~ !~ < <= > >= | & + - * / div mod in contains".split()
#: Every function that there is, with the fewest and the most arguments.
CALLS = [(name, each.least, min(each.most, 3)) for name, each in {**FUNCTIONS, **SCALARS}.items()]


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def call(function: tuple[str, int, int]) -> st.SearchStrategy[str]:
        name, least, most = function
        arguments = st.lists(inner, min_size=least, max_size=most)
        return st.tuples(inner, arguments).map(lambda parts: f"{parts[0]}.{name}({', '.join(parts[1])})")

    types = st.sampled_from(["string", "date", "HumanName", "System.String", "Resource", "boolean"])
    return st.one_of(
        st.sampled_from(CALLS).flatmap(call),
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(lambda parts: "({} {} {})".format(*parts)),
        st.tuples(inner, st.sampled_from(["is", "as"]), types).map(lambda parts: "({} {} {})".format(*parts)),
        st.tuples(inner, st.sampled_from(["given", "family", "extension", "id"])).map(".".join),
        inner.map("{}[0]".format),
        inner.map("-{}".format),
    )


ATOMS = (
    "name name.given name.family name.use birthDate active multipleBirth $this {} true 1 2.50 'a' 'usual' @1970 @1970-01-01 @T10:00"
    " %resource %resource.name.family %context $index $total %v contained identifier text.div extension.value"
).split()
EXPRESSIONS = st.recursive(
    st.sampled_from([*ATOMS, "1 'kg'", "2 days", "@1970-01-01T00:00:00Z", "(1 | 2 | 'a')"]),
    _grow,
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, PATIENTS)
def test_what_the_types_tell_and_what_the_data_tell_agree(expression: str, patient: dict[str, Any]) -> None:
    """Compiled with the types of the definitions, and with every item telling its own: the same answer, where both have one."""
    try:
        expected = program(expression, "Patient").typed(patient, ENV)
        found = _compiled(expression, parse(expression), "Patient", places=True).typed(Item(patient, "Patient"), ENV)
    except Problem:
        return
    assert found == expected


NAMES = st.sampled_from(["name", "_birthDate", "active", "contained", "extension", "identifier", "text"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["given", "use", "id", "value", "url"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, st.dictionaries(NAMES, ANYTHING))
def test_any_expression_on_any_data_gives_items_or_a_problem(expression: str, data: dict[str, Any]) -> None:
    try:
        program(expression, "Patient")(data, ENV)
    except Problem as problem:
        assert problem.code in ("invalid", "structure", "too-costly", "not-found")
