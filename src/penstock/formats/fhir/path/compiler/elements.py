"""Functions of elements and of their surroundings: extensions, values, types, references, profiles, the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.formats.fhir.path.compiler.paths import member
from penstock.formats.fhir.path.compiler.scalars import needed
from penstock.formats.fhir.path.compiler.types import info
from penstock.formats.fhir.path.compiler.values import BOOLEAN, EMPTY, NOTHING, TYPE_INFO, Scope, Value, is_primitive
from penstock.formats.fhir.path.nodes import Call
from penstock.formats.fhir.path.runtime import bags, texts, tree
from penstock.formats.fhir.path.runtime import items as runtime

if TYPE_CHECKING:
    from penstock.formats.fhir.path.compiler.builder import Builder


def children(function: Callable[..., Any]) -> Callable[[Builder, Value, Call, Scope], Value]:
    def build(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
        items = b.sequence(b.mixed(source))
        return Value(b.writer.let(b.call(function, b.run(), items)), None, many=True, sure=True, ordered=False)

    return build


def extension(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    if source.type == NOTHING:
        return EMPTY
    url = needed(b, b.build(node.arguments[0], scope, "value"), "string").code
    if source.type is None or is_primitive(source.type):
        items = b.sequence(b.mixed(source))
        return Value(b.writer.let(b.call(tree.extensions, b.run(), items, url)), None, many=True, sure=True)
    found = member(b, source, "extension", "item")
    return found.as_(code=b.writer.let(f"[x for x in {found.code} if x.get('url') == {url}]"))


def has_extension(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    found = extension(b, source, node, scope)
    return Value(b.writer.let(f"bool({found.code})"), BOOLEAN, sure=True)


def has_value(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """Of one primitive: whether it has more than an id and extensions."""
    if source.kind in ("data", "quantity data", "nothing"):
        return Value("False", BOOLEAN, sure=True)
    if source.many:
        code = b.writer.let(f"len({source.code}) == 1 and {b.call(bags.has_value, f'{source.code}[0]')}")
        return Value(code, BOOLEAN, sure=True)
    if source.type is None:
        return Value(b.writer.let(b.call(bags.has_value, source.code)), BOOLEAN, sure=True)
    if source.boxes:
        b.writer.use(runtime.Item)
        boxed = f"{source.code}.__class__ is not Item or {b.call(bags.has_value, source.code)}"
        return Value(b.writer.let(f"{source.code} is not None and ({boxed})"), BOOLEAN, sure=True)
    return Value(b.writer.let(f"{source.code} is not None"), BOOLEAN, sure=True)


def get_value(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    return b.one(b.system(source))


def type_info(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    if source.type == NOTHING:
        return EMPTY
    type = b.writer.constant(source.type)
    made = b.call(info, "x", type)
    if source.many:
        return Value(b.writer.let(f"[{made} for x in {source.code}]"), TYPE_INFO, many=True, sure=True)
    made = b.call(info, source.code, type)
    return Value(b.writer.let(made if source.sure else f"None if {source.code} is None else {made}"), TYPE_INFO, sure=source.sure)


def resolve(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    return Value(b.writer.let(b.call(tree.resolve, b.run(), b.sequence(source))), None, many=True, sure=True)


def conforms_to(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    one, profile = b.one(source), needed(b, b.build(node.arguments[0], scope, "value"), "string")
    if NOTHING in (one.type, profile.type):
        return EMPTY
    made = f"{b.run()}.conforms({one.code}, {b.writer.constant(one.type)}, {profile.code})"
    return Value(b.writer.let(f"None if {one.code} is None or {profile.code} is None else {made}"), BOOLEAN)


def subsumes(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """Whether a code is the other, or above it."""
    return _above(b, b.one(source), b.one(b.build(node.arguments[0], scope)))


def subsumed_by(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    return _above(b, b.one(b.build(node.arguments[0], scope)), b.one(source))


def _above(b: Builder, above: Value, below: Value) -> Value:
    if NOTHING in (above.type, below.type):
        return EMPTY
    made = f"env.subsumes({b.call(runtime.bare, above.code)}, {b.call(runtime.bare, below.code)})"
    return Value(b.writer.let(f"None if {above.code} is None or {below.code} is None else {made}"), BOOLEAN)


def check_modifiers(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """What it is called on, if it has no modifier extensions but the ones that are named."""
    allowed = [needed(b, b.build(each, scope, "value"), "string").code for each in node.arguments]
    b.writer.line(b.call(tree.check_modifiers, b.sequence(source), f"({''.join(f'{code}, ' for code in allowed)})"))
    return source


def member_of(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    one, url = b.one(source), needed(b, b.build(node.arguments[0], scope, "value"), "string")
    if NOTHING in (one.type, url.type):
        return EMPTY
    made = f"env.member_of({b.call(runtime.bare, one.code)}, {url.code})"
    return Value(b.writer.let(f"None if {one.code} is None or {url.code} is None else {made}"), BOOLEAN)


def html_checks(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
    """A narrative as a whole, or a text as a part of one."""
    one = b.one(b.system(source))
    made = b.call(texts.is_narrative, one.code, repr(source.type == "xhtml"))
    return Value(b.writer.let(made), BOOLEAN)


def moment(attribute: str, type: str) -> Callable[[Builder, Value, Call, Scope], Value]:
    def build(b: Builder, source: Value, node: Call, scope: Scope) -> Value:
        return Value(b.writer.let(f"{b.run()}.{attribute}()"), type, sure=True)

    return build
