"""The named statements of the store, with the tables of a resource type put in."""

from __future__ import annotations

from functools import cache

from penstock.db import named_sql
from penstock.store.layout import layout

SQL = named_sql(__package__) | named_sql(__package__, "history.sql")


@cache
def statement(name: str, type: str, within: str = "") -> str:
    """Statement ``name`` for ``type``; ``within`` is a restriction made by :func:`penstock.store.compartment.restriction`."""
    shape = layout(type)
    return SQL[name].replace("{current}", shape.current).replace("{old}", shape.old).replace("{within}", within)
