"""Identifiers of a resource: which of them identifies it, and how it is spelled in a key."""

from __future__ import annotations

from penstock.convert.rows import table
from penstock.convert.run import Resource, Run

PREFERENCE = {row["type"]: int(row["rank"]) for row in table("codes", "identifier-preference")}
UNTYPED, LATE = 50, 99


def type_code(identifier: Resource) -> str:
    for coding in identifier.get("type", {}).get("coding", ()):
        code = coding.get("code")
        if code:
            return str(code)
    return ""


def rank(identifier: Resource) -> int:
    """Medical record numbers first: a sender always gives his own; then numbers with an authority; then the rest."""
    code = type_code(identifier)
    if code:
        return PREFERENCE.get(code, UNTYPED)
    return UNTYPED if "system" in identifier else LATE


def preferred(body: Resource) -> Resource | None:
    if "identifier" not in body:
        return None
    found = [one for one in body.get("identifier", ()) if one.get("value")]
    return min(found, key=rank) if found else None


def spelled(run: Run, identifier: Resource) -> str:
    return f"{identifier.get('system') or 'facility:' + run.facility}|{identifier['value']}"


def of_type(body: Resource, *codes: str) -> Resource | None:
    return next((one for code in codes for one in body.get("identifier", ()) if one.get("value") and type_code(one) == code), None)
