"""No false errors: what others generate, and what this program makes of public messages, through the whole of validation."""

from __future__ import annotations

import lzma
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import convert
from penstock.convert import Context
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.fhir.canonical import Shelf
from penstock.formats.fhir.validate.validator import Validator
from penstock.formats.hl7v2 import parse
from penstock.terminology import Terminology

Resource = dict[str, Any]
#: (element, rule)
Wrong = tuple[str, str]

#: What is wrong with what messages become: place and rule to what makes it so, mostly the message itself.
RIGHTLY_WRONG: dict[Wrong, str] = {
    ("Patient.communication.language", "binding"): "PID-15 is no language tag",
    ("Patient.contact", "pat-1"): "a contact of whom nothing is said",
    ("Patient.extension.extension", "max"): "PID-26 says one citizenship in several codes",
    ("Encounter.period", "per-1"): "a visit ends before it begins",
    ("Organization", "org-1"): "an organization without name or identifier",
    ("Organization.telecom", "org-3"): "an organization has a telecom of use home",
    ("Organization.address", "org-2"): "an organization has an address of use home",
    ("Observation.category", "min"): "a vital sign that no segment calls one",
    ("Observation.effective", "min"): "a vital sign without a time",
    ("Observation.value.system", "fixed"): "a vital sign in a unit that is not of UCUM",
    ("Observation.value.code", "fixed"): "a vital sign in a unit that is not of UCUM",
    **{
        (f"{holder}.address.extension", "context"): "XAD.10: HL7's map has the census tract on the address, R4's definition on its lines"
        for holder in ("Patient", "RelatedPerson", "Practitioner", "Organization", "Organization.contact", "Location")
    },
}


def errors(resources: Iterable[Resource]) -> set[Wrong]:
    validator = Validator(Shelf(), Terminology(Shelf()))
    issues = (issue for resource in resources for issue in validator.check(resource) if issue.severity == "error")
    return {(re.sub(r"\[\d+\]", "", issue.at), issue.rule or issue.text) for issue in issues}


def generated(data_sets: Path, every: int) -> Iterator[Resource]:
    """One of so many transactions of Synthea."""
    with lzma.open(data_sets / "synthea" / "smart-r4-100.bundles.ndjson.xz", "rb") as lines:
        for number, line in enumerate(lines):
            if number % every == 0:
                yield json.decode(line)["bundle"]


def produced(data_sets: Path, every: int) -> Iterator[Resource]:
    """What one of so many public messages becomes."""
    with tarfile.open(data_sets / "v2-samples.tar.xz") as archive:
        members = [each for each in archive if each.isfile() and each.name.lower().endswith((".hl7", ".txt", ".er7"))]
        for member in members[::every]:
            file = archive.extractfile(member)
            assert file is not None
            try:
                yield from convert.convert(parse(file.read()), convert.plan(), Context(interface="samples")).resources
            except Problem:
                continue


@pytest.mark.parametrize("every", [20, pytest.param(1, marks=pytest.mark.soak)])
def test_what_synthea_generates_is_right(data_sets: Path, every: int) -> None:
    assert errors(generated(data_sets, every)) == set()


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.soak)])
def test_what_is_called_wrong_in_converted_messages_is_wrong(data_sets: Path, every: int) -> None:
    assert errors(produced(data_sets, every)) - RIGHTLY_WRONG.keys() == set()
