"""What the terminology operations share: the parameters that all of them take, and the definitions that a request brings along.

Beyond R4 they take what terminology servers of others take: ``tx-resource`` (definitions for this request only), ``useSupplement``, and
versions of code systems. ``cache-id`` is understood and not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.api.fhir.read import present
from penstock.api.operations.call import Call
from penstock.api.operations.operation import Parameter
from penstock.api.parts import Parts
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate import require
from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.library import Library, Pins
from penstock.terminology.valueset import ValueSet

Resource = dict[str, Any]

#: Taken by every terminology operation.
COMMON: tuple[Parameter, ...] = (
    Parameter("tx-resource", "Resource", most=None, text="Definitions that count for this request, before those that are known here"),
    Parameter("useSupplement", "canonical", most=None, text="Supplements of code systems that are to be applied"),
    Parameter("cache-id", "id", text="Understood, and not needed"),
)
VERSIONS: tuple[Parameter, ...] = (
    Parameter("system-version", "canonical", most=None, text="system|version: the version to use where a value set names none"),
    Parameter("check-system-version", "canonical", most=None, text="system|version: an error where another version is used"),
    Parameter("force-system-version", "canonical", most=None, text="system|version: the version to use, whatever a value set names"),
    Parameter("default-valueset-version", "canonical", most=None, text="url|version: the version of an imported value set"),
)
DATE = Parameter("date", "dateTime", text="As of when the definitions are to be taken: an error where one of them is newer")
LANGUAGE = Parameter("displayLanguage", "code", text="The languages of displays, the one that is wanted most first")


def library(parts: Parts, call: Call, *resources: Resource) -> Library:
    """The definitions in force, with what the request brings and asks for."""
    brought = [*resources, *call.many("tx-resource")]
    for each in brought:
        require(each)
    return parts.terminology.library().derive(brought, _pins(call), tuple(map(str, call.many("useSupplement"))))


async def value_set(parts: Parts, request: Request, call: Call, known: Library) -> ValueSet:
    """The value set of the call: the one of the path, the one that is sent, or the one of a URL."""
    sent, url, context = call.one("valueSet"), call.one("url"), call.one("context")
    if call.id is not None:
        sent = await stored(parts, request, call)
    elif sent is not None:
        require(sent)
    elif context is not None and url is None:
        url = _bound(parts, context)
    if url is None and sent is None:
        raise Problem("required", "this operation needs a value set: by its url, sent as valueSet, or in the path", at="Parameters.url")
    found = known.compiled(sent) if sent is not None else known.value_set(_versioned(url, call.one("valueSetVersion")))
    as_of(call, *definitions(found))
    return found


def _versioned(url: str, version: str | None) -> str:
    return f"{url}|{version}" if version and "|" not in url else url


def as_of(call: Call, *definitions: Resource) -> None:
    """Refuse definitions that are newer than the date that the request asks for: older ones are not kept to answer by."""
    asked = str(call.one("date", ""))
    if asked and any(_is_later(each.get("date", ""), asked) for each in definitions):
        raise Problem("not-supported", "a definition that this needs is newer than the date that is asked for", at="Parameters.date")


def _is_later(one: str, other: str) -> bool:
    shared = min(len(one), len(other))
    return one[:shared] > other[:shared]


def definitions(found: ValueSet) -> list[Resource]:
    """Every definition that a value set is made of, its own first."""
    clauses = list(found.clauses())
    sets = [each.resource for clause in clauses for each in clause.imports]
    return [found.resource, *sets, *(clause.system.resource for clause in clauses if isinstance(clause.system, CodeSystem))]


async def stored(parts: Parts, request: Request, call: Call) -> Resource:
    """The resource that the path names."""
    assert call.type and call.id
    async with parts.database.connection() as tx:
        return present(await parts.store.read(tx, request.access, call.type, call.id)).resource()


def _pins(call: Call) -> Pins:
    usual = {**_versions(call, "default-valueset-version"), **_versions(call, "system-version")}
    return Pins(_versions(call, "force-system-version"), usual, _versions(call, "check-system-version"))


def _versions(call: Call, name: str) -> Mapping[str, str]:
    pairs = [str(each).partition("|") for each in call.many(name)]
    if not all(url and version for url, _, version in pairs):
        raise Problem("invalid", "a version is given as system|version", at=f"Parameters.{name}")
    return {url: version for url, _, version in pairs}


def _bound(parts: Parts, context: str) -> str:
    """The value set that an element is bound to; ``context`` is the URL of its profile or type, ``#`` and its path."""
    profile, _, path = context.partition("#")
    definition = parts.canonicals.find("StructureDefinition", profile)
    found = _binding_in(definition, path) if definition is not None else _binding_of(profile, path)
    if found is None:
        raise Problem("not-found", "the context names no element that is known here and bound to a value set", at="Parameters.context")
    return found


def _binding_in(definition: Resource, path: str) -> str | None:
    for view in ("snapshot", "differential"):
        for element in definition.get(view, {}).get("element", ()):
            if path in (element.get("id"), element.get("path")) and "binding" in element:
                bound: str | None = element["binding"].get("valueSet")
                return bound
    return None


def _binding_of(profile: str, path: str) -> str | None:
    if not profile.startswith("http://hl7.org/fhir/StructureDefinition/") or path.partition(".")[0] != profile.rpartition("/")[2]:
        return None
    element = r4().type_at(path)
    return element.binding.value_set if element is not None and element.binding is not None else None
