"""Vital signs (http://hl7.org/fhir/R4/observation-vitalsigns.html): an Observation with one of these codes follows the profile of the sign.

R4 asks this of every system that records one of them, whether or not the resource claims the profile.
"""

from __future__ import annotations

from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.items import Item
from penstock.formats.fhir.validate.profile.apply import World

LOINC = "http://loinc.org"
_PROFILES = "http://hl7.org/fhir/StructureDefinition/"
#: Code of LOINC to the name of the profile.
SIGNS: dict[str, str] = {
    "85353-1": "vitalspanel",
    "9279-1": "resprate",
    "8867-4": "heartrate",
    "2708-6": "oxygensat",
    "8310-5": "bodytemp",
    "8302-2": "bodyheight",
    "9843-4": "headcircum",
    "29463-7": "bodyweight",
    "39156-5": "bmi",
    "85354-9": "bp",
}


def check(item: Item, world: World) -> list[Issue]:
    """What the profiles of the vital signs say that an Observation is about; nothing where one was asked before."""
    issues: list[Issue] = []
    for coding in item.value.get("code", {}).get("coding", ()):
        if coding.get("system") == LOINC and (name := SIGNS.get(coding.get("code", ""))):
            issues += world.apply(item, _PROFILES + name) or ()
    return issues
