"""What the specification says in words only: Bundles, documents, questionnaires and their answers, attachments, definitions."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.formats.fhir.canonical import Shelf
from penstock.formats.fhir.validate.policy import Policy
from penstock.formats.fhir.validate.validator import Validator
from penstock.terminology import Terminology

Json = dict[str, Any]

BASE = "http://s.example/fhir/"
QUESTIONNAIRE = "http://q.example/Questionnaire/1"


def found(resource: Json, *definitions: Json, severity: str = "error", policy: Policy | None = None) -> list[tuple[str, str]]:
    shelf = Shelf(definitions)
    issues = Validator(shelf, Terminology(shelf)).check(resource, policy=policy)
    return [(issue.rule, issue.at) for issue in issues if issue.severity == severity and issue.rule != "dom-6"]


def bundle(type: str, *entries: Json, **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": type, "entry": list(entries), **more}


def entry(kind: str, id: str, **more: Any) -> Json:
    return {"fullUrl": f"{BASE}{kind}/{id}", "resource": {"resourceType": kind, "id": id, **more}}


def composition(**more: Any) -> Json:
    required = {
        "status": "final",
        "type": {"text": "x"},
        "date": "2020",
        "title": "x",
        "author": [{"reference": "Practitioner/1"}],
    }
    return entry("Composition", "1", **{**required, **more})


def document(*entries: Json) -> Json:
    return bundle("document", *entries, identifier={"system": "u:d", "value": "1"}, timestamp="2020-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("type", "one", "wrong"),
    [
        ("collection", entry("Patient", "1"), []),
        ("collection", {"resource": {"resourceType": "Patient"}}, [("fullUrl", "Bundle.entry[0]")]),
        ("collection", entry("Patient", "1") | {"fullUrl": "Patient/1"}, [("fullUrl", "Bundle.entry[0].fullUrl")]),
        ("collection", entry("Patient", "1") | {"fullUrl": f"{BASE}Patient/2"}, [("fullUrl", "Bundle.entry[0].fullUrl")]),
        ("collection", {"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000000", "resource": {"resourceType": "Patient"}}, []),
        ("transaction", {"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}, []),
        ("searchset", entry("Patient", "1"), []),
    ],
)
def test_an_entry_has_a_url_of_its_own(type: str, one: Json, wrong: list[tuple[str, str]]) -> None:
    assert found(bundle(type, one)) == wrong


def test_what_a_search_finds_has_an_id() -> None:
    one = {"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000000", "resource": {"resourceType": "Patient"}}
    assert found(bundle("searchset", one)) == [("id", "Bundle.entry[0].resource")]


def test_a_document_holds_what_its_composition_refers_to() -> None:
    whole = document(composition(), entry("Practitioner", "1"))
    assert found(whole) == []
    assert found(document(composition())) == [("document", "Bundle.entry[0].resource.author[0]")]
    sections = [{"section": [{"title": "x", "entry": [{"reference": "Observation/9"}]}]}]
    lacking = document(composition(section=sections), entry("Practitioner", "1"))
    assert ("document", "Bundle.entry[0].resource.section[0].section[0].entry[0]") in found(lacking)


def test_a_document_holds_nothing_that_is_not_connected() -> None:
    stray = document(composition(), entry("Practitioner", "1"), entry("Patient", "9"))
    assert found(stray) == [("document", "Bundle.entry[2]")]
    about = entry("Provenance", "1", target=[], recorded="2020-01-01T00:00:00Z", agent=[])
    assert not [each for each in found(document(composition(), entry("Practitioner", "1"), about)) if each[0] == "document"]


def test_a_relative_reference_is_read_from_where_it_stands() -> None:
    """``Practitioner/1`` in an entry of one server is not that of another (bundle.html#references)."""
    other = entry("Practitioner", "1") | {"fullUrl": "http://other.example/Practitioner/1"}
    assert ("document", "Bundle.entry[0].resource.author[0]") in found(document(composition(), other))


def test_a_version_in_a_reference_is_the_version_of_the_entry() -> None:
    author = [{"reference": "Practitioner/1/_history/2"}]
    right, wrong = (entry("Practitioner", "1", meta={"versionId": version}) for version in "21")
    assert found(document(composition(author=author), right)) == []
    assert ("document", "Bundle.entry[0].resource.author[0]") in found(document(composition(author=author), wrong))


def test_a_reference_leads_to_the_type_that_it_says() -> None:
    lying = entry(
        "Patient", "1", generalPractitioner=[{"reference": "urn:uuid:00000000-0000-4000-8000-000000000000", "type": "Practitioner"}]
    )
    target = {"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000000", "resource": {"resourceType": "Organization", "name": "x"}}
    assert found(bundle("collection", lying, target)) == [("target", "Bundle.entry[0].resource.generalPractitioner[0]")]


def test_the_size_of_an_attachment_is_that_of_its_data() -> None:
    photo = {"contentType": "text/plain", "data": "AAAA"}
    assert found({"resourceType": "Patient", "photo": [photo | {"size": 3}]}) == []
    assert found({"resourceType": "Patient", "photo": [photo | {"size": 4}]}) == [("size", "Patient.photo[0].size")]


def test_a_canonical_names_a_definition_of_the_right_type() -> None:
    resource = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "http://hl7.org/fhir/ValueSet/languages"}
    assert found(resource) == [("target", "QuestionnaireResponse.questionnaire")]


@pytest.mark.parametrize(
    ("coding", "right"),
    [
        ({"system": "http://hl7.org/fhir/administrative-gender", "code": "male", "display": "Male"}, True),
        ({"system": "http://hl7.org/fhir/administrative-gender", "code": "male", "display": "  MALE "}, True),
        ({"system": "http://hl7.org/fhir/administrative-gender", "code": "male", "display": "Female"}, False),
        ({"system": "http://hl7.org/fhir/administrative-gender", "code": "male"}, True),
        ({"system": "http://hl7.org/fhir/administrative-gender", "code": "male", "display": "Female", "version": "99"}, True),
        ({"system": "http://loinc.org", "code": "8310-5", "display": "anything"}, True),
        ({"system": "urn:own", "code": "a", "display": "A"}, True),
        ({"system": "urn:own", "code": "a", "display": "Ah"}, True),
        ({"system": "urn:own", "code": "a", "display": "Be"}, False),
        ({"system": "urn:part", "code": "a", "display": "Be"}, True),
    ],
)
def test_a_display_is_one_of_its_code_where_the_code_system_is_known(coding: Json, right: bool) -> None:
    system = {
        "resourceType": "CodeSystem",
        "status": "active",
        "concept": [{"code": "a", "display": "A", "designation": [{"value": "Ah"}]}],
    }
    systems = (system | {"url": "urn:own", "content": "complete"}, system | {"url": "urn:part", "content": "fragment"})
    resource = {"resourceType": "Basic", "code": {"coding": [coding]}}
    wrong = [] if right else [("display", "Basic.code.coding[0].display")]
    assert [each for each in found(resource, *systems, severity="warning") if each[0] == "display"] == wrong
    assert found(resource, *systems, policy=Policy(wrong_display="error")) == wrong
    assert found(resource, *systems, policy=Policy(wrong_display=""), severity="warning") == []


def test_a_display_in_a_language_of_which_the_code_has_none_is_not_judged() -> None:
    def warned(language: str, display: str) -> bool:
        coding = {"system": "http://hl7.org/fhir/administrative-gender", "code": "male", "display": display}
        resource = {"resourceType": "Basic", "language": language, "code": {"coding": [coding]}}
        return ("display", "Basic.code.coding[0].display") in found(resource, severity="warning")

    assert [warned("de", "männlich"), warned("en-US", "man"), warned("de", "Male")] == [False, True, False]


def test_a_text_that_looks_like_html_is_told_to_who_asks() -> None:
    resource = {"resourceType": "Patient", "name": [{"text": "<script>alert(1)</script>"}]}
    assert found(resource) == []
    assert found(resource, policy=Policy(markup="error")) == [("markup", "Patient.name[0].text")]
    assert found({"resourceType": "Patient", "name": [{"text": "a < b"}]}, policy=Policy(markup="error")) == []


def test_a_profile_does_not_contradict_its_base() -> None:
    def definition(name: str, base: str, value: str) -> Json:
        return {
            "resourceType": "StructureDefinition",
            "url": f"http://p.example/{name}",
            "name": "X",
            "status": "active",
            "kind": "resource",
            "abstract": False,
            "type": "Patient",
            "derivation": "constraint",
            "baseDefinition": base,
            "differential": {"element": [{"id": "Patient.gender", "path": "Patient.gender", "fixedCode": value}]},
        }

    base = definition("base", "http://hl7.org/fhir/StructureDefinition/Patient", "male")
    assert found(definition("own", base["url"], "male"), base) == []
    assert found(definition("own", base["url"], "female"), base) == [("fixed", "StructureDefinition.differential")]
    strange = definition("own", base["url"], "male")
    strange["differential"]["element"].append({"id": "Patient.nmae", "path": "Patient.nmae", "min": 1})
    assert found(strange, base) == [("profile", "StructureDefinition")]


def form(*items: Json) -> Json:
    return {"resourceType": "Questionnaire", "url": QUESTIONNAIRE, "status": "active", "item": list(items)}


def ask(type: str = "string", link: str = "1", **more: Any) -> Json:
    return {"linkId": link, "type": type, **more}


def answers(*items: Json, status: str = "completed") -> Json:
    response: Json = {"resourceType": "QuestionnaireResponse", "status": status, "questionnaire": QUESTIONNAIRE}
    return {**response, "item": list(items)} if items else response


def say(*values: Json, link: str = "1", **more: Any) -> Json:
    return {"linkId": link, "answer": list(values), **more} if values else {"linkId": link, **more}


def limit(name: str, **value: Any) -> list[Json]:
    return [{"url": f"http://hl7.org/fhir/StructureDefinition/{name}", **value}]


ANSWER = "QuestionnaireResponse.item[0].answer[0].value"


@pytest.mark.parametrize(
    ("question", "item", "wrong"),
    [
        (ask(), say({"valueString": "x"}), []),
        (ask(), say({"valueInteger": 1}), [("type", ANSWER)]),
        (ask("integer"), say({"valueInteger": 1}), []),
        (ask("group", item=[ask(link="2")]), say(item=[say({"valueString": "x"}, link="2")]), []),
        (ask("group"), say({"valueString": "x"}), [("type", "QuestionnaireResponse.item[0]")]),
        (ask("display"), say({"valueString": "x"}), [("type", "QuestionnaireResponse.item[0]")]),
        (ask(), say({"valueString": "x"}, link="9"), [("linkId", "QuestionnaireResponse.item[0].linkId")]),
        (ask(), say({"valueString": "x"}, {"valueString": "y"}), [("repeats", "QuestionnaireResponse.item[0]")]),
        (ask(repeats=True), say({"valueString": "x"}, {"valueString": "y"}), []),
        (ask(maxLength=1), say({"valueString": "xy"}), [("maxLength", ANSWER)]),
        (ask("integer", extension=limit("minValue", valueInteger=5)), say({"valueInteger": 4}), [("minValue", ANSWER)]),
        (ask("date", extension=limit("maxValue", valueDate="2020")), say({"valueDate": "2021-01-01"}), [("maxValue", ANSWER)]),
        (ask("choice", answerOption=[{"valueCoding": {"code": "a"}}]), say({"valueCoding": {"code": "a", "display": "A"}}), []),
        (ask("choice", answerOption=[{"valueCoding": {"code": "a"}}]), say({"valueCoding": {"code": "b"}}), [("answerOption", ANSWER)]),
        (ask("choice", answerOption=[{"valueString": "a"}]), say({"valueString": "b"}), [("answerOption", ANSWER)]),
        (ask("open-choice", answerOption=[{"valueCoding": {"code": "a"}}]), say({"valueString": "b"}), []),
        (
            ask("reference", extension=limit("questionnaire-referenceResource", valueCode="Patient")),
            say({"valueReference": {"reference": "Group/1"}}),
            [("questionnaire-referenceResource", ANSWER)],
        ),
    ],
)
def test_an_answer_is_what_its_question_asks(question: Json, item: Json, wrong: list[tuple[str, str]]) -> None:
    unknown = [each for each in found(answers(item), form(question)) if each[0] not in ("extension", "context")]
    assert unknown == wrong


def test_what_is_required_is_answered_when_the_response_is_complete() -> None:
    required = form(ask(required=True))
    assert found(answers(), required) == [("required", "QuestionnaireResponse")]
    assert found(answers(say()), required) == [("required", "QuestionnaireResponse.item[0]")]
    assert found(answers(status="in-progress"), required) == []


def test_items_come_in_the_order_of_the_questionnaire_and_once() -> None:
    two = form(ask(link="1"), ask(link="2"))
    first, second = say({"valueString": "x"}), say({"valueString": "x"}, link="2")
    assert found(answers(first, second), two) == []
    assert found(answers(second, first), two) == [("order", "QuestionnaireResponse.item[1]")]
    assert found(answers(first, first), two) == [("repeats", "QuestionnaireResponse.item[1]")]


@pytest.mark.parametrize(
    ("condition", "value", "enabled"),
    [
        ({"operator": "exists", "answerBoolean": True}, {"valueInteger": 1}, True),
        ({"operator": "exists", "answerBoolean": False}, {"valueInteger": 1}, False),
        ({"operator": "=", "answerInteger": 1}, {"valueInteger": 1}, True),
        ({"operator": "!=", "answerInteger": 1}, {"valueInteger": 1}, False),
        ({"operator": ">", "answerInteger": 1}, {"valueInteger": 2}, True),
        ({"operator": ">=", "answerInteger": 2}, {"valueInteger": 2}, True),
        ({"operator": "<", "answerInteger": 2}, {"valueInteger": 2}, False),
        ({"operator": "<=", "answerInteger": 2}, {"valueInteger": 2}, True),
    ],
)
def test_an_item_is_asked_when_its_condition_holds(condition: Json, value: Json, enabled: bool) -> None:
    questions = form(ask("integer"), ask(link="2", required=True, enableWhen=[{"question": "1", **condition}]))
    without, with_it = answers(say(value)), answers(say(value), say({"valueString": "x"}, link="2"))
    assert found(without, questions) == ([("required", "QuestionnaireResponse")] if enabled else [])
    assert found(with_it, questions) == ([] if enabled else [("enableWhen", "QuestionnaireResponse.item[1]")])


def test_a_condition_asks_about_another_question_that_there_is() -> None:
    inner = ask("group", item=[ask(link="2")], enableWhen=[{"question": "2", "operator": "exists", "answerBoolean": True}])
    assert found(form(inner)) == [("enableWhen", "Questionnaire.item[0].enableWhen[0].question")]
    missing = ask(enableWhen=[{"question": "9", "operator": "exists", "answerBoolean": True}])
    assert found(form(missing)) == [("enableWhen", "Questionnaire.item[0].enableWhen[0].question")]


def test_a_questionnaire_that_nobody_knows_is_a_warning() -> None:
    assert found(answers(say({"valueString": "x"}))) == []
    assert ("questionnaire", "QuestionnaireResponse.questionnaire") in found(answers(say({"valueString": "x"})), severity="warning")


def test_a_reference_of_a_composition_means_one_entry() -> None:
    two = [entry("Practitioner", "1", meta={"versionId": version}) for version in "12"]
    assert found(document(composition(), *two)) == [("document", "Bundle.entry[0].resource.author[0]")]


def vital(*codes: str, **more: Any) -> Json:
    category = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}]
    codings = [{"system": "http://loinc.org", "code": code} for code in codes]
    shared = {"status": "final", "category": category, "subject": {"reference": "Patient/1"}, "effectiveDateTime": "2020-01-01"}
    return {"resourceType": "Observation", "code": {"coding": codings}, **shared, **more}


def quantity(value: int, unit: str) -> Json:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def pressure(*codes: str) -> list[Json]:
    return [
        {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "valueQuantity": quantity(100, "mm[Hg]")} for code in codes
    ]


def test_a_vital_sign_follows_its_profile_whether_or_not_it_says_so() -> None:
    warm = vital("8310-5", valueQuantity=quantity(37, "Cel"))
    assert found(warm) == []
    assert found({name: value for name, value in warm.items() if name != "effectiveDateTime"}) == [("min", "Observation.effective")]
    assert found(vital("8310-5", valueQuantity=quantity(37, "K"))) == [("binding", "Observation.value.code")]
    assert found(vital("8329-5", valueQuantity=quantity(310, "K"))) == []
    assert found(vital("8329-5", "8310-5", valueQuantity=quantity(310, "K"))) == [("binding", "Observation.value.code")]


def test_a_blood_pressure_has_both_of_its_components() -> None:
    assert found(vital("85354-9", component=pressure("8480-6", "8462-4"))) == []
    assert found(vital("85354-9", component=pressure("8462-4", "8480-6"))) == []
    assert set(found(vital("85354-9", component=pressure("8480-6")))) == {("min", "Observation.component")}


def test_units_of_parts_of_a_vital_sign_are_no_closed_set() -> None:
    flow = {"code": {"coding": [{"system": "http://loinc.org", "code": "3151-8"}]}, "valueQuantity": quantity(2, "L/min")}
    with_flow = vital("2708-6", valueQuantity=quantity(98, "%"), component=[flow])
    assert found(with_flow) == []
    assert ("binding", "Observation.component[0].value") in found(with_flow, severity="warning")


def test_errors_are_told_before_warnings_when_there_are_too_many() -> None:
    many = [entry("Patient", str(number)) for number in range(150)]
    many.append(entry("Patient", "150", contact=[{"gender": "male"}]))
    shelf = Shelf()
    issues = Validator(shelf, Terminology(shelf)).check(bundle("collection", *many))
    assert len(issues) == 100
    assert [(issue.rule, issue.at) for issue in issues if issue.severity == "error"] == [("pat-1", "Bundle.entry[150].resource.contact[0]")]


MEASURE = "http://m.example/Measure/1"


def concept(code: str, system: str = "urn:codes") -> Json:
    return {"coding": [{"system": system, "code": code}]}


def measured(*parts: str, scoring: str = "proportion", kind: str = "population", **more: Any) -> Json:
    """A measure with one group, and a part of a kind for each code."""
    criteria = {"criteria": {"language": "text/cql", "expression": "x"}}
    group = {kind: [{"code": concept(each), **criteria} for each in parts], **more}
    return {"resourceType": "Measure", "url": MEASURE, "status": "active", "scoring": concept(scoring), "group": [group]}


def reported(*groups: Json, status: str = "complete", type: str = "summary") -> Json:
    period = {"start": "2020", "end": "2020"}
    report = {"resourceType": "MeasureReport", "status": status, "type": type, "measure": MEASURE, "period": period}
    return {**report, "group": list(groups)} if groups else report


def parts(*codes: str, kind: str = "population", **more: Any) -> Json:
    return {"measureScore": {"value": 0.5}, kind: [{"code": concept(each)} for each in codes], **more}


@pytest.mark.parametrize(
    ("group", "wrong"),
    [
        (parts("a", "b"), []),
        (parts("b", "a"), []),
        (parts("a"), [("population", "MeasureReport.group[0]")]),
        (parts("a", "b", "c"), [("population", "MeasureReport.group[0].population[2]")]),
        (parts("a", "b", "b"), [("population", "MeasureReport.group[0].population[2]")]),
        (parts("a", "b", measureScore={"value": 1.5}), [("measureScore", "MeasureReport.group[0].measureScore")]),
        (parts("a", "b", measureScore={"value": 50, "unit": "%"}), []),
    ],
)
def test_a_report_has_the_populations_of_its_measure_and_a_score_that_can_be(group: Json, wrong: list[tuple[str, str]]) -> None:
    assert found(reported(group), measured("a", "b")) == wrong


def test_a_report_that_is_not_complete_may_lack_parts_but_has_no_others() -> None:
    assert found(reported(parts("a"), status="pending"), measured("a", "b")) == []
    assert found(reported(parts("c"), status="pending"), measured("a", "b")) == [("population", "MeasureReport.group[0].population[0]")]


def test_a_measure_that_defines_a_cohort_has_no_score() -> None:
    stratum = {"value": concept("x"), "measureScore": {"value": 1}}
    defined = measured("a", scoring="cohort", stratifier=[{"code": concept("s"), "criteria": {"language": "x", "expression": "x"}}])
    group = parts("a", stratifier=[{"code": [concept("s")], "stratum": [stratum]}])
    assert found(reported(group), defined) == [
        ("measureScore", "MeasureReport.group[0].measureScore"),
        ("measureScore", "MeasureReport.group[0].stratifier[0].stratum[0].measureScore"),
    ]


def test_a_complete_report_about_many_has_a_score() -> None:
    group = {"population": [{"code": concept("a")}]}
    score = ("measureScore", "MeasureReport.group[0]")
    assert score in found(reported(group), measured("a"), severity="warning")
    assert score not in found(reported(group, type="individual"), measured("a"), severity="warning")
    assert score not in found(reported(group), measured("a", scoring="cohort"), severity="warning")


def test_groups_are_known_by_their_codes_where_there_are_several() -> None:
    defined = measured("a")
    [one] = defined["group"]
    defined["group"] = [one | {"code": concept("g")}, one | {"code": concept("h")}]
    first, second = parts("a", code=concept("g")), parts("a", code=concept("h"))
    assert found(reported(second, first), defined) == []
    assert found(reported(first, first), defined) == [("group", "MeasureReport.group[1]"), ("group", "MeasureReport")]
    assert found(reported(first, parts("a")), defined) == [("group", "MeasureReport.group[1]"), ("group", "MeasureReport")]


def test_a_stratifier_of_components_is_known_by_theirs() -> None:
    components = [{"code": concept(each), "criteria": {"language": "x", "expression": "x"}} for each in ("age", "sex")]
    defined = measured("a", stratifier=[{"component": components}])

    def group(*systems: str) -> Json:
        each = [{"code": concept(code, system), "value": concept("v")} for code, system in zip(("sex", "age"), systems, strict=False)]
        return parts("a", stratifier=[{"stratum": [{"component": each}]}])

    other = [("stratifier", "MeasureReport.group[0].stratifier[0]"), ("stratifier", "MeasureReport.group[0]")]
    assert found(reported(group("urn:codes", "urn:codes")), defined) == []
    assert found(reported(group("urn:codes", "urn:others")), defined) == other
    assert found(reported(group("urn:codes")), defined) == other


def test_a_report_of_collected_data_is_not_compared_and_an_unknown_measure_is_a_warning() -> None:
    assert found(reported(type="data-collection"), measured("a")) == []
    assert found(reported(parts("a"))) == []
    assert ("measure", "MeasureReport.measure") in found(reported(parts("a")), severity="warning")
    contained = reported(parts("b")) | {"measure": "#m", "contained": [measured("a") | {"id": "m"}]}
    assert ("population", "MeasureReport.group[0].population[0]") in found(contained)


def test_a_definition_that_has_not_the_form_of_its_type_is_not_known() -> None:
    broken = measured("a") | {"group": {"population": [{"code": {"coding": [{"code": ["a"]}]}}]}}
    assert found(reported(parts("a")), broken) == []
    assert ("measure", "MeasureReport.measure") in found(reported(parts("a")), broken, severity="warning")
    assert found(answers(say({"valueString": "x"})), form() | {"item": "x"}) == []
