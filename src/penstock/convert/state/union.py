"""Lists whose entries are registers: one for each key. Entries stand in the order in which they were first said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock.convert.state.lists import Name, grouped, register
from penstock.convert.state.marks import UNSAID, Mark
from penstock.convert.state.ways import Way, way

if TYPE_CHECKING:
    from penstock.convert.state.fold import Work


def union(work: Work, name: str, value: Sequence[Any], how: Way) -> None:
    """Put the entries that the message names into a list of the resource."""
    stored, mark = work.out.get(name), work.mark
    if stored == value and plain(work, name, mark):
        work.win(name, mark, (name,))
    elif work.new and not work.marks.floors:
        work.out[name] = [one for group in grouped(value, how.key).values() for one in group]
        work.win(name, mark, (name,))
    else:
        entries(work, name, stored or [], grouped(value, how.key), mark)


def plain(work: Work, name: str, mark: Mark) -> bool:
    """Whether all of a list is older than the mark, and no entry has marks of its own."""
    marks = work.marks
    if marks.floors or (marks.own.get(name) or marks.base) > mark or marks.born[1:] > mark[1:]:
        return False
    start = name + "#"
    return not any(each.startswith(start) for registers in (marks.own, marks.first) for each in registers)


def entries(work: Work, name: str, stored: Sequence[Any], new: Mapping[Name, list[Any]], mark: Mark) -> None:
    """Entry by entry. When, and at which place in its message, each key was first said orders them, whatever came first."""
    marks = work.marks
    groups = grouped(stored, way(work.type, name).key)
    listed(work, name, groups)
    work.lost.add(name)
    for place, (found, said) in enumerate(new.items()):
        at = register(name, found)
        marks.first[at] = min(marks.first.get(at, (mark, place)), (mark, place), key=order)
        there = marks.own.get(at) or (work.entry_mark(name, found) if found in groups else UNSAID)
        left = work.left(name, said, mark) if marks.floors else said
        if mark >= there and left:
            groups[found], marks.own[at] = left, mark
            work.lost.discard(name)
    said_first = sorted(groups, key=lambda found: order(marks.first[register(name, found)]))
    work.put(name, [one for found in said_first for one in groups[found]])


def listed(work: Work, name: str, groups: Iterable[Name]) -> None:
    """Write down the order of a list which so far was as the first message said it."""
    for place, found in enumerate(groups):
        work.marks.first.setdefault(register(name, found), (work.marks.born, place))


def order(first: tuple[Mark, int]) -> tuple[Any, ...]:
    """By time, whatever the level, and by place."""
    return *first[0][1:], first[1]
