"""What a search asks for, once its query string is read."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.store.search.condition import Condition
from penstock.store.search.criterion import Criterion

#: Resources on a page: without _count, and at most.
COUNT, MOST = 50, 1000


@dataclass(frozen=True, slots=True)
class Include:
    """``_include`` or ``_revinclude``: the references of ``source`` by ``param``, if they point at ``target``.

    ``source`` is ``*`` for any type, ``param`` is ``*`` for all references, ``target`` is "" for any type. With ``iterate`` it is
    followed from what was included, too.
    """

    source: str
    param: str
    target: str
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A search of one type: every criterion and every condition must hold. ``sort`` is (parameter, descending).

    A search of several types is one Query for each; they differ only in ``type``, ``criteria`` and ``conditions``.
    """

    type: str
    criteria: tuple[Criterion, ...] = ()
    #: What takes more than the resource alone to decide (chains, ``_has``), or more than one criterion (``_filter``).
    conditions: tuple[Condition, ...] = ()
    sort: tuple[tuple[str, bool], ...] = ()
    count: int = COUNT
    includes: tuple[Include, ...] = ()
    revincludes: tuple[Include, ...] = ()
    total: str = "none"
    count_only: bool = False
    cursor: str | None = None
    #: The resource, (type, id), whose compartment is searched.
    within: tuple[str, str] | None = None
    #: What the caller should know about how the query was understood.
    notes: tuple[str, ...] = ()
    #: (name, value) pairs that took part, for the self link; and the names that were ignored.
    used: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()
