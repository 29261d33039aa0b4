"""The way back of each element, as a sequence that is written out when somebody reads it.

What a remembered segment said is one entry that it shares with every segment like it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import overload

from penstock.convert.memory import Said
from penstock.convert.run import Lineage


class Lineages(Sequence[Lineage]):
    """(resource index, element path, rule id, source path) of each element; ``places`` are the indexes that instances got.

    ``moved`` are the entries of lists that stand elsewhere since two instances were one resource: their first steps, old and new.
    """

    __slots__ = ("_listed", "_loose", "_moved", "_places", "_said")

    def __init__(
        self,
        loose: Sequence[Lineage],
        said: Sequence[tuple[int, str, Said]],
        places: Mapping[int, int],
        moved: Mapping[int, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        self._loose, self._said, self._places, self._moved = loose, said, places, moved
        self._listed: list[Lineage] | None = None

    def listed(self) -> list[Lineage]:
        if self._listed is None:
            places, found = self._places, []
            for me, sid, said in self._said:
                if me in places:
                    place = places[me]
                    found += [(place, self._path(me, path), rule, sid + tail) for path, rule, tail in said.ways]
            found += [(places[me], self._path(me, path), rule, source) for me, path, rule, source in self._loose if me in places]
            self._listed = found
        return self._listed

    def _path(self, me: int, path: str) -> str:
        if me not in self._moved:
            return path
        head, dot, rest = path.partition(".")
        return self._moved[me].get(head, head) + dot + rest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self.listed() == list(other)

    __hash__ = None  # type: ignore[assignment] # it is a sequence that equals other sequences

    def __len__(self) -> int:
        return len(self.listed())

    def __iter__(self) -> Iterator[Lineage]:
        return iter(self.listed())

    @overload
    def __getitem__(self, index: int, /) -> Lineage: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[Lineage]: ...
    def __getitem__(self, index: int | slice, /) -> Lineage | list[Lineage]:
        return self.listed()[index]
