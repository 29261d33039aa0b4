"""``$closure`` (http://hl7.org/fhir/R4/conceptmap-operation-closure.html): subsumption for clients that keep their own index."""

from __future__ import annotations

import re

from penstock.api.operations.call import Call, answer
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.db import Tx
from penstock.errors import Problem
from penstock.store.closure import Named, Relation, add, begin, held, since
from penstock.terminology.closure import concept_map, related
from penstock.terminology.library import Library

_VERSION = re.compile(r"\d{1,15}")
_MOST_NAME = 200


async def _closure(parts: Parts, request: Request, call: Call) -> Reply:
    request.access.require("update", "ConceptMap")
    name, known = _name(call), parts.terminology.library()
    given = [_named(each) for each in call.many("concept")]
    after = call.one("version")
    if given and after is not None:
        raise Problem("invalid", "either concepts are added, or what came after a version is asked for", at="Parameters")
    async with parts.database.transaction() as tx:
        version, relations = await _answered(tx, request.access.tenant, name, given, after, known)
    return answer(request, concept_map(name, version, relations, parts.clock.now().isoformat(timespec="seconds")))


async def _answered(tx: Tx, tenant: str, name: str, given: list[Named], after: str | None, known: Library) -> tuple[int, list[Relation]]:
    """What is to be told, and the version of the table after it."""
    if after is not None:
        if not _VERSION.fullmatch(after):
            raise Problem("invalid", "this is no version that an answer of ours has", at="Parameters.version")
        return await since(tx, tenant, name, int(after))
    if not given:
        await begin(tx, tenant, name)
        return 0, []
    version, before = await held(tx, tenant, name, {system for system, _ in given})
    fresh, relations = related(given, before, known)
    if not fresh:
        return version, []
    return await add(tx, tenant, name, fresh, relations), relations


def _name(call: Call) -> str:
    name: str = call.one("name")
    if len(name) > _MOST_NAME:
        raise Problem("invalid", "the name of a closure table is too long", at="Parameters.name")
    return name


def _named(coding: dict[str, str]) -> Named:
    if not coding.get("system") or not coding.get("code"):
        raise Problem("required", "a concept of a closure table has a system and a code", at="Parameters.concept")
    return coding["system"], coding["code"]


CLOSURE = Operation(
    "closure",
    _closure,
    "token",
    ("system",),
    "How the concepts that a client uses are related by subsumption",
    parameters=(
        Parameter("name", "string", 1, text="The closure table; a call with nothing else begins it anew"),
        Parameter("concept", "Coding", most=None, text="Concepts that are added"),
        Parameter("version", "string", text="Answer again all that came after this version"),
        Parameter("return", "ConceptMap", 1, use="out", text="The relations that are new: each concept, with those that subsume it"),
    ),
    changes=True,
    canonical=HL7 + "ConceptMap-closure",
)
