from penstock.errors import FHIR_CODES, MEANINGS, Problem, Problems
from penstock.formats.fhir import outcome
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate import check


def test_a_problem_is_one_issue_with_its_path() -> None:
    assert outcome.outcome(Problem("value", "this is wrong", at="Patient.birthDate")) == {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "value", "details": {"text": "this is wrong"}, "expression": ["Patient.birthDate"]}],
    }


def test_several_problems_are_told_together() -> None:
    made = outcome.outcome(Problems([Problem("required", "a", at="X.a"), Problem("value", "b")]))
    assert [issue["code"] for issue in made["issue"]] == ["required", "value"]


def test_a_validation_without_issues_says_so() -> None:
    assert [issue["severity"] for issue in outcome.of_issues([])["issue"]] == ["information"]
    assert outcome.of_issues(check({}))["issue"][0]["severity"] == "error"


def test_every_code_of_ours_becomes_one_that_fhir_knows() -> None:
    allowed = r4().required_codes("http://hl7.org/fhir/ValueSet/issue-type")
    assert allowed is not None
    known = frozenset[str]().union(*allowed.values())
    assert {FHIR_CODES.get(code, code) for code in MEANINGS} <= known


def test_every_outcome_is_a_valid_resource() -> None:
    for code in MEANINGS:
        assert check(outcome.outcome(Problem(code, "text", at="Patient.name[0]"))) == []
    assert check(outcome.success("done")) == []
    assert check(outcome.of_issues([])) == []
