"""FHIR operations: a file each, with its definition and its handler, and one line in :data:`OPERATIONS`.

An operation declares where it is called (system, type, instance), what it takes, and which right it needs; the routes, the check of what
comes in, the OperationDefinition under ``/fhir/OperationDefinition`` and the CapabilityStatement follow from that.
Verbs: ``answer``, ``answer_parameters``.
"""

from __future__ import annotations

from itertools import groupby

from penstock.api.operations import (
    closure,
    convert,
    document,
    everything,
    expand,
    find_matches,
    graphql,
    lastn,
    lookup,
    meta,
    subsumes,
    translate,
    validate,
    validate_code,
    versions,
)
from penstock.api.operations.call import Call, answer, answer_parameters, handler
from penstock.api.operations.operation import HL7, Level, Operation, Parameter, definition
from penstock.api.router import Route

__all__ = ["HL7", "OPERATIONS", "Call", "Operation", "Parameter", "answer", "answer_parameters", "definition", "operation_routes"]

#: Every operation that is served.
OPERATIONS: tuple[Operation, ...] = (
    closure.CLOSURE,
    convert.CONVERT,
    document.DOCUMENT,
    everything.ENCOUNTER_EVERYTHING,
    everything.PATIENT_EVERYTHING,
    expand.EXPAND,
    find_matches.FIND_MATCHES,
    graphql.GRAPHQL,
    lastn.LASTN,
    lookup.LOOKUP,
    meta.META,
    meta.META_ADD,
    meta.META_DELETE,
    subsumes.SUBSUMES,
    translate.TRANSLATE,
    validate.VALIDATE,
    validate_code.CODE_SYSTEM_VALIDATE_CODE,
    validate_code.VALUE_SET_VALIDATE_CODE,
    versions.VERSIONS,
)

_PATHS: dict[Level, str] = {
    "system": "/fhir",
    "type": "/fhir/{type}",
    "instance": "/fhir/{type}/{id}",
    "version": "/fhir/{type}/{id}/_history/{version}",
}


def operation_routes(operations: tuple[Operation, ...] = OPERATIONS) -> tuple[Route, ...]:
    """One route for each code and level; operations of one code on different types share it, and must share its policy."""
    routes = []
    for code, group in groupby(sorted(operations, key=lambda each: each.code), key=lambda each: each.code):
        members = list(group)
        for level, path in _PATHS.items():
            at_level = [each for each in members if level in each.levels]
            if at_level:
                routes.append(_route(f"{path}/${code}", level, at_level))
    return tuple(routes)


def _route(path: str, level: Level, operations: list[Operation]) -> Route:
    policies = {each.policy for each in operations}
    if len(policies) > 1:
        raise ValueError(f"the operations at {path} have different policies")
    methods = tuple(dict.fromkeys(method for each in operations for method in each.methods))
    return Route(path, methods, policies.pop(), handler(level, operations), f"${operations[0].code}: {operations[0].text}")
