"""Identity for a batch of messages: one look at the store, then each message in turn, each seeing what those before it made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from penstock.match.identity import Identifier, choose, is_merged_away, rename, strong_identifiers, survivor

Resource = dict[str, Any]

#: (system, value) of identifiers to the ids of the stored patients that carry them.
Owners = Callable[[Iterable[Identifier]], Awaitable[Mapping[Identifier, frozenset[str]]]]
#: Ids of patients to their current resources, for those that exist.
Patients = Callable[[Iterable[str]], Awaitable[Mapping[str, Resource]]]

#: Merges are followed so far; a longer chain or a cycle ends where it is.
_LONGEST_CHAIN = 10


class Identities:
    """Who is who, as far as a batch of messages needs it."""

    def __init__(self, owners: dict[Identifier, frozenset[str]], survivors: dict[str, str]) -> None:
        self._owners = owners
        self._survivors = survivors

    @classmethod
    async def load(cls, produced: Sequence[Sequence[Resource]], owners: Owners, patients: Patients) -> Identities:
        """Everything known of the patients of ``produced``, the resources of each message."""
        everyone = [resource for resources in produced for resource in resources if resource["resourceType"] == "Patient"]
        if not everyone:
            return cls({}, {})
        known = dict(await owners({identifier for patient in everyone for identifier in strong_identifiers(patient)}))
        ids = {patient["id"] for patient in everyone}.union(*known.values())
        survivors: dict[str, str] = {}
        for _ in range(_LONGEST_CHAIN):
            found = {id_: next_ for id_, patient in (await patients(ids)).items() if (next_ := survivor(patient))}
            survivors |= found
            ids = set(found.values()) - set(survivors)
            if not ids:
                break
        return cls(known, survivors)

    def apply(self, resources: Sequence[Resource]) -> list[Resource]:
        """The resources of one message, speaking of the patients that are meant; remembers what they say of identity."""
        names: dict[str, str] = {}
        patients = [resource for resource in resources if resource["resourceType"] == "Patient"]
        for patient in patients:
            meant = choose(patient["id"], strong_identifiers(patient), self._owners)
            names[patient["id"]] = meant if is_merged_away(patient) else self._survivor(meant)
        for patient in patients:
            kept = survivor(patient)
            if kept and names[patient["id"]] == names.get(kept, kept):
                names[patient["id"]] = patient["id"]  # both numbers were one patient's already: that one is not merged into itself
        renamed = rename(resources, names)
        for patient in renamed:
            if patient["resourceType"] == "Patient":
                self._learn(patient)
        return renamed

    def _survivor(self, id_: str) -> str:
        for _ in range(_LONGEST_CHAIN):
            if id_ not in self._survivors:
                break
            id_ = self._survivors[id_]
        return id_

    def _learn(self, patient: Resource) -> None:
        for identifier in strong_identifiers(patient):
            if identifier not in self._owners:
                self._owners[identifier] = frozenset({patient["id"]})
        after = survivor(patient)
        if after:
            self._survivors[patient["id"]] = after
        else:
            self._survivors.pop(patient["id"], None)
