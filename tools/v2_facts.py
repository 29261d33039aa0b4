"""What a bundle says, as facts that can be compared: distinct (resource type, element path without indexes, value), in one spelling.

Two converters name the same thing in different ways. What is only spelling is levelled here (URIs of coding systems, numbers of
telephones, words of a name); ids, references, extensions, display texts and narratives are left out. The rest is what was understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from penstock.convert.codes import shipped_codes

#: elements that are no facts of the message: names given by the converter, and texts for people that repeat a code
LEFT_OUT = frozenset({"resourceType", "id", "meta", "extension", "modifierExtension", "implicitRules", "display", "reference", "fullUrl"})
TIME = re.compile(r"([0-9]{4}(?:-[0-9]{2}){0,2})(?:T([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?)?$")
V2_TABLE = re.compile(r"(?:urn:oid:)?2\.16\.840\.1\.113883\.(?:12|18)\.([0-9]+)$|https?://(?:terminology\.)?hl7\.org/.*v2[-/]([0-9]{4})")
V3_SYSTEM = re.compile(r"https?://(?:terminology\.)?hl7\.org/.*v3[-/]([A-Za-z]+)")
#: what converters put before a sender's own name to make a URI of it
LOCAL = re.compile(
    r"(?:urn:id:(?:.*:)?|https?://example\.com/v2-to-fhir-converter/(?:Identifier|CodeSystem)/|urn:oid:(?=[^0-9])|urn:uuid:(?=[^-]+$))"
)
#: one URI for systems that have several
SAME = {
    "2.16.840.1.113883.6.1": "http://loinc.org",
    "2.16.840.1.113883.6.96": "http://snomed.info/sct",
    "2.16.840.1.113883.6.8": "http://unitsofmeasure.org",
    "2.16.840.1.113883.6.90": "http://hl7.org/fhir/sid/icd-10-cm",
    "2.16.840.1.113883.6.103": "http://hl7.org/fhir/sid/icd-9-cm",
    "2.16.840.1.113883.6.12": "http://www.ama-assn.org/go/cpt",
    "2.16.840.1.113883.6.69": "http://hl7.org/fhir/sid/ndc",
    "2.16.840.1.113883.12.292": "http://hl7.org/fhir/sid/cvx",
    "2.16.840.1.113883.4.1": "http://hl7.org/fhir/sid/us-ssn",
    "2.16.840.1.113883.4.6": "http://hl7.org/fhir/sid/us-npi",
    "http://hl7.org/fhir/us/core/CodeSystem-cdcrec.html": "2.16.840.1.113883.6.238",
    "http://unitsofmeasure.org/": "http://unitsofmeasure.org",
    "https://terminology.hl7.org/CodeSystem-v2-0396.html#v2-0396-99zzzorL": "local",
}


class Fact(NamedTuple):
    type: str
    path: str
    value: str


def system(text: str) -> str:
    """One name for a coding system or the namespace of an identifier."""
    if text in SAME:
        return SAME[text]
    table = V2_TABLE.match(text)
    if table is not None:
        return f"v2-{int(table[1] or table[2]):04}"
    v3 = V3_SYSTEM.match(text)
    if v3 is not None:
        return f"v3-{v3[1]}"
    name = LOCAL.sub("", text).removesuffix("-unharmonized").removeprefix("urn:oid:")
    if name.upper() == "L" or name.upper().startswith("99"):
        return "local"
    known = SAME.get(name)
    if known is None and "://" not in name and not name.startswith("urn:"):
        known = shipped_codes().authorities.get(name.upper()) or shipped_codes().system(name, {}, "")[0]
        known = system(known) if known.startswith("http") else name.upper()
    return known or name


def telephone(text: str) -> str:
    """Digits and what is dialled after them; mail addresses and the like as they are."""
    if "@" in text or "://" in text:
        return text.strip().lower().removeprefix("mailto:")
    digits = re.sub(r"[^0-9]", "", text)
    return digits.removeprefix("1") if len(digits) == 11 else digits or text.strip().lower()


def words(text: str) -> list[str]:
    return text.split()


def number(text: str) -> str:
    value = f"{float(text):f}".rstrip("0").rstrip(".") if "." in text or "e" in text.lower() else text
    return value or "0"


def spelled(owner: str, name: str, value: Any) -> list[str]:
    """A leaf in one spelling; several facts for a text that is a list of words."""
    if isinstance(value, bool):
        return [str(value).lower()]
    if not isinstance(value, str):
        return [number(str(value))]
    special = SPELLING.get((owner, name)) or SPELLING.get(("", name))
    return special(value) if special else [" ".join(value.split())]


SPELLING: dict[tuple[str, str], Callable[[str], list[str]]] = {
    ("", "system"): lambda text: [system(text)],
    ("identifier", "value"): lambda text: [" ".join(text.removeprefix("urn:oid:").removeprefix("urn:uuid:").split())],
    # the draft of the guide and the published one spell this code in two ways
    ("coding", "code"): lambda text: ["v2-fhir-transformation" if text == "v2-FHIR transformation" else " ".join(text.split())],
    ("telecom", "value"): lambda text: [telephone(text)],
    ("telecom", "system"): lambda text: [text],
    ("name", "given"): words,
    ("name", "prefix"): words,
    ("name", "suffix"): words,
}


def facts(bundle: dict[str, Any]) -> set[Fact]:
    """Every fact of the resources in a bundle; those of contained resources with them."""
    return {fact for entry in bundle.get("entry", ()) if "resource" in entry for fact in resource_facts(entry["resource"])}


def resource_facts(resource: dict[str, Any]) -> Iterator[Fact]:
    type = resource["resourceType"]
    for name, value in resource.items():
        if name == "contained":
            for one in value:
                yield from resource_facts(one)
        elif name != "text":
            yield from below(type, "", name, value)


def below(type: str, path: str, name: str, value: Any) -> Iterator[Fact]:
    if name in LEFT_OUT or name.startswith("_"):
        return
    if isinstance(value, list):
        for one in value:
            yield from below(type, path, name, one)
    elif isinstance(value, dict):
        refers = "reference" in value
        for part, one in value.items():
            if not (refers and part in ("type", "identifier")):
                yield from below(type, f"{path}{name}.", part, one)
    else:
        owner = path.rstrip(".").rpartition(".")[2]
        for text in spelled(owner, name, value):
            yield Fact(type, path + name, text)


def moment(text: str) -> tuple[str, str, datetime | None] | None:
    """Day (or month, or year), the hands of the clock, and the instant of a FHIR date or time; None for anything else."""
    found = TIME.match(text)
    if found is None:
        return None
    day, clock, zone = found[1], found[2] or "", found[3]
    if not clock or not zone:
        return day, clock[:5], None
    return day, clock[:5], datetime.fromisoformat(f"{day}T{clock}{zone}").astimezone(UTC).replace(second=0)


def same(one: str, other: str) -> bool:
    """Whether two values say the same: times by the instant when both have one, else by the day; or by the hands of the clock, for where
    the message has no zone each converter takes its own."""
    if one == other:
        return True
    left, right = moment(one), moment(other)
    if left is None or right is None:
        return False
    if left[2] is None or right[2] is None:
        return left[0] == right[0]
    return left[2] == right[2] or left[:2] == right[:2]


def found(expected: set[Fact], said: set[Fact]) -> set[Fact]:
    """Those of the expected facts that are said."""
    times: dict[tuple[str, str], list[str]] = {}
    for fact in said:
        if moment(fact.value):
            times.setdefault(fact[:2], []).append(fact.value)
    return {fact for fact in expected if fact in said or any(same(fact.value, one) for one in times.get(fact[:2], ()))}
