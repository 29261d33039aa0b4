"""A message structure as a tree of groups and segments, read from a message map, and a lenient matcher that never drops a segment.

The matcher keeps one position. For the next segment it looks, from the innermost open group outwards, for a place later in the group,
then for a new occurrence of a repeating group that may begin with it. A group that is not open yet is entered by a segment that it may
begin with, and by another of its segments only when there is no such place. What fits nowhere ahead but is known is taken out of order,
in the innermost open group that knows it; what the structure does not know at all is left to the remainder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from penstock.convert.rows import Row
from penstock.errors import Problem

#: resource type and label
Label = tuple[str, str]


@dataclass(eq=False, slots=True)
class Node:
    """A segment or a group. `depth` is the number of groups around it."""

    name: str
    many: bool
    least: int
    parent: Node | None
    depth: int
    group: bool
    rows: list[Row] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)
    number: int = 0
    #: segments that begin a group where the usual ones are left out
    also: frozenset[str] = frozenset()
    #: the groups around this node, outermost first, without the message itself
    groups: tuple[Node, ...] = field(init=False)
    numbers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        outer = self.parent
        self.groups = (*outer.groups, outer) if outer is not None and outer.parent is not None else ()

    def firsts(self) -> set[str]:
        """The segments that an occurrence of this group may begin with: up to and with its first required member."""
        if not self.group:
            return {self.name}
        names: set[str] = set(self.also)
        for child in self.children:
            names |= child.firsts()
            if child.least:
                break
        return names


@dataclass(frozen=True, slots=True)
class Move:
    """Where a segment goes: the node, how many groups stay open, whether it came out of order."""

    node: Node
    kept: int
    strayed: bool


def tree(name: str, rows: Iterable[Row]) -> Node:
    """The tree that the rows of one message map describe; rows of one segment in a row belong to one node."""
    root = Node(name, many=False, least=1, parent=None, depth=0, group=True)
    open_group, last = root, ""
    for row in rows:
        kind, _, cardinality = row.type.partition(" ")
        least, _, most = cardinality.partition("..")
        short = row.source.rpartition(".")[2]
        if kind == "end":
            if open_group.parent is None:
                raise Problem("structure", "a message map closes a group that is not open", at=row.rule)
            open_group, last = open_group.parent, ""
            continue
        known = next((child for child in open_group.children[-1:] if last == row.source and child.name == short), None)
        if known is None:
            depth = open_group.depth + 1 if open_group.parent is not None else open_group.depth
            known = Node(short, most == "*", int(least or 0), open_group, depth, kind == "begin")
            open_group.children.append(known)
        if kind == "begin":
            known.also = frozenset(row.assign.split())
            open_group, last = known, ""
        else:
            known.rows.append(row)
            last = row.source
    if open_group is not root:
        raise Problem("structure", "a message map leaves a group open", at=name)
    for number, node in enumerate(walk(root)):
        node.number = number
        node.depth = len(node.groups)
        node.numbers = tuple(group.number for group in node.groups)
    return root


def walk(node: Node) -> Iterable[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


class Grammar:
    """The matcher: moves are worked out once for each (position, segment name) and remembered."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.nodes = list(walk(root))
        self.names = {node.name for node in self.nodes if not node.group}
        self.moves: dict[tuple[int, str], Move | None] = {}

    def move(self, node: Node, name: str) -> Move | None:
        """The next position from `node` for a segment of that name; None when the structure does not know the name."""
        key = (node.number, name)
        if key not in self.moves:
            self.moves[key] = self.search(node, name)
        return self.moves[key]

    def search(self, node: Node, name: str) -> Move | None:
        if name not in self.names:
            return None
        if node.parent is None:
            found = inside(self.root, name)
            return Move(found, 0, strayed=False) if found else None
        return self.ahead(node, name, begins) or self.ahead(node, name, inside) or self.behind(node, name)

    def ahead(self, node: Node, name: str, enter: Callable[[Node, str], Node | None]) -> Move | None:
        """Same segment again, later in a group around it, or a new occurrence of such a group."""
        child, group = node, node.parent
        if node.name == name and (node.many or not (once_more(node) or name in (group.firsts() if group and group.many else ()))):
            return Move(node, node.depth, strayed=not node.many)
        while group is not None:
            place = group.children.index(child)
            for later in group.children[place + 1 :]:
                found = enter(later, name)
                if found is not None:
                    return Move(found, len(group.groups) + (group.parent is not None), strayed=False)
            if group.many and name in group.firsts():
                found = inside(group, name)
                if found is not None:
                    return Move(found, len(group.groups), strayed=False)
            child, group = group, group.parent
        return None

    def behind(self, node: Node, name: str) -> Move | None:
        """The innermost open group that knows the segment anywhere: it came out of order."""
        group = node.parent
        while group is not None:
            found = inside(group, name)
            if found is not None:
                return Move(found, len(group.groups) + (group.parent is not None), strayed=True)
            group = group.parent
        return None


def once_more(node: Node) -> bool:
    """Whether a segment of the same name stands later in the same group: the second person of a link (ADT_A24)."""
    if node.parent is None:
        return False
    place = node.parent.children.index(node)
    return any(later.name == node.name and not later.group for later in node.parent.children[place + 1 :])


def inside(node: Node, name: str) -> Node | None:
    """The segment of that name in a subtree that opens the fewest groups; the first of these in document order."""
    found = [one for one in walk(node) if not one.group and one.name == name]
    return min(found, key=lambda one: len(one.groups), default=None)


def begins(node: Node, name: str) -> Node | None:
    """The same, for a group that may begin with that segment."""
    return inside(node, name) if name in node.firsts() else None


class Group:
    """One occurrence of a group in a message, or the message itself; ``depth`` is the number of groups around what stands in it.

    ``made`` is what stands in it or in the groups inside, by its label in the tables; ``settled`` what was found when all is made.
    """

    __slots__ = ("depth", "made", "number", "outer", "settled")

    def __init__(self, number: int, outer: Group | None = None) -> None:
        self.number, self.outer = number, outer
        self.depth: int = 0 if outer is None else outer.depth + 1
        self.made: dict[Label, Any] = {}
        self.settled: dict[tuple[tuple[int, ...], Label], Any] = {}

    def meets(self, other: Group) -> tuple[int, bool]:
        """How many groups both stand in, and whether they part as two occurrences of one group."""
        one: Group = self
        left: Group | None = None
        right: Group | None = None
        while one is not other:
            if one.depth >= other.depth and one.outer is not None:
                left, one = one, one.outer
            elif other.outer is not None:
                right, other = other, other.outer
        return one.depth, left is not None and right is not None and left.number == right.number


class Cursor:
    """A position in one message: the node, and the innermost open group."""

    def __init__(self, grammar: Grammar, root: Group) -> None:
        self.grammar = grammar
        self.node = grammar.root
        self.group = root
        self.single: dict[tuple[Group, int], Group] = {}

    def place(self, name: str) -> tuple[Move | None, Group]:
        """Move to the next segment; which group it stands in."""
        move = self.grammar.move(self.node, name)
        if move is None:
            return None, self.group
        group = self.group
        while group.depth > move.kept and group.outer is not None:
            group = group.outer
        for node in move.node.groups[group.depth :]:
            group = Group(node.number, group) if node.many else self.once(group, node.number)
        self.node, self.group = move.node, group
        return move, group

    def once(self, group: Group, number: int) -> Group:
        """A group that does not repeat is the same one again."""
        found = self.single.get((group, number))
        if found is None:
            found = self.single[group, number] = Group(number, group)
        return found
