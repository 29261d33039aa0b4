"""Types of which the specification says in words what no table and no invariant states."""

from __future__ import annotations

import binascii
from collections.abc import Callable

from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate import bundles, measures, questionnaires, structures, vitals
from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.items import Item
from penstock.formats.fhir.validate.profile.apply import World

Check = Callable[[Item, World], list[Issue]]


def attachment(item: Item, world: World) -> list[Issue]:
    """The size of an attachment is that of its data (datatypes.html#Attachment)."""
    data, size = item.value.get("data"), item.value.get("size")
    if not isinstance(data, str) or not isinstance(size, int):
        return []
    try:
        actual = len(binascii.a2b_base64(data))
    except ValueError:
        return []
    return [] if actual == size else [Issue("error", "value", "the stated size is not that of the data", f"{item.at}.size", "size")]


def coding(item: Item, world: World) -> list[Issue]:
    """The display is one that the code system has for the code (datatypes.html#Coding)."""
    severity = world.policy.wrong_display
    if not severity or "display" not in item.value or world.shows(item) is not False:
        return []
    return [Issue(severity, "code-invalid", "the display is none that the code has", f"{item.at}.display", "display")]


def reference(item: Item, world: World) -> list[Issue]:
    """A reference into the Bundle or to what is contained leads to a resource of the type that it says (bundle.html#references)."""
    text = item.value.get("reference")
    if not isinstance(text, str):
        return []
    found = world.place.matches(text)
    told = world.target_type(item)
    if found and told and told != found[0].get("resourceType") and told in r4().resource_types:
        return [Issue("error", "structure", "the reference leads to a resource of another type than it says", item.at, "target")]
    return []


#: Type to its check.
SPECIAL: dict[str, Check] = {
    "Attachment": attachment,
    "Bundle": bundles.check,
    "Coding": coding,
    "MeasureReport": measures.check,
    "Observation": vitals.check,
    "Questionnaire": questionnaires.check_questionnaire,
    "QuestionnaireResponse": questionnaires.check_response,
    "Reference": reference,
    "StructureDefinition": structures.check,
}
