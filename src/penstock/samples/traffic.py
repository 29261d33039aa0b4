"""Synthetic HL7 v2 traffic: admissions, updates and laboratory results for invented people."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, cycle

from penstock.samples.people import Person, people

#: Thirty common laboratory tests: LOINC code, name, a value, UCUM unit, reference range.
_TESTS = (
    ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "4.2", "mmol/L", "3.5-5.1"),
    ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "139", "mmol/L", "136-145"),
    ("2075-0", "Chloride [Moles/volume] in Serum or Plasma", "103", "mmol/L", "98-107"),
    ("2028-9", "Carbon dioxide, total [Moles/volume] in Serum or Plasma", "25", "mmol/L", "22-29"),
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "97", "mg/dL", "70-99"),
    ("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma", "14", "mg/dL", "7-20"),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "0.9", "mg/dL", "0.5-1.1"),
    ("17861-6", "Calcium [Mass/volume] in Serum or Plasma", "9.4", "mg/dL", "8.6-10.3"),
    ("2885-2", "Protein [Mass/volume] in Serum or Plasma", "7.1", "g/dL", "6.4-8.3"),
    ("1751-7", "Albumin [Mass/volume] in Serum or Plasma", "4.3", "g/dL", "3.5-5.0"),
    ("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma", "0.6", "mg/dL", "0.1-1.2"),
    ("6768-6", "Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma", "71", "U/L", "44-147"),
    ("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "22", "U/L", "7-56"),
    ("1920-8", "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "19", "U/L", "10-40"),
    ("2324-2", "Gamma glutamyl transferase [Enzymatic activity/volume] in Serum or Plasma", "24", "U/L", "8-61"),
    ("2532-0", "Lactate dehydrogenase [Enzymatic activity/volume] in Serum or Plasma", "168", "U/L", "140-280"),
    ("3084-1", "Urate [Mass/volume] in Serum or Plasma", "5.2", "mg/dL", "2.4-7.0"),
    ("2777-1", "Phosphate [Mass/volume] in Serum or Plasma", "3.4", "mg/dL", "2.5-4.5"),
    ("2601-3", "Magnesium [Moles/volume] in Serum or Plasma", "0.82", "mmol/L", "0.66-1.07"),
    ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "182", "mg/dL", "0-200"),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", "13.4", "g/dL", "12.0-16.0"),
    ("4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count", "40.1", "%", "36-46"),
    ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "6.8", "10*3/uL", "4.5-11.0"),
    ("789-8", "Erythrocytes [#/volume] in Blood by Automated count", "4.5", "10*6/uL", "4.0-5.2"),
    ("777-3", "Platelets [#/volume] in Blood by Automated count", "251", "10*3/uL", "150-400"),
    ("787-2", "MCV [Entitic volume] by Automated count", "89", "fL", "80-100"),
    ("785-6", "MCH [Entitic mass] by Automated count", "29.8", "pg", "27-33"),
    ("786-4", "MCHC [Mass/volume] by Automated count", "33.4", "g/dL", "32-36"),
    ("788-0", "Erythrocyte distribution width [Ratio] by Automated count", "13.1", "%", "11.5-14.5"),
    ("1988-5", "C reactive protein [Mass/volume] in Serum or Plasma", "2.1", "mg/L", "0-5"),
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
    """An ORU^R01 with one order and ``results`` numeric observations, up to thirty different ones."""
    segments = [
        msh("ORU_R01", "ORU_R01", control_id, sender="LAB"),
        pid(person),
        f"PV1|1|I|AMU^1^A^NORTHGATE||||||||||||||||V{person.mrn}^^^NORTHGATE^VN",
        f"ORC|RE|P{control_id}^WARD_SYSTEM|F{control_id}^LAB",
        f"OBR|1|P{control_id}^WARD_SYSTEM|F{control_id}^LAB|24323-8^Comprehensive metabolic panel^LN|||20250414113000+0000" + "|" * 15
        + "20250414115500+0000||CH|F",
    ]  # fmt: skip
    for number in range(1, results + 1):
        code, display, value, unit, normal = _TESTS[(number - 1) % len(_TESTS)]
        part = (number - 1) // len(_TESTS) or ""  # OBX-4 tells the same test apart where it is given more than once
        segments.append(f"OBX|{number}|NM|{code}^{display}^LN|{part}|{value}|{unit}^^UCUM|{normal}|N|||F|||20250414113000+0000")
    return "\r".join(segments).encode() + b"\r"


def admissions(*, prefix: str, patients: int = 1000, seed: int = 1) -> Iterator[bytes]:
    """Endless ADT messages over ``patients`` people: each is admitted, then updated again and again; control ids never repeat."""
    everyone = people(patients, seed=seed)
    for number, person in zip(count(), cycle(everyone), strict=False):
        trigger = "A01" if number < patients else "A08"
        yield adt(person, f"{prefix}{number:08d}", trigger=trigger, bed=1 + number // patients)
