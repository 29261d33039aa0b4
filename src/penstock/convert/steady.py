"""Which fields of a segment depend on codes alone, so that what they became can be said again as a whole.

A result names the test, its unit, its range and its flags: a laboratory has a few thousand of these and sends them day after day. Only the
value, the times and the people differ. The fields that depend on nothing but their own codes are converted once and remembered together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from penstock.convert import shape, sources
from penstock.convert.conditions import Condition, Junction, Ref, Test
from penstock.convert.rows import CODED
from penstock.convert.rule import Rule, repeating
from penstock.convert.sources import Here

#: fewer fields are not worth a key of their own
LEAST = 3
#: questions about another field that have few answers, whatever its text
FEW = frozenset({"valued", "numeric", "count", "equals", "in"})


class Steady(NamedTuple):
    """Fields by number, the properties that they fill, and the questions about other fields that their rows ask (Python expressions)."""

    numbers: tuple[int, ...]
    names: tuple[str, ...]
    tests: tuple[str, ...]

    @classmethod
    def of(cls, segment: str, owner: str, fields: Mapping[int, list[Rule]], rules: Sequence[Rule]) -> Steady | None:
        """The largest such set of fields, or None where it is not worth it."""
        numbers = {number for number, members in fields.items() if all(map(coded, members))}
        while lost := {number for number in numbers if not depends_on(segment, numbers, fields[number])} | shared(owner, numbers, rules):
            numbers -= lost
        if len(numbers) < LEAST:
            return None
        own = [rule for number in numbers for rule in fields[number]]
        names = {rule.steps[0].name for rule in own}
        tests = {sources.condition(test, Here(segment, 0)) for rule in own for test in foreign(rule.test, numbers)}
        primitive = {f"_{name}" for name in names if shape.element(owner, name).primitive}
        return cls(tuple(sorted(numbers)), tuple(sorted(names | primitive)), tuple(sorted(tests)))

    def constants(self, name: str) -> tuple[str, str]:
        """What takes the texts of these fields out of a segment, and what a short segment lacks."""
        return f"{name}_TEXTS = itemgetter({', '.join(map(str, self.numbers))})", f"{name}_NONE = [''] * {max(self.numbers) + 1}"


def coded(rule: Rule) -> bool:
    """Whether a row says what is meant, not how much, when or who: a concept, or the range of a test."""
    names = rule.row.type in CODED or rule.row.using == "@range"
    return names and bool(rule.steps) and all(step.kind == "element" for step in rule.steps)


def depends_on(segment: str, numbers: set[int], rules: Iterable[Rule]) -> bool:
    """Whether rows read nothing but these fields, and of others of the segment only what has few answers."""
    return all(
        all(mine(segment, numbers, part) for part in rule.assign or () if isinstance(part, Ref))
        and all(mine(segment, numbers, test.ref) or few(segment, test) for test in leaves(rule.test))
        and all(mine(segment, numbers, value) for test in leaves(rule.test) for value in test.values if isinstance(value, Ref))
        for rule in rules
    )


def few(segment: str, test: Test) -> bool:
    return test.kind in FEW and test.ref.name == segment and bool(test.ref.numbers)


def mine(segment: str, numbers: set[int], ref: Ref) -> bool:
    return not ref.name or (ref.name == segment and ref.numbers[:1] != () and ref.numbers[0] in numbers)


def shared(owner: str, numbers: set[int], rules: Sequence[Rule]) -> set[int]:
    """Fields that fill a property together with others, where something in it repeats: then each needs to know what is there."""
    lost = set()
    for name in {rule.steps[0].name for rule in rules if rule.steps}:
        sharing = [rule for rule in rules if rule.steps and rule.steps[0].name == name]
        if any(rule.number not in numbers for rule in sharing) and any(repeating(rule.steps, owner) for rule in sharing):
            lost |= {rule.number for rule in sharing}
    return lost & numbers


def foreign(tree: Condition | None, numbers: set[int]) -> Iterable[Condition]:
    """The parts of a condition that ask about other fields, as large as they can be: most of a conjunction is never asked."""
    asked = {test.ref.name != "" and test.ref.numbers[0] not in numbers for test in leaves(tree)}
    if tree is not None and asked == {True}:
        yield tree
    elif isinstance(tree, Junction):
        for part in tree.parts:
            yield from foreign(part, numbers)


def leaves(tree: Condition | None) -> Iterable[Test]:
    if isinstance(tree, Junction):
        for part in tree.parts:
            yield from leaves(part)
    elif tree is not None:
        yield tree
