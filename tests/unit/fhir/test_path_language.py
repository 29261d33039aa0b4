"""FHIRPath as FHIR uses it: primitives with extensions, what surrounds a resource, types, precision, and what is refused where."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.path import Env, Item, places, program

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "_active": {"extension": [{"url": "http://why", "valueString": "asked"}]},
    "name": [
        {"use": "official", "family": "Chalmers", "given": ["Peter", None], "_given": [{"id": "g"}, {"extension": [{"url": "http://e"}]}]},
        {"family": "Windsor", "given": ["James"]},
    ],
    "_birthDate": {"extension": [{"url": "http://absent", "valueCode": "unknown"}]},
    "deceasedDateTime": "2020-05",
    "multipleBirthInteger": 2,
    "contact": [{"name": {"text": "A"}, "telecom": [{"value": "1"}]}],
    "managingOrganization": {"reference": "#o"},
    "generalPractitioner": [{"reference": "Practitioner/7"}, {"reference": "Organization/8"}],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Inside"}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
    "effectivePeriod": {"start": "2020-01-01", "end": "2020-01-02T10:00:00Z"},
    "valueQuantity": {"value": Decimal("1.50"), "unit": "kilo", "system": "http://unitsofmeasure.org", "code": "kg"},
    "component": [{"valueInteger": 5}, {"valueString": "x"}, {"valueQuantity": {"value": 3, "code": "g"}}],
}


def ask(expression: str, focus: dict[str, Any] = PATIENT, **env: Any) -> list[Any]:
    return program(expression, focus["resourceType"])(focus, Env(**env))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # primitives and what lies beside them
        ("name.given", ["Peter", "James"]),
        ("name.given.count()", [3]),
        ("name.given.hasValue()", [False]),
        ("name.given.select(hasValue())", [True, False, True]),
        ("name.given.id", ["g"]),
        ("name.given.extension('http://e').exists()", [True]),
        ("name.given.where(extension.exists()).count()", [1]),
        ("active.extension('http://why').value", ["asked"]),
        ("active", [True]),
        ("active = true", [True]),
        ("birthDate", []),
        ("birthDate.exists()", [True]),
        ("birthDate.empty()", [False]),
        ("birthDate.hasValue()", [False]),
        ("birthDate.getValue().exists()", [False]),
        ("birthDate.extension('http://absent').value", ["unknown"]),
        ("birthDate = @2000", []),
        ("birthDate.hasExtension('http://absent')", [True]),
        ("iif(birthDate.exists(), 'there', 'not')", ["there"]),
        # types
        ("deceased is dateTime", [True]),
        ("deceased.ofType(boolean)", []),
        ("multipleBirth + 1", [3]),
        ("multipleBirth is System.Integer", [False]),
        ("(multipleBirth + 1) is System.Integer", [True]),
        ("contact.first().type().name", ["BackboneElement"]),
        ("contained.first().type().name", ["Organization"]),
        ("contained.ofType(Organization).name", ["Inside"]),
        ("contained.name", ["Inside"]),
        ("children().ofType(HumanName).family", ["Chalmers", "Windsor"]),
        ("descendants().ofType(ContactPoint).value", ["1"]),
        ("descendants().where($this is id)", ["p1", "o"]),
        ("name.first() is Element", [True]),
        ("$this is DomainResource", [True]),
        ("name.type().namespace.distinct()", ["FHIR"]),
        ("name.ofType(HumanName).count()", [2]),
        ("name as HumanName", [PATIENT["name"][0], PATIENT["name"][1]]),
        # collections
        ("name.given | name.family", ["Peter", "James", "Chalmers", "Windsor"]),
        ("(name.use | name.family).count()", [3]),
        ("name.family.combine(name.family).count()", [4]),
        ("name.family.intersect('Windsor')", ["Windsor"]),
        ("name.family.exclude('Windsor')", ["Chalmers"]),
        ("name.family.join(', ')", ["Chalmers, Windsor"]),
        ("name.select(family & '/' & use)", ["Chalmers/official", "Windsor/"]),
        ("name.family.sort()", ["Chalmers", "Windsor"]),
        ("name.sort(family desc).family", ["Windsor", "Chalmers"]),
        ("name.sort(-family).first().family", ["Windsor"]),
        ("name.sort(use, family).family", ["Windsor", "Chalmers"]),
        ("name.select($index)", [0, 1]),
        ("name.where($index = 1).family", ["Windsor"]),
        ("name.family.aggregate($total & $this, '')", ["ChalmersWindsor"]),
        ("name.skip(1).family | name.take(1).family", ["Windsor", "Chalmers"]),
        ("name.all(family.exists()) and name.exists(use = 'official')", [True]),
        ("defineVariable('n', name.first()).select(%n.family & '!')", ["Chalmers!"]),
        ("name.tail().single().family", ["Windsor"]),
        ("name[1].family", ["Windsor"]),
        ("name[name.count() - 1].family", ["Windsor"]),
        # logic of three values
        ("{} or true", [True]),
        ("{} and true", []),
        ("birthDate.hasValue() or {}", []),
        ("{} implies true", [True]),
        ("active.not() implies {}", [True]),
        ("active xor {}", []),
        # references
        ("managingOrganization.resolve().name", ["Inside"]),
        ("generalPractitioner.where(resolve() is Practitioner).reference", ["Practitioner/7"]),
        ("managingOrganization.where(resolve() is Organization).exists()", [True]),
        ("%resource.id & %rootResource.id & %context.id", ["p1p1p1"]),
        ("name.where(%resource.active).count()", [2]),
        ("name.where($this.family in (%resource.name.family | 'x')).count()", [2]),
        ("name.select(defineVariable('f', family).select(%resource.name.where(family = %f).family))", ["Chalmers", "Windsor"]),
        ("name.select(%resource.name.skip($index).first().family)", ["Chalmers", "Windsor"]),
        ("name.select(iif($index = 0, %resource.name.tail().family, %context.name.first().family))", ["Windsor", "Chalmers"]),
        ("name.where(use.exists()).select(%resource.name.family) | name.select(%resource.id)", ["Chalmers", "Windsor", "p1"]),
        ("generalPractitioner.first() = 1 'kg'", [False]),
        ("name.first().select($index xor true)", [False]),
        ("name.repeat(%resource.contact.name).text", ["A"]),
        ("%`vs-x` & %'ext-y'", ["http://hl7.org/fhir/ValueSet/xhttp://hl7.org/fhir/StructureDefinition/y"]),
    ],
)  # fmt: skip
def test_an_expression_finds_in_a_patient(expression: str, expected: list[Any]) -> None:
    assert ask(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("value.value", [Decimal("1.50")]),
        ("value.value.toString()", ["1.50"]),
        ("value = 1.5 'kg'", [True]),
        ("value = 1500 'g'", [True]),
        ("value > 1 'kg' and value < 2000 'g'", [True]),
        ("value > 1 'm'", []),
        ("value ~ 1500 'g'", [True]),
        ("value + 500 'g' = 2 'kg'", [True]),
        ("value * 2", [{"value": Decimal("3.00"), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}]),
        ("value.ofType(Quantity).unit", ["kilo"]),
        ("component.value.ofType(integer)", [5]),
        ("component.value.ofType(string)", ["x"]),
        ("component.value.count()", [3]),
        ("component.where(value is integer).value + 1", [6]),
        ("(component.value as Quantity).code", ["g"]),
        ("effective is Period", [True]),
        ("effective.start <= effective.end", [True]),
        ("effective.end - 1 day > @2020-01-01T09:00:00Z", [True]),
        ("effective.start = @2020-01", []),
        ("effective.start < @2020-01-01T10:00:00Z", []),
        ("effective.start.toString() & 'x'", ["2020-01-01x"]),
        ("effective.start.lowBoundary().toString()", ["2020-01-01T00:00:00.000+14:00"]),
        ("status in ('final' | 'amended')", [True]),
        ("code.coding.exists(system = %loinc and code = '29463-7')", [True]),
        ("dataAbsentReason.empty() or value.empty()", [True]),
    ],
)
def test_an_expression_finds_in_an_observation(expression: str, expected: list[Any]) -> None:
    assert ask(expression, OBSERVATION) == expected


def test_what_it_finds_has_a_type() -> None:
    found = program("id | multipleBirth | deceased | 1 | 'a' | @2020 | 2 days | contained", "Patient").typed(PATIENT)
    assert [type for type, _ in found] == [
        "id", "integer", "dateTime", "System.Integer", "System.String", "System.Date", "System.Quantity", "Organization",
    ]  # fmt: skip
    assert program("name.given", "Patient").gives == "string"
    assert program("deceased", "Patient").gives is None


def test_a_condition_is_true_false_or_nothing() -> None:
    assert program("active", "Patient").true(PATIENT) is True
    assert program("active.not()", "Patient").true(PATIENT) is False
    assert program("gender = 'male'", "Patient").true(PATIENT) is None
    assert program("name.first()", "Patient").true(PATIENT) is True
    assert program("{}", "Patient").true(PATIENT) is None
    with pytest.raises(Problem):
        program("name", "Patient").true(PATIENT)


def test_elements_and_primitives_are_a_focus_too() -> None:
    assert program("code.empty() or system.exists()", "Quantity").true({"code": "x"}) is False
    assert program("$this = 'x' and length() = 1", "string").true("x") is True
    assert program("extension.exists()", "string").true(Item("x", "string", {"extension": [{"url": "u"}]})) is True
    assert program("component.value.exists() and %resource.status = 'final'", "Observation").true(OBSERVATION) is True
    assert program("value.exists() and %resource.status = 'final'", "Observation.component").true(
        OBSERVATION["component"][0], Env(resource=OBSERVATION)
    )
    assert program("low.empty()", "decimal").true(Decimal(1)) is True


def test_a_contained_resource_knows_the_one_that_contains_it() -> None:
    inside = PATIENT["contained"][0]
    env = Env(resource=inside, root=PATIENT)
    assert program("%rootResource.name.family.first() & %resource.name", "Organization")(inside, env) == ["ChalmersInside"]


def test_references_are_resolved_in_the_bundle_and_then_by_the_caller() -> None:
    asked: list[str] = []

    def resolve(reference: str) -> dict[str, Any] | None:
        asked.append(reference)
        return {"resourceType": "Practitioner", "id": "9", "gender": "female"} if reference == "Practitioner/9" else None

    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": "http://x/Patient/1", "resource": {"resourceType": "Patient", "birthDate": "1970"}},
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Observation", "subject": {"reference": "Patient/1/_history/2"}}},
            {"resource": {"resourceType": "Observation", "performer": [{"reference": "Practitioner/9"}, {"reference": "Practitioner/8"}]}},
        ],
    }
    assert ask("entry.resource.subject.resolve().birthDate", bundle, resolve=resolve) == ["1970"]
    assert ask("entry.resource.performer.resolve().gender", bundle, resolve=resolve) == ["female"]
    assert asked == ["Practitioner/9", "Practitioner/8"]
    assert ask("'urn:uuid:1'.resolve().subject.reference", bundle) == ["Patient/1/_history/2"]


def test_value_sets_and_profiles_are_asked_of_the_caller() -> None:
    member = {"code": True, "value": None}
    asked: list[tuple[Any, str]] = []

    def member_of(value: Any, url: str) -> bool | None:
        asked.append((value, url))
        return member["code"] if url == "http://vs" else member["value"]

    assert ask("name.first().use.memberOf('http://vs')", member_of=member_of) == [True]
    assert ask("name.first().use.memberOf('http://other')", member_of=member_of) == []
    assert asked == [("official", "http://vs"), ("official", "http://other")]
    assert ask("conformsTo('http://hl7.org/fhir/StructureDefinition/DomainResource')") == [True]
    assert ask("conformsTo('http://p')", conforms_to=lambda value, url: value is PATIENT and url == "http://p") == [True]
    with pytest.raises(Problem) as caught:
        ask("conformsTo('http://unknown')")
    assert caught.value.code == "not-found"


def test_codes_are_subsumed_as_the_caller_knows() -> None:
    coded = {**OBSERVATION, "category": [{"coding": [{"code": "a"}]}]}
    env = {"subsumes": lambda above, below: len(above["coding"]) >= len(below["coding"])}
    assert ask("code.subsumes(category.first())", coded, **env) == [True]
    assert ask("code.subsumedBy(bodySite)", coded, **env) == []
    assert ask("code.subsumes(code)", coded) == []


def test_modifier_extensions_must_be_known() -> None:
    modified = {**PATIENT, "modifierExtension": [{"url": "http://m", "valueBoolean": True}]}
    assert ask("checkModifiers('http://m').active", modified) == [True]
    with pytest.raises(Problem) as caught:
        ask("checkModifiers('http://other').active", modified)
    assert caught.value.code == "business-rule"


def test_variables_time_and_traces_come_from_the_caller() -> None:
    heard: list[tuple[str, list[Any]]] = []
    now = datetime(2026, 3, 4, 5, 6, 7, 8000, tzinfo=UTC)
    assert ask("%limit + 1", variables={"limit": 2}) == [3]
    assert ask("%other.name", variables={"other": {"resourceType": "Organization", "name": "Acme"}}) == ["Acme"]
    assert ask("%names.count()", variables={"names": ["a", "b"]}) == [2]
    assert ask("%nothing.exists()", variables={"nothing": None}) == [False]
    assert ask("now() | today() | timeOfDay()", now=now) == ["2026-03-04T05:06:07.008Z", "2026-03-04", "05:06:07.008"]
    assert ask("name.trace('n', family).count()", trace=lambda name, items: heard.append((name, items))) == [2]
    assert heard == [("n", ["Chalmers", "Windsor"])]
    for expression, code in (("%unknown", "invalid"), ("now()", "not-supported")):
        with pytest.raises(Problem) as caught:
            ask(expression)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name", [("name", 0), ("name", 1)]),
        ("Patient.name[1].given[0]", [("name", 1, "given", 0)]),
        ("name.given", [("name", 0, "given", 0), ("name", 0, "given", 1), ("name", 1, "given", 0)]),
        ("name.where(use = 'official').family", [("name", 0, "family")]),
        ("deceased", [("deceasedDateTime",)]),
        ("(deceased as dateTime)", [("deceasedDateTime",)]),
        ("deceased.ofType(dateTime)", [("deceasedDateTime",)]),
        ("birthDate", [("birthDate",)]),
        ("birthDate.extension", [("birthDate", "extension", 0)]),
        ("contained.where(id = 'o').name", [("contained", 0, "name")]),
        ("Patient", [()]),
        ("gender", []),
        ("name.first().given.last()", [("name", 0, "given", 1)]),
        ("name.use | name.family", [("name", 0, "use"), ("name", 0, "family"), ("name", 1, "family")]),
    ],
)  # fmt: skip
def test_what_is_selected_has_a_place(expression: str, expected: list[Any]) -> None:
    assert places(expression, "Patient")(PATIENT) == expected


@pytest.mark.parametrize("expression", ["name.count()", "'a'", "managingOrganization.resolve()", "managingOrganization.resolve().name"])
def test_what_is_computed_or_elsewhere_has_no_place(expression: str) -> None:
    with pytest.raises(Problem) as caught:
        places(expression, "Patient")(PATIENT)
    assert caught.value.at == "line 1, column 1"


@pytest.mark.parametrize(
    ("expression", "at"),
    [
        ("name.\n  gven", "line 2, column 3"),
        ("active and name.given.upper()", "line 1, column 23"),
        ("name.where(use = 'x'", "line 1, column 21"),
        ("1 + 'a'", "line 1, column 3"),
        ("name.family + 1 day", "line 1, column 13"),
        ("telecom.nope()", "line 1, column 9"),
        ("birthDate.is(Nope)", "line 1, column 11"),
        ("name.first(1)", "line 1, column 6"),
        ("@2020-13", "line 1, column 1"),
        ("$total", "line 1, column 1"),
        ("name.skip('a')", "line 1, column 6"),
        ("name.where(id.matches('['))", "line 1, column 15"),
        ("name.matches('a')", "line 1, column 6"),
        ("name['a']", "line 1, column 5"),
        ("active.defineVariable(id)", "line 1, column 8"),
        ("name < name", "line 1, column 6"),
        ("1 + '\\ud83d'", "line 1, column 5"),
        ("1 + '\\q'", "line 1, column 5"),
        ("'a\udc80'", "line 1, column 3"),
        ("4000000000", "line 1, column 1"),
        ("'a' 'b'", "line 1, column 5"),
        ("1 # 2", "line 1, column 3"),
        ("$this.$this", "line 1, column 7"),
    ],
)
def test_a_mistake_says_where_it_is(expression: str, at: str) -> None:
    data = {**PATIENT, "name": [{"id": "1", "family": "x"}, {"id": "2", "family": "y"}]}
    with pytest.raises(Problem) as caught:
        ask(expression, {**data, "name": [*data["name"], {"given": ["a", "b"]}]})
    assert caught.value.code in ("invalid", "not-supported")
    assert caught.value.at == at


def test_the_type_it_is_read_at_must_exist() -> None:
    with pytest.raises(Problem):
        program("name", "MetadataResource")
    assert program("length()", "System.String")("abc") == [3]
    assert program("id", "Resource")(PATIENT) == program("id", "DomainResource")(PATIENT) == ["p1"]


def test_strictness_is_about_what_is_doubtful() -> None:
    for expression in ("Observation.status", "name.as(HumanName).use", "children().first()", "iif('a', 1, 2)"):
        program(expression, "Patient")(PATIENT)
        with pytest.raises(Problem):
            program(expression, "Patient", strict=True)(PATIENT)


@pytest.mark.parametrize("name", [[1], {"given": 7}, "x", 5, [{"given": 5}], [None], [["a"]]])
@pytest.mark.parametrize("expression", ["name.given", "name.where(use = 'a')", "descendants()", "name.given.where($this = 'x')"])
def test_data_of_another_shape_give_a_problem_or_nothing(name: Any, expression: str) -> None:
    try:
        program(expression, "Patient")({"resourceType": "Patient", "name": name})
    except Problem as problem:
        assert problem.code in ("structure", "invalid")


#: An invariant of R4 that cannot be read at all.
UNREADABLE = {"cid-0": "it is about ChargeItemDefinition.name, which R4 does not have"}


def test_every_invariant_of_r4_compiles() -> None:
    refused = set()
    for name in (*r4().resource_types, *r4().data_types):
        definition = r4().type(name)
        assert definition is not None
        stated = [(rule, name) for rule in definition.invariants]
        stated += [(rule, element.type) for element in definition.elements.values() for rule in element.invariants]
        for rule, type in stated:
            try:
                program(rule.expression, type)
            except Problem:
                refused.add(rule.key)
    assert refused == UNREADABLE.keys()
