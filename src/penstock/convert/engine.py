"""The conversion itself: place the segments, run the compiled steps, tie the references, give ids, account for the rest."""

from __future__ import annotations

from typing import NamedTuple

from penstock.convert.compiler import Plan, Reference, Step, Structure
from penstock.convert.finish import Finish
from penstock.convert.grammar import Cursor, Move
from penstock.convert.identity import Identities
from penstock.convert.remainder import account
from penstock.convert.run import Context, GroupPath, Instance, Lineage, Null, Resource, Run, Steward
from penstock.formats.hl7v2 import Message


class Converted(NamedTuple):
    """What a message became."""

    resources: list[Resource]
    lineage: list[Lineage]
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

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.index: dict[tuple[str, str, GroupPath], Instance] = {}
        self.settled: dict[tuple[str, str, GroupPath], tuple[Instance | None, int]] = {}

    def register(self, instance: Instance, label: str, path: GroupPath, groups: tuple[int, ...]) -> None:
        instance.depth_of = groups
        for depth in range(len(path) + 1):
            self.index[(instance.type, label, path[:depth])] = instance

    def find(self, type: str, label: str, path: GroupPath, groups: tuple[int, ...]) -> Instance | None:
        """Longest prefix first; an instance of a sibling occurrence of the same group is not ours."""
        for depth in range(len(path), -1, -1):
            found = self.index.get((type, label, path[:depth]))
            if found is not None:
                return found if depth >= shared(found.depth_of, groups) else None
        return None

    def settle(self, type: str, label: str, path: GroupPath, groups: tuple[int, ...]) -> Instance | None:
        """The same when no instance is added any more: what the groups around a place find is remembered."""
        found = self.index.get((type, label, path))
        depth = len(path)
        if found is None and path:
            found, depth = self.around(type, label, path[:-1])
        return found if found is not None and depth >= shared(found.depth_of, groups) else None

    def around(self, type: str, label: str, path: GroupPath) -> tuple[Instance | None, int]:
        key = (type, label, path)
        known = self.settled.get(key)
        if known is None:
            found = self.index.get(key)
            known = (found, len(path)) if found is not None or not path else self.around(type, label, path[:-1])
            self.settled[key] = known
        return known


def shared(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


class Pending(NamedTuple):
    step: Step
    position: int
    instance: Instance


def run_plan(message: Message, structure: Structure, plan: Plan, context: Context) -> tuple[Run, list[Move | None], Scope, list[Pending]]:
    """Everything up to the references: resources filled, without ids."""
    run = Run(message, plan.codes, context)
    cursor = Cursor(structure.grammar)
    moves: list[Move | None] = []
    for segment in message.segments:
        move, path = cursor.place(segment.name)
        moves.append(move)
        path = path if move is not None else ()
        run.paths.append(path)
        run.groups.append(tuple([number for number, _ in path]))
    scope = Scope(structure)
    pending: list[Pending] = []
    for position, move in enumerate(moves):
        if move is not None:
            steps = structure.steps.get(move.node.number, ())
            check = structure.checks.get(move.node.number)
            if check is not None:
                held = check(run, message.segments[position].fields, position)
                steps = tuple([step for step, holds in zip(steps, held, strict=True) if holds])
            for step in steps:
                take(run, scope, step, position, pending)
    return run, moves, scope, pending


def take(run: Run, scope: Scope, step: Step, position: int, pending: list[Pending]) -> None:
    """One segment into one resource."""
    segment, path = run.segments[position], run.paths[position]
    groups = run.groups[position]
    instance = scope.find(step.type, step.label, path, groups)
    if instance is None or (instance.creator == segment.name and instance.source != run.sids[position]):
        if step.joins:
            return
        instance = run.new(step.type, path, segment.name, run.sids[position])
        step.fill(run, instance.number, instance.body, "", segment.fields, run.sids[position], position)
        if instance.empty:
            return
        scope.register(instance, step.label, path, groups)
    else:
        step.fill(run, instance.number, instance.body, "", segment.fields, run.sids[position], position)
    pending.append(Pending(step, position, instance))


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
    for one in same:
        run.lineage = [entry for entry in run.lineage if entry[0] != one.number]
        run.note(f"{one.source}-1", "the prior record is the surviving one: nothing is merged")
        one.body = {"resourceType": one.type}
    return [one for one in made if one not in same]


def near(scope: Scope, instance: Instance, type: str) -> Instance | None:
    """The instance of a type, of whatever label, nearest to another one."""
    groups = tuple([number for number, _ in instance.path])
    for label in ("1", "", "n", "2"):
        found = scope.settle(type, label, instance.path, groups)
        if found is not None and not found.empty:
            return found
    return None


def tie(run: Run, scope: Scope, pending: list[Pending]) -> None:
    """References: those that the message map makes between resources, then those inside a map."""
    for step, position, instance in pending:
        if not step.references or instance.empty:
            continue
        path = run.paths[position]
        groups = run.groups[position]
        for reference in step.references:
            left = instance if reference.from_own else scope.settle(reference.type, reference.label, path, groups)
            if left is None or left.empty:
                continue
            if reference.text:
                put(run, left, reference, reference.text, run.sids[position])
                continue
            right = instance if reference.to_own else scope.settle(reference.to, reference.to_label, path, groups)
            if right is not None and not right.empty and right is not left:
                put(run, left, reference, right.reference, run.sids[position])
    for node, to in run.references:
        if to.empty:
            node.clear()
            run.untidy = True
        else:
            node["reference"] = to.reference


def put(run: Run, instance: Instance, reference: Reference, value: str, source: str) -> None:
    """Set a reference, or the constant beside it, at its path. A repeating element gets another entry unless it has this one."""
    mark = (instance.number, reference.spelled, value)
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
        if not reference.text:
            items.append({})
        node, at = items[-1], f"{at}{name}[{len(items) - 1}]."
    node[reference.last] = value
    run.lineage.append((instance.number, at + reference.last, reference.rule, source))
