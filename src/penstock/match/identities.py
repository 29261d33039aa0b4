"""Identity for a batch of messages: one look at the store, then each message in turn, each seeing what those before it made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from penstock.match.identity import Identifier, choose, strong_identifiers

Resource = dict[str, Any]

#: (system, value) of identifiers to the ids of the stored patients that carry them.
Owners = Callable[[Iterable[Identifier]], Awaitable[Mapping[Identifier, frozenset[str]]]]


class Identities:
    """Who is who, as far as a batch of messages needs it."""

    def __init__(self, owners: dict[Identifier, frozenset[str]]) -> None:
        self._owners = owners

    @classmethod
    async def load(cls, produced: Sequence[Sequence[Resource]], owners: Owners) -> Identities:
        """Everything known of the patients of ``produced``, the resources of each message."""
        wanted = {
            identifier
            for resources in produced
            for resource in resources
            if resource["resourceType"] == "Patient"
            for identifier in strong_identifiers(resource)
        }
        return cls(dict(await owners(wanted)) if wanted else {})

    def names(self, resources: Iterable[Resource]) -> dict[str, str]:
        """The references of the patients of one message that are stored under another id; remembers what the message says of identity.

        A record that ended in another one stays the one that its numbers name: only references follow a merge.
        """
        names: dict[str, str] = {}
        for patient in resources:
            if patient["resourceType"] != "Patient":
                continue
            identifiers = strong_identifiers(patient)
            meant = choose(patient["id"], identifiers, self._owners)
            if meant != patient["id"]:
                names[f"Patient/{patient['id']}"] = f"Patient/{meant}"
            for identifier in identifiers:
                self._owners.setdefault(identifier, frozenset({meant}))
        return names
