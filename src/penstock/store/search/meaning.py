"""What a criterion means beyond its words: codes of a value set, codes and places above and below others.

Each becomes an ordinary criterion that lists what is meant, so that SQL and memory decide it alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.store.search import coded
from penstock.store.search.candidates import satisfying
from penstock.store.search.condition import NEVER, Condition, Not
from penstock.store.search.criterion import Criterion
from penstock.store.search.reference import wanted
from penstock.store.search.run import Run, Wanted

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
        case "token", modifier if modifier in coded.MODIFIERS:
            found = _any(criterion, coded.meant(run.tools.reader.index.terminology, await _named(run, criterion)))
            return Not(found) if modifier == "not-in" else found
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


async def _named(run: Run, criterion: Criterion) -> Criterion:
    """The criterion with each ValueSet of ours by its URL."""
    if not any(value.startswith("ValueSet/") for value in criterion.values):
        return criterion
    keys = {value: ("ValueSet", value.partition("/")[2]) for value in criterion.values if value.startswith("ValueSet/")}
    stored = await run.tools.reader.read_many(run.tx, run.access, keys.values())
    urls: dict[str, str] = {}
    for value, key in keys.items():
        url = stored[key].resource().get("url") if key in stored else None
        if not isinstance(url, str):
            raise coded.unlisted(criterion)
        urls[value] = _escaped(url)
    return replace(criterion, values=tuple(urls.get(value, value) for value in criterion.values))


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
