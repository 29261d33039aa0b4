"""How resources are made findable now: the search parameters in force, as every writer and searcher of one store uses them."""

from __future__ import annotations

from penstock.db import Tx
from penstock.formats.fhir.definitions import SearchParam
from penstock.formats.fhir.searchparams import R4, Indexed, Parameters
from penstock.store.hashing import h32
from penstock.store.row import LAYOUT, Row, index_version, row_of


class Index:
    """Holds the parameters; when others come into force, the next write uses them."""

    def __init__(self, parameters: Parameters = R4) -> None:
        self.parameters = parameters
        self._versions: dict[str, int] = {}

    def use(self, parameters: Parameters) -> None:
        """From now on these."""
        self.parameters, self._versions = parameters, {}

    def version(self, type: str) -> int:
        """What the rows of a type carry that are written now."""
        found = self._versions.get(type)
        if found is None:
            found = self._versions[type] = index_version(self.parameters, type)
        return found

    def row(self, tenant: str, type: str, id: str, indexed: Indexed) -> Row:
        """The search side of a version."""
        return row_of(tenant, type, id, indexed, self.version(type))


def custom_marks(parameters: Parameters, type: str) -> list[str]:
    """A mark for each parameter of a type that is not R4's own: it changes with the definition."""
    return sorted(mark_of(param) for param in parameters.custom(type).values())


def mark_of(param: SearchParam) -> str:
    """The code, and a hash of what it looks at."""
    return f"{param.code}={h32(repr((param.type, param.expression, param.components)))}"


async def note_empty(tx: Tx, index: Index, type: str) -> None:
    """A table that was just made holds no row that is indexed otherwise than now."""
    marks, base = custom_marks(index.parameters, type), index.parameters.base
    await tx.execute(_EMPTY, type, LAYOUT, base, marks, index.version(type))


_EMPTY = """
insert into search_index (type, layout, base, params, version, finished_at) values ($1, $2, $3, $4, $5, now())
on conflict (type) do nothing
"""
