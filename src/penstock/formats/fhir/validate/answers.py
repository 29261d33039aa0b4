"""One answer by its question: its type, its options, its limits (http://hl7.org/fhir/R4/valueset-item-type.html)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from penstock.formats.fhir.validate.enablement import same_answer, value_in
from penstock.formats.fhir.validate.items import Item
from penstock.formats.fhir.validate.profile.apply import World
from penstock.formats.fhir.validate.profile.compare import below
from penstock.formats.fhir.validate.references import type_named

Json = dict[str, Any]
#: Issue code, words, and the kind of rule.
Verdict = tuple[str, str, str]

#: Type of a question to the types that its answers have, as JSON names them.
TYPES: dict[str, frozenset[str]] = {
    "boolean": frozenset(("Boolean",)),
    "decimal": frozenset(("Decimal",)),
    "integer": frozenset(("Integer",)),
    "date": frozenset(("Date",)),
    "dateTime": frozenset(("DateTime",)),
    "time": frozenset(("Time",)),
    "string": frozenset(("String",)),
    "text": frozenset(("String",)),
    "url": frozenset(("Uri",)),
    "choice": frozenset(("Coding",)),
    "open-choice": frozenset(("Coding", "String")),
    "attachment": frozenset(("Attachment",)),
    "reference": frozenset(("Reference",)),
    "quantity": frozenset(("Quantity",)),
}


def judged(question: Json, answer: Json, world: World) -> Iterator[Verdict]:
    """What is wrong with an answer."""
    given = value_in(answer, "value")
    if given is None:
        return
    type, value = given
    options = [option for each in question.get("answerOption", ()) if (option := value_in(each, "value")) is not None]
    allowed = TYPES.get(str(question.get("type")), frozenset((type,))) | {name for name, _ in options}
    if type not in allowed:
        yield "value", "the answer is of another type than its question", "type"
        return
    is_free = question.get("type") == "open-choice" and type == "String"
    if options and not is_free and not any(name == type and same_answer(option, value) for name, option in options):
        yield "code-invalid", "the answer is none of the options of its question", "answerOption"
    if not is_free and not _in_value_set(question, type, value, world):
        yield "code-invalid", "the answer is not in the value set of its question", "answerValueSet"
    yield from _limits(question, value)


def _in_value_set(question: Json, type: str, value: Any, world: World) -> bool:
    value_set = question.get("answerValueSet")
    if not isinstance(value_set, str) or type not in ("Coding", "String"):
        return True
    return world.coded(Item(value, None, "Coding" if type == "Coding" else "code", ""), value_set) is not False


def _limits(question: Json, value: Any) -> Iterator[Verdict]:
    longest = question.get("maxLength")
    if isinstance(longest, int) and isinstance(value, str) and len(value) > longest:
        yield "value", "the answer is longer than its question allows", "maxLength"
    resources = []
    for extension in question.get("extension", ()):
        name, limit = str(extension.get("url", "")).rpartition("/")[2], value_in(extension, "value")
        if name == "questionnaire-referenceResource" and limit:
            resources.append(limit[1])
        if limit and (test := _LIMITS.get(name)) and test(value, limit[1]):
            yield "value", "the answer is outside the limits of its question", name
    if resources and isinstance(value, dict) and type_named(value) not in ("", *resources):
        yield "structure", "the answer refers to a type that its question does not allow", "questionnaire-referenceResource"


def _places(value: Any) -> int:
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


#: Extensions of a question that limit its answers, by the end of their URLs: whether an answer breaks the limit.
_LIMITS: dict[str, Callable[[Any, Any], bool]] = {
    "minValue": lambda value, limit: below(value, limit) is True,
    "maxValue": lambda value, limit: below(limit, value) is True,
    "sdc-questionnaire-minQuantity": lambda value, limit: below(value, limit) is True,
    "sdc-questionnaire-maxQuantity": lambda value, limit: below(limit, value) is True,
    "minLength": lambda value, limit: isinstance(value, str) and len(value) < limit,
    "maxDecimalPlaces": lambda value, limit: _places(value) > limit,
    "maxSize": lambda value, limit: isinstance(value, dict) and "size" in value and value["size"] > limit,
}
