"""The answer to a query out of resources: fields by the definitions of R4, references followed, lists filtered and flattened.

What must be fetched first is noted in ``Known`` and left out; an answer during which anything was noted is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import Element, r4
from penstock.formats.fhir.graphql.arguments import chosen, sliced, text
from penstock.formats.fhir.graphql.known import Asked, Key, Known, Paged, Resource
from penstock.formats.fhir.graphql.query import Field

#: Values of one answer.
VALUES = 200_000
#: Arguments of a search that shape its page.
_PAGING = {"_count", "_sort", "_cursor"}
_REFUSED = frozenset(("_include", "_revinclude", "_summary", "_elements", "_total", "_format", "_pretty", "_contained", "_containedType"))

Out = dict[str, Any]


class Projection:
    """``base`` is the URL of our FHIR endpoint: references that begin with it are local."""

    def __init__(self, known: Known, base: str) -> None:
        self._known = known
        self._base = base + "/"
        self._left = VALUES

    def system(self, fields: Sequence[Field]) -> Out:
        """The answer to a query on everything."""
        out: Out = {}
        for field in fields:
            if not self._search(field, None, out) and not self._read(field, out):
                raise Problem("invalid", "at the top are resource types, and searches of them such as PatientList", at="query")
        return out

    def instance(self, resource: Resource, fields: Sequence[Field]) -> Out:
        """The answer to a query on one resource."""
        out: Out = {}
        self._object(resource, resource["resourceType"], fields, resource, out)
        return out

    def _object(self, value: Any, type: str, fields: Sequence[Field], within: Resource, out: Out, flat: str | None = None) -> None:
        """The fields of an object; ``flat`` is what is added to their names when they belong to the object around this one."""
        for field in fields:
            if field.on and not set(field.on).issubset(r4().ancestors(type)):
                continue
            special = None if type not in r4().resource_types else _OF_RESOURCES.get(field.name)
            if special is not None:
                self._emit(field, [special(value)], many=False, out=out, flat=flat)
            elif type == "Reference" and field.name == "resource":
                self._reference(field, value, within, out, flat)
            elif not self._element(field, value, type, within, out, flat) and not (
                type in r4().resource_types and self._search(field, value, out)
            ):
                raise Problem("invalid", "this type has no such field", at=type)

    def _element(self, field: Field, value: Any, type: str, within: Resource, out: Out, flat: str | None) -> bool:
        definition = r4().type(type)
        element = definition.elements.get(field.name) if definition else None
        if element is None:
            return False
        if bool(field.fields) == element.primitive:
            raise Problem("invalid", "an object is asked for its fields, and a simple value has none", at=f"{type}.{element.name}")
        held = value.get(field.name)
        present = held if isinstance(held, list) else [] if held is None else [held]
        items = chosen([item for item in present if item is not None], field, element, within)
        if field.flatten:
            for index, item in enumerate(items):
                suffix = (flat or "") + ("" if field.slice is None else "." + sliced(field.slice, item, index, element, within))
                self._object(item, _type(item, element), field.fields, _within(item, within), out, suffix)
        else:
            made = [item if element.primitive else self._made(item, _type(item, element), field, within) for item in items]
            self._emit(field, made, many=element.many, out=out, flat=flat)
        return True

    def _made(self, item: Any, type: str, field: Field, within: Resource) -> Out:
        out: Out = {}
        self._object(item, type, field.fields, _within(item, within), out)
        return out

    def _emit(self, field: Field, values: Sequence[Any], *, many: bool, out: Out, flat: str | None) -> None:
        """Put values into the answer: as a list where there may be several, or where objects were flattened into this one."""
        self._left -= len(values)
        if self._left < 0:
            raise Problem("too-costly", "this query answers with too many values", at="query")
        if not values:
            return
        key = field.key + (flat or "")
        if field.singleton:
            if len(values) > 1 or (flat is not None and key in out):
                raise Problem("business-rule", "a field that is to have a single value has several", at=field.name)
            out[key] = values[0]
        elif flat is not None:
            out.setdefault(key, []).extend(values)
        else:
            out[key] = list(values) if many else values[0]

    def _reference(self, field: Field, value: Any, within: Resource, out: Out, flat: str | None) -> None:
        """``resource`` of a Reference (graphql.html#links): the resource that it points at, of one ``type`` alone where that is asked."""
        wanted, optional = field.arguments.get("type"), field.arguments.get("optional", False)
        if set(field.arguments) - {"type", "optional"} or not field.fields:
            raise Problem("invalid", "a reference is followed with its fields, and by type and optional alone", at="Reference.resource")
        reference = value.get("reference")
        if not isinstance(reference, str):
            return
        target = self._contained(reference, within) if reference.startswith("#") else self._local(reference, wanted)
        if target is _LATER:
            return
        if target is None:
            if not optional:
                raise Problem("not-found", "a reference leads to nothing that is here", at="Reference.resource")
            return
        if wanted in (None, target["resourceType"]):
            self._emit(field, [self._made(target, target["resourceType"], field, target)], many=False, out=out, flat=flat)

    def _contained(self, reference: str, within: Resource) -> Resource | None:
        return next((each for each in within.get("contained", ()) if each.get("id") == reference[1:]), None)

    def _local(self, reference: str, wanted: Any) -> Any:
        key = _key(reference.removeprefix(self._base))
        if key is None or (wanted is not None and key[0] != wanted):
            return None if key is None else _LATER
        return self._fetched(key)

    def _fetched(self, key: Key) -> Any:
        if key not in self._known.resources:
            self._known.wanted.add(key)
            return _LATER
        return self._known.resources[key]

    def _read(self, field: Field, out: Out) -> bool:
        """``Patient(id: "1")`` at the top."""
        if field.name not in r4().resource_types:
            return False
        ids = [field.arguments[name] for name in ("id", "_id") if name in field.arguments]
        if len(ids) != 1 or len(field.arguments) != 1 or not field.fields:
            raise Problem("invalid", "one resource is read by its id; several are searched with List or Connection", at=field.name)
        found = self._fetched((field.name, text(ids[0])))
        if found is None:
            raise Problem("not-found", "there is no such resource", at=field.name)
        if found is not _LATER:
            self._emit(field, [self._made(found, field.name, field, found)], many=False, out=out, flat=None)
        return True

    def _search(self, field: Field, resource: Resource | None, out: Out) -> bool:
        """``PatientList`` and ``PatientConnection`` (graphql.html#search); within a resource, of those that refer to it."""
        type, kind = _searched(field.name)
        if kind is None:
            return False
        if not field.fields:
            raise Problem("invalid", "a search is asked for fields of what it finds", at=field.name)
        counted = kind == "Connection" and any(each.name == "count" for each in field.fields)
        asked = Asked(type, _pairs(field, resource), counted)
        page = self._known.pages.get(asked)
        if page is None:
            self._known.searches[asked] = None
        elif kind == "List":
            made = [self._made(found, found["resourceType"], field, found) for found, mode in page.entries if mode == "match"]
            self._emit(field, made, many=True, out=out, flat=None)
        else:
            self._emit(field, [self._connection(page, field)], many=False, out=out, flat=None)
        return True

    def _connection(self, page: Paged, field: Field) -> Out:
        out: Out = {}
        for each in field.fields:
            if each.name == "edges":
                edges = [self._edge(resource, mode, each) for resource, mode in page.entries]
                self._emit(each, edges, many=True, out=out, flat=None)
            elif each.name not in _OF_PAGES or each.fields:
                raise Problem("invalid", "this type has no such field", at="Connection")
            elif (value := _OF_PAGES[each.name](page)) is not None:
                self._emit(each, [value], many=False, out=out, flat=None)
        return out

    def _edge(self, resource: Resource, mode: str, field: Field) -> Out:
        out: Out = {}
        for each in field.fields:
            if each.name == "resource":
                self._emit(each, [self._made(resource, resource["resourceType"], each, resource)], many=False, out=out, flat=None)
            elif each.name == "mode":
                out[each.key] = mode
            elif each.name != "score":  # matches have none here
                raise Problem("invalid", "this type has no such field", at="Connection.edges")
        return out


#: Stands for a resource that is not known yet, or that is of another type than is asked for: it is left out.
_LATER: Any = object()

_OF_RESOURCES: dict[str, Callable[[Resource], Any]] = {
    name: lambda resource: resource["resourceType"] for name in ("resourceType", "__typename")
}
_OF_PAGES: dict[str, Callable[[Paged], Any]] = {
    "count": lambda page: page.total,
    "pagesize": lambda page: len(page.entries),
    "offset": lambda page: None,  # pages are found by cursors
    **{name: lambda page, name=name: page.links.get(name) for name in ("first", "previous", "next", "last")},  # type: ignore[misc] # mypy cannot type the default
}


def _type(item: Any, element: Element) -> str:
    """The type of an object: of a resource inside of another one, its own."""
    return str(item["resourceType"]) if element.type == "Resource" else element.type


def _within(item: Any, within: Resource) -> Resource:
    """The resource whose contained ones a local reference means: a contained resource has none of its own."""
    return item if isinstance(item, dict) and "contained" in item and "resourceType" in item else within


def _key(reference: str) -> Key | None:
    type, _, id = reference.partition("/_history/")[0].partition("/")
    return (type, id) if type in r4().resource_types and id and "/" not in id else None


def _searched(name: str) -> tuple[str, str | None]:
    for kind in ("List", "Connection"):
        type = name.removesuffix(kind)
        if type != name and type in r4().resource_types:
            return type, kind
    return name, None


def _pairs(field: Field, resource: Resource | None) -> tuple[tuple[str, str], ...]:
    """The parameters of a search: in GraphQL their dashes are underscores; those of a list are alternatives."""
    pairs: list[tuple[str, str]] = []
    for name, value in field.arguments.items():
        if name in _REFUSED or value is None:
            raise Problem("not-supported", "this argument is not served in a search by GraphQL", at=field.name)
        if name == "_reference":
            if resource is None or "id" not in resource:
                raise Problem("invalid", "what refers to a resource is asked within it", at=field.name)
            pairs.append((text(value).replace("_", "-"), f"{resource['resourceType']}/{resource['id']}"))
        else:
            code = name if name.startswith("_") else name.replace("_", "-")
            pairs.append((code, ",".join(map(text, value)) if isinstance(value, list) else text(value)))
    return tuple(pairs)
