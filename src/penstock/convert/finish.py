"""The end of a conversion: one resource for one id, what R4 requires, and nothing empty."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.convert.lineage import Lineages
from penstock.convert.merge import rivals
from penstock.convert.rows import table
from penstock.convert.run import Instance, Null, Resource, Run

if TYPE_CHECKING:
    from penstock.convert.compiled import Plan, Structure
    from penstock.convert.engine import Converted
    from penstock.convert.grammar import Move


#: values of defaults: the time at which the message was received; the extension that says why a primitive is not there
RECEIVED, ABSENT = "@received", "@absent"
DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


class Default(NamedTuple):
    """What R4 requires and no field said: `path` below the type, `value`, or another element of the resource (`=code`)."""

    names: tuple[str, ...]
    value: Any
    copy: str
    #: the element itself, not one inside another
    alone: bool


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
        found.setdefault(type, []).append(Default(tuple(names), value, text[1:] if text.startswith("=") else "", len(names) == 1))
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
    def __init__(self, run: Run, structure: Structure, plan: Plan, moves: list[Move | None]) -> None:
        self.run, self.structure, self.plan, self.moves = run, structure, plan, moves

    def result(self, made: list[Instance], account: Callable[..., list[tuple[str, str]]]) -> Converted:
        from penstock.convert.engine import Converted

        kept: dict[tuple[str, str], int] = {}
        resources: list[Resource] = []
        places: dict[int, int] = {}
        for instance in made:
            self.complete(instance)
            body = cleaned(instance.body) if self.run.untidy else instance.body
            key = (instance.type, instance.id)
            if key in kept:
                resources[kept[key]] = joined(resources[kept[key]], body)
            else:
                kept[key] = len(resources)
                body = {"resourceType": instance.type, "id": instance.id, **body}
                resources.append(body)
            places[instance.number] = kept[key]
        lineage = Lineages(self.run.lineage, self.run.said, places)
        nulls = [Null(places[me], path) for me, path in self.run.nulls if me in places]
        remainder = account(self.run, self.structure, self.plan, self.moves)
        return Converted(resources, lineage, nulls, remainder, self.run.steward, self.structure.name, self.plan.version)

    def complete(self, instance: Instance) -> None:
        body = instance.body
        found = DEFAULTS.get(instance.type)
        if found is None or (body.keys() >= found.needed and found.parents.isdisjoint(body) and not self.run.untidy):
            return
        for default in found.each:
            if bool(body.get(default.names[0])) == default.alone:
                continue  # there, or its parent is not
            fill(self.run, instance, body, default, "", default.names)


def fill(run: Run, instance: Instance, node: Resource, default: Default, at: str, names: tuple[str, ...]) -> None:
    """Walk to the element's parent, through repeating elements, and set what is missing there."""
    name = names[0]
    if len(names) > 1:
        children = node.get(name)
        for place, child in enumerate(children if isinstance(children, list) else [children] if children else []):
            fill(run, instance, child, default, f"{at}{name}[{place}]." if isinstance(children, list) else f"{at}{name}.", names[1:])
        return
    if node.get(name):
        return
    value, where = instance.body.get(default.copy) if default.copy else default.value, name
    if value == RECEIVED:
        value = run.context.received_at.isoformat() if run.context.received_at else ABSENT
    if value == ABSENT:
        value, name, where = {"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}, f"_{name}", f"{name}.extension[0]"
    if value:
        node[name] = value
        where = f"{where}[0]" if isinstance(value, list) else where
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


def joined(one: Resource, other: Resource) -> Resource:
    """Two descriptions of one thing in one message: what the second adds. Another variant of a choice that the first made adds nothing."""
    if one.items() >= other.items():
        return one
    out = dict(one)
    for name, value in other.items():
        if name not in out:
            if not any(rival in out for rival in rivals(one["resourceType"], name)):
                out[name] = value
        elif isinstance(value, list) and isinstance(out[name], list):
            out[name] = [*out[name], *(item for item in value if item not in out[name])]
    return out
