"""What a criterion means beyond its words: codes of a value set, codes and places above and below others.

Each becomes an ordinary criterion that lists what is meant, so that SQL and memory decide it alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.store.search.candidates import satisfying
from penstock.store.search.condition import NEVER, Condition, Not
from penstock.store.search.criterion import Criterion, plain
from penstock.store.search.reference import wanted
from penstock.store.search.run import Run, Wanted
from penstock.store.search.token import pair
from penstock.terminology import Terminology

#: Codes, or places, that one criterion may come to mean.
MOST = 5000
#: Places of one level that are looked at, and levels.
_FEW, _LEVELS = 1000, 50
#: The parameters by which resources of a type contain each other (search.html#reference, hierarchies).
_CONTAINERS = ("partof", "part-of")


async def meant(run: Run, type: str, criterion: Criterion) -> Condition:
    """The criterion as what it means; refused while what is stored is not indexed for its parameter."""
    run.tools.reader.index.require(type, criterion.param)
    match criterion.kind, criterion.modifier:
        case "token", "in" | "not-in":
            found = _any(criterion, await _listed(run, criterion))
            return Not(found) if criterion.modifier == "not-in" else found
        case "token", "above" | "below":
            return _any(criterion, _in_line(run.tools.reader.index.terminology, criterion))
        case "reference", "above" | "below":
            return await _places(run, criterion)
    return criterion


def _any(criterion: Criterion, codes: Iterable[tuple[str, str]]) -> Condition:
    values = tuple(f"{_escaped(system)}|{_escaped(code)}" for system, code in sorted(codes))
    if len(values) > MOST:
        raise Problem("too-costly", "this means too many codes to search for: narrow it", at=criterion.param)
    return replace(criterion, modifier="", values=values) if values else NEVER


def _escaped(text: str) -> str:
    for sign in ("\\", ",", "|", "$"):
        text = text.replace(sign, f"\\{sign}")
    return text


async def _listed(run: Run, criterion: Criterion) -> set[tuple[str, str]]:
    """The codes of the value sets that are named, by URL or as a ValueSet of ours."""
    found: set[tuple[str, str]] = set()
    for value in map(plain, criterion.values):
        url = await _url(run, value, criterion.param) if value.startswith("ValueSet/") else value
        codes = run.tools.reader.index.terminology.codes(url)
        if codes is None:
            raise _unlisted(criterion.param)
        found |= codes
    return found


async def _url(run: Run, reference: str, at: str) -> str:
    key = ("ValueSet", reference.partition("/")[2])
    stored = (await run.tools.reader.read_many(run.tx, run.access, [key])).get(key)
    url = None if stored is None else stored.resource().get("url")
    if not isinstance(url, str):
        raise _unlisted(at)
    return url


def _unlisted(at: str) -> Problem:
    return Problem("not-supported", "this value set is not known here, or its codes cannot be listed", at=at)


def _in_line(terminology: Terminology, criterion: Criterion) -> set[tuple[str, str]]:
    """The codes above or below those that are named, and themselves."""
    found: set[tuple[str, str]] = set()
    for value in criterion.values:
        system, code = pair(value, criterion.param)
        if not system or not code:
            raise Problem("value", "with :above and :below a code is written system|code", at=criterion.param)
        codes = terminology.subsumed(system, code) if criterion.modifier == "below" else terminology.subsuming(system, code)
        if codes is None:
            raise Problem("not-supported", "this code, or the order of its code system, is not known here", at=criterion.param)
        found |= {(system, each) for each in codes}
    return found


async def _places(run: Run, criterion: Criterion) -> Condition:
    """The resources that contain those that are named, or lie in them; canonical URLs are compared as they are written."""
    found = wanted(criterion, run.parameters.base)
    if not any(type for type, _ in found):
        return criterion
    if not all(type for type, _ in found):
        raise Problem("value", "resources of ours and canonical URLs are not asked for together", at=criterion.param)
    line: set[tuple[str, str]] = set()
    for type in sorted({type for type, _ in found}):
        line |= await _line(run, type, {id for each, id in found if each == type}, criterion)
    return replace(criterion, modifier="", values=tuple(f"{type}/{id}" for type, id in sorted(line)))


async def _line(run: Run, type: str, ids: set[str], criterion: Criterion) -> set[tuple[str, str]]:
    """From level to level, until nothing new is found."""
    container = next((code for code in _CONTAINERS if code in r4().search_params(type)), None)
    if container is None or not run.may_search(type) or not await run.exist(type):
        return {(type, id) for id in ids}
    found, level = set(ids), set(ids)
    for _ in range(_LEVELS):
        level = await _next(run, type, container, level, criterion) - found
        if not level:
            return {(type, id) for id in found}
        found |= level
    raise Problem("too-costly", "this hierarchy is too deep", at=criterion.param)


async def _next(run: Run, type: str, container: str, level: set[str], criterion: Criterion) -> set[str]:
    """The places one level further on, as far as the caller may see them."""
    if criterion.modifier == "below":
        inner = Criterion(container, "reference", "", tuple(f"{type}/{id}" for id in sorted(level)), (type,))
    else:
        inner = Criterion("_id", "id", "", tuple(sorted(level)))
    candidates = await satisfying(run, await run.plan(Wanted(type, (inner, *run.inside(type)))), _FEW)
    if candidates is None:
        raise Problem("too-costly", "too many resources lie there: narrow the search", at=criterion.param)
    if criterion.modifier == "below":
        return {each.stored.id for each in candidates}
    return {id for each in candidates for code, kind, id in each.indexed.refs if code == container and kind == type}
