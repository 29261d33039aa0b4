"""Small definitions that the tests here share."""

from typing import Any

from penstock.formats.fhir.canonical import Shelf
from penstock.terminology import Terminology

ANIMALS = "http://example.org/cs/animals"


def code_system(url: str, *concepts: Any, **more: Any) -> dict[str, Any]:
    rows = [each if isinstance(each, dict) else {"code": each} for each in concepts]
    return {"resourceType": "CodeSystem", "url": url, "status": "active", "content": "complete", "concept": rows, **more}


def value_set(url: str, *include: dict[str, Any], **more: Any) -> dict[str, Any]:
    exclude, inactive = more.pop("exclude", None), more.pop("inactive", None)
    compose: dict[str, Any] = {"include": list(include)}
    compose |= {"exclude": exclude} if exclude else {}
    compose |= {"inactive": inactive} if inactive is not None else {}
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": compose, **more}


def filtered(property: str, operator: str, value: str, system: str = ANIMALS) -> dict[str, Any]:
    return {"system": system, "filter": [{"property": property, "op": operator, "value": value}]}


def animals(**more: Any) -> dict[str, Any]:
    """mammal > (dog > puppy, cat); bird > duck; platypus below both; dodo is retired; beast only groups."""
    tree = {
        "code": "beast",
        "display": "Beast",
        "property": [{"code": "notSelectable", "valueBoolean": True}],
        "concept": [
            {
                "code": "mammal",
                "display": "Mammal",
                "concept": [
                    {"code": "dog", "display": "Dog", "property": [{"code": "legs", "valueInteger": 4}], "concept": [{"code": "puppy"}]},
                    {"code": "cat", "display": "Cat", "designation": [{"language": "de", "value": "Katze"}]},
                ],
            },
            {"code": "bird", "display": "Bird", "concept": [{"code": "duck", "property": [{"code": "legs", "valueInteger": 2}]}]},
        ],
    }
    platypus = {"code": "platypus", "property": [{"code": "parent", "valueCode": each} for each in ("mammal", "bird")]}
    dodo = {"code": "dodo", "display": "Dodo", "property": [{"code": "status", "valueCode": "retired"}]}
    return code_system(ANIMALS, tree, platypus, dodo, **{"version": "1", "language": "en", **more})


def terminology(*resources: dict[str, Any]) -> Terminology:
    return Terminology(Shelf(resources))
