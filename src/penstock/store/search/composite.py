"""Composite parameters: ``code$value``, found together in one element (http://hl7.org/fhir/R4/search.html#composite)."""

from __future__ import annotations

from collections.abc import Callable

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed
from penstock.formats.fhir.searchparams.components import components, element_of, is_of_whole
from penstock.store.hashing import h64
from penstock.store.keys import PAIR, bare_keys, pair_key, same_case
from penstock.store.search import date, number, quantity, reference, string, token
from penstock.store.search.criterion import Criterion, plain, split
from penstock.store.search.fragment import Fragment, Target, both, either
from penstock.store.search.presence import has_value

Compile = Callable[[Target, Criterion], Fragment]
Matches = Callable[[Criterion, Indexed], bool]

#: Kinds of which a value lies in a side table, under the hash of what it is paired with.
_ORDERED: dict[str, Callable[[Target, str, str, str], Fragment]] = {
    "date": date.within,
    "number": number.within,
    "quantity": quantity.within,
    "string": string.within,
}


def compile(target: Target, criterion: Criterion, kinds: dict[str, Compile]) -> Fragment:
    """One of the values is there; ``kinds`` compile the parts of a composite of the whole resource."""
    return either([_one(target, criterion.param, value, kinds) for value in criterion.values])


def _one(target: Target, param: str, value: str, kinds: dict[str, Compile]) -> Fragment:
    parts = _parts(target, param, value)
    definition = target.params[param]
    if is_of_whole(definition, target.type):
        return both([kinds[part.kind](target, part) for part in parts])
    keys: list[str] | None = [target.prefix(param)]
    ordered = [part for part in parts if part.kind in _ORDERED]
    for part in parts:
        if keys is not None and part.kind not in _ORDERED:
            ways = _ways(part, target.base)
            keys = None if ways is None else [key + PAIR + way for key in keys for way in ways]
    for part in ordered[1:] if keys is not None else ordered:  # a bad value is refused, whoever decides
        _ORDERED[part.kind](Target(target.tenant, target.type, target.now), "", part.values[0], param)
    if keys is None:
        return has_value(target, param)._replace(exact=False)
    if not ordered:
        return target.any_token([h64(key) for key in keys])
    found = either([_ORDERED[ordered[0].kind](target, key, ordered[0].values[0], param) for key in keys])
    return found._replace(exact=found.exact and len(ordered) == 1)


def _parts(target: Target, param: str, value: str) -> list[Criterion]:
    """The value of each part as a criterion of its own."""
    definition = target.params[param]
    element = target.type if is_of_whole(definition, target.type) else element_of(definition, target.type)
    parts = components(definition, element, target.type)
    written = split(value, "$")
    if len(written) != len(parts) or not all(written):
        raise Problem("value", "a composite value has one value for each of its parts, with $ between them", at=param)
    targets = {part.code: target.params[part.code].targets if part.code in target.params else () for part in parts}
    return [
        Criterion(part.code if element == target.type else param, part.kind, "", (text,), targets[part.code])
        for part, text in zip(parts, written, strict=True)
    ]


def _ways(part: Criterion, base: str) -> list[str] | None:
    """The keys of a hashed value; None for one that no key is kept for (every code of a system)."""
    value = part.values[0]
    if part.kind == "token":
        system, code = token.pair(value, part.param)
        if not code:
            return None
        return list(bare_keys(code)) if system is None else [pair_key("", system, same_case(system, code))]
    if part.kind == "reference":
        return [f"{type}/{id}" if type else id for type, id in reference.wanted(part, base)]
    return [plain(value)]


def matches(target: Target, criterion: Criterion, indexed: Indexed, kinds: dict[str, Matches]) -> bool:
    """The same, decided in memory."""
    definition = target.params[criterion.param]
    wants = [_parts(target, criterion.param, value) for value in criterion.values]
    if is_of_whole(definition, target.type):
        return any(all(kinds[part.kind](part, indexed) for part in parts) for parts in wants)
    found = [values for code, values in indexed.composites if code == criterion.param]
    return any(all(kinds[part.kind](part, each) for part, each in zip(parts, values, strict=True)) for parts in wants for values in found)
