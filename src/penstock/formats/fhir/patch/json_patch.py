"""JSON Patch (RFC 6902) with JSON Pointers (RFC 6901).

Values that an operation puts in are shared, never changed in place: what lies on the way to a change is copied, everything else is used
as it is. So the resource that is patched stays as it was, and a document that copies itself again and again costs no memory; its size
is counted nevertheless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.json import MAX_DEPTH, decode_any
from penstock.formats.fhir.patch.cost import MOST_COPIES, measure, require_affordable, require_few

Resource = dict[str, Any]
Pointer = tuple[str, ...]

#: The most values that the operations of one patch may put in together.
MOST_VALUES = 100_000

_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


class _Operation(NamedTuple):
    op: str
    path: Pointer
    source: Pointer
    value: Any
    at: str


def read(data: bytes) -> Callable[[Resource], Resource]:
    """The patch in ``data``. Members that an operation does not need are ignored (RFC 6902, section 4)."""
    given = decode_any(data)
    if not isinstance(given, list):
        raise Problem("structure", "a JSON Patch is an array of operations")
    require_few(given)
    operations = [_operation(each, f"[{number}]") for number, each in enumerate(given)]

    def patch(resource: Resource) -> Resource:
        require_affordable(operations, resource, MOST_COPIES)
        result = apply(resource, operations)
        if not isinstance(result, dict):
            raise Problem("structure", "a resource is a JSON object")
        return result

    return patch


def apply(document: Any, operations: Sequence[_Operation]) -> Any:
    """The document with each operation done in turn; the first that fails ends it all."""
    put_in = 0
    for operation in operations:
        document, added = _VERBS[operation.op](document, operation)
        put_in += added
        if put_in > MOST_VALUES:
            raise Problem("too-costly", "a patch puts in more values than this server accepts", at=operation.at)
    return document


def _operation(given: Any, at: str) -> _Operation:
    if not isinstance(given, dict):
        raise Problem("structure", "an operation is an object", at=at)
    op = given.get("op")
    if op not in _VERBS:
        raise Problem("structure", "an operation is add, remove, replace, move, copy or test", at=f"{at}.op")
    if op in ("add", "replace", "test") and "value" not in given:
        raise Problem("structure", "this operation has a value", at=at)
    source = _pointer(given.get("from"), f"{at}.from") if op in ("move", "copy") else ()
    path = _pointer(given.get("path"), f"{at}.path")
    if op == "move" and source != path and path[: len(source)] == source:
        raise Problem("structure", "nothing is moved into itself", at=at)
    return _Operation(op, path, source, given.get("value"), at)


def _pointer(text: Any, at: str) -> Pointer:
    if not isinstance(text, str) or not _POINTER.fullmatch(text):
        raise Problem("structure", "a place is a JSON Pointer, such as /name/0/family", at=at)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


# the six verbs: each answers the new document and how many values it put in


def _add(document: Any, operation: _Operation) -> tuple[Any, int]:
    depth, values = measure(operation.value)
    if depth + len(operation.path) > MAX_DEPTH:
        raise Problem("structure", f"objects and arrays are nested deeper than {MAX_DEPTH} levels", at=operation.at)
    return _changed(document, operation.path, operation, _put, operation.value), values


def _remove(document: Any, operation: _Operation) -> tuple[Any, int]:
    return _changed(document, operation.path, operation, _take, None), 0


def _replace(document: Any, operation: _Operation) -> tuple[Any, int]:
    _find(document, operation.path, operation)
    if not operation.path:
        return operation.value, 0
    depth, values = measure(operation.value)
    if depth + len(operation.path) > MAX_DEPTH:
        raise Problem("structure", f"objects and arrays are nested deeper than {MAX_DEPTH} levels", at=operation.at)
    return _changed(document, operation.path, operation, _set, operation.value), values


def _move(document: Any, operation: _Operation) -> tuple[Any, int]:
    value = _find(document, operation.source, operation)
    if operation.source == operation.path:
        return document, 0
    without = _changed(document, operation.source, operation, _take, None)
    return _add(without, operation._replace(value=value))


def _copy(document: Any, operation: _Operation) -> tuple[Any, int]:
    return _add(document, operation._replace(value=_find(document, operation.source, operation)))


def _test(document: Any, operation: _Operation) -> tuple[Any, int]:
    if not equal(_find(document, operation.path, operation), operation.value):
        raise Problem("value", "a test of the patch failed: the resource has another value there", at=operation.at)
    return document, 0


_VERBS: dict[str, Callable[[Any, _Operation], tuple[Any, int]]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


# walking


def _find(value: Any, path: Pointer, operation: _Operation) -> Any:
    for step in path:
        value = value[_existing(value, step, operation)]
    return value


def _existing(holder: Any, step: str, operation: _Operation) -> Any:
    """The key or index of what is there already."""
    if isinstance(holder, dict) and step in holder:
        return step
    if isinstance(holder, list) and _INDEX.fullmatch(step) and int(step) < len(holder):
        return int(step)
    raise Problem("value", "a patch names a place that the resource does not have", at=operation.at)


def _changed(value: Any, path: Pointer, operation: _Operation, change: Callable[[Any, str, Any, _Operation], None], new: Any) -> Any:
    """A copy of ``value``, of what lies on the way and of nothing else, in which the last step of ``path`` is changed."""
    if not path:
        if change is _take:
            raise Problem("structure", "a patch does not remove the resource itself", at=operation.at)
        return new
    if not isinstance(value, dict | list):
        raise Problem("value", "a patch names a place that the resource does not have", at=operation.at)
    copied = value.copy()
    if len(path) == 1:
        change(copied, path[0], new, operation)
    else:
        key = _existing(copied, path[0], operation)
        copied[key] = _changed(copied[key], path[1:], operation, change, new)
    return copied


def _put(holder: Any, step: str, new: Any, operation: _Operation) -> None:
    if isinstance(holder, dict):
        holder[step] = new
    elif step == "-":
        holder.append(new)
    elif _INDEX.fullmatch(step) and int(step) <= len(holder):
        holder.insert(int(step), new)
    else:
        raise Problem("value", "a patch names a place that the resource does not have", at=operation.at)


def _set(holder: Any, step: str, new: Any, operation: _Operation) -> None:
    holder[_existing(holder, step, operation)] = new


def _take(holder: Any, step: str, _: Any, operation: _Operation) -> None:
    del holder[_existing(holder, step, operation)]


# values


def equal(one: Any, other: Any) -> bool:
    """Equal as RFC 6902, section 4.6 says: numbers by their value, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return one == other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(each, other[name]) for name, each in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and bool(one == other)
