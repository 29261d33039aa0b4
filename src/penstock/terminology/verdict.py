"""One coding judged: is its code one of a code system, and of a value set, and is its display right.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html says what is answered; ``findings`` holds what there can be to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from penstock.formats.fhir.outcome import Finding
from penstock.terminology import findings
from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import Concept, Designation, Json, extension
from penstock.terminology.findings import Kind
from penstock.terminology.languages import Languages, choose, names
from penstock.terminology.library import Library
from penstock.terminology.valueset import System, ValueSet

_DEPRECATED_IN_SET = "http://hl7.org/fhir/StructureDefinition/valueset-deprecated"


class Asked(NamedTuple):
    """What is to be judged. ``at`` is where it stands (``Coding``, ``CodeableConcept.coding[0]``); empty for a plain code."""

    code: str
    system: str | None
    version: str | None
    display: str | None
    at: str

    def place(self, element: str) -> str:
        return f"{self.at}.{element}" if self.at else element

    @property
    def whole(self) -> str:
        return self.at or "code"


class Rules(NamedTuple):
    """How to judge.

    ``abstract`` is None where the client does not say whether abstract codes are wanted; ``system`` is the only one that a coding may have.
    """

    languages: Languages = ()
    lenient_display: bool = False
    membership_only: bool = False
    active_only: bool = False
    abstract: bool | None = None
    system: str | None = None


@dataclass
class Verdict:
    """What was found. ``member`` is whether it is in the value set, or in the code system where there is no value set."""

    asked: Asked
    member: bool = False
    system: System | None = None
    concept: Concept | None = None
    display: str | None = None
    inactive: bool = False
    status: str | None = None
    unknown_system: str | None = None
    decides: bool = True
    findings: list[tuple[Kind, Finding]] = field(default_factory=list)

    def say(self, kind: Kind, at: str = "", severity: str | None = None) -> None:
        self.findings.append((kind, kind.finding(at, severity)))

    def forget(self) -> None:
        """Where only membership counts, nothing else is said."""
        self.findings.clear()
        self.inactive, self.status, self.display = False, None, None

    @property
    def right(self) -> bool:
        return self.member and not any(found.severity == "error" for _, found in self.findings)


def judge(asked: Asked, value_set: ValueSet | None, library: Library, rules: Rules) -> Verdict:
    """One coding. Whether its code is not in the value set is left for the caller to say."""
    verdict = Verdict(asked)
    if not asked.code:
        verdict.say(findings.CODE_MISSING, asked.whole)
        return verdict
    if asked.system is None:
        verdict.say(findings.SYSTEM_MISSING, asked.whole)
        return verdict
    if rules.system not in (None, asked.system):
        verdict.say(findings.SYSTEM_OTHER, asked.place("system"))
        return verdict
    system = _system(asked, value_set, library)
    if system is None:
        _without_system(verdict, asked.system, value_set, library)
    else:
        _within(verdict, system, asked.system, value_set, rules)
    if rules.membership_only and verdict.decides:
        verdict.forget()
    return verdict


def _system(asked: Asked, value_set: ValueSet | None, library: Library) -> System | None:
    """The code system in the version of the coding, else in that of the value set, else the newest."""
    assert asked.system is not None
    if asked.version is None and value_set is not None:
        used = value_set.system(asked.system)
        if used is not None:
            return used
    return library.system(asked.system, asked.version)


def _without_system(verdict: Verdict, url: str, value_set: ValueSet | None, library: Library) -> None:
    """A coding of a system that is not here: it may still be listed in the value set."""
    place = verdict.asked.place("system")
    kinds = tuple(_strange(url, verdict.asked.version, library))
    unknown_version = findings.VERSION_UNKNOWN in kinds
    answer = value_set.has(url, verdict.asked.code) if value_set is not None and not unknown_version else None
    verdict.member = answer is True
    for kind in kinds:
        verdict.say(kind, place, "warning" if verdict.member else None)
    if findings.SYSTEM_UNKNOWN in kinds or unknown_version:
        verdict.unknown_system = f"{url}|{verdict.asked.version}" if unknown_version else url
        verdict.decides = value_set is None or answer is not None


def _strange(url: str, version: str | None, library: Library) -> Iterator[Kind]:
    """What is wrong with a system that is no code system here."""
    found = library.find("CodeSystem", url)
    if library.find("ValueSet", url) is not None:
        yield findings.SYSTEM_IS_SET
    elif found is not None and found.get("content") == "supplement":
        yield findings.SYSTEM_IS_SUPPLEMENT
    elif version is not None and library.system(url) is not None:
        yield findings.VERSION_UNKNOWN
    else:
        if ":" not in url:
            yield findings.SYSTEM_RELATIVE
        yield findings.SYSTEM_UNKNOWN


def _within(verdict: Verdict, system: System, url: str, value_set: ValueSet | None, rules: Rules) -> None:
    verdict.system = system
    concept = verdict.concept = system.find(verdict.asked.code)
    if concept is None:
        _without_concept(verdict, system, url, value_set)
        return
    written = value_set.written(url, concept.code) if value_set is not None else {}
    _membership(verdict, system, concept, value_set, rules)
    _remarks(verdict, system, concept, written, rules)
    _display(verdict, system, concept, written, rules)


def _without_concept(verdict: Verdict, system: System, url: str, value_set: ValueSet | None) -> None:
    """A code that the system does not have, as far as the system is here."""
    if not system.may_have(verdict.asked.code):
        verdict.say(findings.CODE_UNKNOWN, verdict.asked.place("code"))
        return
    answer = value_set.has(url, verdict.asked.code) if value_set is not None else None
    verdict.member = answer is not False
    verdict.say(findings.CODE_UNKNOWN_IN_PART, verdict.asked.place("code"))


def _membership(verdict: Verdict, system: System, concept: Concept, value_set: ValueSet | None, rules: Rules) -> None:
    if value_set is None:
        verdict.member = True
        return
    url = system.url
    answer = value_set.has(url, concept.code)
    verdict.member = answer is True
    if answer is None:
        verdict.decides = False
        verdict.say(findings.SET_UNKNOWN)
        return
    version, used = verdict.asked.version, value_set.system(url)
    if version is not None and used is not None and used.version not in (None, version):
        verdict.say(findings.VERSION_OTHER, verdict.asked.place("version"))
    inactive = isinstance(system, CodeSystem) and system.inactive(concept)
    if inactive and (rules.active_only or not answer) and value_set.defines(url, concept.code):
        verdict.member = False
        verdict.say(findings.INACTIVE_REFUSED, verdict.asked.place("code"))


def _remarks(verdict: Verdict, system: System, concept: Concept, written: Json, rules: Rules) -> None:
    """What a client should know of a code that it may use."""
    asked = verdict.asked
    if concept.code != asked.code:
        verdict.say(findings.CASE_DIFFERS, asked.place("code"))
    if extension(written, _DEPRECATED_IN_SET) is True:
        verdict.say(findings.DEPRECATED_IN_SET, asked.place("code"))
    if not isinstance(system, CodeSystem):
        return
    status = system.status(concept)
    verdict.status = None if status == "active" else status
    verdict.inactive = system.inactive(concept)
    if verdict.inactive:
        verdict.say(findings.INACTIVE, asked.whole)
    elif status == "deprecated":
        verdict.say(findings.DEPRECATED, asked.whole)
    if rules.abstract is False and system.abstract(concept):
        verdict.say(findings.ABSTRACT_REFUSED, asked.place("code"))


def _display(verdict: Verdict, system: System, concept: Concept, written: Json, rules: Rules) -> None:
    """The display that the code has, and whether the one that is given is one of its own."""
    known = system if isinstance(system, CodeSystem) else None
    more = [
        Designation(each.get("language"), each["value"], each.get("use"), None, each)
        for each in written.get("designation", ())
        if "value" in each
    ]
    every = names(concept, known, more)
    if written.get("display"):
        every.insert(0, Designation(known.language if known else None, written["display"]))
    best = choose(every, rules.languages) or (every[0] if every else None)
    verdict.display = best.value if best else None
    given = verdict.asked.display
    kind = _about_display(given, every, rules.languages) if given and every else None
    if kind is not None:
        lenient = rules.lenient_display and kind.severity == "error"
        verdict.say(kind, verdict.asked.place("display"), "warning" if lenient else None)


def _about_display(given: str, every: list[Designation], wanted: Languages) -> Kind | None:
    """What there is to say of a display: nothing where it is right. Case does not matter, spaces do."""
    spoken = [each for each in every if not wanted or each.language is None or choose([each], wanted)]
    right = [each.value.casefold() for each in spoken if not each.withdrawn]
    if given.casefold() in right:
        return None
    if any(each.value.casefold() == given.casefold() for each in spoken):
        return findings.DISPLAY_WITHDRAWN
    if not spoken:
        known = any(each.value.casefold() == given.casefold() for each in every)
        return findings.DISPLAY_OF_OTHER_LANGUAGE if known else findings.DISPLAY_OF_NO_LANGUAGE
    if squeezed(given) in map(squeezed, right):
        return findings.DISPLAY_SPACED
    return findings.DISPLAY_WRONG


def squeezed(text: str) -> str:
    """A display without what does not matter: case, and how many spaces there are."""
    return " ".join(text.casefold().split())
