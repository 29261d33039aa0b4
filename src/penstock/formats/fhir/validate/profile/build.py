"""A StructureDefinition to its compiled tree. What it says that R4 says anyway is left out."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeGuard

from penstock.errors import Problem
from penstock.formats.fhir.definitions import Binding, Element, r4
from penstock.formats.fhir.validate.errata import context_of
from penstock.formats.fhir.validate.profile.elements import CORE, Find, constraints, is_type
from penstock.formats.fhir.validate.profile.raw import Raw, nest
from penstock.formats.fhir.validate.profile.slices import Slicer
from penstock.formats.fhir.validate.profile.tree import Belongs, Node, PathRule, Profile, Slice
from penstock.formats.fhir.validate.profile.values import value_rules

Json = dict[str, Any]

MAX_VALUE_SET = CORE + "elementdefinition-maxValueSet"
#: The extension by which R4 profiles carry the additional bindings of R5, under both of its names.
ADDITIONAL = frozenset(
    (
        "http://hl7.org/fhir/tools/StructureDefinition/additional-binding",
        "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.binding.additional",
    )
)
#: What an additional binding is for, and how strong that makes it.
PURPOSES = {"required": "required", "maximum": "required", "extensible": "extensible"}
#: A profile asks no more elements than this.
MOST_ELEMENTS = 20_000


def compile_profile(definition: Json, find: Find) -> Profile:
    """The tree of a profile. Problem where the definition is not one that can be applied: it may hold anything."""
    try:
        return _compiled(definition, find)
    except RecursionError:
        raise Problem("too-costly", "a profile is nested too deep") from None
    except (TypeError, AttributeError, ValueError, KeyError):
        raise Problem("invalid", "a profile does not have the form of a StructureDefinition") from None


def _compiled(definition: Json, find: Find) -> Profile:
    elements = constraints(definition, find)
    if len(elements) > MOST_ELEMENTS:
        raise Problem("too-costly", "a profile has more elements than this server applies")
    raw = nest(elements)
    builder = _Builder(Slicer(find))
    root = builder.node(raw)
    builder.connect()
    return Profile(
        str(definition.get("url", "")),
        str(definition.get("type", raw.path)),
        root,
        tuple((str(each.get("type")), str(each.get("expression", ""))) for each in context_of(definition)),
        tuple(map(str, definition.get("contextInvariant", ()))),
        raw.element.get("isModifier") is True,
    )


class _Builder:
    """Builds the nodes of one profile and remembers them by id, for elements that refer to others."""

    def __init__(self, slicer: Slicer) -> None:
        self._slicer = slicer
        self._by_path: dict[str, Node] = {}
        self._references: list[tuple[Node, str]] = []

    def connect(self) -> None:
        """Point every content reference at its node."""
        for node, name in self._references:
            node.refers = self._by_path.get(name)

    def node(self, raw: Raw) -> Node:
        base = r4().type_at(raw.path) if "." in raw.path else None
        if base is None and raw.element and _is_strange(raw.path):
            raise Problem("invalid", "a profile constrains an element that its type does not have")
        node = Node(
            raw.id,
            raw.stem,
            least=_least(raw, base),
            most=_most(raw, base),
            types=_types(raw, base),
            profiles={str(each["code"]): urls for each in raw.types if (urls := _own_profiles(each))},
            targets=_targets(raw, base),
            aggregation=frozenset(mode for each in raw.types for mode in each.get("aggregation", ())),
            values=value_rules(raw),
            relative=tuple((kind, given[1]) for kind in ("minValue", "maxValue") if _is_duration(given := raw.given(kind))),
            binding=_binding(raw, base),
            more_bindings=tuple(_additional(raw)),
            rules=tuple(_rules(raw)),
            children=tuple(child for each in raw.children.values() if (child := self.node(each)).asks),
        )
        self._by_path.setdefault(raw.path, node)
        self._slicing(node, raw)
        reference = raw.element.get("contentReference")
        if isinstance(reference, str):
            self._references.append((node, reference.rpartition("#")[2]))
        node.asks = _asks(node) or isinstance(reference, str)
        return node

    def _slicing(self, node: Node, raw: Raw) -> None:
        slicing = raw.element.get("slicing") or {}
        discriminators = [(str(each.get("type")), str(each.get("path"))) for each in slicing.get("discriminator", ())]
        discriminators = discriminators or _usual(raw)
        node.sliced = str(slicing.get("rules", "open"))
        node.ordered = slicing.get("ordered") is True
        node.slices = self._slices(raw.slices, discriminators)

    def _slices(self, slices: dict[str, Raw], discriminators: list[tuple[str, str]]) -> tuple[Slice, ...]:
        """The slices of an element; those named ``a/b`` are reslices of ``a``."""
        for name in [each for each in slices if each.rpartition("/")[0] in slices]:
            slices[name.rpartition("/")[0]].slices[name] = slices.pop(name)
        belongs = self._slicer.belongs if discriminators else _everyone
        return tuple(Slice(name, self.node(raw), belongs(raw, discriminators)) for name, raw in slices.items())


def _is_strange(path: str) -> bool:
    """Whether R4 has the element above a path, as one of one type, and not the element itself."""
    above, _, name = path.rpartition(".")
    if not above:
        return False
    element = r4().type_at(above) if "." in above else None
    if ("." in above and element is None) or (element and (len(element.types) != 1 or element.primitive or element.type == "Resource")):
        return False
    owner = r4().type(element.type if element else above)
    return owner is not None and owner.find(name) is None


def _everyone(slice: Raw, discriminators: list[tuple[str, str]]) -> Belongs:
    return lambda item, run: True


def _usual(raw: Raw) -> list[tuple[str, str]]:
    """How slices are told apart where nobody says: extensions by their URL, choices by their type (profiling.html#slicing)."""
    if raw.stem in ("extension", "modifierExtension"):
        return [("value", "url")]
    return [("type", "$this")] if raw.path.endswith("[x]") else []


def _least(raw: Raw, base: Element | None) -> int:
    least = raw.element.get("min", 0)
    usual = base.least if base and not raw.slice else 0
    return least if isinstance(least, int) and least > usual else 0


def _most(raw: Raw, base: Element | None) -> int | None:
    """A number where it limits more than R4 does, whose own limit of one is a matter of structure."""
    given = raw.element.get("max")
    if not isinstance(given, str) or not given.isdigit():
        return None
    is_usual = base is not None and not base.many and int(given) >= 1 and not raw.slice
    return None if is_usual else int(given)


def _types(raw: Raw, base: Element | None) -> frozenset[str]:
    """The types that are left of a choice, or of "any resource"."""
    codes = frozenset(str(each["code"]) for each in raw.types)
    if base is None or not codes or not (base.choice or base.type == "Resource") or codes >= frozenset(base.types):
        return frozenset()
    return codes


def _own_profiles(declared: Json) -> tuple[str, ...]:
    """Profiles beyond the type itself."""
    return tuple(str(url) for url in declared.get("profile", ()) if str(url).partition("|")[0] != CORE + str(declared["code"]))


def _targets(raw: Raw, base: Element | None) -> tuple[str, ...]:
    """Where a reference may point; nothing when R4 says the same."""
    urls = tuple(str(url) for url in raw.target_profiles())
    if base is not None and frozenset(url.partition("|")[0].removeprefix(CORE) for url in urls) == frozenset(base.targets):
        return ()
    return () if any(url.removeprefix(CORE) == "Resource" for url in urls) else urls


def _is_duration(given: tuple[str, Any] | None) -> TypeGuard[tuple[str, Json]]:
    return given is not None and isinstance(given[1], dict)


def _binding(raw: Raw, base: Element | None) -> Binding | None:
    given = raw.element.get("binding")
    if not given or "valueSet" not in given:
        return None
    largest = next((str(each.get("valueCanonical", "")) for each in given.get("extension", ()) if each.get("url") == MAX_VALUE_SET), "")
    found = Binding(str(given.get("strength")), str(given["valueSet"]), largest)
    usual = base.binding if base else None
    if usual and (usual.strength, usual.value_set) == (found.strength, found.value_set.partition("|")[0]):
        return None
    return found


def _additional(raw: Raw) -> list[Binding]:
    """Bindings beside the main one, as the extension of the R5 element says them."""
    found = []
    for extension in raw.element.get("binding", {}).get("extension", ()):
        if extension.get("url") in ADDITIONAL:
            parts = {part.get("url"): part for part in extension.get("extension", ())}
            strength = PURPOSES.get(parts.get("purpose", {}).get("valueCode", ""))
            value_set = parts.get("valueSet", {}).get("valueCanonical")
            if strength and value_set and "usage" not in parts:
                found.append(Binding(strength, str(value_set)))
    return found


def _rules(raw: Raw) -> list[PathRule]:
    found = []
    for each in raw.element.get("constraint", ()):
        key, expression = each.get("key"), each.get("expression")
        if isinstance(key, str) and isinstance(expression, str) and not _is_r4s(key, expression, each.get("source")):
            found.append(PathRule(key, str(each.get("severity", "error")), expression, " ".join(str(each.get("human", "")).split())))
    return found


def _is_r4s(key: str, expression: str, source: str | None) -> bool:
    if key not in _own_keys():
        return False
    return is_type(source) if source else True


@cache
def _own_keys() -> frozenset[str]:
    """The keys of all rules that R4 states at its own types."""
    own = {"ele-1", "ext-1"}
    for name in (*r4().resource_types, *r4().data_types):
        _collect(name, own, set())
    return frozenset(own)


def _collect(name: str, own: set[str], seen: set[str]) -> None:
    definition = r4().type(name)
    if definition is None or name in seen:
        return
    seen.add(name)
    own.update(rule.key for rule in definition.invariants)
    for element in definition.elements.values():
        own.update(rule.key for rule in element.invariants)
        if element.type.startswith(name + "."):
            _collect(element.type, own, seen)


def _asks(node: Node) -> bool:
    return bool(
        node.least
        or node.most is not None
        or node.types
        or node.profiles
        or node.targets
        or node.aggregation
        or node.values
        or node.relative
        or node.binding
        or node.more_bindings
        or node.rules
        or node.children
        or node.slices
    )
