"""How resources are made findable now: the search parameters in force, as every writer and searcher of one store uses them.

And how far what is stored is indexed so: a search by a parameter that not every row is indexed by yet is refused, never incomplete.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from penstock.db import Tx
from penstock.errors import Problem
from penstock.formats.fhir.canonical import Canonicals, Shelf
from penstock.formats.fhir.definitions import SearchParam
from penstock.formats.fhir.searchparams import R4, Indexed, Parameters
from penstock.formats.fhir.searchparams.custom import Refused, gather
from penstock.store.hashing import h32
from penstock.store.layout import COLUMNS
from penstock.store.row import LAYOUT, Row, index_version, row_of
from penstock.terminology import Terminology


class Marks(NamedTuple):
    """What every row of a type is known to be indexed by: the layout, the base, and a mark for each parameter beyond R4's own."""

    layout: int
    base: str
    params: frozenset[str]


class Index:
    """The parameters follow the definitions: whatever changes there applies from the next write on."""

    def __init__(self, canonicals: Canonicals | None = None, base: str = "", terminology: Terminology | None = None) -> None:
        self._canonicals = canonicals
        self._revision: int | None = None
        self._parameters = Parameters(base=base) if base else R4
        self._custom: list[SearchParam] = []
        self._versions: dict[str, int] = {}
        self._indexed: Mapping[str, Marks] = {}
        #: The parameters in force when that was read; None until then.
        self._noted: Parameters | None = None
        #: Definitions that are in force and cannot be searched by.
        self.refused: list[Refused] = []
        #: What codes mean, for ``:in`` and ``:below``.
        self.terminology = terminology or Terminology(canonicals or Shelf())

    @property
    def parameters(self) -> Parameters:
        """The search parameters in force."""
        if self._canonicals is not None and self._canonicals.revision != self._revision:
            self._follow(self._canonicals)
        return self._parameters

    def _follow(self, canonicals: Canonicals) -> None:
        self._revision = canonicals.revision
        custom, self.refused = gather(canonicals)
        if custom != self._custom:
            self._custom, self._versions = custom, {}
            self._parameters = Parameters(custom, self._parameters.base)

    def version(self, type: str) -> int:
        """What the rows of a type carry that are written now."""
        parameters = self.parameters
        found = self._versions.get(type)
        if found is None:
            found = self._versions[type] = index_version(parameters, type)
        return found

    def row(self, tenant: str, type: str, id: str, indexed: Indexed) -> Row:
        """The search side of a version."""
        return row_of(tenant, type, id, indexed, self.version(type))

    def marks(self, type: str) -> Marks:
        """What rows of a type are indexed by when they are written now."""
        return _marks(self.parameters, type)

    def note(self, indexed: Mapping[str, Marks]) -> None:
        """What the rows of each type (by its name in lower case) are known to be indexed by."""
        self._indexed, self._noted = indexed, self.parameters

    def _known(self, type: str) -> Marks | None:
        """What every row of a type is indexed by. A table that was made since then is indexed by what was in force then; None: by all."""
        found = self._indexed.get(type.lower())
        return found or (None if self._noted is None else _marks(self._noted, type))

    def is_whole(self, type: str) -> bool:
        """Whether every row of a type is indexed as it would be now."""
        known = self._known(type)
        return known is None or known == self.marks(type)

    def require(self, type: str, param: str) -> None:
        """Refuse a search by what not every row is indexed by yet."""
        known = self._known(type)
        if known is not None and param not in COLUMNS and self._is_pending(type, param, known):
            raise Problem("transient", "what is stored is still being indexed for this search parameter: try again later", at=param)

    def _is_pending(self, type: str, param: str, known: Marks) -> bool:
        definition = self.parameters.of(type).get(param)
        if definition is None or known.layout != LAYOUT:
            return definition is not None
        if known.base != self._parameters.base and definition.type == "reference":
            return True
        return param in self._parameters.custom(type) and mark_of(definition) not in known.params


def _marks(parameters: Parameters, type: str) -> Marks:
    return Marks(LAYOUT, parameters.base, frozenset(map(mark_of, parameters.custom(type).values())))


def mark_of(param: SearchParam) -> str:
    """The code, and a hash of what it looks at: changes with the definition."""
    return f"{param.code}={h32(repr((param.type, param.expression, param.components)))}"


async def note_empty(tx: Tx, index: Index, type: str) -> None:
    """A table that was just made holds no row that is indexed otherwise than now."""
    marks = index.marks(type)
    await tx.execute(_EMPTY, type.lower(), marks.layout, marks.base, sorted(marks.params), index.version(type))


_EMPTY = """
insert into search_index (type, layout, base, params, version, finished_at) values ($1, $2, $3, $4, $5, now())
on conflict (type) do nothing
"""
