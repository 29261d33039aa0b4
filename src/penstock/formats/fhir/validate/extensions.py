"""Extensions by their own definitions (http://hl7.org/fhir/R4/extensibility.html, defining-extensions.html#context)."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.formats.fhir.definitions import TypeDef, r4
from penstock.formats.fhir.validate.errata import context_of
from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.items import Item, members
from penstock.formats.fhir.validate.profile.apply import World
from penstock.formats.fhir.validate.profile.slices import is_one
from penstock.formats.fhir.validate.profile.tree import Node

Json = dict[str, Any]

#: What R5 calls interfaces, by the elements that all of their types have. Extensions made for several versions name them.
_INTERFACES = {
    "CanonicalResource": frozenset(("url", "version", "name", "status", "experimental")),
    "MetadataResource": frozenset(("url", "version", "name", "status", "approvalDate")),
}
_NO_TYPE = TypeDef("", "", None, True, {})


class Stand(NamedTuple):
    """Where an extension stands: what holds it, whose element that is, and the path of that within the resource."""

    holder: Item
    owner: Item | None
    path: str

    def is_at(self, wanted: str) -> bool:
        """Whether the holder is known by a path such as ``HumanName.family`` or by its type."""
        if wanted == self.path or is_one(self.holder.type, frozenset((wanted,))):
            return True
        above, _, stem = wanted.rpartition(".")
        own = self.holder.at.rpartition(".")[2].partition("[")[0]
        return self.owner is not None and stem == own and is_one(self.owner.type, frozenset((above,)))


def misplaced(definition: Json, extension: Item, stand: Stand, world: World) -> list[Issue]:
    """An extension stands where its definition lets it: by path or type, inside another extension, or where an expression says so."""
    contexts = context_of(definition) or [{"type": "element", "expression": "Element"}]
    issues = []
    if not any(_allows(context, stand, world) for context in contexts):
        issues.append(_wrong("the extension is not meant for this element", extension, "context", definition))
    for expression in definition.get("contextInvariant") or ():
        if world.holds(expression, stand.holder) is False:
            issues.append(_wrong("the extension's rule about where it stands is broken", extension, "contextInvariant", definition))
    return issues


def wrong_kind(definition: Json, extension: Item, is_modifier: bool) -> list[Issue]:
    """What changes the meaning of its element is a modifierExtension, and nothing else is (extensibility.html#modifierExtension)."""
    defined = _is_modifier(definition)
    if defined is is_modifier:
        return []
    text = "a modifier extension stands in extension" if defined else "an extension that is no modifier stands in modifierExtension"
    return [_wrong(text, extension, "isModifier", definition)]


def undefined_parts(url: str, extension: Item, root: Node, world: World) -> list[Issue]:
    """The extensions inside an extension are those that its definition names, or have URLs of their own (extensibility.html#complex)."""
    slices = [slice for child in root.children if child.stem == "extension" for slice in child.slices]
    return [
        Issue("error", "structure", "the extension's definition has no such part", part.at, "part", url, "Extension.extension")
        for part in members(extension, "extension")
        if ":" not in str(part.value.get("url", "")) and not any(slice.belongs(part, world) for slice in slices)
    ]


def _is_modifier(definition: Json) -> bool:
    elements = (definition.get("snapshot") or definition.get("differential") or {}).get("element", ())
    return any(element.get("path") == "Extension" and element.get("isModifier") is True for element in elements)


def _allows(context: Json, stand: Stand, world: World) -> bool:
    kind, expression = context.get("type"), str(context.get("expression", ""))
    if kind == "extension":
        return any(
            each is not None and each.type == "Extension" and each.value.get("url") == expression for each in (stand.holder, stand.owner)
        )
    if kind == "fhirpath":
        return world.selects(expression, stand.holder)
    return _is_element(expression, stand)


def _is_element(expression: str, stand: Stand) -> bool:
    """``Patient.contact``, a type such as ``HumanName``, or a definition's URL with its path behind ``#``. ``Element`` is anything."""
    wanted = expression.rpartition("#")[2] if "#" in expression else expression.rpartition("/")[2]
    wanted = wanted.replace("[x]", "")
    if wanted in _INTERFACES:
        return _INTERFACES[wanted] <= frozenset((r4().type(stand.holder.type) or _NO_TYPE).elements)
    return wanted == "Element" or stand.is_at(wanted)


def _wrong(text: str, extension: Item, rule: str, definition: Json) -> Issue:
    return Issue("error", "structure", text, extension.at, rule, str(definition.get("url", "")), "Extension")
