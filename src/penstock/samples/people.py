"""Synthetic people, as FHIR Patients with a few Observations (seeded)."""

from __future__ import annotations

import random
import uuid
from datetime import date, timedelta
from typing import Any, NamedTuple

_FAMILY = (
    "Abara Brandt Castellanos Duval Eriksen Farrow Galanis Haverly Ibsen Jankowski Kaya Lindqvist Marchetti Novak Okafor Petrov "
    "Quill Rahimi Sandoval Tanaka Ulrich Varga Whitlock Xanthos Yilmaz Zielinski"
).split()
_GIVEN = {
    "female": "Ada Beatriz Chiara Dilara Eilidh Freya Greta Hana Ines Jola Kirsten Leila Maren Nadia Orla Priya Runa Tilda".split(),
    "male": "Anton Bilal Casper Dario Emeka Finn Goran Hugo Ilias Jonas Kofi Luca Mateus Nils Oskar Pavel Rafiq Stefan Timo Viktor".split(),
}
_STREETS = "Mill Lane,Harbour Road,Orchard Street,Station Approach,Chapel Hill,Kiln Close".split(",")
_TOWNS = (("Leeds", "LS1 4AB"), ("Bristol", "BS1 5TR"), ("Norwich", "NR2 1RF"), ("Dundee", "DD1 4BG"), ("Swansea", "SA1 3SN"))
_VITALS = (
    ("8867-4", "Heart rate", 58, 104, "beats/minute", "/min"),
    ("8310-5", "Body temperature", 36, 39, "degrees Celsius", "Cel"),
    ("8480-6", "Systolic blood pressure", 98, 164, "millimeter of mercury", "mm[Hg]"),
)


class Person(NamedTuple):
    """An invented person; ``mrn`` is unique within a run."""

    mrn: str
    family: str
    given: str
    gender: str
    born: date
    street: str
    town: str
    postcode: str


def people(count: int, *, seed: int = 1, first_mrn: int = 50001) -> list[Person]:
    """``count`` people; the same arguments give the same people."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        gender = chance.choice(("female", "male"))
        town, postcode = chance.choice(_TOWNS)
        found.append(
            Person(
                mrn=str(first_mrn + number),
                family=chance.choice(_FAMILY),
                given=chance.choice(_GIVEN[gender]),
                gender=gender,
                born=date(1930, 1, 1) + timedelta(days=chance.randrange(33_000)),
                street=f"{chance.randrange(1, 120)} {chance.choice(_STREETS)}",
                town=town,
                postcode=postcode,
            )
        )
    return found


def patient(person: Person) -> dict[str, Any]:
    """The person as an R4 Patient (without an id)."""
    return {
        "resourceType": "Patient",
        "identifier": [
            {
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
                "system": "urn:id:NORTHGATE",
                "value": person.mrn,
            }
        ],
        "name": [{"use": "official", "family": person.family, "given": [person.given]}],
        "gender": person.gender,
        "birthDate": person.born.isoformat(),
        "address": [{"line": [person.street], "city": person.town, "postalCode": person.postcode, "country": "GB"}],
    }


def vitals(subject: str, *, seed: int, at: str) -> list[dict[str, Any]]:
    """One Observation of each vital sign for the patient referred to as ``subject``, effective ``at``."""
    chance = random.Random(seed)
    return [
        {
            "resourceType": "Observation",
            "status": "final",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": display}]},
            "subject": {"reference": subject},
            "effectiveDateTime": at,
            "valueQuantity": {"value": chance.randint(low, high), "unit": unit, "system": "http://unitsofmeasure.org", "code": ucum},
        }
        for code, display, low, high, unit, ucum in _VITALS
    ]


def transaction(count: int, *, seed: int = 1) -> dict[str, Any]:
    """A transaction Bundle with ``count`` people and their vital signs, referring to each other by ``urn:uuid``.

    Sent twice it changes nothing the second time: people are known by their number, observations by their id.
    """
    entries = []
    for number, person in enumerate(people(count, seed=seed)):
        url = _uuid(f"{seed}-{number}").urn
        identifier = f"urn:id:NORTHGATE|{person.mrn}"
        entries.append(
            {"fullUrl": url, "resource": patient(person), "request": {"method": "PUT", "url": f"Patient?identifier={identifier}"}}
        )
        entries += [
            {"resource": observation | {"id": id_}, "request": {"method": "PUT", "url": f"Observation/{id_}"}}
            for place, observation in enumerate(vitals(url, seed=seed + number, at="2025-04-14T09:00:00Z"))
            for id_ in [str(_uuid(f"{seed}-{number}-{place}"))]
        ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _uuid(name: str) -> uuid.UUID:
    return uuid.UUID(int=random.Random(name).getrandbits(128), version=4)
