"""Deterministic ids: the same business identifiers give the same resource id, so that the same message again changes nothing.

A key is text; an id is the version 5 UUID of it in our own namespace. Keys hold the tenant, the type, and what identifies the thing:
a system and value; for numbers without an authority the sender's facility stands for it. What nothing identifies takes the message's
control id and its position there: again the same for the same message.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1
from uuid import UUID

from penstock.convert import order_keys
from penstock.convert.numbers import of_type, preferred, spelled, type_code
from penstock.convert.run import Instance, Resource, Run

#: the hash of the namespace alone: each id continues a copy of it
NAMESPACE = sha1(UUID("5b1c0c5e-3f0e-5d52-9d6c-6f3c2f6b7a10").bytes, usedforsecurity=False)
#: the digit of the variant, with the two bits that RFC 4122 fixes
VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
SUB_ID = "http://hl7.org/fhir/StructureDefinition/observation-v2-subid"
LATE = 99


def uuid(key: str) -> str:
    """RFC 4122 version 5, written out."""
    hashed = NAMESPACE.copy()
    hashed.update(key.encode())
    h = hashed.hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"


class Identities:
    """Gives each resource of one conversion its key and id, parents first."""

    def __init__(self, run: Run, near: Callable[[Instance, str], Instance | None]) -> None:
        self.run, self.near = run, near
        self.ends: dict[int, str] = {}
        self.message = f"message:{run.facility}|{run.message.get('MSH-10')}|{run.message.get('MSH-7')}"

    def assign(self, instances: list[Instance]) -> None:
        seen: dict[str, int] = {}
        to: dict[int, Instance] = {}
        tenant = self.run.context.tenant
        for instance in sorted(instances, key=order_of):
            if instance.type == "PractitionerRole":
                to = to or {id(node): end for node, end in self.run.references}
                ends = [instance.body.get(name) for name in ("practitioner", "organization")]
                self.ends = {id(end): to[id(end)].id for end in ends if id(end) in to}
            make = KEYS.get(instance.type, named)
            key = instance.key or make(self, instance)
            if instance.type in EACH or not key:
                key = apart(instance, key or f"{self.message}|{instance.type}|{instance.source}", seen)
            instance.key = key
            instance.id = uuid(f"{tenant}|{instance.type}|{key}")
            instance.reference = f"{instance.type}/{instance.id}"

    def id_near(self, instance: Instance, type: str) -> str:
        found = self.near(instance, type)
        return found.id if found is not None else ""


def apart(instance: Instance, key: str, seen: dict[str, int]) -> str:
    """Two results with one key in one message are two results; orders with one number are told apart by their service."""
    if key in seen and instance.type == "ServiceRequest" and (service := concept(instance.body.get("code"))):
        key = f"{key}|{service}"
    seen[key] = seen.get(key, 0) + 1
    return f"{key}|#{seen[key]}" if seen[key] > 1 else key


def named(identities: Identities, instance: Instance) -> str:
    """A person, organization or thing: its preferred identifier, else its name."""
    found = preferred(instance.body)
    if found is not None:
        return spelled(identities.run, found)
    name = instance.body.get("name")
    if isinstance(name, list) and name:
        text = " ".join((name[0].get("family", ""), *name[0].get("given", ())))
        return f"name:{identities.run.facility}|{text}" if text.strip() else ""
    return f"name:{identities.run.facility}|{name}" if name else ""


def patient(identities: Identities, instance: Instance) -> str:
    found = preferred(instance.body)
    return spelled(identities.run, found) if found is not None else ""


def encounter(identities: Identities, instance: Instance) -> str:
    """The visit number; else the patient and the account; else the one current visit of the patient at that sender."""
    found = of_type(instance.body, "VN") or preferred(instance.body)
    if found is not None:
        return spelled(identities.run, found)
    who = identities.id_near(instance, "Patient")
    account = identities.run.message.get("PID-18")
    return f"{who}|{f'account:{identities.run.facility}|{account}' if account else 'visit:' + identities.run.facility}" if who else ""


def order(identities: Identities, instance: Instance) -> str:
    """The placer's number before the filler's: the order has it first, and each later message repeats it (HL7 v2.5.1, 4.5.1.2)."""
    found = of_type(instance.body, "PLAC") or of_type(instance.body, "FILL")
    return spelled(identities.run, found) if found is not None else ""


def report(identities: Identities, instance: Instance) -> str:
    """The filler's number before the placer's, with the service: one number may stand for several services."""
    found = of_type(instance.body, "FILL") or of_type(instance.body, "PLAC")
    if found is None:
        return ""
    return f"{spelled(identities.run, found)}|{concept(instance.body.get('code'))}"


def concept(code: Resource | None) -> str:
    if not code:
        return ""
    codings = code.get("coding", ())
    for coding in codings:
        if "code" in coding:
            return f"{coding.get('system', '')}|{coding['code']}"
    return str(code.get("text") or (codings[0].get("display") if codings else "") or "")


#: what an Observation of a message is part of
WHOLES = ("DiagnosticReport", "Immunization", "ServiceRequest", "MedicationAdministration", "MedicationDispense", "MedicationRequest")


def observation(identities: Identities, instance: Instance) -> str:
    """What it is part of, code, sub-id and, where there is one, the instance identifier (OBX-21): a correction is the same Observation."""
    whole = next((found for type in WHOLES if (found := identities.near(instance, type)) is not None), None)
    parent = whole.key if whole is not None else f"{identities.id_near(instance, 'Patient')}|{identities.id_near(instance, 'Encounter')}"
    code = concept(instance.body.get("code"))
    if not parent.strip("|") or not code:
        return ""
    own = preferred(instance.body)
    sub = sub_id(instance.body) if "extension" in instance.body else ""
    return f"{parent}|{instance.creator}|{code}|{sub}|{spelled(identities.run, own) if own else ''}"


def sub_id(body: Resource) -> str:
    """OBX-4, from the extension that holds it."""
    for extension in body.get("extension", ()):
        if extension.get("url") == SUB_ID:
            for one in extension.get("extension", ()):
                return str(one.get("valueString", ""))
            return ""
    return ""


def role(identities: Identities, instance: Instance) -> str:
    """A practitioner in a role: the practitioner, the organization and what the role is."""
    ends = [instance.body.get(name) for name in ("practitioner", "organization")]
    people = [identities.ends[id(end)] for end in ends if id(end) in identities.ends]
    parts = [*people, *(concept(code) for code in instance.body.get("code", ()))]
    return "|".join(parts) if people else ""


def of_patient(identities: Identities, instance: Instance) -> str:
    """Something that a patient has: an identifier, else its code, else its name, at that patient."""
    who = identities.id_near(instance, "Patient")
    if not who:
        return ""
    found = preferred(instance.body)
    if found is not None:
        return f"{who}|{spelled(identities.run, found)}"
    code = concept(instance.body.get("code"))
    names = instance.body.get("name")
    text = f"{names[0].get('family', '')}|{' '.join(names[0].get('given', ()))}" if isinstance(names, list) and names else ""
    return f"{who}|{code}|{text}" if code or text else ""


def of_message(identities: Identities, instance: Instance) -> str:
    """What tells of the message itself is known by the message and its place there."""
    return ""


def care_team(identities: Identities, instance: Instance) -> str:
    """Those who care for a patient at one sender are one team."""
    who = identities.id_near(instance, "Patient")
    return f"{who}|team:{identities.run.facility}" if who else ""


#: what registries write where an immunization has no number of its own (a refusal, a record of history)
NO_NUMBER = "9999"


def immunization(identities: Identities, instance: Instance) -> str:
    """The sender's number of the act; else who got what when."""
    found = of_type(instance.body, "FILL") or of_type(instance.body, "PLAC")
    if found is not None and found["value"] != NO_NUMBER:
        return spelled(identities.run, found)
    who, what = identities.id_near(instance, "Patient"), concept(instance.body.get("vaccineCode"))
    return f"{who}|{what}|{instance.body.get('occurrenceDateTime', '')}" if who and what else ""


def document(identities: Identities, instance: Instance) -> str:
    """The number of the document, which is its own for ever."""
    found = instance.body.get("masterIdentifier")
    return spelled(identities.run, found) if found and found.get("value") else ""


def coverage(identities: Identities, instance: Instance) -> str:
    """An insurance of a patient: the number of the policy, else the number of the subscriber and the plan."""
    who = identities.id_near(instance, "Patient")
    untyped = [one for one in instance.body.get("identifier", ()) if one.get("value") and "type" not in one]
    found = untyped[0] if untyped else preferred(instance.body)
    if not who or found is not None:
        return f"{who}|{spelled(identities.run, found)}" if who and found is not None else ""
    plan = [f"{type_code(one)}:{one.get('value', '')}" for one in instance.body.get("class", ())]
    own = "|".join(filter(None, (instance.body.get("subscriberId"), *plan)))
    return f"{who}|{identities.run.facility}|{own}" if own else ""


def account(identities: Identities, instance: Instance) -> str:
    """The account number, else the one account of that visit of the patient."""
    found = preferred(instance.body)
    if found is not None:
        return spelled(identities.run, found)
    who = identities.id_near(instance, "Patient")
    return f"{who}|{identities.id_near(instance, 'Encounter')}" if who else ""


def charge(identities: Identities, instance: Instance) -> str:
    """The number of the transaction (FT1-2), at that patient. Without one, two equal charges are two charges."""
    who, found = identities.id_near(instance, "Patient"), preferred(instance.body)
    return f"{who}|{spelled(identities.run, found)}" if who and found is not None else ""


KEYS: dict[str, Callable[[Identities, Instance], str]] = {
    "Patient": patient,
    "Encounter": encounter,
    "DiagnosticReport": report,
    "ServiceRequest": order,
    "Observation": observation,
    "PractitionerRole": role,
    "Condition": of_patient,
    "AllergyIntolerance": of_patient,
    "RelatedPerson": of_patient,
    "Coverage": coverage,
    "Procedure": of_patient,
    "Bundle": of_message,
    "MessageHeader": of_message,
    "Provenance": of_message,
    "CareTeam": care_team,
    "Immunization": immunization,
    "DocumentReference": document,
    "MedicationRequest": order_keys.prescription,
    "MedicationDispense": order_keys.of_order,
    "MedicationAdministration": order_keys.of_order,
    "Medication": order_keys.medication,
    "Account": account,
    "ChargeItem": charge,
}
#: parents before those whose keys name them
PARENTS = (
    "Patient",
    "Organization",
    "Practitioner",
    "Location",
    "PractitionerRole",
    "Encounter",
    "ServiceRequest",
    "DiagnosticReport",
    "Immunization",
    "MedicationRequest",
    "MedicationDispense",
    "MedicationAdministration",
)
ORDER = {name: place for place, name in enumerate(PARENTS)}


def order_of(instance: Instance) -> int:
    return ORDER.get(instance.type, LATE)


EACH = frozenset(
    {
        "Observation",
        "DiagnosticReport",
        "ServiceRequest",
        "Condition",
        "AllergyIntolerance",
        "Procedure",
        "Coverage",
        "Specimen",
        "Immunization",
        "MedicationRequest",
        "MedicationDispense",
        "MedicationAdministration",
        "Medication",
        "ChargeItem",
    }
)
