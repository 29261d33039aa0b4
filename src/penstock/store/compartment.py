"""The patient compartment (http://hl7.org/fhir/R4/compartmentdefinition-patient.html): what an Access bound to one patient may see.

A type that the compartment does not name is closed to such an access, except for the :data:`SHARED` ones, which say nothing about any
patient.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from penstock.auth.access import Access
from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.store.hashing import prefix, self_hash
from penstock.store.layout import layout
from penstock.store.row import reference_token

#: Types without patients in them, which a patient's own resources point at.
SHARED = frozenset(
    "ActivityDefinition CodeSystem ConceptMap Endpoint HealthcareService InsurancePlan Location Measure Medication MedicationKnowledge"
    " Organization OrganizationAffiliation PlanDefinition Practitioner PractitionerRole Questionnaire StructureDefinition Substance"
    " ValueSet".split()
)


class Bounds(NamedTuple):
    """What marks a row of one type as the patient's own: the patient column, or one of these tokens."""

    pat: int | None
    tokens: frozenset[int]

    def hold(self, pat: int | None, tokens: Collection[int]) -> bool:
        """Whether a row with this patient column and these tokens is inside."""
        return (self.pat is not None and pat == self.pat) or not self.tokens.isdisjoint(tokens)


def bounds(access: Access, type: str) -> Bounds | None:
    """The bounds of ``access`` within a type: None for no bounds; a type that is closed raises ``forbidden``."""
    return None if access.patient is None else _bounds(access.tenant, access.patient, type)


@lru_cache(maxsize=4096)
def _bounds(tenant: str, patient: str, type: str) -> Bounds | None:
    if type in SHARED:
        return None
    params = r4().compartment("Patient").get(type, ())
    if not params and type != "Patient":
        raise Problem("forbidden", "this resource type is outside of the patient's compartment")
    shape = layout(type)
    tokens = {reference_token(prefix(tenant, type, param), "Patient", patient) for param in params if param != "{def}"}
    columned = type == "Patient" or not shape.patients.isdisjoint(params)
    return Bounds(self_hash(tenant, "Patient", patient) if columned else None, frozenset(tokens))


def restriction(access: Access, type: str, first: int) -> tuple[str, list[object]]:
    """SQL (beginning with ``and``) that keeps to the patient, with its arguments numbered from ``first``."""
    found = bounds(access, type)
    if found is None:
        return "", []
    return f"and (pat = ${first}::int8 or tok && ${first + 1}::int8[])", [found.pat, list(found.tokens)]
