"""Token parameters: ``code``, ``system|code``, ``|code``, ``system|`` (http://hl7.org/fhir/R4/search.html#token)."""

from __future__ import annotations

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed
from penstock.store.hashing import h64
from penstock.store.layout import is_unique
from penstock.store.row import system_hash, token
from penstock.store.search.criterion import Criterion, plain, split
from penstock.store.search.fragment import Fragment, Target, either, opposite


def compile(target: Target, criterion: Criterion) -> Fragment:
    """One of the codes is there; with ``:not`` none is."""
    pairs = [_pair(value, criterion.param) for value in criterion.values]
    found = _unique(target, criterion.param, pairs) if is_unique(criterion.param) else _tokens(target, criterion.param, pairs)
    return opposite(found) if criterion.modifier == "not" else found


def matches(criterion: Criterion, indexed: Indexed) -> bool:
    """The same, decided in memory."""
    pairs = [_pair(value, criterion.param) for value in criterion.values]
    present = [(system, code) for param, system, code in (*indexed.tokens, *indexed.identifiers) if param == criterion.param]
    found = any((system is None or system == (had or "")) and (not code or code == has) for system, code in pairs for had, has in present)
    return found != (criterion.modifier == "not")


def _pair(value: str, at: str) -> tuple[str | None, str]:
    """(system, code): a system of None is any, a code of "" is any."""
    parts = [plain(part) for part in split(value, "|")]
    if len(parts) > 2 or not any(parts):
        raise Problem("value", "a token is written code, system|code, |code or system|", at=at)
    return (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _tokens(target: Target, param: str, pairs: list[tuple[str | None, str]]) -> Fragment:
    start = target.prefix(param)
    hashes = [h64(start + code) if system is None else token(start, system, code) for system, code in pairs]
    found = target.any_token(hashes)
    if param != target.layout.code:
        return found
    full = [hash for hash, (system, code) in zip(hashes, pairs, strict=True) if system is not None and code]
    if not full:
        return found
    column = f"r.code = {target.add(full[0], 'int8')}" if len(full) == 1 else f"r.code = any({target.add(full, 'int8[]')})"
    return Fragment(f"({column} or {found.sql})", drive="code", tokens=tuple(hashes), halves=(column, found.sql))


def _unique(target: Target, param: str, pairs: list[tuple[str | None, str]]) -> Fragment:
    start = target.prefix(param)
    fragments = []
    for system, value in pairs:
        if not value:
            raise Problem("not-supported", "an identifier is searched with its value", at=param)
        condition = f"s.val = {target.add(h64(start + value), 'int8')}"
        if system is not None:
            condition += f" and s.sys = {target.add(system_hash(system), 'int8')}"
        fragments.append(target.in_side_table(condition, "ident"))
    return either(fragments)
