"""What texts became, kept so that the same text need not be converted again: in one message, and for codes from message to message."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple


class Steward(NamedTuple):
    """A code that no table knows: where it stood, its system and code, and what it should have become a member of."""

    source: str
    system: str
    code: str
    target: str


#: lineage without the resource and the segment: (element path, rule id, the source path behind the name of the segment)
Way = tuple[str, str, str]


class Said(NamedTuple):
    """What a text became: properties, their lineage, and what a steward and the remainder are told of it."""

    #: properties that cannot change, and makers of those with parts
    simple: dict[str, Any]
    makers: list[tuple[str, Callable[[], Any]]]
    ways: list[Way]
    stewards: list[Steward]
    notes: list[tuple[str, str]]
    #: for the fields of a whole segment: those of which nothing is left over, and the source paths of the others
    used: frozenset[int] = frozenset()
    partly: tuple[str, ...] = ()


#: by field and text, or by the texts of several fields; () for a text that came once
Told = dict[Hashable, Said | tuple[()]]


#: what the outcome of a coded field depends on besides its text
Circumstances = tuple[Hashable, ...]


class Memories:
    """What coded fields became, kept from message to message: the codes of a laboratory come again with each panel.

    Only for fields with a coded data type, which name concepts; bounded, and forgotten as a whole when full. One is of one plan.
    """

    SENDERS, TEXTS = 64, 8192
    #: characters; a longer text is no code and is not remembered
    LONGEST = 1000

    def __init__(self) -> None:
        self.kept: dict[Circumstances, dict[str, Told]] = {}

    def under(self, circumstances: Circumstances) -> dict[str, Told]:
        """By map: what its coded fields became under these circumstances."""
        found = self.kept.get(circumstances)
        if found is None or sum(map(len, found.values())) > self.TEXTS:
            if len(self.kept) >= self.SENDERS:
                self.kept.clear()
            found = self.kept[circumstances] = {}
        return found


def maker(value: Any) -> Callable[[], Any]:
    """Makes this value again and again, with nothing shared that can change."""
    if isinstance(value, list):
        if not all(isinstance(one, (dict, list)) for one in value):
            return value.copy
        each = [maker(one) for one in value]
        if len(each) == 1:
            (only,) = each
            return lambda: [only()]
        return lambda: [make() for make in each]
    kept = {name: one for name, one in value.items() if not isinstance(one, (dict, list))}
    parts = [(name, maker(one)) for name, one in value.items() if isinstance(one, (dict, list))]
    return with_parts(kept.copy, parts) if parts else kept.copy


def with_parts(copy: Callable[[], dict[str, Any]], parts: list[tuple[str, Callable[[], Any]]]) -> Callable[[], dict[str, Any]]:
    def make() -> dict[str, Any]:
        out = copy()
        for name, one in parts:
            out[name] = one()
        return out

    def make_one() -> dict[str, Any]:
        out = copy()
        out[name_] = one_()
        return out

    name_, one_ = parts[0]
    return make_one if len(parts) == 1 else make
