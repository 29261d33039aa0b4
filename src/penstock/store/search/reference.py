"""Reference parameters: ``Type/id``, ``id``, an absolute URL; ``:Type`` and ``:identifier`` (http://hl7.org/fhir/R4/search.html#reference).

A reference to a version is asked for with that version, ``Type/id/_history/2``; canonical ones with or without theirs, ``url|1.0``.
"""

from __future__ import annotations

import re

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.searchparams import Indexed
from penstock.store.hashing import h64, self_hash
from penstock.store.keys import folders, reference_token, system_hash
from penstock.store.search.criterion import Criterion, plain, split
from penstock.store.search.fragment import Fragment, Target, either
from penstock.store.search.presence import has_value

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")

Wanted = tuple[str, str]
"""(type, id), or ("", text) of what is compared as it is written."""


def compile(target: Target, criterion: Criterion) -> Fragment:
    """One of the references is there."""
    if criterion.modifier == "identifier":
        return either([_identifier(target, criterion, value) for value in criterion.values])
    if criterion.modifier in ("below", "above"):
        return has_value(target, criterion.param)._replace(exact=False)
    tokens: list[int] = []
    patients: list[int] = []
    start = target.prefix(criterion.param)
    for type, id in wanted(criterion, target.base):
        if type == "Patient" and criterion.param in target.layout.patients:
            patients.append(self_hash(target.tenant, type, id))
        else:
            tokens.append(reference_token(start, type, id) if type else h64(start + id))
    if len(patients) == 1 and tokens:  # an id alone, which may be a patient's: the patient column goes first
        column, further = _patients(target, patients).sql, target.any_token(tokens)
        return Fragment(f"({column} or {further.sql})", drive="code", tokens=further.tokens, halves=(column, further.sql))
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
    urls = {url for param, url in indexed.ref_urls if param == criterion.param}
    if criterion.modifier in ("below", "above"):
        if any(type for type, _ in wanted(criterion, indexed.base)):
            raise Problem("not-supported", "what lies in a place is known only to a search of the store", at=criterion.param)
        return any(_in_line(criterion.modifier, plain(value), url) for value in criterion.values for url in urls)
    present = {(type, id) for param, type, id in indexed.refs if param == criterion.param}
    present.update(("", url) for url in urls)
    return not present.isdisjoint(wanted(criterion, indexed.base))


def _patients(target: Target, wanted: list[int]) -> Fragment:
    hashes = list(dict.fromkeys(wanted))
    if len(hashes) == 1:
        return Fragment(f"r.pat = {target.add(hashes[0], 'int8')}", drive="patient")
    patients = target.add(hashes, "int8[]")
    return Fragment(f"r.pat = any({patients})", drive="few", patients=patients)


def wanted(criterion: Criterion, base: str) -> list[Wanted]:
    """What each value means. An id alone may be of every type that the parameter points at; what begins with ``base`` is our own.

    A value of a type that it does not point at finds nothing.
    """
    found: list[Wanted] = []
    for value in map(plain, criterion.values):
        local = value[len(base) :] if base and value.startswith(base) else value
        type, slash, id = local.partition("/")
        if not slash and _ID.fullmatch(local):
            found += [(each, local) for each in criterion.targets or sorted(r4().resource_types)]
        elif type in r4().resource_types and _ID.fullmatch(id):
            if not criterion.targets or type in criterion.targets:
                found.append((type, id))
        elif type in r4().resource_types and _is_version(id):
            if not criterion.targets or type in criterion.targets:
                found.append(("", local))
        elif ":" in value:
            found.append(("", value))
        else:
            raise Problem("value", "a reference is written Type/id, id or as an absolute URL", at=criterion.param)
    return found


def _is_version(rest: str) -> bool:
    parts = rest.split("/")
    return len(parts) == 3 and parts[1] == "_history" and bool(_ID.fullmatch(parts[0]) and _ID.fullmatch(parts[2]))


def _in_line(modifier: str, wanted: str, url: str) -> bool:
    """Whether a canonical URL lies below or above another; of one URL, whether its version begins alike or is not named."""
    (bare, _, version), (own, _, has) = wanted.partition("|"), url.partition("|")
    if version:
        return own == bare and (
            f"{has}.".startswith(f"{version}.") if modifier == "below" else f"{version}.".startswith(f"{has}.") and bool(has)
        )
    upper, lower = (bare, own) if modifier == "below" else (own, bare)
    return upper.rstrip("/") in folders(lower)


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
