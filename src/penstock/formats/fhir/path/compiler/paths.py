"""Paths: the links of a chain, members of elements, types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.formats.fhir.definitions import Element, TypeDef, r4
from penstock.formats.fhir.path.compiler.types import fits, is_a, resolve
from penstock.formats.fhir.path.compiler.values import EMPTY, NOTHING, STRING, TYPE_INFO, Scope, Value, Want, is_primitive
from penstock.formats.fhir.path.nodes import Literal, Member, Node
from penstock.formats.fhir.path.runtime import bags, tree
from penstock.formats.fhir.path.runtime import items as runtime
from penstock.formats.fhir.path.runtime.tree import Property

if TYPE_CHECKING:
    from penstock.formats.fhir.path.compiler.builder import Builder


def root(b: Builder, name: str, this: Value) -> Value:
    """A path may begin with the type it is about. At another resource it gives nothing, which is a mistake where one is strict."""
    if this.type is None:
        space = resolve(b, name)
        test = b.call(is_a, "x", b.writer.constant(space))
        if this.many:
            return this.as_(code=b.writer.let(f"[x for x in {this.code} if {test}]"))
        code = this.code
        return this.as_(code=b.writer.let(f"{code} if {b.call(is_a, code, b.writer.constant(space))} else None"), sure=False)
    if name in r4().ancestors(this.type):
        return this
    if name not in r4().resource_types:
        definition = r4().type(this.type)
        if definition and definition.find(name):
            return member(b, this, name, "item")
        raise b.problem("the expression begins with a type that R4 does not have")
    if b.strict:
        raise b.problem("the expression is about another type than what it is read at")
    return EMPTY


def member(b: Builder, source: Value, name: str, want: Want) -> Value:
    """``source.name``"""
    if source.type == NOTHING:
        return EMPTY
    if source.type is None:
        sequence = b.sequence(source)
        found = b.call(tree.members, b.run(), sequence, b.writer.constant(name))
        return Value(b.writer.let(f"{found} if {sequence} else ()"), None, many=True, sure=True, ordered=source.ordered)
    if source.type == TYPE_INFO and name in ("namespace", "name", "baseType"):
        return _property(b, source, Property(name, "", STRING), False, "value")
    definition = r4().type(source.type)
    if definition is None:
        raise b.problem("a value of System has no such member")
    if definition.kind == "primitive":
        return _of_primitive(b, source, name)
    if name in definition.choices:
        return _choice(b, source, definition, name, want)
    element = definition.elements.get(name)
    if element is None or element.sibling or element.choice is not None:
        raise b.problem("the expression names an element that R4 does not have there")
    return _property(b, source, _place(element), element.many, want)


def _of_primitive(b: Builder, source: Value, name: str) -> Value:
    if name in ("id", "extension"):
        return member(b, b.mixed(source), name, "item")
    if source is b.focus and not b.strict:  # an invariant of a choice is read at each of its types
        return EMPTY
    raise b.problem("the expression names an element that R4 does not have there")


def _place(element: Element) -> Property:
    return Property(element.name, f"_{element.name}" if element.primitive and element.type != "xhtml" else "", element.type)


def _property(b: Builder, source: Value, place: Property, many: bool, want: Want) -> Value:
    """The values of one JSON property."""
    if source.many:
        b.spend(source.code)
        return _of_many(b, source, place, many, want)
    holder = source.code if source.sure else b.writer.let(f"{source.code} or NO")
    found = f"{holder}.get({place.name!r})"
    beside = f"{holder}.get({place.sibling!r})"
    if place.type == "Resource":
        return _resources(b, holder, place, many)
    value = Value("", place.type, many=many, sure=many)
    if not place.sibling or want == "value":
        code = b.writer.let(f"{found} or ()" if many else found)
        if many and place.sibling:
            b.writer.line(f"if None in {code}: {code} = [x for x in {code} if x is not None]")
        return value.as_(code=code)
    code = b.writer.let(f"{found} or ()" if many else found)
    if want == "some":
        b.writer.line(f"if {f'not {code}' if many else f'{code} is None'}: {code} = {beside}{' or ()' if many else ''}")
        return value.as_(code=code, boxes=True)
    both = b.call(tree.all_beside if many else tree.beside, code, f"{holder}[{place.sibling!r}]", b.writer.constant(place.type))
    b.writer.line(f"if {place.sibling!r} in {holder}: {code} = {both}")
    if many:
        b.writer.line(f"elif None in {code}: {code} = [x for x in {code} if x is not None]")
    return value.as_(code=code, boxes=True)


def _of_many(b: Builder, source: Value, place: Property, many: bool, want: Want) -> Value:
    value = Value("", place.type, many=True, sure=True, ordered=source.ordered)
    holder, item = b.writer.fresh("h"), b.writer.fresh("x")
    found = f"{holder}.get({place.name!r})"
    if place.type == "Resource":
        b.writer.use(runtime.resource)
        each = f"for {item} in {found} or ()" if many else f"if ({item} := {found}) is not None"
        return value.as_(code=b.writer.let(f"[resource({item}) for {holder} in {source.code} {each}]"), type=None)
    if not place.sibling or want == "value":
        bare = f" if {item} is not None" if place.sibling else ""
        each = f"for {item} in {found} or (){bare}" if many else f"if ({item} := {found}) is not None"
        return value.as_(code=b.writer.let(f"[{item} for {holder} in {source.code} {each}]"))
    code, type = b.writer.let("[]"), b.writer.constant(place.type)
    with b.writer.block(f"for {holder} in {source.code}:"):
        beside = f"{holder}[{place.sibling!r}]"
        if many:
            b.writer.line(f"if {place.sibling!r} in {holder}: {code} += {b.call(tree.all_beside, found, beside, type)}")
            b.writer.line(f"else: {code} += [x for x in {found} or () if x is not None]")
        else:
            b.writer.line(f"if {place.sibling!r} in {holder}: {code}.append({b.call(tree.beside, found, beside, type)})")
            b.writer.line(f"elif ({item} := {found}) is not None: {code}.append({item})")
    return value.as_(code=code, boxes=True)


def _resources(b: Builder, holder: str, place: Property, many: bool) -> Value:
    b.writer.use(runtime.resource)
    item = b.writer.fresh("x")
    if many:
        return Value(b.writer.let(f"[resource({item}) for {item} in {holder}.get({place.name!r}) or ()]"), None, many=True, sure=True)
    return Value(b.writer.let(f"resource({item}) if ({item} := {holder}.get({place.name!r})) is not None else None"), None)


def _choice(b: Builder, source: Value, definition: TypeDef, name: str, want: Want) -> Value:
    """A choice is whichever of its properties is there."""
    table: dict[str, Property] = {}
    for variant in definition.variants(name):
        place = _place(variant)
        table[place.name] = place
        if place.sibling:
            table[place.sibling] = place
    constant = b.writer.constant(table)
    if source.many:
        b.spend(source.code)
        holder, item = b.writer.fresh("h"), b.writer.fresh("x")
        chosen = b.call(tree.choice, holder, constant)
        code = b.writer.let(f"[{item} for {holder} in {source.code} if ({item} := {chosen}) is not None]")
        return Value(code, None, many=True, sure=True)
    holder = source.code if source.sure else b.writer.let(f"{source.code} or NO")
    if want == "some":
        names = b.writer.constant(frozenset(table))
        return Value(b.writer.let(f"None if {names}.isdisjoint({holder}) else True"), None)
    return Value(b.writer.let(b.call(tree.choice, holder, constant)), None)


def index(b: Builder, source: Value, at: Node, scope: Scope) -> Value:
    if b.strict and not source.ordered:
        raise b.problem("the order of these items means nothing, so none can be picked by its place")
    if isinstance(at, Literal) and type(at.value) is int:
        return pick(b, source, at.value)
    place = b.one(b.system(b.build(at, scope, "value")))
    if place.kind not in ("integer", "mixed", "nothing"):
        raise b.problem("an index is a whole number")
    return source.as_(code=b.writer.let(b.call(bags.at, b.sequence(source), place.code)), many=False, sure=False)


def pick(b: Builder, source: Value, place: int) -> Value:
    """The item at a place that is known; -1 is the last."""
    if not source.many:
        return source if place in (0, -1) else EMPTY
    code = source.code
    enough = code if place in (0, -1) else f"len({code}) > {place}"
    return source.as_(code=b.writer.let(f"{code}[{place}] if {enough} else None"), many=False, sure=False)


def type_name(b: Builder, node: Node) -> str:
    """The type that an argument names: ``Quantity``, ``FHIR.Quantity``, ``System.String``."""
    match node:
        case Member(None, name):
            return name
        case Member(Member(None, space), name):
            return name if space == "FHIR" else f"{space}.{name}"
    raise b.problem("a type is expected here")


def of_type(b: Builder, node: Node | None, name: str, scope: Scope, want: Want) -> tuple[Value, Scope]:
    """The items of a type: of a choice, the one property that holds it."""
    wanted = resolve(b, name)
    if isinstance(node, Member) and not (node.source is None and node.name[:1].isupper()):
        source, inner = b.chained(node.source, scope)
        definition = r4().type(source.type) if source.type else None
        if definition and node.name in definition.choices:
            variants = [each for each in definition.variants(node.name) if fits(each.type, wanted)]
            if len(variants) == 1:
                return _property(b, source, _place(variants[0]), False, want), inner
            if not variants:
                return EMPTY, inner
        return narrowed(b, member(b, source, node.name, "item"), wanted), inner
    source, inner = b.chained(node, scope)
    return narrowed(b, source, wanted), inner


def narrowed(b: Builder, source: Value, wanted: tuple[str, str]) -> Value:
    """What of a value has a type."""
    if source.type is not None:
        return source if source.type != NOTHING and fits(source.type, wanted) else EMPTY
    b.writer.use(_of)
    constant = b.writer.constant(wanted)
    keep = b.places or wanted[0] == "System" or is_primitive(wanted[1])
    value = source if wanted[0] == "System" or b.places else source.as_(type=wanted[1], boxes=keep)
    if wanted == ("FHIR", "Quantity") and not b.places:  # it is also one of System
        keep, value = True, source
    if wanted[1] in ("Resource", "DomainResource", "Element", "BackboneElement"):
        keep, value = True, source
    if source.many:
        b.spend(source.code)
        kept = "x" if keep else "x.value"
        return value.as_(code=b.writer.let(f"[{kept} for x in {source.code} if _of(x, {constant})]"))
    kept = source.code if keep else f"{source.code}.value"
    return value.as_(code=b.writer.let(f"{kept} if _of({source.code}, {constant}) else None"), sure=False)


def _of(item: object, wanted: tuple[str, str]) -> bool:
    """As ``ofType``: a primitive only has its own type."""
    if isinstance(item, runtime.Item):
        return fits(item.type, wanted)
    return item is not None and runtime.system_type(item) == wanted[1]


def is_type(b: Builder, source: Value, name: str) -> Value:
    """``source is Type``"""
    wanted = resolve(b, name)
    if source.type == NOTHING:
        return EMPTY
    one = b.one(source)
    result = Value("", "System.Boolean", sure=one.sure)
    if one.type is None:
        test = b.call(is_a, one.code, b.writer.constant(wanted))
    else:
        space, plain = ("System", one.type.removeprefix("System.")) if one.type.startswith("System.") else ("FHIR", one.type)
        same = (space, plain) == wanted or (space == wanted[0] == "FHIR" and wanted[1] in r4().ancestors(plain))
        test = repr(same or (plain == wanted[1] == "Quantity" and space == "System"))
    return result.as_(code=b.writer.let(test if one.sure else f"None if {one.code} is None else {test}"))
