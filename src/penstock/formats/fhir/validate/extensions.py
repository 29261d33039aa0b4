"""Extensions by their own definitions (http://hl7.org/fhir/R4/extensibility.html, defining-extensions.html#context)."""

from __future__ import annotations

from typing import Any

from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.items import Item, members
from penstock.formats.fhir.validate.profile.apply import World
from penstock.formats.fhir.validate.profile.slices import is_one
from penstock.formats.fhir.validate.profile.tree import Node

Json = dict[str, Any]


def misplaced(definition: Json, extension: Item, holder: Item, names: frozenset[str], world: World) -> list[Issue]:
    """An extension stands where its definition lets it: by path or type, inside another extension, or where an expression says so.

    ``names`` are the paths by which the holder is known: ``Patient.contact.name``, ``HumanName.family``.
    """
    contexts = definition.get("context") or [{"type": "element", "expression": "Element"}]
    issues = []
    if not any(_allows(context, holder, names, world) for context in contexts):
        issues.append(_wrong("the extension is not meant for this element", extension, "context", definition))
    for expression in definition.get("contextInvariant") or ():
        if world.holds(expression, holder) is False:
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


def _allows(context: Json, holder: Item, names: frozenset[str], world: World) -> bool:
    kind, expression = context.get("type"), str(context.get("expression", ""))
    if kind == "extension":
        return holder.type == "Extension" and holder.value.get("url") == expression
    if kind == "fhirpath":
        return world.selects(expression, holder)
    return _is_element(expression, holder, names)


def _is_element(expression: str, holder: Item, names: frozenset[str]) -> bool:
    """``Patient.contact``, a type such as ``HumanName``, or a definition's URL with its path behind ``#``."""
    wanted = expression.rpartition("#")[2] if "#" in expression else expression.rpartition("/")[2]
    wanted = wanted.replace("[x]", "")
    if is_one(holder.type, frozenset((wanted,))) or (wanted == "Element" and holder.type not in r4().resource_types):
        return True
    return wanted in names


def _wrong(text: str, extension: Item, rule: str, definition: Json) -> Issue:
    return Issue("error", "structure", text, extension.at, rule, str(definition.get("url", "")), "Extension")
