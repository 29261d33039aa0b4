"""The whole of validation: R4's own rules, the profiles that a resource names or must follow, its extensions, codes and references."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from penstock.errors import Problem
from penstock.formats.fhir.canonical import Canonicals
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate.base import MOST, check
from penstock.formats.fhir.validate.errata import eased
from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.policy import Policy
from penstock.formats.fhir.validate.profile.build import compile_profile
from penstock.formats.fhir.validate.profile.tree import Profile
from penstock.formats.fhir.validate.run import Run

Resource = dict[str, Any]

#: What a canonical may name and is looked for.
KINDS = ("StructureDefinition", "ValueSet", "CodeSystem", "Questionnaire", "SearchParameter", "OperationDefinition")
#: Definitions, and URLs without one, that are remembered.
MOST_KNOWN = 20_000


class Codes(Protocol):
    """What is known of terminology: whether a code is in a value set, and whether a display is one of its code; None when not known."""

    def member(self, value_set: str, system: str | None, code: str, /) -> bool | None: ...
    def shows(self, coding: Resource, language: str | None = None, /) -> bool | None: ...


@dataclass(frozen=True, slots=True)
class _Nothing:
    """Knows no terminology."""

    def member(self, value_set: str, system: str | None, code: str, /) -> bool | None:
        return None

    def shows(self, coding: Resource, language: str | None = None, /) -> bool | None:
        return None


def _nowhere(reference: str) -> Resource | None:
    return None


class Validator:
    """Validates against what ``canonicals`` hold now; compiled profiles are kept until the canonicals change.

    ``resolve`` finds what is not in the resource itself, by the text of a reference.
    """

    def __init__(
        self, canonicals: Canonicals, terminology: Codes | None = None, *, resolve: Callable[[str], Resource | None] = _nowhere
    ) -> None:
        self.canonicals = canonicals
        self.terminology: Codes = terminology or _Nothing()
        self.resolve = resolve
        self._profiles: dict[str, Profile | Problem | None] = {}
        self._definitions: dict[str, Resource | None] = {}
        self._revision = canonicals.revision_of("StructureDefinition")

    def check(
        self,
        resource: Resource,
        profiles: Iterable[str] = (),
        *,
        policy: Policy | None = None,
        now: datetime | None = None,
        resolve: Callable[[str], Resource | None] | None = None,
    ) -> list[Issue]:
        """Everything that is wrong with a resource, its structure first: where that is broken nothing else can be asked.

        ``resolve`` stands for the validator's own, for this resource.
        """
        found = check(resource)
        if any(issue.code == "structure" for issue in found):
            return found
        run = Run(self, resource, policy or Policy(), now, resolve)
        found += run.everything(tuple(profiles))
        return _worst(_distinct(found))

    def follow(
        self, resource: Resource, profiles: Iterable[str], *, policy: Policy | None = None, now: datetime | None = None
    ) -> list[Issue]:
        """What profiles say of a resource that is known to be right otherwise; one of these that is not known is an error."""
        return _worst(Run(self, resource, policy or Policy(), now).profiles(tuple(profiles)))

    def definition(self, url: str) -> Resource | None:
        """A StructureDefinition by its URL, those of R4 itself included."""
        self._refresh()
        if url not in self._definitions:
            found = self.canonicals.find("StructureDefinition", url)
            own = r4().profiles.get(url.partition("|")[0]) if found is None else None
            self._definitions[url] = found if own is None else eased(own)
        return self._definitions[url]

    def profile(self, url: str) -> Profile | None:
        """A compiled profile; None when it is not known, Problem when it cannot be applied."""
        self._refresh()
        if url not in self._profiles:
            self._profiles[url] = self._compiled(url)
        found = self._profiles[url]
        if isinstance(found, Problem):
            raise found
        return found

    def kinds_of(self, url: str) -> frozenset[str]:
        """The types of the definitions that a canonical names, as far as they are known here."""
        bare = url.partition("|")[0]
        found = {type for type, own in _of_r4().items() if bare in own}
        return frozenset(found.union(type for type in KINDS if self.canonicals.find(type, bare) is not None))

    def _refresh(self) -> None:
        """Forget what was made of other definitions; and what strangers asked for, before it is too much."""
        revision = self.canonicals.revision_of("StructureDefinition")
        if self._revision != revision or len(self._definitions) > MOST_KNOWN:
            self._profiles.clear()
            self._definitions.clear()
            self._revision = revision

    def _compiled(self, url: str) -> Profile | Problem | None:
        definition = self.definition(url)
        try:
            return None if definition is None else compile_profile(definition, self.definition)
        except Problem as problem:
            return problem


def _of_r4() -> dict[str, Mapping[str, Any]]:
    """The definitions that R4 itself publishes, by type and URL."""
    return {"StructureDefinition": r4().profiles, "ValueSet": r4().value_sets, "CodeSystem": r4().code_systems}


def _distinct(issues: list[Issue]) -> list[Issue]:
    """Each rule of an element once at each place, whoever asks for it: the first to say it is R4, then the profiles in order."""
    told = {(issue.at, issue.rule or issue.text, issue.severity, issue.element): issue for issue in reversed(issues)}
    return list(told.values())[::-1]


def _worst(issues: list[Issue]) -> list[Issue]:
    """As many as are told, errors before others, in the order in which they were found."""
    if len(issues) <= MOST:
        return issues
    kept = sorted(range(len(issues)), key=lambda number: issues[number].severity != "error")[:MOST]
    return [issues[number] for number in sorted(kept)]
