"""Which types a reference parameter can point at from one type of resource.

A definition lists the targets of all the types that share the parameter: ``patient`` of a Condition can be a Patient only, although the
definition names Group, too. What the expression (``where(resolve() is Patient)``) or the element allows is narrower, and spares a search
by id alone from looking for references that cannot be.
"""

from __future__ import annotations

import re
from functools import lru_cache

from penstock.formats.fhir.definitions import SearchParam, r4

_PATH = re.compile(r"\(?([A-Z][A-Za-z]*(?:\.[a-zA-Z]+)+?)(?:\.where\(resolve\(\) is ([A-Za-z]+)\))?\)?")


@lru_cache(maxsize=4096)
def targets(param: SearchParam, type: str) -> tuple[str, ...]:
    """The types, as narrow as they can be told; those of the definition where the expression is not one of simple paths."""
    allowed: set[str] = set()
    for alternative in param.expression.split("|"):
        found = _PATH.fullmatch(alternative.strip())
        if found is None or found[1].partition(".")[0] not in r4().resource_types:
            return param.targets
        if found[1].partition(".")[0] == type:
            element = r4().type_at(found[1])
            one = (found[2],) if found[2] else element.targets if element else ()
            if not one or not r4().resource_types.issuperset(one):
                return param.targets
            allowed.update(one)
    return tuple(each for each in param.targets if each in allowed) or param.targets


@lru_cache(maxsize=4096)
def is_by_url(param: SearchParam, type: str) -> bool:
    """Whether the parameter may hold canonical URLs instead of references: resources are then named by their own ``url``, too."""
    paths = [re.split(r"\.where\(| as ", each.strip(" ()"))[0] for each in param.expression.split("|")]
    elements = [r4().type_at(path) for path in paths if path.startswith(type + ".")]
    return any(element is not None and not _URLS.isdisjoint(element.types) for element in elements)


_URLS = frozenset(("canonical", "uri", "RelatedArtifact"))
