"""A partner's FHIR server, as its file in the site describes it: what it takes, and how it wants to be written to and read from."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

#: How a change is written there: under our id; under theirs, found by a business identifier; or always as something new.
WRITES = ("update", "conditional", "create")
FORMATS = {"json": "application/fhir+json", "xml": "application/fhir+xml"}
#: How it turns the pages of a search: by the links of its Bundles; else the name of its parameter for how many to leave out.
PAGES = "link"


class Manners(msgspec.Struct, frozen=True):
    """What differs from partner to partner.

    ``profiles``: (type, canonical URL) to claim in ``meta.profile``; ``without``: elements, by their names at the top of any resource,
    that it does not take; ``identifier``: the system by which a ``conditional`` write finds its resource; ``pages``: ``link``, or the name
    of its offset parameter.
    """

    write: str = "update"
    identifier: str = ""
    deletes: bool = True
    format: str = "json"
    profiles: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    prefer: str = "return=minimal"
    pages: str = PAGES


@dataclass(frozen=True)
class Partner:
    """A partner of the site. ``endpoint`` is the base of its FHIR server; ``headers`` hold their values, from the environment."""

    name: str
    endpoint: str
    types: tuple[str, ...]
    manners: Manners
    headers: tuple[tuple[str, str], ...] = ()
    concurrency: int = 4
