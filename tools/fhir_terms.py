"""CodeSystem and ValueSet to three tables: what required bindings allow, the code systems, and how value sets are composed.

Bindings: value set to ``{system: [codes]}``, null where the set is open (mime types, units, currencies) or not published with R4.
Code system: ``[name, content, case sensitive, concepts]``; a concept is ``[code, display, parent's index or -1]``.
Value set: ``[name, include, exclude]``; a rule is ``[system, codes, filters, value sets]``.
"""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
Codes = dict[str, list[str]]


def bindings(elements: dict[str, list[Any]], sets: list[Row], systems: list[Row]) -> dict[str, Codes | None]:
    """Every value set that some element of R4 requires, expanded where it is closed."""
    wanted = {binding[1] for _, _, _, members, _ in elements.values() for *_, binding, _ in members if binding and binding[0] == "required"}
    known = {row["url"]: row for row in sets}
    complete = {row["url"]: [code for code, _, _ in _concepts(row)] for row in systems if row["content"] == "complete"}
    return {url: _expand(known[url], complete) if url in known else None for url in sorted(wanted)}


def _expand(value_set: Row, systems: dict[str, list[str]]) -> Codes | None:
    compose = value_set["compose"]
    if "exclude" in compose:
        return None
    codes: Codes = {}
    for rule in compose["include"]:
        system = rule.get("system", "")
        if "filter" in rule or "valueSet" in rule or not ("concept" in rule or system in systems):
            return None
        listed = [concept["code"] for concept in rule["concept"]] if "concept" in rule else systems[system]
        codes.setdefault(system, []).extend(listed)
    return codes


def code_systems(systems: list[Row]) -> dict[str, list[Any]]:
    return {
        row["url"]: [row["name"], row["content"], int(row.get("caseSensitive", True)), _concepts(row)]
        for row in systems
        if "concept" in row
    }


def value_sets(sets: list[Row]) -> dict[str, list[Any]]:
    return {
        row["url"]: [row["name"], _rules(row["compose"].get("include", ())), _rules(row["compose"].get("exclude", ()))]
        for row in sets
        if "compose" in row
    }


def _concepts(system: Row) -> list[list[Any]]:
    """The tree, flattened in order; a child written as a property counts like a nested one."""
    found: list[list[Any]] = []

    def walk(concepts: list[Row], parent: int) -> None:
        for concept in concepts:
            found.append([concept["code"], concept.get("display", ""), parent])
            walk(concept.get("concept", []), len(found) - 1)

    walk(system.get("concept", []), -1)
    _adopt(system, found)
    return found


def _adopt(system: Row, found: list[list[Any]]) -> None:
    places = {code: place for place, (code, _, _) in enumerate(found)}
    for concept in system.get("concept", []):
        for each in concept.get("property", []):
            child = places.get(each.get("valueCode", "")) if each["code"] == "child" else None
            if child is not None:
                found[child][2] = places[concept["code"]]


def _rules(rules: list[Row]) -> list[list[Any]]:
    return [
        [
            rule.get("system", ""),
            [concept["code"] for concept in rule.get("concept", ())],
            [[each["property"], each["op"], each["value"]] for each in rule.get("filter", ())],
            rule.get("valueSet", []),
        ]
        for rule in rules
    ]
