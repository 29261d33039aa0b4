"""SearchParameter and CompartmentDefinition to two tables.

Search parameter: ``[code, type, expression, targets, comparators, components, url, bases]``; a component is
``[definition url, expression]``. Compartment: type name to ``{resource type: [search parameter codes]}``; ``{def}`` in the list means
the resource itself.
"""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
CORE = "http://hl7.org/fhir/SearchParameter/"


def table(parameters: list[Row], compartments: list[Row]) -> dict[str, Any]:
    return {
        "parameters": [_parameter(row) for row in _real(parameters)],
        "compartments": {
            row["code"]: {entry["code"]: entry.get("param", []) for entry in row["resource"]}
            for row in compartments
            if row["id"] == row["code"].lower()  # the definitions hold an example of a compartment, too
        },
    }


def _real(parameters: list[Row]) -> list[Row]:
    """Those that apply to something and are not the specification's own examples; one for each base and code."""
    chosen: dict[tuple[str, str], Row] = {}
    for row in parameters:
        if "base" not in row or "example" in row["id"]:
            continue
        for base in row["base"]:
            key = (base, row["code"])
            if key not in chosen or row["url"] == f"{CORE}{base}-{row['code']}":
                chosen[key] = row
    kept = {row["url"]: row for row in chosen.values()}
    return [kept[url] for url in sorted(kept)]


def _parameter(row: Row) -> list[Any]:
    components = [[component["definition"], component["expression"]] for component in row.get("component", ())]
    return [
        row["code"],
        row["type"],
        row.get("expression", ""),
        sorted(row.get("target", ())),
        row.get("comparator", []),
        components,
        row["url"],
        sorted(row["base"]),
    ]
