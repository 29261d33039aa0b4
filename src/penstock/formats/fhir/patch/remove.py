"""Taking elements out of a resource: their extensions go with them, and so does what is empty without them."""

from __future__ import annotations

from typing import Any

from penstock.formats.fhir.patch.paths import Place

Resource = dict[str, Any]


def remove(resource: Resource, place: Place) -> None:
    """Remove what is at a place, and whatever is empty without it: FHIR has no empty elements."""
    *above, last = place
    if isinstance(last, int):
        *above, name = above
        holder = _at(resource, above)
        remove_at(holder, str(name), last)
    else:
        holder = _at(resource, above)
        holder.pop(last, None)
        holder.pop(f"_{last}", None)
    if not holder and above:
        _remove_empty(resource, tuple(above))


def remove_at(holder: Resource, name: str, index: int) -> None:
    """Take one item out of an array and out of the array of its extensions; what has nothing left goes."""
    for each in (name, f"_{name}"):
        if each in holder:
            holder[each] = holder[each][:index] + holder[each][index + 1 :]
            _drop_nulls(holder, each)


def _remove_empty(resource: Resource, place: Place) -> None:
    """Remove an object that has become empty; beside a primitive that has a value it is only the object that goes."""
    *above, last = place
    name = last if isinstance(last, str) else above[-1]
    if not str(name).startswith("_"):
        remove(resource, place)
        return
    holder, plain = _at(resource, above if isinstance(last, str) else above[:-1]), str(name)[1:]
    if isinstance(last, str):
        del holder[last]
        if not holder and above:
            _remove_empty(resource, tuple(above))
    elif holder.get(plain, [])[last : last + 1] in ([], [None]):
        remove(resource, (*above[:-1], plain, last))
    else:
        holder[name][last] = None
        _drop_nulls(holder, str(name))


def _drop_nulls(holder: Resource, name: str) -> None:
    if all(item is None for item in holder[name]):
        del holder[name]


def _at(value: Any, place: list[str | int]) -> Any:
    for step in place:
        value = value[step]
    return value
