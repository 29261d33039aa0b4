"""What extraction gives: for each kind of search, plain tuples that begin with the parameter's code."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal


@dataclass(slots=True)
class Indexed:
    """Everything that one resource can be found by. A tuple may occur twice when the resource says something twice."""

    #: Where our own resources are seen, ending in a slash: an absolute reference that begins so is one of ours.
    base: str = ""
    #: (parameter, system or None, code). A code whose binding names one code system carries it.
    tokens: list[tuple[str, str | None, str]] = field(default_factory=list)
    #: (parameter, system or None, value): business identifiers, kept out of tokens because they are (nearly) unique.
    identifiers: list[tuple[str, str | None, str]] = field(default_factory=list)
    #: (parameter, system or None of the type, type, value) of identifiers that say what they are, for ``:of-type``.
    identifier_types: list[tuple[str, str | None, str, str]] = field(default_factory=list)
    #: (parameter, type, id) of literal references to our own resources; the version is left out.
    refs: list[tuple[str, str, str]] = field(default_factory=list)
    #: (parameter, text) of every other reference: absolute, urn:, canonical; and of ours when they name a version.
    ref_urls: list[tuple[str, str]] = field(default_factory=list)
    #: (parameter, system or None, value) of logical references, for ``:identifier``.
    ref_identifiers: list[tuple[str, str | None, str]] = field(default_factory=list)
    #: (parameter, text as written): names and addresses give each of their parts.
    strings: list[tuple[str, str]] = field(default_factory=list)
    #: (parameter, display or text of a coded value), for ``:text``.
    texts: list[tuple[str, str]] = field(default_factory=list)
    #: (parameter, low, high) in UTC, high excluded.
    dates: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    #: (parameter, low, high): equal for a plain number; None is without limit.
    numbers: list[tuple[str, Decimal | None, Decimal | None]] = field(default_factory=list)
    #: (parameter, low, high, system or None, code or None, unit or None), low and high as in ``numbers``.
    quantities: list[tuple[str, Decimal | None, Decimal | None, str | None, str | None, str | None]] = field(default_factory=list)
    #: (parameter, uri as written)
    uris: list[tuple[str, str]] = field(default_factory=list)
    #: (parameter, latitude, longitude)
    positions: list[tuple[str, float, float]] = field(default_factory=list)
    #: (parameter, what each component finds in one element): pairs that belong together.
    composites: list[tuple[str, tuple[Indexed, ...]]] = field(default_factory=list)
    #: The narrative, as XHTML.
    narrative: str | None = None

    def params(self) -> set[str]:
        """The parameters that the resource has a value for."""
        kinds = (
            self.tokens, self.identifiers, self.refs, self.ref_urls, self.ref_identifiers, self.strings, self.texts, self.dates,
            self.numbers, self.quantities, self.uris, self.positions, self.composites,
        )  # fmt: skip
        return {value[0] for values in kinds if values for value in values}
