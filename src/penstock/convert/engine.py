"""The conversion itself: place the segments, run the compiled steps, tie the references, give ids, account for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from penstock.convert.compiled import Label, Part, Plan, Reference, Step, Structure
from penstock.convert.finish import Finish
from penstock.convert.grammar import Cursor, Move
from penstock.convert.identity import Identities
from penstock.convert.remainder import account
from penstock.convert.run import Context, GroupPath, Instance, Lineage, Null, Resource, Run, Steward
from penstock.formats.hl7v2 import Message


class Converted(NamedTuple):
    """What a message became."""

    resources: list[Resource]
    lineage: Sequence[Lineage]
    nulls: list[Null]
    remainder: list[tuple[str, str]]
    steward: list[Steward]
    structure: str
    version: str

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """The part of the remainder that looks like a mistake of the sender: values that stand where they do not belong."""
        return [(source, reason) for source, reason in self.remainder if reason.startswith("drift: ")]


class Scope:
    """Which instance a label means, seen from a place: the latest one that shares the longest group prefix, and no other group's."""

    def __init__(self) -> None:
        self.levels: dict[GroupPath, list[dict[Label, Instance]]] = {}
        self.views: dict[GroupPath, View] = {}
        self.settled: dict[tuple[GroupPath, tuple[int, ...]], dict[Label, Instance | None]] = {}
        #: the parts of resources that segments fill, by resource and element
        self.parts: dict[tuple[int, str], list[Instance]] = {}

    def register(self, label: Label, instance: Instance, path: GroupPath, groups: tuple[int, ...]) -> None:
        instance.depth_of = groups
        for level in self.around(path):
            level[label] = instance

    def around(self, path: GroupPath) -> list[dict[Label, Instance]]:
        """What is registered for each group around a place, innermost first, and for the message."""
        found = self.levels.get(path)
        if found is None:
            found = self.levels[path] = [{}, *self.around(path[:-1])] if path else [{}]
        return found

    def view(self, path: GroupPath, groups: tuple[int, ...]) -> View:
        """The same from one place, when no instance is added any more."""
        found = self.views.get(path)
        if found is None:
            settled = self.settled.setdefault((path[:-1], groups), {})
            found = self.views[path] = View(self.around(path), groups, settled)
        return found


def nearest(levels: list[dict[Label, Instance]], label: Label, groups: tuple[int, ...]) -> Instance | None:
    """Longest prefix first; an instance of a sibling occurrence of the same group is not ours."""
    for outwards, level in enumerate(levels):
        found = level.get(label)
        if found is not None:
            return found if not outwards or len(levels) - 1 - outwards >= shared(found.depth_of, groups) else None
    return None


@dataclass(slots=True, eq=False)
class View:
    """What labels mean at one place; what the groups around it find is shared with its neighbours.

    It does not know its scope: without a cycle the memory of a conversion is free at its end, and needs no garbage collection.
    """

    levels: list[dict[Label, Instance]]
    groups: tuple[int, ...]
    settled: dict[Label, Instance | None]

    def find(self, label: Label) -> Instance | None:
        found = self.levels[0].get(label)
        if found is None:
            if label not in self.settled:
                self.settled[label] = nearest(self.levels, label, self.groups)
            found = self.settled[label]
        return found


def shared(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    if one == other:
        return len(one)
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


class Pending(NamedTuple):
    """A step that was taken; `entry` is the place of what it added to the element that its row names."""

    step: Step
    position: int
    instance: Instance
    entry: int = -1


def run_plan(message: Message, structure: Structure, plan: Plan, context: Context) -> tuple[Run, list[Move | None], Scope, list[Pending]]:
    """Everything up to the references: resources filled, without ids."""
    run = Run(message, plan.codes, context, plan.memories)
    cursor = Cursor(structure.grammar)
    moves: list[Move | None] = []
    for segment in message.segments:
        move, path = cursor.place(segment.name)
        moves.append(move)
        path = path if move is not None else ()
        run.paths.append(path)
        run.groups.append(move.node.numbers if move is not None else ())
        if move is not None and move.node.number in structure.grouped:
            for name in structure.grouped[move.node.number]:
                run.places.setdefault(name, []).append(len(moves) - 1)
    scope = Scope()
    late: list[tuple[Step, int]] = []
    chosen: dict[tuple[int, tuple[bool, ...]], tuple[Step, ...]] = {}
    pending: list[Pending] = []
    for position, move in enumerate(moves):
        if move is not None:
            steps = structure.steps.get(move.node.number, ())
            check = structure.checks.get(move.node.number)
            if check is not None:
                held = check(run, message.segments[position].fields, position)
                key = move.node.number, held
                if key not in chosen:
                    chosen[key] = tuple(step for step, holds in zip(steps, held, strict=True) if holds)
                if not chosen[key]:
                    run.skipped[position] = next((step.reason for step in steps if step.reason), "")
                steps = chosen[key]
            for step in steps:
                if step.part is not None and step.part.every:
                    late.append((step, position))
                else:
                    take(run, scope, step, position, pending)
    for step, position in late:
        take(run, scope, step, position, pending)
    return run, moves, scope, pending


def take(run: Run, scope: Scope, step: Step, position: int, pending: list[Pending]) -> None:
    """One segment into one resource."""
    segment, sid, path, groups = run.segments[position], run.sids[position], run.paths[position], run.groups[position]
    instance = nearest(scope.around(path), step.target, groups)
    if instance is None or (instance.creator == segment.name and instance.source != sid and not step.adds):
        if step.joins:
            return
        instance = run.new(step.type, path, "" if step.adds else segment.name, sid)
    before = len(instance.body.get(step.adds, ())) if step.adds else 0
    if step.part is not None:
        part(run, scope, step, step.part, position, instance)
    else:
        step.fill(run, instance.number, instance.body, "", segment.fields, sid, position)
    if instance.empty:
        return
    if not instance.registered:
        instance.registered = True
        scope.register(step.target, instance, path, groups)
    after = len(instance.body.get(step.adds, ())) if step.adds else 0
    pending.append(Pending(step, position, instance, after - 1 if after > before else -1))


def part(run: Run, scope: Scope, step: Step, what: Part, position: int, owner: Instance) -> None:
    """One segment into one part of a resource, or into each."""
    sid, path, groups = run.sids[position], run.paths[position], run.groups[position]
    name = run.segments[position].name
    label = step.type, f"{step.target[1]}.{step.adds}[{what.label}]"
    known = scope.parts.setdefault((owner.number, step.adds), [])
    if not what.every:
        found = nearest(scope.around(path), label, groups)
        mine = found is not None and found.number == owner.number and (found.creator != name or found.source == sid)
        known = [found] if found is not None and mine else []
    for one in known or [begun(owner, step, what, name, sid)]:
        step.fill(run, owner.number, one.body, one.at, run.segments[position].fields, sid, position)
        if one.body and not one.registered:
            one.registered = True
            attach(owner, step.adds, what, one.body)
            scope.parts[owner.number, step.adds].append(one)
            scope.register(label, one, path, groups)


def begun(owner: Instance, step: Step, what: Part, creator: str, source: str) -> Instance:
    """A new part: its number is that of its resource, its `at` the path of what is in it."""
    at = f"{step.adds}[{len(owner.body.get(step.adds, ()))}]." if what.many else f"{step.adds}."
    return Instance(owner.number, step.type, {} if what.many else owner.body.get(step.adds, {}), creator=creator, source=source, at=at)


def attach(owner: Instance, element: str, what: Part, body: Resource) -> None:
    if what.many:
        owner.body.setdefault(element, []).append(body)
    else:
        owner.body[element] = body


def convert(message: Message, structure: Structure, plan: Plan, context: Context) -> Converted:
    run, moves, scope, pending = run_plan(message, structure, plan, context)
    made = [instance for instance in run.instances if not instance.empty]
    Identities(run, lambda instance, type: near(scope, instance, type)).assign(made)
    made = without_self_merges(run, made)
    tie(run, scope, pending)
    return Finish(run, structure, plan, moves).result(made, account)


def without_self_merges(run: Run, made: list[Instance]) -> list[Instance]:
    """A merge that names the surviving record as the prior one ends nothing: the prior one is left out, and reported."""
    surviving = {one.id for one in made if one.creator != "MRG"}
    same = [one for one in made if one.creator == "MRG" and one.id in surviving]
    if not same:
        return made
    for one in same:
        run.lineage = [entry for entry in run.lineage if entry[0] != one.number]
        run.said = [entry for entry in run.said if entry[0] != one.number]
        run.note(f"{one.source}-1", "the prior record is the surviving one: nothing is merged")
        one.body = {"resourceType": one.type}
        one.reference = ""
    return [one for one in made if one not in same]


def near(scope: Scope, instance: Instance, type: str) -> Instance | None:
    """The instance of a type, of whatever label, nearest to another one."""
    view = scope.view(instance.path, instance.depth_of)
    for label in ("1", "", "n", "2"):
        found = view.find((type, label))
        if found is not None and not found.empty:
            return found
    return None


def tie(run: Run, scope: Scope, pending: list[Pending]) -> None:
    """References: those that the message map makes between resources, then those inside a map. What stays empty has no reference."""
    for step, position, instance, entry in pending:
        if not step.references or not instance.reference:
            continue
        view, source = scope.view(run.paths[position], run.groups[position]), run.sids[position]
        for reference in step.references:
            left = instance if reference.from_own else view.find(reference.target)
            if left is None or not left.reference:
                continue
            own = (step.adds, entry) if left is instance and entry >= 0 else ("", -1)
            if reference.text:
                put(run, left, reference, reference.text, source, own)
                continue
            right = instance if reference.to_own else view.find(reference.to)
            if right is not None and right.reference and right is not left:
                put(run, left, reference, right.reference, source, own)
    for node, to in run.references:
        if not to.reference:
            node.clear()
            run.untidy = True
        else:
            node["reference"] = to.reference


def put(run: Run, instance: Instance, reference: Reference, value: str, source: str, own: tuple[str, int]) -> None:
    """Set a reference, or the constant beside it, at its path. A repeating element gets another entry unless it has this one.

    `own` is the entry that the same row has added to an element: a reference in that element belongs there.
    """
    if reference.plain:
        node = instance.body.setdefault(reference.plain, {})
        if node.get(reference.last) != value:
            node[reference.last] = value
            run.lineage.append((instance.number, reference.path, reference.rule, source))
        return
    mark = (instance.number, f"{own[1]}{reference.spelled}" if own[0] in reference.names else reference.spelled, value)
    if mark in run.seen:
        return
    run.seen.add(mark)
    node, at = instance.body, ""
    for name, many in zip(reference.names, reference.many, strict=True):
        if not many:
            node, at = node.setdefault(name, {}), f"{at}{name}."
            continue
        if reference.text and not node.get(name):
            return
        items = node.setdefault(name, [])
        if name == own[0]:
            node, at = items[own[1]], f"{at}{name}[{own[1]}]."
            continue
        if not reference.text:
            items.append({})
        node, at = items[-1], f"{at}{name}[{len(items) - 1}]."
    node[reference.last] = value
    run.lineage.append((instance.number, at + reference.last, reference.rule, source))
