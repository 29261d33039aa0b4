"""The end of a conversion: one resource for one id, what R4 requires, and nothing empty."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.convert.joined import joined
from penstock.convert.lineage import Lineages
from penstock.convert.rows import table
from penstock.convert.run import Instance, Null, Resource, Run
from penstock.convert.state.ways import rivals
from penstock.convert.together import forget, settle

if TYPE_CHECKING:
    from penstock.convert.compiled import Plan, Structure
    from penstock.convert.engine import Converted
    from penstock.convert.grammar import Move


#: values of defaults: the time at which the message was received; the extension that says why a primitive is not there
RECEIVED, ABSENT = "@received", "@absent"
DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

SAID_TWICE = "the message describes this thing twice: the first description stands"

Near = Callable[[Instance, str], Instance | None]


class Default(NamedTuple):
    """What R4 requires and no field said: `path` below the type, and a value, another element of the resource (`=code`), or a
    reference to the nearest resource of a type (`@Patient`). The first default of a path that there is stands.
    """

    names: tuple[str, ...]
    value: Any
    copy: str
    to: str
    #: the element itself, not one inside another
    alone: bool
    #: the other variants of a choice, and what the column `unless` names beside it: with one of them nothing is missing
    others: tuple[str, ...]


class Defaults(NamedTuple):
    """Those of a type; with all that is ``needed`` and none of the ``parents`` of others there is nothing to do."""

    each: list[Default]
    needed: frozenset[str]
    parents: frozenset[str]


def read_defaults() -> dict[str, Defaults]:
    found: dict[str, list[Default]] = {}
    for row in table("decisions", "defaults"):
        type, *names = row["path"].split(".")
        text = row["value"]
        value = json.loads(text) if text[:1] in "[{" else text
        copy = text[1:] if text[:1] == "=" else ""
        to = text[1:] if text[:1] == "@" and text not in (RECEIVED, ABSENT) else ""
        others = (*rivals(".".join((type, *names[:-1])), names[-1]), *(row.get("unless") or "").split())
        found.setdefault(type, []).append(Default(tuple(names), value, copy, to, len(names) == 1, others))
    return {
        type: Defaults(
            each,
            frozenset(one.names[0] for one in each if one.alone),
            frozenset(one.names[0] for one in each if not one.alone),
        )
        for type, each in found.items()
    }


DEFAULTS = read_defaults()


class Finish:
    def __init__(self, run: Run, structure: Structure, plan: Plan, moves: list[Move | None], near: Near) -> None:
        self.run, self.structure, self.plan, self.moves, self.near = run, structure, plan, moves, near

    def result(self, made: list[Instance], account: Callable[..., list[tuple[str, str]]]) -> Converted:
        from penstock.convert.engine import Converted

        kept: dict[tuple[str, str], int] = {}
        resources: list[Resource] = []
        places: dict[int, int] = {}
        moved: dict[int, dict[str, str]] = {}
        for instance in made:
            settle(self.run, instance)
            if self.run.untidy:
                instance.body = cleaned(instance.body)
            self.complete(instance)
            body = instance.body
            key = (instance.type, instance.id)
            if key in kept:
                resources[kept[key]], moved[instance.number], lost = joined(resources[kept[key]], body)
                for name in lost:
                    forget(self.run, instance.number, name, SAID_TWICE)
            else:
                kept[key] = len(resources)
                body = {"resourceType": instance.type, "id": instance.id, **body}
                resources.append(body)
            places[instance.number] = kept[key]
        lineage = Lineages(self.run.lineage, self.run.said, places, moved)
        nulls = [Null(places[me], path) for me, path in self.run.nulls if me in places]
        remainder = account(self.run, self.structure, self.plan, self.moves, places)
        return Converted(resources, lineage, nulls, remainder, self.run.steward, self.structure.name, self.plan.version)

    def complete(self, instance: Instance) -> None:
        body = instance.body
        found = DEFAULTS.get(instance.type)
        if found is None or (body.keys() >= found.needed and found.parents.isdisjoint(body) and not self.run.untidy):
            return
        for default in found.each:
            if bool(body.get(default.names[0])) == default.alone:
                continue  # there, or its parent is not
            value = self.value(instance, default)
            if value:
                fill(self.run, instance, body, default, value, "", default.names)

    def value(self, instance: Instance, default: Default) -> Any:
        if default.to:
            found = self.near(instance, default.to)
            return {"reference": found.reference} if found is not None and found.reference else None
        if default.value == RECEIVED:
            return self.run.context.received_at.isoformat() if self.run.context.received_at else ABSENT
        return instance.body.get(default.copy) if default.copy else default.value


def fill(run: Run, instance: Instance, node: Resource, default: Default, value: Any, at: str, names: tuple[str, ...]) -> None:
    """Walk to the element's parent, through repeating elements, and set what is missing there."""
    name = names[0]
    if len(names) > 1:
        children = node.get(name)
        for place, child in enumerate(children if isinstance(children, list) else [children] if children else []):
            fill(run, instance, child, default, value, f"{at}{name}[{place}]." if isinstance(children, list) else f"{at}{name}.", names[1:])
        return
    if node.get(name) or any(other in node for other in default.others):
        return
    where = f"{name}[0]" if isinstance(value, list) else name
    if value == ABSENT:
        value, name, where = {"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}, f"_{name}", f"{name}.extension[0]"
    node[name] = value
    run.lineage.append((instance.number, at + where, f"default:{instance.type}.{'.'.join(default.names)}", instance.source))


def cleaned(node: Any) -> Any:
    """Without empty objects and lists, and without extensions that say nothing."""
    if isinstance(node, dict):
        out = {}
        for name, value in node.items():
            if isinstance(value, (dict, list)):
                value = cleaned(value)
                if not value:
                    continue
            out[name] = value
        return {} if "url" in out and len(out) == 1 else out
    if isinstance(node, list):
        return [one for one in (cleaned(item) if isinstance(item, (dict, list)) else item for item in node) if one not in ({}, [])]
    return node
