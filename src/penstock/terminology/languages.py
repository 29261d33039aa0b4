"""In which language a concept is shown (RFC 4647; http://hl7.org/fhir/R4/languages.html)."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import Concept, Designation

Languages = tuple[str, ...]


def parse(text: str | None) -> Languages:
    """Languages in the order in which they are wanted: ``de, en-AU; q=0.4`` (RFC 9110, section 12.5.4). ``*`` wants nothing special."""
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate((text or "").split(",")):
        tag, _, weight = part.partition(";")
        quality = _quality(weight)
        if tag.strip() not in ("", "*") and quality > 0:
            wanted.append((-quality, place, tag.strip()))
    return tuple(tag for _, _, tag in sorted(wanted))


def matches(language: str | None, wanted: str) -> bool:
    """Whether a text in ``language`` is in the language that is wanted, or in a kind of it: ``de-CH`` is German."""
    return language is not None and f"{language.lower()}-".startswith(f"{wanted.lower()}-")


def names(concept: Concept, system: CodeSystem | None, more: Iterable[Designation] = ()) -> list[Designation]:
    """Every way to show a concept, its display first; ``more`` are those that a value set adds."""
    own = [Designation(system.language if system else None, concept.display)] if concept.display else []
    return [*own, *more, *concept.designations()]


def choose(every: list[Designation], wanted: Languages) -> Designation | None:
    """The name in the first language that there is one for, else nothing."""
    for language in wanted:
        for name in every:
            if matches(name.language, language) and not name.withdrawn:
                return name
        broader = language.partition("-")[0]
        for name in every:
            if name.language is not None and name.language.lower() == broader.lower() and not name.withdrawn:
                return name
    return None


def spoken(every: list[Designation], wanted: Languages) -> list[Designation]:
    """The names in any of the languages that are wanted; all of them where none is."""
    return [name for name in every if not wanted or any(matches(name.language, each) for each in wanted)]


def _quality(weight: str) -> float:
    name, _, value = weight.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
