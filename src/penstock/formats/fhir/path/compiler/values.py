"""What the compiler knows of a value before it runs: its type, whether it is one or many, whether it can be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from penstock.formats.fhir.definitions import r4

#: What a part of an expression is asked for. "item": the items with all that belongs to them. "value": the values of primitives, which
#: those that only have extensions lack. "some": only whether there is anything.
Want = Literal["item", "value", "some"]

#: The type of what never holds anything: ``{}``.
NOTHING = "Nothing"
#: The type of what ``type()`` gives.
TYPE_INFO = "System.TypeInfo"


@dataclass(frozen=True, slots=True)
class Value:
    """``code`` is the name that holds it: one item or None, or a sequence when ``many``.

    ``type`` is None when the items tell theirs (:class:`~penstock.formats.fhir.path.items.Item`, or values of System). ``sure``: never
    None. ``boxes``: primitives of it may be Items. ``ordered``: their order means something.
    """

    code: str
    type: str | None
    many: bool = False
    sure: bool = False
    boxes: bool = False
    ordered: bool = True

    def as_(self, **changes: object) -> Value:
        return replace(self, **changes)  # type: ignore[arg-type] # its own fields

    @property
    def kind(self) -> str:
        """How its values are compared: see :data:`KINDS`; ``mixed`` when only the items tell, ``data`` for complex types."""
        return kind_of(self.type)


EMPTY = Value("None", NOTHING)
BOOLEAN, STRING, INTEGER, DECIMAL = "System.Boolean", "System.String", "System.Integer", "System.Decimal"

#: Types to what their JSON values are.
KINDS = {
    **dict.fromkeys((BOOLEAN, "boolean"), "boolean"),
    **dict.fromkeys((INTEGER, "integer", "positiveInt", "unsignedInt", "integer64"), "integer"),
    **dict.fromkeys((DECIMAL, "decimal"), "decimal"),
    **dict.fromkeys((STRING, "string", "code", "id", "markdown", "base64Binary", "xhtml"), "string"),
    **dict.fromkeys(("uri", "url", "canonical", "oid", "uuid"), "string"),
    **dict.fromkeys(("date", "dateTime", "instant", "time"), "temporal text"),
    **dict.fromkeys(("System.Date", "System.DateTime", "System.Time"), "temporal"),
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), "quantity data"),
    "System.Quantity": "quantity",
    NOTHING: "nothing",
}
#: Kinds whose JSON values Python compares as FHIRPath does.
SIMPLE = ("boolean", "integer", "decimal", "string")


def kind_of(type: str | None) -> str:
    return "mixed" if type is None else KINDS.get(type, "data")


def is_primitive(type: str | None) -> bool:
    definition = r4().type(type) if type else None
    return definition is not None and definition.kind == "primitive"


@dataclass(frozen=True, slots=True)
class Scope:
    """What ``$this``, ``$index``, ``$total`` and the variables mean at a place of the expression."""

    this: Value
    index: Value | None = None
    total: Value | None = None
    variables: Mapping[str, Value] = field(default_factory=dict)


#: Variables that FHIR defines for every expression (http://hl7.org/fhir/R4/fhirpath.html#variables), and beginnings of the names of others.
CODES = {"ucum": "http://unitsofmeasure.org", "sct": "http://snomed.info/sct", "loinc": "http://loinc.org"}
PREFIXES = {"vs-": "http://hl7.org/fhir/ValueSet/", "ext-": "http://hl7.org/fhir/StructureDefinition/"}
RESERVED = frozenset(("resource", "rootResource", "context", *CODES))
