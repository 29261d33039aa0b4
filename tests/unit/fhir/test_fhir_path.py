from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.path import compile, flow, parse, program
from penstock.formats.fhir.path.compiler.writer import Writer
from penstock.formats.fhir.path.generate import emit
from penstock.formats.fhir.path.nodes import Binary, Call, Constant, Index, Literal, Member, Node, Quantity, TypeTest, Unary, Variable
from penstock.formats.fhir.path.runtime.logic import both, either, implies, one_only
from penstock.formats.fhir.path.runtime.tree import refers

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "active": True,
    "name": [
        {
            "use": "official",
            "family": "Chalmers",
            "given": ["Peter", None, "James"],
            "_given": [None, None, {"extension": [{"url": "http://g", "valueString": "y"}]}],
        },
        {"use": "usual", "given": ["Jim"]},
    ],
    "telecom": [{"system": "phone", "value": "1", "use": "work"}, {"system": "email", "value": "a@b"}, {"value": "?"}],
    "deceasedDateTime": "2020",
    "_deceasedDateTime": {"extension": [{"url": "http://d", "valueString": "x"}]},
    "_gender": {"id": "b"},
    "generalPractitioner": [
        {"reference": "Practitioner/1"},
        {"reference": "http://x/fhir/Organization/2/_history/3"},
        {"type": "Organization", "display": "x"},
        {"reference": "#p"},
    ],
    "extension": [{"url": "http://x", "valueString": "y"}, {"url": "http://z", "valueCode": "w"}],
    "contained": [{"resourceType": "Organization", "name": "Inside"}],
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Patient.name.given", ["Peter", "James", "Jim"]),
        ("name.given", ["Peter", "James", "Jim"]),
        ("Resource.active", [True]),
        ("DomainResource.active", [True]),
        ("$this.active", [True]),
        ("Observation.value", []),
        ("Patient.name[0].given", ["Peter", "James"]),
        ("Patient.name[1].given[0]", ["Jim"]),
        ("Patient.name[7]", []),
        ("Patient.name.given.first()", ["Peter"]),
        ("Patient.name.given.last()", ["Jim"]),
        ("Patient.name.where(use = 'usual').given", ["Jim"]),
        ("Patient.name.where(family.exists()).use", ["official"]),
        ("Patient.name.where(family.empty()).use", ["usual"]),
        ("Patient.name.where(given.exists($this = 'Jim')).use", ["usual"]),
        ("Patient.telecom.where(system='phone' and use='work').value", ["1"]),
        ("Patient.telecom.where(system='email' or use='work').value", ["1", "a@b"]),
        ("Patient.telecom.where(system!='email').value", ["1"]),
        ("Patient.telecom.where((system='email').not()).value", ["1"]),
        ("Patient.deceased", ["2020"]),
        ("(Patient.deceased as dateTime)", ["2020"]),
        ("Patient.deceased.as(boolean)", []),
        ("Patient.deceased.ofType(FHIR.dateTime)", ["2020"]),
        ("Patient.deceased.exists() and Patient.deceased != false", [True]),
        ("Patient.deceased is dateTime", [True]),
        ("Patient.deceased.is(boolean)", [False]),
        ("Patient.birthDate.exists()", [False]),
        ("Patient.name.count() = 2", [True]),
        ("Patient.generalPractitioner.where(resolve() is Organization).count() = 2", [True]),
        ("Patient.generalPractitioner.where(resolve() is Practitioner).reference", ["Practitioner/1"]),
        ("Patient.extension('http://x').value", ["y"]),
        ("Patient.extension.where(url = 'http://z').value", ["w"]),
        ("Patient.hasExtension('http://z')", [True]),
        ("Patient.name.family | Patient.name.given | Patient.name.family", ["Chalmers", "Peter", "James", "Jim"]),
        ("(Patient.name.given | Patient.name.family).first()", ["Peter"]),
        ("Patient.extension.value.coding.code", []),
        ("Patient.contained.name", ["Inside"]),
        ("Patient.contained.ofType(Organization).name", ["Inside"]),
        ("Patient.contained.ofType(Location).name", []),
        ("active and birthDate.empty()", [True]),
        ("birthDate = '1970'", []),
        ("{}", []),
        ("'a' = 'a'", [True]),
        ("`active`", [True]),
        ("active // a remark", [True]),
        ("active" + ".not()" * 40, [True]),
        (" and ".join(["active"] * 60), [True]),
    ],
)
def test_an_expression_gives_its_items(expression: str, expected: list[Any]) -> None:
    assert compile(expression, "Patient")(PATIENT) == expected


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("", "invalid"),
        ("name.", "invalid"),
        ("name)", "invalid"),
        ("name[", "invalid"),
        ("name given", "invalid"),
        ("'open", "invalid"),
        ("a # b", "invalid"),
        ("'\\q'", "invalid"),
        ("name.given +", "invalid"),
        ("nope", "invalid"),
        ("name.nope", "invalid"),
        ("deceasedDateTime", "invalid"),
        ("birthDate.nope", "invalid"),
        ("Nope.name", "invalid"),
        ("deceased as nope", "invalid"),
        ("name.first(1)", "invalid"),
        ("name.where()", "invalid"),
        ("(" * 100 + "1" + ")" * 100, "too-costly"),
        ("a" * 30_000, "too-long"),
        ("-" * 15_000 + "1", "too-costly"),
        ("$this" + ".where($this)" * 1_000, "too-costly"),
        (" or ".join(["active"] * 1_500), "too-costly"),
        ("active" + ".not()" * 1_000, "too-costly"),
    ],
)
def test_what_cannot_be_done_is_refused_when_it_is_compiled(expression: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        compile(expression, "Patient")
    assert caught.value.code == code
    assert "nope" not in caught.value.text


def test_an_expression_that_fans_out_too_far_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "MOST_FLOWS", 20)
    with pytest.raises(Problem) as caught:
        flow.flows(parse("Patient.extension.value"), "Patient")
    assert caught.value.code == "too-costly"


def walked(expression: str) -> list[Any]:
    """What search finds: the items at the ends of the flows."""
    writer, found = Writer(), []
    writer.names["found"] = found
    walks = [(each, lambda writer, value, type: writer.line(f"found.append({value})")) for each in flow.flows(parse(expression), "Patient")]
    emit(writer, "patient", walks)
    writer.function("walk", "patient")(PATIENT)
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Patient.name.given", ["Peter", "James", "Jim"]),
        ("Patient.name.select(given)", ["Peter", "James", "Jim"]),
        ("Patient.name.select(family | given).distinct()", ["Chalmers", "Peter", "James", "Jim"]),
        ("Patient.name.family.union(Patient.name.use)", ["Chalmers", "official", "usual"]),
        ("Patient.name.where(given.count() > 1 and use.exists()).family", ["Chalmers"]),
        ("Patient.name.where(use = 'old' or given.first().startsWith('J')).use", ["usual"]),
        ("Patient.telecom.where(use != 'home').value", ["1"]),
        ("Patient.deceased.extension('http://d').value", ["x"]),
        ("Patient.name.given.extension.where(url = 'http://g').value.ofType(string)", ["y"]),
        ("Patient.gender.id", ["b"]),
        ("Patient.name.given.count() = 3", [True]),
        ("Patient.active and Patient.name.exists()", [True]),
        ("Patient.deceased.toString()", ["2020"]),
        ("Patient.birthDate.toDateTime()", []),
    ],
)
def test_search_walks_where_it_can_and_computes_what_it_must(expression: str, expected: list[Any]) -> None:
    assert walked(expression) == expected


def test_search_cannot_say_the_type_of_everything() -> None:
    for expression in ("Patient.children()", "iif(Patient.active, 1, 'a')"):
        with pytest.raises(Problem) as caught:
            flow.flows(parse(expression), "Patient")
        assert caught.value.code == "not-supported"


def test_the_text_of_an_expression_never_becomes_code() -> None:
    hostile = "\\') or __import__(\\'os\\')#"
    function = program(f"name.where(family = '{hostile}').exists()", "Patient")
    assert function({"name": [{"family": "') or __import__('os')#"}]}) == [True]
    assert not any("import" in str(name) for name in function._evaluate.__code__.co_names)
    with pytest.raises(Problem):
        compile("name.`x'); import os; ('`", "Patient")
    assert compile("contained.`x'); import os; ('`", "Patient")({"contained": [{"x'); import os; ('": 7}]}) == []


def a(name: str) -> Member:
    return Member(None, name)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a.b", Member(a("a"), "b")),
        ("a or b and c", Binary("or", a("a"), Binary("and", a("b"), a("c")))),
        ("a implies b implies c", Binary("implies", Binary("implies", a("a"), a("b")), a("c"))),
        ("a = b | c", Binary("=", a("a"), Binary("|", a("b"), a("c")))),
        ("1 + 2 * 3", Binary("+", Literal("Integer", 1), Binary("*", Literal("Integer", 2), Literal("Integer", 3)))),
        ("-1.5", Unary("-", Literal("Decimal", Decimal("1.5")))),
        ("-a.b", Unary("-", Member(a("a"), "b"))),
        ("a is FHIR.Quantity", TypeTest("is", a("a"), "Quantity")),
        ("a as System.String = 'x'", Binary("=", TypeTest("as", a("a"), "System.String"), Literal("String", "x"))),
        ("a[0].b", Member(Index(a("a"), Literal("Integer", 0)), "b")),
        ("a.f($this, %ucum)", Call(a("a"), "f", (Variable("$this"), Constant("ucum")))),
        ("%'vs-x'", Constant("vs-x")),
        ("4 days", Quantity(Decimal(4), "days")),
        ("4.5 'mg'", Quantity(Decimal("4.5"), "mg")),
        ("@2015-02-04T14:34:28Z", Literal("DateTime", "2015-02-04T14:34:28Z")),
        ("@2015T", Literal("DateTime", "2015T")),
        ("@2015-02", Literal("Date", "2015-02")),
        ("@T14:34", Literal("Time", "T14:34")),
        ("'it\\'s \\u0041'", Literal("String", "it's A")),
        ("a.contains('x')", Call(a("a"), "contains", (Literal("String", "x"),))),
        ("a.as(Quantity)", Call(a("a"), "as", (a("Quantity"),))),
        ("a/* b */.c", Member(a("a"), "c")),
    ],
)
def test_the_grammar_is_that_of_the_specification(text: str, tree: Node) -> None:
    assert parse(text) == tree


def test_every_expression_that_r4_itself_states_parses() -> None:
    types = [r4().type(name) for name in (*r4().resource_types, *r4().data_types)]
    stated = [rule for type in types if type for rule in (*type.invariants, *(r for e in type.elements.values() for r in e.invariants))]
    assert len(stated) > 300
    for rule in stated:
        parse(rule.expression)


def test_logic_knows_true_false_and_nothing() -> None:
    values = (True, False, None)
    assert [both(x, y) for x in values for y in values] == [True, False, None, False, False, False, None, False, None]
    assert [either(x, y) for x in values for y in values] == [True, True, True, True, False, None, True, None, None]
    assert [one_only(x, y) for x in values for y in values] == [False, True, None, True, False, None, None, None, None]
    assert [implies(x, y) for x in values for y in values] == [True, False, None, True, True, True, True, None, None]


def test_a_reference_tells_its_type_by_its_text() -> None:
    assert refers({"reference": "Patient/1"}, "Patient")
    assert refers({"reference": "http://x/Patient/1/_history/2"}, "Patient")
    assert refers("Patient/1", "Patient")
    assert not refers({"reference": "Group/1", "type": "Patient"}, "Patient")
    assert refers({"reference": "urn:uuid:1", "type": "Patient"}, "Patient")
    assert not refers({"reference": "urn:x/Patient/1"}, "Patient")
    assert not refers({}, "Patient")


@given(st.text("ab.()'`=|$%@1[] \\is", max_size=25))
def test_any_text_compiles_or_is_a_problem(text: str) -> None:
    try:
        compile(text, "Patient")(PATIENT)
    except Problem as problem:
        assert problem.code in ("invalid", "not-supported", "too-costly")
