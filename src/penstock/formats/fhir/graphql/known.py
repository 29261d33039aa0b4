"""What an answer is made of: resources and searches that were fetched, and those that are wanted next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

Resource = dict[str, Any]
Key = tuple[str, str]
"""A resource by (type, id)."""


class Asked(NamedTuple):
    """A search: the resource type, its parameters, and whether the matches are counted."""

    type: str
    pairs: tuple[tuple[str, str], ...]
    counted: bool = False


class Paged(NamedTuple):
    """The page that a search gave: (resource, mode) pairs; ``links`` are cursors by relation."""

    entries: list[tuple[Resource, str]]
    total: int | None
    links: dict[str, str]


@dataclass
class Known:
    """``resources`` holds None for what is not there, or not for this caller."""

    resources: dict[Key, Resource | None] = field(default_factory=dict)
    pages: dict[Asked, Paged] = field(default_factory=dict)
    wanted: set[Key] = field(default_factory=set)
    searches: dict[Asked, None] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether nothing is wanted any more."""
        return not self.wanted and not self.searches
