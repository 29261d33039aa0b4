"""The official validator's R4 cases that need no outside package: valid or not valid, as the Java validator says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.validator_cases import Case, judge, read, resolver

TX = "the only error is about codes or displays of a code system that is not given (LOINC, SNOMED CT, CVX)"
ABSENT = "what it refers to, or validates, is not among the files given"
#: Judgements that cannot be made from what is given, and why.
EXCLUDED = {
    "sdoh-type-slice": TX,
    "sdoh-type-slice / profile": TX,
    "bundle-id-5": TX,
    "ips-nz-pj": TX,
    "uk-msg": TX,
    "obs-temp-bad": TX + ": that a SNOMED CT code means body temperature",
    "patient-circle1-bad-linked1 / profile": ABSENT,
    "patient-circle2-bad-linked / profile": ABSENT,
    "patient-circle2-bad-source1 / profile": ABSENT,
    "library-fhir-model-definition": ABSENT,
    "extension-version-restriction-range-ctxt-r4": ABSENT + ": the definition of the extension is one of R5",
}
#: Judgements in which we differ, and why.
DIFFERENT = {
    "bad-bundle-reference-type-4": "a relative reference in an entry with a urn: has no defined meaning (bundle.html#references)",
    "message": "R4 does not limit the schemes of links in a narrative (narrative.html, txt-1)",
    "mr-m-simple-nossystem": "62 of R4's own examples have relative canonicals; no rule of R4 asks that the Library of a Measure is known",
    "list-bad-reference": "XXX/_history/1 is no literal reference (references.html#literal)",
    "reference-invalid-resource-type-qr": "a URL that is not that of a resource type may end in anything (references.html#regex)",
    "xhtml-ctrl-source1 / profile": "an extension of a later guide controls the source of narratives; the profile asks for a warning",
    "type-ref-unchecked / profile": "the same content as type-ref-checked, of which the opposite is given: Group/12345 says its type",
    "aggregation-apart-good4": "R4 requires Encounter.class; the outcome given is that of R5",
    "aggregation-apart-good4 / profile": "R4 requires Encounter.class; the outcome given is that of R5",
}
#: Of all 261, whether they can be judged or not. May only rise.
AGREED = 241
LEAST = 0.95


@pytest.fixture(scope="module")
def suite(data_sets: Path) -> tuple[list[Case], dict[str, bytes], Callable[[str], Any]]:
    cases, files = read(data_sets / "suites" / "validator-r4")
    return cases, files, resolver(files)


def test_what_is_valid_and_what_is_not_is_as_the_official_validator_says(suite: tuple[list[Case], dict[str, bytes], Any]) -> None:
    cases, files, resolve = suite
    judged = [case for case in cases if case.name not in EXCLUDED]
    wrong = {case.name for case in judged if _refused(case, files, resolve) is not case.invalid}
    assert wrong == DIFFERENT.keys()
    assert len(judged) - len(wrong) >= AGREED
    assert (len(judged) - len(wrong)) / len(judged) >= LEAST


def test_what_is_excluded_is_part_of_the_suite(suite: tuple[list[Case], dict[str, bytes], Any]) -> None:
    assert EXCLUDED.keys() | DIFFERENT.keys() <= {case.name for case in suite[0]}


def _refused(case: Case, files: dict[str, bytes], resolve: Callable[[str], Any]) -> bool:
    return any(issue.severity == "error" for issue in judge(case, files, resolve))
