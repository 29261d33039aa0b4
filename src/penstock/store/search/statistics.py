"""How often a token occurs: PostgreSQL's own statistics, read now and then, so that the program chooses the index and not the planner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from penstock.clock import Clock
from penstock.db import Tx
from penstock.store.layout import layout

_SECONDS = 60.0
#: Tokens of one list, of those that are not common, that are taken to be on any row.
_RECKONED = 5

_SQL = """
select greatest(c.reltuples, 0)::float8 as rows, s.attname as name,
       s.most_common_elems::text::int8[] as elements, s.most_common_elem_freqs as element_shares,
       case when s.attname = 'code' then s.most_common_vals::text::int8[] end as codes, s.most_common_freqs as code_shares
from pg_class c
left join pg_stats s on s.tablename = c.relname and s.schemaname = c.relnamespace::regnamespace::text and s.attname in ('tok', 'code')
where c.oid = to_regclass($1)
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What is known of one type: its rows, and the share of them that each common token is on."""

    rows: float
    shares: dict[int, float]
    #: The share of a token that is not among the common ones.
    rare: float
    #: The share of rows that have a token among their tokens: those that have it in the code column are not counted.
    beside: Mapping[int, float] = field(default_factory=dict)

    def further(self, tokens: Iterable[int]) -> float:
        """About how many rows have one of ``tokens`` beside the code column."""
        return self.rows * sum(self.beside.get(token, self.rare) for token in tokens)

    def share(self, tokens: Iterable[int]) -> float:
        """About which share of the rows carries one of ``tokens``.

        Of many that are not common only a few are reckoned with: most of a long list is nowhere, and a walk that trusts in finding
        them would go through the whole table.
        """
        known = [self.shares.get(token) for token in tokens]
        common = sum(share for share in known if share is not None)
        return min(common + min(known.count(None), _RECKONED) * self.rare, 1.0)


class Statistics:
    """Counts by resource type, at most a minute old."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, Counts]] = {}

    async def of(self, tx: Tx, type: str) -> Counts:
        """The counts of a type."""
        now = self._clock.monotonic()
        at, counts = self._known.get(type, (-_SECONDS, None))
        if counts is None or now - at >= _SECONDS:
            counts = await _read(tx, type)
            self._known[type] = now, counts
        return counts


async def _read(tx: Tx, type: str) -> Counts:
    rows, rare = 0.0, 0.0
    shares: dict[int, float] = {}
    beside: dict[int, float] = {}
    for row in await tx.fetch(_SQL, layout(type).current):
        rows = row["rows"]
        if row["elements"]:
            common = row["element_shares"][: len(row["elements"])]  # three more follow: least, most, and that of null
            beside.update(zip(row["elements"], common, strict=True))
            rare = max(rare, min(common) / 2)
        if row["codes"]:
            shares.update(zip(row["codes"], row["code_shares"], strict=True))
    for token, share in beside.items():
        shares[token] = shares.get(token, 0.0) + share
    return Counts(rows, shares, rare, beside)
