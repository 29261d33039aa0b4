"""StructureDefinition to the table of types: one entry per resource, data type and backbone element.

A backbone element (``Patient.contact``) is a type of its own, named by its path; a content reference names the type it repeats.

Entry: ``[kind, base, abstract, elements, invariants]``.

Element: ``[name, types, min, max, flags, targets, binding, invariants]``. ``name`` still ends in ``[x]`` for a choice, ``max`` is -1 for
``*``, ``flags`` is 1 for modifier plus 2 for summary, ``targets`` are the types that a reference or canonical may point to, ``binding``
is ``[strength, value set]``, with the largest value set as a third where there is one, or null, ``invariants`` is
``[key, severity, expression]`` each.
"""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
CORE = "http://hl7.org/fhir/StructureDefinition/"
SYSTEM = "http://hl7.org/fhirpath/System."
MAX_VALUE_SET = CORE + "elementdefinition-maxValueSet"
FHIR_TYPE = CORE + "structuredefinition-fhir-type"
SIMPLE_QUANTITY = CORE + "SimpleQuantity"
#: What the profile SimpleQuantity asks, which elements of R4 name as their type's (datatypes.html#SimpleQuantity).
SIMPLE = {"key": "sqty-1", "severity": "error", "expression": "$this.ofType(Quantity).comparator.empty()"}
KINDS = {"resource": "resource", "complex-type": "complex", "primitive-type": "primitive"}

#: The published table types these as string; the text of the specification says id (resource.html#id).
CORRECTED = {"Resource.id": "id"}


def table(structures: list[Row]) -> dict[str, list[Any]]:
    """All types by name; profiles and logical models are not types."""
    types: dict[str, list[Any]] = {}
    for structure in structures:
        if structure["kind"] not in KINDS or structure.get("derivation") == "constraint" or _is_pattern(structure):
            continue
        types.update(_types(structure))
    return dict(sorted(types.items()))


def _is_pattern(structure: Row) -> bool:
    """Definition, Event, FiveWs, Request, MetadataResource: patterns of the specification, not types of an instance."""
    without_base = "baseDefinition" not in structure and structure["type"] not in ("Element", "Resource")
    return without_base or structure["type"] == "MetadataResource"


def _types(structure: Row) -> dict[str, list[Any]]:
    elements = structure["snapshot"]["element"]
    root = structure["type"]
    base = structure.get("baseDefinition", "").rpartition("/")[2] or None
    types: dict[str, list[Any]] = {root: [KINDS[structure["kind"]], base, int(structure["abstract"]), [], _invariants(elements[0])]}
    if structure["kind"] != "primitive-type":
        for element in elements[1:]:
            owner, _, name = element["path"].rpartition(".")
            declared = _types_of(element)
            if declared[0] in ("BackboneElement", "Element") and element["path"] not in types and _has_children(element["path"], elements):
                types[element["path"]] = ["backbone", declared[0], 0, [], []]
                declared = [element["path"]]
            types[owner][3].append(_element(name, declared, element))
    return types


def _has_children(path: str, elements: list[Row]) -> bool:
    return any(element["path"].startswith(path + ".") for element in elements)


def _types_of(element: Row) -> list[str]:
    if "contentReference" in element:
        return [str(element["contentReference"]).removeprefix("#")]
    base = element["base"]["path"]
    if base in CORRECTED:
        return [CORRECTED[base]]
    return [_type_code(declared) for declared in element["type"]]


def _type_code(declared: Row) -> str:
    code = str(declared["code"])
    if not code.startswith(SYSTEM):
        return code
    return next((str(extension["valueUrl"]) for extension in declared.get("extension", ()) if extension["url"] == FHIR_TYPE), "string")


def _element(name: str, types: list[str], element: Row) -> list[Any]:
    declared = element.get("type", [])
    targets = sorted({url.removeprefix(CORE) for each in declared for url in each.get("targetProfile", ()) if url.startswith(CORE)})
    flags = int(element.get("isModifier", False)) + 2 * int(element.get("isSummary", False))
    most = -1 if element["max"] == "*" else int(element["max"])
    return [name, types, element["min"], most, flags, targets, _binding(element), _invariants(element)]


def _binding(element: Row) -> list[str] | None:
    binding = element.get("binding")
    if not binding or "valueSet" not in binding:
        return None
    most = [extension["valueCanonical"] for extension in binding.get("extension", ()) if extension["url"] == MAX_VALUE_SET]
    return [binding["strength"], *(url.partition("|")[0] for url in (binding["valueSet"], *most))]


def _invariants(element: Row) -> list[list[str]]:
    """The rules stated at this element itself; those of its type are stated there. A quantity that must be a simple one is asked that."""
    here = list(element.get("constraint", ()))
    if any(SIMPLE_QUANTITY in declared.get("profile", ()) for declared in element.get("type", ())):
        here.append(SIMPLE)
    return [
        [rule["key"], rule["severity"], rule["expression"]]
        for rule in here
        if "expression" in rule and rule["key"] not in ("ele-1", "ext-1")
    ]
