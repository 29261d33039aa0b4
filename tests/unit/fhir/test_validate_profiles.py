"""Profiles: every kind of constraint of a StructureDefinition, with and without what keeps it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from penstock.formats.fhir.canonical import Shelf
from penstock.formats.fhir.validate.policy import Policy
from penstock.formats.fhir.validate.validator import Validator
from penstock.terminology import Terminology

Json = dict[str, Any]

CORE = "http://hl7.org/fhir/StructureDefinition/"
HOME = "http://p.example/StructureDefinition/"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def profile(type: str, *elements: Json, name: str = "p", base: str = "", **more: Any) -> Json:
    """A profile of a differential; the id of an element is made of its path and slice, as the validator makes it."""
    return {
        "resourceType": "StructureDefinition",
        "url": HOME + name,
        "type": type,
        "kind": "resource",
        "abstract": False,
        "derivation": "constraint",
        "baseDefinition": base or CORE + type,
        "differential": {"element": list(elements)},
        **more,
    }


def at(path: str, slice: str | None = None, **more: Any) -> Json:
    return {"path": path, **({"sliceName": slice} if slice else {}), **more}


def sliced(path: str, kind: str, by: str = "$this", rules: str = "open", **more: Any) -> Json:
    return at(path, slicing={"discriminator": [{"type": kind, "path": by}], "rules": rules, **more})


def found(resource: Json, *definitions: Json, url: str = HOME + "p", **more: Any) -> list[tuple[str, str]]:
    """Rule and place of every error; what R4 itself says of a resource without narrative is a warning."""
    shelf = Shelf(definitions)
    issues = Validator(shelf, Terminology(shelf), **more).check(resource, [url], now=NOW)
    return [(issue.rule, issue.at) for issue in issues if issue.severity == "error"]


def patient(**more: Any) -> Json:
    return {"resourceType": "Patient", **more}


def observation(**more: Any) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **more}


def identifier(system: str, value: str = "1") -> Json:
    return {"system": system, "value": value}


@pytest.mark.parametrize(
    ("element", "resource", "wrong"),
    [
        (at("Patient.birthDate", min=1), patient(gender="male"), ("min", "Patient.birthDate")),
        (at("Patient.photo", max="0"), patient(photo=[{"title": "x"}]), ("max", "Patient.photo")),
        (at("Patient.name", max="1"), patient(name=[{"text": "a"}, {"text": "b"}]), ("max", "Patient.name")),
        (at("Patient.gender", fixedCode="male"), patient(gender="female"), ("fixed", "Patient.gender")),
        (at("Patient.active", patternBoolean=True), patient(active=False), ("pattern", "Patient.active")),
        (at("Patient.birthDate", minValueDate="2000-01-01"), patient(birthDate="1999"), ("minValue", "Patient.birthDate")),
        (at("Patient.birthDate", maxValueDate="2000-01-01"), patient(birthDate="2001-01"), ("maxValue", "Patient.birthDate")),
        (at("Patient.name.family", maxLength=3), patient(name=[{"family": "Long"}]), ("maxLength", "Patient.name[0].family")),
        (
            at("Patient.maritalStatus", patternCodeableConcept={"coding": [{"code": "M"}]}),
            patient(maritalStatus={"coding": [{"code": "S"}]}),
            ("pattern", "Patient.maritalStatus"),
        ),
        (
            at("Patient.birthDate", minValueQuantity={"value": 100, "system": "http://unitsofmeasure.org", "code": "a"}),
            patient(birthDate="1925-12-31"),
            ("minValue", "Patient.birthDate"),
        ),
        (
            at("Patient.name", constraint=[{"key": "own-1", "severity": "error", "human": "x", "expression": "family.exists()"}]),
            patient(name=[{"text": "x"}]),
            ("own-1", "Patient.name[0]"),
        ),
    ],
)
def test_what_breaks_a_constraint_on_an_element_is_told(element: Json, resource: Json, wrong: tuple[str, str]) -> None:
    assert found(resource, profile("Patient", element)) == [wrong]


@pytest.mark.parametrize(
    ("element", "resource"),
    [
        (at("Patient.birthDate", min=1), patient(_birthDate={"extension": [{"url": "http://e.example", "valueCode": "x"}]})),
        (at("Patient.birthDate", minValueDate="2000-01-01"), patient(birthDate="2000")),
        (at("Patient.gender", fixedCode="male"), patient(active=True)),
        (at("Patient.name.family", min=1), patient(active=True)),
        (at("Patient.multipleBirth[x]", type=[{"code": "integer"}]), patient(multipleBirthInteger=2)),
    ],
)
def test_what_keeps_a_constraint_is_right(element: Json, resource: Json) -> None:
    assert found(resource, profile("Patient", element)) == []


def test_a_fixed_value_is_exactly_so_and_a_pattern_is_part_of_the_value() -> None:
    fixed = profile("Observation", at("Observation.code", fixedCodeableConcept={"coding": [{"system": "urn:s", "code": "a"}]}))
    pattern = profile("Observation", at("Observation.code", patternCodeableConcept={"coding": [{"system": "urn:s", "code": "a"}]}))
    more = observation(code={"text": "more", "coding": [{"code": "b"}, {"system": "urn:s", "code": "a", "display": "A"}]})
    assert found(more, fixed) == [("fixed", "Observation.code")]
    assert found(more, pattern) == []


def test_decimals_are_equal_by_value_and_true_is_not_one() -> None:
    p = profile("Observation", at("Observation.value[x]", patternQuantity={"value": Decimal("1.0")}))
    assert found(observation(valueQuantity={"value": 1}), p) == []
    assert found(observation(valueBoolean=True), profile("Observation", at("Observation.value[x]", patternInteger=1))) != []


def test_a_type_that_is_left_out_of_a_choice_is_wrong() -> None:
    p = profile("Observation", at("Observation.value[x]", type=[{"code": "Quantity"}, {"code": "string"}]))
    assert found(observation(valueString="x"), p) == []
    assert found(observation(valueBoolean=True), p) == [("type", "Observation.value")]


def test_the_short_way_to_one_type_of_a_choice_constrains_that_type_only() -> None:
    p = profile("Observation", at("Observation.valueQuantity"), at("Observation.valueQuantity.code", min=1))
    assert found(observation(valueQuantity={"value": 1}), p) == [("min", "Observation.value.code")]
    assert found(observation(valueString="x"), p) == []


IDENTIFIERS = (
    sliced("Patient.identifier", "value", "system"),
    at("Patient.identifier", "mrn", min=1, max="1"),
    at("Patient.identifier.system", fixedUri="urn:mrn"),
    at("Patient.identifier.value", min=1),
)


def test_a_slice_by_value_counts_and_constrains_its_own() -> None:
    p = profile("Patient", *IDENTIFIERS)
    assert found(patient(identifier=[identifier("urn:mrn"), identifier("urn:other")]), p) == []
    assert found(patient(identifier=[identifier("urn:other")]), p) == [("min", "Patient.identifier")]
    assert found(patient(identifier=[identifier("urn:mrn"), identifier("urn:mrn")]), p) == [("max", "Patient.identifier")]
    assert found(patient(identifier=[{"system": "urn:mrn"}]), p) == [("min", "Patient.identifier[0].value")]


@pytest.mark.parametrize(
    ("rules", "order", "wrong"),
    [
        ("closed", ["urn:mrn", "urn:other"], [("slice", "Patient.identifier[1]")]),
        ("openAtEnd", ["urn:other", "urn:mrn"], [("slice", "Patient.identifier[1]")]),
        ("openAtEnd", ["urn:mrn", "urn:other"], []),
        ("open", ["urn:other", "urn:mrn"], []),
    ],
)
def test_who_is_in_no_slice_stands_where_the_rules_let_him(rules: str, order: list[str], wrong: list[tuple[str, str]]) -> None:
    p = profile("Patient", sliced("Patient.identifier", "value", "system", rules), *IDENTIFIERS[1:])
    assert found(patient(identifier=[identifier(system) for system in order]), p) == wrong


def test_ordered_slices_come_in_their_order() -> None:
    p = profile(
        "Patient",
        sliced("Patient.identifier", "value", "system", ordered=True),
        at("Patient.identifier", "a"),
        at("Patient.identifier.system", fixedUri="urn:a"),
        at("Patient.identifier", "b"),
        at("Patient.identifier.system", fixedUri="urn:b"),
    )
    assert found(patient(identifier=[identifier("urn:a"), identifier("urn:b")]), p) == []
    assert found(patient(identifier=[identifier("urn:b"), identifier("urn:a")]), p) == [("slice", "Patient.identifier[1]")]


def test_every_slice_that_is_missing_is_told() -> None:
    p = profile(
        "Patient",
        sliced("Patient.identifier", "value", "system"),
        *(
            at(path, slice, **more)
            for name in "ab"
            for path, slice, more in (
                ("Patient.identifier", name, {"min": 1}),
                ("Patient.identifier.system", None, {"fixedUri": f"urn:{name}"}),
            )
        ),
    )
    assert found(patient(identifier=[identifier("urn:c")]), p) == [("min", "Patient.identifier")] * 2


def test_a_slice_by_pattern_below_its_path() -> None:
    p = profile(
        "Observation",
        sliced("Observation.category", "pattern"),
        at("Observation.category", "vital", min=1, patternCodeableConcept={"coding": [{"system": "urn:c", "code": "v"}]}),
    )
    assert found(observation(category=[{"coding": [{"system": "urn:c", "code": "v"}, {"code": "w"}]}]), p) == []
    assert found(observation(category=[{"coding": [{"system": "urn:c", "code": "w"}]}]), p) == [("min", "Observation.category")]


def test_a_slice_by_existence() -> None:
    p = profile(
        "Patient",
        sliced("Patient.telecom", "exists", "period"),
        at("Patient.telecom", "current", max="1"),
        at("Patient.telecom.period", max="0"),
        at("Patient.telecom", "past", max="1"),
        at("Patient.telecom.period", min=1),
    )
    now, then = {"system": "phone", "value": "1"}, {"system": "phone", "value": "2", "period": {"start": "2000"}}
    assert found(patient(telecom=[now, then]), p) == []
    assert found(patient(telecom=[now, now]), p) == [("max", "Patient.telecom")]
    assert found(patient(telecom=[then, then]), p) == [("max", "Patient.telecom")]


def test_a_slice_by_the_type_of_what_is_referred_to() -> None:
    p = profile(
        "Patient",
        sliced("Patient.generalPractitioner", "type", "resolve()"),
        at("Patient.generalPractitioner", "org", max="1", type=[{"code": "Reference", "targetProfile": [CORE + "Organization"]}]),
    )
    organization, practitioner = {"reference": "Organization/1"}, {"reference": "Practitioner/1"}
    assert found(patient(generalPractitioner=[organization, practitioner, practitioner]), p) == []
    assert found(patient(generalPractitioner=[organization, organization]), p) == [("max", "Patient.generalPractitioner")]


ADULT = profile("Patient", at("Patient.birthDate", min=1), name="adult")


def test_a_slice_by_profile_of_a_resource_in_a_bundle() -> None:
    p = profile(
        "Bundle",
        sliced("Bundle.entry", "profile", "resource"),
        at("Bundle.entry", "adult", min=1, max="1"),
        at("Bundle.entry.resource", type=[{"code": "Patient", "profile": [HOME + "adult"]}]),
    )

    def bundle(*people: Json) -> Json:
        entries = [{"fullUrl": f"urn:uuid:0000000{n}-0000-4000-8000-000000000000", "resource": each} for n, each in enumerate(people)]
        return {"resourceType": "Bundle", "type": "collection", "entry": entries}

    adult, child = patient(birthDate="1980"), patient(gender="male")
    assert found(bundle(adult, child), p, ADULT) == []
    assert found(bundle(child), p, ADULT) == [("min", "Bundle.entry")]
    assert found(bundle(adult, adult), p, ADULT) == [("max", "Bundle.entry")]


def test_a_slice_of_a_slice() -> None:
    p = profile(
        "Patient",
        sliced("Patient.identifier", "value", "use"),
        {**sliced("Patient.identifier", "value", "system"), "sliceName": "official"},
        at("Patient.identifier.use", fixedCode="official"),
        at("Patient.identifier", "official/nhs", max="1"),
        at("Patient.identifier.use", fixedCode="official"),
        at("Patient.identifier.system", fixedUri="urn:nhs"),
    )
    nhs = {"use": "official", **identifier("urn:nhs")}
    assert found(patient(identifier=[nhs, {"use": "official", **identifier("urn:x")}, {"use": "usual", **identifier("urn:nhs")}]), p) == []
    assert found(patient(identifier=[nhs, nhs]), p) == [("max", "Patient.identifier")]


def test_a_profile_on_a_profile_keeps_what_both_say() -> None:
    base = profile("Patient", at("Patient.gender", min=1), *IDENTIFIERS, name="base")
    own = profile("Patient", at("Patient.birthDate", min=1), at("Patient.identifier", "mrn", max="2"), base=HOME + "base")
    two = [identifier("urn:mrn"), identifier("urn:mrn")]
    assert found(patient(gender="male", birthDate="1980", identifier=two), own, base) == []
    assert found(patient(identifier=two), own, base) == [("min", "Patient.gender"), ("min", "Patient.birthDate")]


def test_a_snapshot_is_read_where_there_is_one_and_what_r4_says_anyway_is_told_once() -> None:
    p = profile("Observation", base=HOME + "nowhere")
    p["snapshot"] = {"element": [at("Observation"), at("Observation.status", min=1), at("Observation.subject", min=1)]}
    assert found({"resourceType": "Observation", "code": {"text": "x"}}, p) == [("", "Observation.status"), ("min", "Observation.subject")]


def test_what_an_item_refers_to_is_constrained_too() -> None:
    p = profile(
        "Questionnaire", at("Questionnaire.item.prefix", min=1), at("Questionnaire.item.item", contentReference="#Questionnaire.item")
    )
    item = {"linkId": "1", "type": "group", "prefix": "1", "item": [{"linkId": "2", "type": "display", "text": "x"}]}
    assert found({"resourceType": "Questionnaire", "status": "draft", "item": [item]}, p) == [
        ("min", "Questionnaire.item[0].item[0].prefix")
    ]


def bound(strength: str, largest: str = "") -> Json:
    more = {"extension": [{"url": CORE + "elementdefinition-maxValueSet", "valueCanonical": largest}]} if largest else {}
    return profile("Observation", at("Observation.code", binding={"strength": strength, "valueSet": "urn:vs", **more}))


VALUE_SET = {
    "resourceType": "ValueSet",
    "url": "urn:vs",
    "status": "active",
    "compose": {"include": [{"system": "urn:s", "concept": [{"code": "a"}]}]},
}


def test_a_required_code_is_of_the_set_and_a_set_that_nobody_knows_is_not_judged() -> None:
    inside, outside = ({"coding": [{"system": "urn:s", "code": code}]} for code in "ab")
    assert found(observation(code=inside), bound("required"), VALUE_SET) == []
    assert found(observation(code=outside), bound("required"), VALUE_SET) == [("binding", "Observation.code")]
    assert found(observation(code=outside), bound("extensible"), VALUE_SET) == []
    assert found(observation(code=outside), bound("extensible", "urn:vs"), VALUE_SET) == [("binding", "Observation.code")]
    assert found(observation(code=outside), bound("required")) == []


@pytest.mark.parametrize(
    ("reference", "wrong"),
    [
        ("Patient/1", []),
        ("Group/1", [("target", "Observation.subject")]),
        ("http://elsewhere.example/fhir/Patient/1", []),
        ("urn:uuid:00000000-0000-4000-8000-000000000000", []),
    ],
)
def test_a_reference_tells_the_type_of_its_target(reference: str, wrong: list[tuple[str, str]]) -> None:
    p = profile("Observation", at("Observation.subject", type=[{"code": "Reference", "targetProfile": [CORE + "Patient"]}]))
    assert found(observation(subject={"reference": reference}), p) == wrong


def test_a_reference_that_can_be_followed_leads_to_one_of_the_profiles() -> None:
    p = profile("Observation", at("Observation.subject", type=[{"code": "Reference", "targetProfile": [HOME + "adult"]}]))
    people = {"Patient/a": patient(birthDate="1980"), "Patient/c": patient(gender="male")}
    assert found(observation(subject={"reference": "Patient/a"}), p, ADULT, resolve=people.get) == []
    assert found(observation(subject={"reference": "Patient/c"}), p, ADULT, resolve=people.get) == [("target", "Observation.subject")]
    held = observation(subject={"reference": "#c"}, contained=[patient(id="c", gender="male")])
    assert found(held, p, ADULT) == [("target", "Observation.subject")]


def test_aggregation_says_where_a_target_is_held() -> None:
    p = profile("Observation", at("Observation.subject", type=[{"code": "Reference", "aggregation": ["contained"]}]))
    assert found(observation(subject={"reference": "#c"}, contained=[patient(id="c")]), p) == []
    assert found(observation(subject={"reference": "Patient/1"}), p) == [("aggregation", "Observation.subject")]


def test_profiles_that_point_at_each_other_come_to_an_end() -> None:
    link = at("Patient.link.other", type=[{"code": "Reference", "targetProfile": [HOME + "p"]}])
    p = profile("Patient", at("Patient.birthDate", min=1), link)
    twins = {
        f"Patient/{one}": patient(birthDate="1980", link=[{"other": {"reference": f"Patient/{other}"}, "type": "seealso"}])
        for one, other in ("ab", "ba")
    }
    assert found(twins["Patient/a"], p, resolve=twins.get) == []
    del twins["Patient/b"]["birthDate"]
    assert found(twins["Patient/a"], p, resolve=twins.get) == [("target", "Patient.link[0].other")]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (profile("Patient", base=HOME + "p"), "invalid"),
        (profile("Patient", base=HOME + "nowhere"), "not-found"),
        (profile("Patient", at("Patient.birthdate", min=1)), "invalid"),
        (profile("Patient", {"min": 1}), "invalid"),
        (profile("Patient", sliced("Patient.identifier", "value", "a.b("), at("Patient.identifier", "s")), "not-supported"),
        ({**profile("Patient"), "differential": {"element": "x"}}, "invalid"),
    ],
)
def test_a_profile_that_cannot_be_applied_is_a_warning_that_says_why(wrong: Json, code: str) -> None:
    issues = Validator(Shelf([wrong])).check(patient(active=True), [HOME + "p"])
    assert [(issue.severity, issue.code) for issue in issues if issue.rule == "profile"] == [("warning", code)]


def test_a_profile_that_is_asked_for_must_be_known_and_one_that_is_claimed_need_not() -> None:
    resource = patient(meta={"profile": ["http://nobody.example/p"]})
    issues = Validator(Shelf()).check(resource, ["http://nobody.example/q"])
    assert [(issue.severity, issue.at) for issue in issues if issue.rule == "profile"] == [
        ("error", "Patient"),
        ("warning", "Patient.meta.profile"),
    ]


def test_a_profile_is_about_its_type() -> None:
    assert found(observation(), ADULT, url=HOME + "adult") == [("type", "Observation")]


def test_what_changed_is_compiled_again() -> None:
    shelf = Shelf([ADULT])
    validator = Validator(shelf)
    assert any(issue.rule == "min" for issue in validator.check(patient(gender="male"), [HOME + "adult"]))
    shelf.put(profile("Patient", name="adult"))
    assert not any(issue.rule == "min" for issue in validator.check(patient(gender="male"), [HOME + "adult"]))


def extension(*elements: Json, context: str = "Patient", **more: Any) -> Json:
    stated = [at("Extension"), at("Extension.url", fixedUri=HOME + "e"), *elements]
    return profile("Extension", *stated, name="e", context=[{"type": "element", "expression": context}], **more)


def extended(value: Json, name: str = "extension") -> Json:
    return patient(**{name: [{"url": HOME + "e", **value}]})


def wrong_extension(resource: Json, definition: Json) -> list[tuple[str, str]]:
    issues = Validator(Shelf([definition])).check(resource)
    return [(issue.rule, issue.at) for issue in issues if issue.severity == "error"]


def test_an_extension_is_what_its_definition_says() -> None:
    definition = extension(at("Extension.value[x]", min=1, type=[{"code": "string"}]))
    assert wrong_extension(extended({"valueString": "x"}), definition) == []
    assert wrong_extension(extended({"valueBoolean": True}), definition) == [("type", "Patient.extension[0].value")]


@pytest.mark.parametrize(
    ("context", "right"),
    [("Patient", True), ("DomainResource", True), ("Element", True), ("Observation", False), ("Patient.name", False), ("HumanName", False)],
)
def test_an_extension_stands_where_its_context_lets_it(context: str, right: bool) -> None:
    found = wrong_extension(extended({"valueString": "x"}), extension(context=context))
    assert found == ([] if right else [("context", "Patient.extension[0]")])


@pytest.mark.parametrize("context", ["Patient.name", "HumanName", "HumanName.family", "Patient.name.family"])
def test_the_context_of_an_element_is_its_path_or_its_type(context: str) -> None:
    mark = {"url": HOME + "e", "valueString": "x"}
    on_name, on_family = patient(name=[{"extension": [mark]}]), patient(name=[{"family": "x", "_family": {"extension": [mark]}}])
    resource = on_family if context.endswith("family") else on_name
    assert wrong_extension(resource, extension(context=context)) == []


def test_what_changes_the_meaning_is_a_modifier_and_nothing_else() -> None:
    plain, modifier = extension(), extension()
    modifier["differential"]["element"][0]["isModifier"] = True
    assert wrong_extension(extended({"valueString": "x"}, "modifierExtension"), plain) == [("isModifier", "Patient.modifierExtension[0]")]
    assert wrong_extension(extended({"valueString": "x"}), modifier) == [("isModifier", "Patient.extension[0]")]
    assert wrong_extension(extended({"valueString": "x"}, "modifierExtension"), modifier) == []


def test_a_complex_extension_has_the_parts_of_its_definition() -> None:
    definition = extension(at("Extension.extension", "part", min=1), at("Extension.extension.url", fixedUri="part"))
    assert wrong_extension(extended({"extension": [{"url": "part", "valueCode": "x"}]}), definition) == []
    assert wrong_extension(extended({"extension": [{"url": "party", "valueCode": "x"}]}), definition) == [
        ("min", "Patient.extension[0].extension"),
        ("part", "Patient.extension[0].extension[0]"),
    ]


def test_an_unknown_extension_is_right_unless_the_policy_says_otherwise() -> None:
    resource = extended({"valueString": "x"})
    severities = {
        issue.severity
        for policy in (Policy(), Policy(unknown_extension="error"), Policy(unknown_extension="error", open_domains=("http://p.example/",)))
        for issue in Validator(Shelf()).check(resource, policy=policy)
        if issue.rule == "extension"
    }
    assert severities == {"warning", "error"}
    assert not [issue for issue in Validator(Shelf()).check(resource) if issue.severity == "error"]


@pytest.mark.parametrize("severity", ["error", "warning", "information", ""])
def test_a_profile_of_an_element_that_nobody_knows_is_as_bad_as_the_policy_says(severity: str) -> None:
    of_name = profile("Patient", at("Patient.name", type=[{"code": "HumanName", "profile": [HOME + "nobodys"]}]))
    of_target = at("Patient.managingOrganization", type=[{"code": "Reference", "targetProfile": [HOME + "nobodys", HOME + "nor-this"]}])
    resource = patient(
        name=[{"family": "x"}],
        contained=[{"resourceType": "Organization", "id": "o", "name": "x"}],
        managingOrganization={"reference": "#o"},
    )
    of_name["differential"]["element"].append(of_target)
    issues = Validator(Shelf([of_name])).check(resource, [HOME + "p"], policy=Policy(unknown_profile=severity))
    told = [(issue.severity, issue.code, issue.at, issue.rule, issue.element) for issue in issues if issue.profile == HOME + "p"]
    assert told == (
        [
            (severity, "not-found", "Patient.name[0]", "profile", "Patient.name"),
            (severity, "not-found", "Patient.managingOrganization", "target", "Patient.managingOrganization"),
        ]
        if severity
        else []
    )


def test_what_conforms_to_one_of_its_profiles_needs_no_other() -> None:
    known = profile("HumanName", at("HumanName.family", min=1), name="family")
    either = profile("Patient", at("Patient.name", type=[{"code": "HumanName", "profile": [HOME + "nobodys", HOME + "family"]}]))
    validator = Validator(Shelf([known, either]))
    found = [
        [issue.severity for issue in validator.check(patient(name=[name]), [HOME + "p"]) if issue.profile]
        for name in ({"family": "x"}, {"text": "x"})
    ]
    assert found == [[], ["warning"]]


def test_an_extension_that_a_profile_asks_for_follows_its_definition_on_a_write_too() -> None:
    definition = extension(at("Extension.value[x]", min=1, type=[{"code": "code"}]))
    asking = profile("Patient", at("Patient.extension", "own", min=1, type=[{"code": "Extension", "profile": [definition["url"]]}]))
    validator = Validator(Shelf([definition, asking]))
    wrong = extended({"valueString": "x"})
    assert [(issue.rule, issue.at) for issue in validator.follow(wrong, [asking["url"]])] == [("type", "Patient.extension[0].value")]
    assert validator.follow(extended({"valueCode": "x"}), [asking["url"]]) == []


def test_r4_s_own_profiles_and_extensions_are_known() -> None:
    sex = {"url": CORE + "patient-birthTime", "valueDateTime": "2000-01-01"}
    assert [i.rule for i in Validator(Shelf()).check(patient(extension=[sex])) if i.severity == "error"] == ["context"]
    heart = observation(code={"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}, valueQuantity={"value": 60})
    rules = {(issue.rule, issue.element) for issue in Validator(Shelf()).check(heart, [CORE + "heartrate"]) if issue.severity == "error"}
    assert ("min", "Observation.subject") in rules and ("min", "Observation.category") in rules


def test_a_binding_beside_the_main_one_is_as_strong_as_its_purpose() -> None:
    def beside(purpose: str) -> Json:
        parts = [{"url": "purpose", "valueCode": purpose}, {"url": "valueSet", "valueCanonical": "urn:vs"}]
        more = {"url": "http://hl7.org/fhir/tools/StructureDefinition/additional-binding", "extension": parts}
        return profile("Observation", at("Observation.code", binding={"strength": "example", "valueSet": "urn:other", "extension": [more]}))

    outside = observation(code={"coding": [{"system": "urn:s", "code": "b"}]})
    assert found(outside, beside("required"), VALUE_SET) == [("binding", "Observation.code")]
    assert found(outside, beside("extensible"), VALUE_SET) == []


@pytest.mark.parametrize(
    ("element", "date", "right"),
    [
        ("minValueQuantity", "1990", True),
        ("minValueQuantity", "1925", False),
        ("maxValueQuantity", "2090", True),
        ("maxValueQuantity", "2126-01-02", False),
    ],
)
def test_a_limit_that_moves_with_the_clock_is_so_far_from_now(element: str, date: str, right: bool) -> None:
    century = {"value": 100, "system": "http://unitsofmeasure.org", "code": "a"}
    issues = found(patient(birthDate=date), profile("Patient", at("Patient.birthDate", **{element: century})))
    assert issues == ([] if right else [(element.removesuffix("Quantity"), "Patient.birthDate")])


def test_a_code_outside_of_an_extensible_set_of_r4_is_a_warning() -> None:
    def warned(code: str) -> bool:
        coding = {"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": code}
        issues = Validator(Shelf(), Terminology(Shelf())).check(patient(maritalStatus={"coding": [coding]}))
        return [(issue.severity, issue.at) for issue in issues if issue.rule == "binding"] == [("warning", "Patient.maritalStatus")]

    assert warned("X") and not warned("M")
