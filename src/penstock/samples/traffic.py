"""Synthetic HL7 v2 traffic: admissions, updates and laboratory results for invented people."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, cycle

from penstock.samples.people import Person, people

_TESTS = (
    ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "4.2", "mmol/L", "3.5-5.1"),
    ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "139", "mmol/L", "136-145"),
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "97", "mg/dL", "70-99"),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", "13.4", "g/dL", "12.0-16.0"),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "0.9", "mg/dL", "0.5-1.1"),
)


def pid(person: Person) -> str:
    """The PID segment of a person."""
    return (
        f"PID|1||{person.mrn}^^^NORTHGATE^MR||{person.family}^{person.given}||{person.born:%Y%m%d}|{person.gender[0].upper()}"
        f"|||{person.street}^^{person.town}^^{person.postcode}^GBR"
    )


def msh(trigger: str, structure: str, control_id: str, *, sender: str = "WARD_SYSTEM") -> str:
    """A version 2.5.1 MSH in UTF-8."""
    kind = trigger.replace("_", "^")
    return (
        f"MSH|^~\\&|{sender}|NORTHGATE|PENSTOCK|NORTHGATE|20250414120000+0000||{kind}^{structure}|{control_id}|P|2.5.1||||||UNICODE UTF-8"
    )


def adt(person: Person, control_id: str, *, trigger: str = "A01", ward: str = "AMU", bed: int = 1) -> bytes:
    """An ADT message (trigger A01, A02, A03 or A08) about a person's only visit."""
    structure = {"A02": "ADT_A02", "A03": "ADT_A03"}.get(trigger, "ADT_A01")
    segments = (
        msh(f"ADT_{trigger}", structure, control_id),
        f"EVN|{trigger}|20250414120000+0000",
        pid(person),
        f"PV1|1|I|{ward}^{bed}^A^NORTHGATE||||60001^Lindqvist^Maja^^^Dr^^^NORTHGATE|||MED|||||||||V{person.mrn}^^^NORTHGATE^VN"
        + "|" * 25
        + "20250414080000+0000",
    )
    return "\r".join(segments).encode() + b"\r"


def oru(person: Person, control_id: str, *, results: int = 30) -> bytes:
    """An ORU^R01 with one order and ``results`` numeric observations."""
    segments = [
        msh("ORU_R01", "ORU_R01", control_id, sender="LAB"),
        pid(person),
        f"PV1|1|I|AMU^1^A^NORTHGATE||||||||||||||||V{person.mrn}^^^NORTHGATE^VN",
        f"ORC|RE|P{control_id}^WARD_SYSTEM|F{control_id}^LAB",
        f"OBR|1|P{control_id}^WARD_SYSTEM|F{control_id}^LAB|24323-8^Comprehensive metabolic panel^LN|||20250414113000+0000" + "|" * 15
        + "20250414115500+0000||CH|F",
    ]  # fmt: skip
    for number in range(1, results + 1):
        code, display, value, unit, normal = _TESTS[number % len(_TESTS)]
        segments.append(f"OBX|{number}|NM|{code}^{display}^LN|{number}|{value}|{unit}^^UCUM|{normal}|N|||F|||20250414113000+0000")
    return "\r".join(segments).encode() + b"\r"


def admissions(*, prefix: str, patients: int = 1000, seed: int = 1) -> Iterator[bytes]:
    """Endless ADT messages over ``patients`` people: each is admitted, then updated again and again; control ids never repeat."""
    everyone = people(patients, seed=seed)
    for number, person in zip(count(), cycle(everyone), strict=False):
        trigger = "A01" if number < patients else "A08"
        yield adt(person, f"{prefix}{number:08d}", trigger=trigger, bed=1 + number // patients)
