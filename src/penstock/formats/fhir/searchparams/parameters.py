"""The search parameters in force: R4's own, and those that packages and the site add."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import SearchParam, r4
from penstock.formats.fhir.searchparams.extract import extractor
from penstock.formats.fhir.searchparams.indexed import Indexed

Resource = dict[str, Any]


class Parameters:
    """One state of the search parameters; never changed, replaced as a whole.

    ``base`` is the URL under which our own resources are seen. A parameter of R4's own stays what it is: another one of the same code
    is left out (see :attr:`shadowed`).
    """

    def __init__(self, custom: Iterable[SearchParam] = (), base: str = "") -> None:
        self.base = f"{base.rstrip('/')}/" if base else ""
        #: (type, code) of parameters that were left out because R4 has its own.
        self.shadowed: set[tuple[str, str]] = set()
        self._custom: dict[str, dict[str, SearchParam]] = {}
        for param in custom:
            self._add(param)
        self._by_type: dict[str, Mapping[str, SearchParam]] = {}
        self._extractors: dict[str, Callable[[Resource, Indexed], None]] = {}

    def _add(self, param: SearchParam) -> None:
        for base in param.bases:
            for type in concrete(base):
                if param.code in r4().search_params(type):
                    self.shadowed.add((type, param.code))
                else:
                    self._custom.setdefault(type, {})[param.code] = param

    def of(self, type: str) -> Mapping[str, SearchParam]:
        """The parameters of a resource type by code."""
        found = self._by_type.get(type)
        if found is None:
            own = r4().search_params(type)
            found = self._by_type[type] = own | self._custom[type] if type in self._custom else own
        return found

    def custom(self, type: str) -> Mapping[str, SearchParam]:
        """Those of them that are not R4's own."""
        return self._custom.get(type, {})

    def fingerprint(self, type: str) -> str:
        """What tells this state of a type's parameters from every other: R4's own change with R4 only."""
        rows = sorted((param.code, param.type, param.expression, param.components) for param in self.custom(type).values())
        return repr((self.base, rows))

    def extract(self, resource: Resource) -> Indexed:
        """Everything that a resource can be found by. Problem("not-supported") for a type that R4 does not have."""
        found = Indexed(self.base)
        type = resource["resourceType"]
        function = self._extractors.get(type)
        if function is None:
            if type not in r4().resource_types:
                raise Problem("not-supported", "R4 has no such resource type", at="resourceType")
            function = self._extractors[type] = extractor(type, self.of(type)) if type in self._custom else _own(type)
        function(resource, found)
        if text := resource.get("text"):
            found.narrative = text.get("div")
        return found


def concrete(base: str) -> frozenset[str]:
    """The resource types that a base means: itself, or all that specialise Resource or DomainResource."""
    if base in r4().resource_types:
        return frozenset((base,))
    return frozenset(type for type in r4().resource_types if base in r4().ancestors(type))


_OWN: dict[str, Callable[[Resource, Indexed], None]] = {}


def _own(type: str) -> Callable[[Resource, Indexed], None]:
    """What finds the values of R4's own parameters: written once a process."""
    if type not in _OWN:
        _OWN[type] = extractor(type, r4().search_params(type))
    return _OWN[type]


#: R4's own and nothing else.
R4 = Parameters()
