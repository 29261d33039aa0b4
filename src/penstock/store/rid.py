"""Version ids (``rid``): a bigint that is new for every version, ordered by time, and unique over processes.

Milliseconds since 1970 shifted by 20 bits; below them 10 bits of sequence and 10 bits of node. It is the ``_lastUpdated`` of the
version, the order of history and the key of paging, all in one column.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from penstock.clock import Clock
from penstock.db import Tx

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NODE_BITS = 10
_SEQUENCE_BITS = 10
#: How far the milliseconds are shifted.
SHIFT = _NODE_BITS + _SEQUENCE_BITS
LAST_MILLISECOND = (2**63 - 1) >> SHIFT


class Rids:
    """Hands out rids, each greater than the one before; a burst runs ahead of the clock rather than repeat itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._node: int | None = None
        self._now = 0
        self._last = 0

    async def ready(self, tx: Tx) -> None:
        """Look at the clock, once a batch; and take a node number, once a process (sequences do not roll back)."""
        self._now = first_rid(self._clock.now()) >> _NODE_BITS
        if self._node is None:
            self._node = int(await tx.fetchval("select nextval('store_node')"))

    def next(self, after: int = 0) -> int:
        """The next rid, greater than ``after`` (the version that it follows, which another process may have numbered)."""
        assert self._node is not None, "ready() comes first"
        self._last = max(self._now, self._last + 1, (after >> _NODE_BITS) + 1)
        return (self._last << _NODE_BITS) | self._node


def first_rid(moment: datetime) -> int:
    """The lowest rid of the millisecond of ``moment``; times before 1970 give 0, and those after 2248 the last there can be."""
    return min(max((moment - _EPOCH) // _MILLISECOND, 0), LAST_MILLISECOND) << SHIFT


def last_updated(rid: int) -> datetime:
    """The ``meta.lastUpdated`` that a rid stands for."""
    return _moment(rid >> SHIFT)[0]


def instant(rid: int) -> str:
    """The same as a FHIR instant, in milliseconds and UTC."""
    return _moment(rid >> SHIFT)[1]


@lru_cache(maxsize=64)
def _moment(milliseconds: int) -> tuple[datetime, str]:
    """A batch writes many versions in the same millisecond."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment, moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}Z"
