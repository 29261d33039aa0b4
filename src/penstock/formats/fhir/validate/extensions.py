"""Extensions by their own definitions (http://hl7.org/fhir/R4/extensibility.html, defining-extensions.html#context)."""

from __future__ import annotations

from typing import NamedTuple

from penstock.formats.fhir.definitions import TypeDef, r4
from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.items import Item, members
from penstock.formats.fhir.validate.profile.apply import World
from penstock.formats.fhir.validate.profile.slices import is_one
from penstock.formats.fhir.validate.profile.tree import Profile

#: Where an extension may stand whose definition does not say.
ANYWHERE = (("element", "Element"),)
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


def misplaced(profile: Profile, extension: Item, stand: Stand, world: World) -> list[Issue]:
    """An extension stands where its definition lets it: by path or type, inside another extension, or where an expression says so."""
    issues = []
    if not any(_allows(kind, expression, stand, world) for kind, expression in profile.contexts or ANYWHERE):
        issues.append(_wrong("the extension is not meant for this element", extension, "context", profile))
    for expression in profile.context_rules:
        if world.holds(expression, stand.holder) is False:
            issues.append(_wrong("the extension's rule about where it stands is broken", extension, "contextInvariant", profile))
    return issues


def wrong_kind(profile: Profile, extension: Item, is_modifier: bool) -> list[Issue]:
    """What changes the meaning of its element is a modifierExtension, and nothing else is (extensibility.html#modifierExtension)."""
    if profile.modifier is is_modifier:
        return []
    text = (
        "a modifier extension stands in extension" if profile.modifier else "an extension that is no modifier stands in modifierExtension"
    )
    return [_wrong(text, extension, "isModifier", profile)]


def undefined_parts(profile: Profile, extension: Item, world: World) -> list[Issue]:
    """The extensions inside an extension are those that its definition names, or have URLs of their own (extensibility.html#complex)."""
    slices = [slice for child in profile.root.children if child.stem == "extension" for slice in child.slices]
    return [
        Issue("error", "structure", "the extension's definition has no such part", part.at, "part", profile.url, "Extension.extension")
        for part in members(extension, "extension")
        if ":" not in str(part.value.get("url", "")) and not any(slice.belongs(part, world) for slice in slices)
    ]


def _allows(kind: str, expression: str, stand: Stand, world: World) -> bool:
    if kind == "extension":
        around = (each for each in (stand.holder, stand.owner) if each is not None and each.type == "Extension")
        return any(each.value.get("url") == expression for each in around)
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


def _wrong(text: str, extension: Item, rule: str, profile: Profile) -> Issue:
    return Issue("error", "structure", text, extension.at, rule, profile.url, "Extension")
