"""A converted message as statements: one for each of its resources."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from penstock.convert.state.fold import Statement
from penstock.convert.state.moment import Moment

if TYPE_CHECKING:
    from penstock.convert.engine import Converted


def statements(converted: Converted, moment: Moment) -> list[Statement]:
    """What a message says of each resource. What only a default said (``decisions/defaults.csv``) is weak."""
    nulls: dict[int, list[str]] = defaultdict(list)
    for index, path in converted.nulls:
        nulls[index].append(path)
    weak: dict[int, set[str]] = defaultdict(set)
    for index, path, rule, _ in converted.lineage:
        if rule.startswith("default:") and "." not in path:
            weak[index].add(path)
    return [
        Statement(
            resource,
            moment.mark,
            nulls.get(index, ()),
            weak=frozenset(weak[index]) if index in weak else NONE,
            trigger=moment.trigger,
            occurred=moment.occurred,
            cancelled=moment.cancelled,
        )
        for index, resource in enumerate(converted.resources)
    ]


NONE: frozenset[str] = frozenset()
