"""What one release would change against another: rows and codes by interface, and keys of interfaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from penstock.convert import CodeRow, Row
from penstock.releases.release import Release
from penstock.site import Channel, Overlay

#: Keys of an interface that its listener reads once: they take effect at the next start.
RESTART = frozenset({"listen", "ack", "unmappable", "applications", "facilities", "processing_ids", "charset", "fallback"})


class Change(NamedTuple):
    """``what`` is interface, key, row or code; ``how`` added, removed or changed; ``name`` which one. ``restart``: not before a restart."""

    interface: str
    what: str
    how: str
    name: str
    restart: bool = False


def changes(old: Release, new: Release) -> list[Change]:
    """Everything that differs, interface by interface. Nothing where the two say the same."""
    before, after = ({one.name: one for one in release.site.channels} for release in (old, new))
    out: list[Change] = []
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            out.append(Change(name, "interface", "added" if name in after else "removed", name, restart=True))
            continue
        out += _keys(before[name], after[name])
        out += _rows(name, old.site.overlay(before[name]), new.site.overlay(after[name]))
    return out


def _keys(old: Channel, new: Channel) -> Iterator[Change]:
    one, other = _told(old), _told(new)
    for key in sorted(one.keys() | other.keys()):
        if one.get(key) != other.get(key):
            yield Change(new.name, "key", "changed", key, restart=key in RESTART)


def _told(channel: Channel) -> dict[str, Any]:
    interface = {name: getattr(channel.interface, name) for name in channel.interface.__slots__ if name != "name"}
    own = {name: value for name, value in vars(channel).items() if name != "interface"}
    return interface | own


def _rows(interface: str, old: Overlay, new: Overlay) -> Iterator[Change]:
    for what, one, other in (
        ("row", _last(old.rows, _rule), _last(new.rows, _rule)),
        ("code", _last(old.codes, _code), _last(new.codes, _code)),
    ):
        for name in sorted(one.keys() | other.keys()):
            if one.get(name) != other.get(name):
                yield Change(interface, what, "removed" if name not in other else "changed" if name in one else "added", name)


def _last(rows: Any, key: Any) -> Mapping[str, Any]:
    """By id the row that wins."""
    return {key(row): row for row in rows}


def _rule(row: Row) -> str:
    return row.rule


def _code(row: CodeRow) -> str:
    return f"{row.table} {row.code}"
