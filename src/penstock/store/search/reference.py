"""Reference parameters: ``Type/id``, ``id``, an absolute URL; ``:Type`` and ``:identifier`` (http://hl7.org/fhir/R4/search.html#reference)."""

from __future__ import annotations

import re

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.searchparams import Indexed
from penstock.store.hashing import h64, self_hash
from penstock.store.row import local_references, reference_token, system_hash
from penstock.store.search.criterion import Criterion, plain, split
from penstock.store.search.fragment import Fragment, Target, either

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def compile(target: Target, criterion: Criterion) -> Fragment:
    """One of the references is there."""
    if criterion.modifier == "identifier":
        return either([_identifier(target, criterion, value) for value in criterion.values])
    tokens: list[int] = []
    patients: list[int] = []
    start = target.prefix(criterion.param)
    for type, id in _wanted(criterion):
        if type == "Patient" and criterion.param in target.layout.patients:
            patients.append(self_hash(target.tenant, type, id))
        else:
            tokens.append(reference_token(start, type, id) if type else h64(start + id))
    fragments = [_patients(target, patients)] if patients else []
    if tokens:
        fragments.append(target.any_token(tokens))
    return either(fragments) if fragments else Fragment("false")


def matches(criterion: Criterion, indexed: Indexed) -> bool:
    """The same, decided in memory."""
    if criterion.modifier == "identifier":
        logical = [(system or "", value) for param, system, value in indexed.ref_identifiers if param == criterion.param]
        pairs = [_pair(value, criterion.param) for value in criterion.values]
        return any(value == has and system in (None, had) for system, value in pairs for had, has in logical)
    present = {(type, id) for param, type, id in local_references(indexed) if param == criterion.param}
    present.update(("", url) for param, url in indexed.ref_urls if param == criterion.param)
    return not present.isdisjoint(_wanted(criterion))


def _patients(target: Target, hashes: list[int]) -> Fragment:
    if len(hashes) == 1:
        return Fragment(f"r.pat = {target.add(hashes[0], 'int8')}", drive="patient")
    return Fragment(f"r.pat = any({target.add(hashes, 'int8[]')})", drive="few")


def _wanted(criterion: Criterion) -> list[tuple[str, str]]:
    """(type, id) of each value; type is "" for a URL. An id alone may be of every type that the parameter points at.

    A value of a type that it does not point at finds nothing.
    """
    wanted: list[tuple[str, str]] = []
    for value in map(plain, criterion.values):
        type, slash, id = value.partition("/")
        if not slash and _ID.fullmatch(value):
            wanted += [(each, value) for each in criterion.targets or sorted(r4().resource_types)]
        elif type in r4().resource_types and _ID.fullmatch(id):
            if not criterion.targets or type in criterion.targets:
                wanted.append((type, id))
        elif ":" in value:
            wanted.append(("", value))
        else:
            raise Problem("value", "a reference is written Type/id, id or as an absolute URL", at=criterion.param)
    return wanted


def _pair(value: str, at: str) -> tuple[str | None, str]:
    parts = [plain(part) for part in split(value, "|")]
    if len(parts) > 2 or not parts[-1]:
        raise Problem("value", "an identifier is written system|value or value", at=at)
    return (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _identifier(target: Target, criterion: Criterion, written: str) -> Fragment:
    system, value = _pair(written, criterion.param)
    condition = f"s.val = {target.add(h64(target.prefix(criterion.param + ':identifier') + value), 'int8')}"
    if system is not None:
        condition += f" and s.sys = {target.add(system_hash(system), 'int8')}"
    return target.in_side_table(condition, "ident")
