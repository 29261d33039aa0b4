"""Token parameters: ``code``, ``system|code``, ``|code``, ``system|`` (http://hl7.org/fhir/R4/search.html#token)."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed
from penstock.store.hashing import h64
from penstock.store.keys import BEGINNINGS, bare_keys, beginning, fold, same_case, system_hash, token, typed_value
from penstock.store.layout import holds_contacts, is_unique
from penstock.store.search.criterion import Criterion, plain, split
from penstock.store.search.fragment import Fragment, Target, either, opposite
from penstock.store.search.presence import has_value

Pair = tuple[str | None, str]
"""(system, code): a system of None is any, a code of "" is any."""


def compile(target: Target, criterion: Criterion) -> Fragment:
    """One of the codes is there; with ``:not`` none is."""
    match criterion.modifier:
        case "text":
            return either([_worded(target, criterion, fold(plain(value))) for value in criterion.values])
        case "of-type":
            return either([_typed(target, criterion, value) for value in criterion.values])
    pairs = [pair(value, criterion.param) for value in criterion.values]
    found = _unique(target, criterion.param, pairs) if is_unique(criterion.param) else any_code(target, criterion.param, pairs)
    return opposite(found) if criterion.modifier == "not" else found


def matches(criterion: Criterion, indexed: Indexed) -> bool:
    """The same, decided in memory."""
    match criterion.modifier:
        case "text":
            texts = [fold(text) for param, text in indexed.texts if param == criterion.param]
            return any(text.startswith(fold(plain(value))) for value in criterion.values for text in texts)
        case "of-type":
            wanted = {triple(value, criterion.param) for value in criterion.values}
            return any(
                (system or "", code, value) in wanted for param, system, code, value in indexed.identifier_types if param == criterion.param
            )
    pairs = [pair(value, criterion.param) for value in criterion.values]
    return present(criterion.param, pairs, indexed) != (criterion.modifier == "not")


def present(param: str, pairs: Iterable[Pair], indexed: Indexed) -> bool:
    """Whether one of the codes is among the values of a parameter."""
    pairs = list(pairs)
    if any(name == param and _is_one(pairs, system, code, holds_contacts(param)) for name, system, code in indexed.tokens):
        return True
    return any(name == param and _is_identifier(pairs, system, value) for name, system, value in indexed.identifiers)


def _is_one(pairs: list[Pair], had: str | None, has: str, any_case: bool) -> bool:
    for system, code in pairs:
        if system is None:
            if same_case(had, has) in bare_keys(code) or (any_case and has.lower() == code.lower()):
                return True
        elif system == (had or "") and (not code or same_case(had, has) == same_case(had, code)):
            return True
    return False


def _is_identifier(pairs: list[Pair], had: str | None, has: str) -> bool:
    return any((system is None or system == (had or "")) and (not value or value == has) for system, value in pairs)


def pair(value: str, at: str) -> Pair:
    """The system and code of a value."""
    parts = [plain(part) for part in split(value, "|")]
    if len(parts) > 2 or not any(parts):
        raise Problem("value", "a token is written code, system|code, |code or system|", at=at)
    return (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def triple(value: str, at: str) -> tuple[str, str, str]:
    """The system and code of an identifier's type, and its value."""
    parts = [plain(part) for part in split(value, "|")]
    if len(parts) != 3 or not all(parts[1:]):
        raise Problem("value", "with :of-type an identifier is written system|type|value", at=at)
    return parts[0], parts[1], parts[2]


def any_code(target: Target, param: str, pairs: Iterable[Pair]) -> Fragment:
    """One of the codes is among the tokens, or is the hot code."""
    start = target.prefix(param)
    full: list[int] = []
    hashes: list[int] = []
    for system, code in pairs:
        if system is None:
            hashes += [h64(start + key) for key in bare_keys(code)]
            continue
        hash = token(start, system, same_case(system, code) if code else "")
        hashes.append(hash)
        if code:
            full.append(hash)
    list = target.add(hashes, "int8[]")
    found = target.any_of(list, hashes)
    if param != target.layout.code or not full:
        return found
    if len(full) == 1:
        column = f"r.code = {target.add(full[0], 'int8')}"
        return Fragment(f"({column} or {found.sql})", drive="code", tokens=tuple(hashes), halves=(column, found.sql))
    codes = target.add(full, "int8[]")
    both = Fragment(f"(r.code = any({codes}) or {found.sql})", drive="code", tokens=tuple(hashes))
    if not found.listed:
        return both
    hot = f"select h.rid from {target.layout.current} h where h.code = any({codes})"
    return both._replace(listed=f"r.rid = any(array({hot} union all {target.one_by_one(list)}))")


def _unique(target: Target, param: str, pairs: list[Pair]) -> Fragment:
    """Unique values by the ident table, those of one system together; every value of a system by the token of the system."""
    start = target.prefix(param)
    whole = [token(start, system or "", "") for system, value in pairs if not value]
    found = [target.any_token(whole)] if whole else []
    for system in dict.fromkeys(system for system, value in pairs if value):
        values = [value.lower() if holds_contacts(param) else value for each, value in pairs if each == system and value]
        condition = f"s.val = any({target.add([h64(start + value) for value in values], 'int8[]')})"
        if system is not None:
            condition += f" and s.sys = {target.add(system_hash(system), 'int8')}"
        found.append(target.in_side_table(condition, "ident"))
    return either(found)


def _typed(target: Target, criterion: Criterion, written: str) -> Fragment:
    val, sys = typed_value(target.prefix(criterion.param), *triple(written, criterion.param))
    return target.in_side_table(f"s.val = {target.add(val, 'int8')} and s.sys = {target.add(sys, 'int8')}", "ident")


def _worded(target: Target, criterion: Criterion, text: str) -> Fragment:
    """The words beside a code are indexed by what they begin with; the rest is decided on the resource."""
    if not text:
        raise Problem("value", "a text to search for has letters in it", at=criterion.param)
    hash = beginning(target.prefix(criterion.param), text)
    if hash is None:
        return has_value(target, criterion.param)._replace(exact=False)
    return target.any_token([hash])._replace(exact=len(text) in BEGINNINGS)
