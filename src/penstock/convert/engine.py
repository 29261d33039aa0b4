"""The conversion itself: place the segments, run the compiled steps, tie the references, give ids, account for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from penstock.convert.compiled import Part, Plan, Reference, Step, Structure
from penstock.convert.finish import Finish
from penstock.convert.grammar import Cursor, Group, Label, Move
from penstock.convert.identity import Identities
from penstock.convert.memory import Steward
from penstock.convert.remainder import account
from penstock.convert.rows import table
from penstock.convert.run import Context, Instance, Lineage, Null, Resource, Run
from penstock.convert.shifts import Gone, Order, Shift, Shifts, shifts
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
    shifts: Sequence[Shift] = ()
    gone: Sequence[Gone] = ()

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """The part of the remainder that looks like a mistake of the sender: values that stand where they do not belong."""
        return [(source, reason) for source, reason in self.remainder if reason.startswith("drift: ")]


def nearest(group: Group, label: Label, groups: tuple[int, ...]) -> Instance | None:
    """Which instance a label means, seen from a place: the latest in the innermost group around it that has one.

    One that stands in another occurrence of a group which both places have (``groups``, by the structure) is not meant.
    """
    at: Group | None = group
    while at is not None:
        found: Instance | None = at.made.get(label)
        if found is not None:
            return found if at is group or at.depth >= shared(found.groups, groups) else None
        at = at.outer
    return None


def settled(group: Group, label: Label, groups: tuple[int, ...]) -> Instance | None:
    """The same when no instance is added any more: what stands further out is asked once for all groups beside each other."""
    if label in group.made or group.outer is None:
        return group.made.get(label)
    try:
        known: Instance | None = group.outer.settled[groups, label]
    except KeyError:
        known = group.outer.settled[groups, label] = nearest(group, label, groups)
    return known


def shared(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    if one == other:
        return len(one)
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


class Need(NamedTuple):
    """One of these elements makes a resource of its type."""

    elements: tuple[str, ...]
    reason: str


NEEDS = {row["type"]: Need(tuple(row["elements"].split()), row["reason"]) for row in table("decisions", "needs")}


class Labels(dict[str, tuple[Label, ...]]):
    """The labels under which the tables make a resource type, likeliest first."""

    def __missing__(self, type: str) -> tuple[Label, ...]:
        found = self[type] = tuple((type, label) for label in ("1", "", "n", "2"))
        return found


LABELS = Labels()


class Pending(NamedTuple):
    """A step that was taken; `entry` is the place of what it added to the element that its row names."""

    step: Step
    position: int
    instance: Instance
    entry: int = -1


def run_plan(message: Message, structure: Structure, plan: Plan, context: Context) -> tuple[Run, list[Move | None], list[Pending]]:
    """Everything up to the references: resources filled, without ids."""
    run = Run(message, plan.codes, context, plan.memories)
    moves = place(run, structure)
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
                run.held[position] = held
                if key not in chosen:
                    chosen[key] = tuple(step for step, holds in zip(steps, held, strict=True) if holds)
                if not chosen[key]:
                    run.skipped[position] = next((step.reason for step in steps if step.reason), "")
                steps = chosen[key]
            for step in steps:
                if step.every or (step.part is not None and step.part.every):
                    late.append((step, position))
                else:
                    take(run, step, position, pending)
    for step, position in late:
        if step.every:
            spread(run, step, position, pending)
        else:
            take(run, step, position, pending)
    return run, moves, pending


def place(run: Run, structure: Structure) -> list[Move | None]:
    """Where each segment stands in the structure; None for one that it does not know."""
    cursor, moves = Cursor(structure.grammar, run.root), []
    for position, segment in enumerate(run.segments):
        move, group = cursor.place(segment.name)
        moves.append(move)
        run.around.append(group if move is not None else run.root)
        run.groups.append(move.node.numbers if move is not None else ())
        if move is not None and move.node.number in structure.grouped:
            for name in structure.grouped[move.node.number]:
                run.places.setdefault(name, []).append(position)
    return moves


def take(run: Run, step: Step, position: int, pending: list[Pending]) -> None:
    """One segment into one resource."""
    segment, sid, group, groups = run.segments[position], run.sids[position], run.around[position], run.groups[position]
    run.here = position
    instance = nearest(group, step.target, groups)
    if instance is None or (instance.creator == segment.name and instance.source != sid and not step.adds):
        if step.joins:
            return
        instance = run.new(step.target[0], "" if step.adds else segment.name, sid)
    before = len(instance.body.get(step.adds, ())) if step.adds else 0
    if step.part is not None:
        part(run, step, step.part, position, instance)
    else:
        step.fill(run, instance.number, instance.body, "", segment.fields, sid, position)
    if len(instance.body) < 2 and (step.adds or step.part is not None):
        return
    if not instance.registered:  # though it said nothing: what other segments say of it belongs to it, and to none before it
        register(step.target, instance, group, groups)
    after = len(instance.body.get(step.adds, ())) if step.adds else 0
    pending.append(Pending(step, position, instance, after - 1 if after > before else -1))


def spread(run: Run, step: Step, position: int, pending: list[Pending]) -> None:
    """One segment into each resource of that type which was made in its occurrence of the groups."""
    for one in run.instances:
        if one.type == step.type and one.registered and within(run.around[one.place], run.around[position]):
            step.fill(run, one.number, one.body, "", run.segments[position].fields, run.sids[position], position)
            pending.append(Pending(step, position, one))


def within(group: Group | None, outer: Group) -> bool:
    while group is not None and group is not outer:
        group = group.outer
    return group is not None


def register(label: Label, instance: Instance, group: Group, groups: tuple[int, ...]) -> None:
    """Make it findable in its group and in those around it."""
    instance.registered, instance.groups = True, groups
    at: Group | None = group
    while at is not None:
        at.made[label] = instance
        at = at.outer


def part(run: Run, step: Step, what: Part, position: int, owner: Instance) -> None:
    """One segment into one part of a resource, or into each entry that is there."""
    sid, group, groups, segment = run.sids[position], run.around[position], run.groups[position], run.segments[position]
    label = step.type, f"{step.target[1]}.{step.adds}[{what.label}]"
    made = run.portions.setdefault((owner.number, step.adds), [])
    key = run.get(segment.fields, what.field) if what.field else ""
    if what.field:
        known = [one for one in made if one.key == key]
    elif what.every:
        known = entries(owner, step)
    else:
        found = nearest(group, label, groups)
        mine = found is not None and found.number == owner.number and (found.creator != segment.name or found.source == sid)
        known = [found] if found is not None and mine else []
    for count, one in enumerate(known or [begun(owner, step, what, segment.name, sid)]):
        one.key, told = key, len(run.steward)
        step.fill(run, owner.number, one.body, one.at, segment.fields, sid, position)
        if count:  # the same codes again are no more work for a steward
            del run.steward[told:]
        if one.body and not one.registered:
            attach(owner, step.adds, what, one.body)
            made.append(one)
            register(label, one, group, groups)


def entries(owner: Instance, step: Step) -> list[Instance]:
    """Everything that an element holds, whoever made it, as parts."""
    found = []
    for number, body in enumerate(owner.body.get(step.adds, ())):
        one = Instance(owner.number, step.type, body, at=f"{step.adds}[{number}].")
        one.registered = True
        found.append(one)
    return found


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
    run, moves, pending = run_plan(message, structure, plan, context)
    made = without_hollow(run, [instance for instance in run.instances if not instance.empty])
    nearby = partial(near, run)
    Identities(run, nearby).assign(made)
    shifted = shifts(run, ordered(run, pending)) if structure.shifts else Shifts([], [], set())
    made = without_self_merges(run, [one for one in made if one.number not in shifted.named])
    tie(run, pending)
    converted = Finish(run, structure, plan, moves, nearby).result(made, account)
    return converted._replace(shifts=shifted.shifts, gone=shifted.gone) if structure.shifts else converted


def ordered(run: Run, pending: Sequence[Pending]) -> Iterator[tuple[Order, Instance | None, Instance | None]]:
    """The orders of the steps that were taken, with the records that they mean."""
    for step, position, _, _ in pending:
        for order in step.orders:
            group, groups = run.around[position], run.groups[position]
            yield order, settled(group, order.left, groups), settled(group, order.right, groups)


#: the field of MRG that names the prior record
PRIOR = {"Patient": 1, "Account": 3, "Encounter": 5}


def without_self_merges(run: Run, made: list[Instance]) -> list[Instance]:
    """A merge that names the surviving record as the prior one ends nothing: the prior one is left out, and reported."""
    surviving = {one.id for one in made if one.creator != "MRG"}
    same = [one for one in made if one.creator == "MRG" and one.id in surviving]
    for one in same:
        run.note(f"{one.source}-{PRIOR.get(one.type, 1)}", "the prior record is the surviving one: nothing is merged")
    return discarded(run, made, same)


def without_hollow(run: Run, made: list[Instance]) -> list[Instance]:
    """What lacks all that would make it a resource is none, nor is what only refers to such; what was said of it is left over."""
    numbers = {
        one.number: NEEDS[one.type].reason
        for one in made
        if one.type in NEEDS and not any(one.body.get(name) for name in NEEDS[one.type].elements)
    }
    if not numbers:
        return made
    ends = {id(node): to.number for node, to in run.references}
    while further := {one.number: reason for one in made if one.number not in numbers and (reason := only_refers(one.body, ends, numbers))}:
        numbers |= further
    for number, _, _, source in run.lineage:
        if number in numbers:
            run.note(source, numbers[number])
    return discarded(run, made, [one for one in made if one.number in numbers])


def only_refers(body: Resource, ends: Mapping[int, int], numbers: Mapping[int, str]) -> str:
    """Why a resource says nothing: all that it has are references to what is none; "" where it says something."""
    nodes = [node for name, value in body.items() if name != "resourceType" for node in (value if isinstance(value, list) else [value])]
    reasons = [numbers.get(ends.get(id(node), -1), "") for node in nodes]
    return reasons[0] if reasons and all(reasons) else ""


def discarded(run: Run, made: list[Instance], some: list[Instance]) -> list[Instance]:
    """The others. What is discarded is empty, so that references to it are, too."""
    if not some:
        return made
    numbers = {one.number for one in some}
    run.lineage = [entry for entry in run.lineage if entry[0] not in numbers]
    run.said = [entry for entry in run.said if entry[0] not in numbers]
    for one in some:
        one.body = {"resourceType": one.type}
        one.reference = ""
    return [one for one in made if one.number not in numbers]


def near(run: Run, instance: Instance, type: str) -> Instance | None:
    """The instance of a type, of whatever label, nearest to another one."""
    group = run.around[instance.place] if instance.place >= 0 else run.root
    for label in LABELS[type]:
        found = settled(group, label, instance.groups)
        if found is not None and not found.empty:
            return found
    return None


def tie(run: Run, pending: list[Pending]) -> None:
    """References: those that the message map makes between resources, then those inside a map. What stays empty has no reference."""
    for step, position, instance, entry in pending:
        if not step.references or not instance.reference:
            continue
        group, groups, source = run.around[position], run.groups[position], run.sids[position]
        for reference in step.references:
            left = instance if reference.from_own else settled(group, reference.target, groups)
            if left is None or not left.reference:
                continue
            value = reference.text
            if not value:
                right = instance if reference.to_own else settled(group, reference.to, groups)
                if right is None or not right.reference or right is left:
                    continue
                value = right.reference
            if reference.plain and reference.plain not in left.body:  # the frequent case
                left.body[reference.plain] = {reference.last: value}
                run.lineage.append((left.number, reference.path, reference.rule, source))
            else:
                put(run, left, reference, value, source, (step.adds, entry) if left is instance and entry >= 0 else ("", -1))
    lost = set()
    for (node, to), logged in zip(run.references, run.referred, strict=True):
        if not to.reference:
            node.clear()
            lost.add(logged)
        else:
            node["reference"] = to.reference
    if lost:
        run.untidy = True
        run.lineage = [logged for logged in run.lineage if logged not in lost]


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
        if reference.text and not at and not node.get(name):
            return
        items = node.setdefault(name, [])
        if name == own[0]:
            node, at = items[own[1]], f"{at}{name}[{own[1]}]."
            continue
        if not reference.text or not items:
            items.append({})
        node, at = items[-1], f"{at}{name}[{len(items) - 1}]."
    node[reference.last] = value
    run.lineage.append((instance.number, at + reference.last, reference.rule, source))
