"""String parameters: begins with, ``:exact``, ``:contains`` (http://hl7.org/fhir/R4/search.html#string)."""

from __future__ import annotations

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed
from penstock.store.hashing import h64
from penstock.store.keys import LONGEST, OVERLAP, continued, fold
from penstock.store.search.criterion import Criterion, plain
from penstock.store.search.fragment import Fragment, Target, either

#: Sorts after every text that begins alike, in the order of bytes.
_LAST = "\U0010ffff"
#: Letters from which on a text leaves few resources.
_NARROW = 3


def compile(target: Target, criterion: Criterion) -> Fragment:
    """One of the texts is there, folded; what folding or cutting lost is checked again."""
    start = target.prefix(criterion.param)
    if criterion.modifier == "contains":
        return _contains(target, start, [_folded(value, criterion.param) for value in criterion.values])
    return either([within(target, start, value, criterion.param, criterion.modifier) for value in criterion.values])


def within(target: Target, start: str, value: str, at: str, modifier: str = "") -> Fragment:
    """A text that lies under the prefix ``start``."""
    text = _folded(value, at)
    param, cut = target.add(h64(start), "int8"), text[:LONGEST]
    if modifier == "exact":
        condition = f"s.val = {target.add(cut, 'text')}"
    else:
        condition = f"s.val >= {target.add(cut, 'text')} and s.val < {target.add(cut + _LAST, 'text')}"
    exact = len(text) < LONGEST and modifier != "exact"
    return target.in_side_table(f"s.param = {param} and {condition}", "str", exact=exact, narrow=len(text) >= _NARROW)


def _contains(target: Target, start: str, texts: list[str]) -> Fragment:
    """Somewhere in a text, or in a further piece of a long one: the texts of the parameter are read once, from the index alone."""
    params = target.add([h64(start), h64(continued(start))], "int8[]")
    patterns = target.add([_containing(text[:OVERLAP]) for text in texts], "text[]")
    exact, narrow = max(map(len, texts)) <= OVERLAP, min(map(len, texts)) >= _NARROW
    return target.in_side_table(f"s.param = any({params}) and s.val like any({patterns})", "str", exact=exact, narrow=narrow)


def _containing(text: str) -> str:
    """The pattern of every text that contains ``text``: the planner guesses well how few those are."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def matches(criterion: Criterion, indexed: Indexed) -> bool:
    """The same, decided in memory."""
    present = [text for param, text in indexed.strings if param == criterion.param]
    if criterion.modifier == "exact":
        return any(plain(value) in present for value in criterion.values)
    folded = [fold(text) for text in present]
    wanted = [_folded(value, criterion.param) for value in criterion.values]
    if criterion.modifier == "contains":
        return any(part in text for part in wanted for text in folded)
    return any(text.startswith(part) for part in wanted for text in folded)


def _folded(value: str, at: str) -> str:
    text = fold(plain(value))
    if not text or "\0" in text:
        raise Problem("value", "a text to search for has letters in it", at=at)
    return text
