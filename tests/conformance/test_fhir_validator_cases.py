"""The official validator's R4 cases that need no outside package: valid or not valid, as the Java validator says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.validator_cases import Case, judge, read, resolver

TX = "the only error is about codes or displays of a code system that is not given (LOINC, SNOMED CT, CVX, ISO 3166-2)"
ABSENT = "what it refers to, or validates, is not among the files given"
#: Judgements that cannot be made from what is given, and why.
EXCLUDED = {
    "sdoh-type-slice": TX,
    "sdoh-type-slice / profile": TX,
    "bundle-id-5": TX,
    "ips-nz-pj": TX,
    "uk-msg": TX,
    "obs-temp-bad": TX + ": that a SNOMED CT code means body temperature",
    "string-with-coding-async-qr": TX,
    "patient-circle1-bad-linked1 / profile": ABSENT,
    "patient-circle2-bad-linked / profile": ABSENT,
    "patient-circle2-bad-source1 / profile": ABSENT,
    "library-fhir-model-definition": ABSENT,
    "extension-version-restriction-range-ctxt-r4": ABSENT + ": the definition of the extension is one of R5",
    "patient-min-length / profile": "the profile is no FHIR: its elements stand in another order than the schema's",
    "aggregation-apart-good4": "the outcome given is that of R5, where Encounter.class may be absent",
    "aggregation-apart-good4 / profile": "the outcome given is that of R5, where Encounter.class may be absent",
    "type-ref-unchecked / profile": "the same content as type-ref-checked, run with references unchecked",
    "bundle-bad-by-param": "judges by a parameter of the Java program (bundle rule), not by FHIR",
}
#: Judgements in which we differ, and why.
DIFFERENT = {
    "bad-bundle-reference-type-4": "by R4 a relative reference never means an entry with a urn: (bundle.html#references)",
    "message": "R4 does not limit the schemes of links in a narrative",
    "mr-m-simple-nossystem": "R4's own examples have relative canonicals",
    "list-bad-reference": "XXX/_history/1 is no literal reference (references.html#literal)",
    "reference-invalid-resource-type-qr": "a URL of another server may end in anything",
    "xhtml-ctrl-source1 / profile": "an extension of the Java program controls the source of narratives",
}
#: May only rise.
AGREED = 238
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
