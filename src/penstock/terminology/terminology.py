"""The one thing that others ask: is this code one of that set, what lies below it, what does it mean."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.errors import Problem
from penstock.formats.fhir.canonical import Canonicals
from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import Concept, Json
from penstock.terminology.expansion import Wanted, expand
from penstock.terminology.languages import names
from penstock.terminology.library import Library, Pins, of_r4
from penstock.terminology.listing import Listing, entries
from penstock.terminology.verdict import squeezed

#: Codes that may be looked at to list a value set as a whole.
_WHOLE = 1_000_000
#: Value sets whose codes are kept as a whole.
_KEPT = 64


class Terminology:
    """Answers from the definitions in force and from those of R4. What is compiled is kept until a definition of its kind changes."""

    def __init__(self, canonicals: Canonicals) -> None:
        self._canonicals = canonicals
        self._library = Library((canonicals,), of_r4())
        self._revision = canonicals.revision
        self._revisions = self._of_kinds()
        self._codes: dict[str, frozenset[tuple[str, str]] | None] = {}
        self._systems: dict[str, list[str]] | None = None

    def library(self) -> Library:
        """The definitions of this moment, compiled as they are asked for."""
        if self._canonicals.revision != self._revision:
            self._revision = self._canonicals.revision
            self._renew(self._of_kinds())
        return self._library

    def _of_kinds(self) -> tuple[int, ...]:
        return tuple(map(self._canonicals.revision_of, ("CodeSystem", "ValueSet", "ConceptMap")))

    def _renew(self, revisions: tuple[int, ...]) -> None:
        """Forget what is compiled; code systems, which can be large, only when one of them has changed."""
        if revisions == self._revisions:
            return
        same_systems = revisions[0] == self._revisions[0]
        self._library = self._library.renewed() if same_systems else Library((self._canonicals,), of_r4())
        self._revisions = revisions
        self._codes, self._systems = {}, None

    def systems(self) -> dict[str, list[str]]:
        """Every code system that is known here, with its versions."""
        library = self.library()
        if self._systems is None:
            self._systems = library.systems()
        return self._systems

    def derive(self, resources: Iterable[Json] = (), pins: Pins = Pins(), supplements: tuple[str, ...] = ()) -> Library:
        """The same with what a request brings: definitions, versions, supplements."""
        return self.library().derive(resources, pins, supplements)

    def member(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Whether a code is one of a value set; None where that is not known here.

        Without a system (a plain ``code``) it is one when some system of the set has it.
        """
        try:
            found = self.library().value_set(value_set)
        except Problem:
            return None
        if system is not None:
            return found.has(system, code)
        clauses = list(found.clauses())
        answers = [found.has(url, code) for url in dict.fromkeys(each.url for each in clauses if each.url)]
        if True in answers:
            return True
        return None if None in answers or any(each.lacks is not None and not each.url for each in clauses) else False

    def shows(self, coding: Json, language: str | None = None) -> bool | None:
        """Whether the display of a coding is one that its code has, whatever its case and spaces.

        None where the code system is not wholly known here in that version, or the code has no display in the language that is spoken;
        who says no language speaks English, as R4 does.
        """
        found = self._found(coding.get("system", ""), coding.get("code", ""), coding.get("version"))
        if found is None or not found[0].complete:
            return None
        every, given = names(found[1], found[0]), squeezed(coding.get("display", ""))
        if any(squeezed(each.value) == given for each in every):
            return True
        spoken = _tongue(language)
        return False if any(_tongue(each.language) == spoken for each in every) else None

    def subsumed(self, system: str, code: str) -> frozenset[str] | None:
        """A code and all below it; None where the system or the code is not known here."""
        found = self._found(system, code)
        return None if found is None else frozenset(found[0].below(found[1].code))

    def subsuming(self, system: str, code: str) -> frozenset[str] | None:
        """A code and all above it; None where the system or the code is not known here."""
        found = self._found(system, code)
        return None if found is None else frozenset(found[0].above(found[1].code))

    def _found(self, system: str, code: str, version: str | None = None) -> tuple[CodeSystem, Concept] | None:
        try:
            found = self.library().system(system, version)
        except Problem:
            return None
        concept = found.find(code) if isinstance(found, CodeSystem) else None
        return (found, concept) if isinstance(found, CodeSystem) and concept is not None else None

    def codes(self, value_set: str) -> frozenset[tuple[str, str]] | None:
        """Every (system, code) of a value set; None where they cannot be listed, or not all are known here."""
        library = self.library()
        if value_set not in self._codes:
            if len(self._codes) >= _KEPT:
                self._codes.clear()
            try:
                self._codes[value_set] = frozenset(entries(library.value_set(value_set), Listing(_WHOLE, partly=False)))
            except Problem:
                self._codes[value_set] = None
        return self._codes[value_set]

    def expand(self, value_set: str | Json, wanted: Wanted = Wanted(), *, identifier: str, timestamp: str) -> Json:
        """A value set with its expansion; Problem where it cannot be told or is too large."""
        library = self.library()
        compiled = library.value_set(value_set) if isinstance(value_set, str) else library.compiled(value_set)
        return expand(compiled, wanted, identifier=identifier, timestamp=timestamp)


def _tongue(language: str | None) -> str:
    return (language or "en").partition("-")[0].lower()
