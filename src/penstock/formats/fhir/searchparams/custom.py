"""SearchParameter resources read as search parameters (http://hl7.org/fhir/R4/searchparameter.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.canonical import Canonicals
from penstock.formats.fhir.definitions import SearchParam, r4
from penstock.formats.fhir.searchparams.parameters import Parameters, concrete

Resource = dict[str, Any]

#: Kinds of parameters that the values of an expression can be indexed for.
KINDS = frozenset(("number", "date", "string", "token", "reference", "composite", "quantity", "uri"))
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9\-]{0,63}")
#: A choice written as JSON has it, ``valueDateTime``: guides do so, though FHIRPath knows only ``value``.
_CHOICE = re.compile(r"\.value([A-Z][A-Za-z]*)\b")
#: Parameters beyond R4's own.
MOST = 200


class Refused(NamedTuple):
    """A definition that is in force but cannot be searched by, and why."""

    url: str
    problem: Problem


def read(resource: Resource) -> SearchParam:
    """The search parameter that a resource defines. A Problem says what is wrong with it, or what we do not do."""
    code, kind, expression = resource.get("code") or "", resource.get("type") or "", _plain(resource.get("expression") or "")
    bases = tuple(resource.get("base") or ())
    if not (_CODE.fullmatch(code) or code in r4().search_params("Patient")):  # _id and the like are R4's own
        raise Problem("value", "the code of a search parameter begins with a letter, then letters, digits and hyphens", at="code")
    if kind not in KINDS:
        raise Problem("not-supported", "search parameters of this type cannot be added", at="type")
    if not bases or not all(concrete(base) for base in bases):
        raise Problem("value", "a base is a resource type of FHIR R4", at="base")
    if not expression:
        raise Problem("required", "a search parameter that is to be used has an expression", at="expression")
    components = tuple((each.get("definition") or "", each.get("expression") or "") for each in resource.get("component") or ())
    if (kind == "composite") != bool(components):
        raise Problem("structure", "a composite search parameter has components, and no other has", at="component")
    targets = tuple(sorted(set(resource.get("target") or ()) & r4().resource_types))
    param = SearchParam(
        code, kind, expression, targets, tuple(resource.get("comparator") or ()), components, resource.get("url") or "", bases
    )
    _compiles(param)
    return param


def _plain(expression: str) -> str:
    """The expression with its choices as FHIRPath writes them."""
    return _CHOICE.sub(lambda match: f".value.ofType({_type_of(match[1])})", expression)


def _type_of(written: str) -> str:
    primitive = written[:1].lower() + written[1:]
    return primitive if primitive in r4().data_types else written


def _compiles(param: SearchParam) -> None:
    """Write the function of each type: whatever the expression names must be there."""
    try:
        trial = Parameters((param,))
        for type in {type for base in param.bases for type in concrete(base)}:
            trial.extract({"resourceType": type})
    except Problem as problem:
        raise Problem(problem.code, problem.text, at="component" if param.components else "expression") from None
    except (RecursionError, MemoryError, SyntaxError):
        raise Problem("too-costly", "the expression is nested too deep", at="expression") from None


def in_use(resource: Resource) -> bool:
    """Whether a definition is meant to be searched by: drafts and retired ones are only kept."""
    return resource.get("status") == "active" and resource.get("url") not in r4().params_by_url


def check(resource: Resource) -> None:
    """Refuse to store a definition that says it is in use and cannot be."""
    if in_use(resource):
        read(resource)


def gather(canonicals: Canonicals) -> tuple[list[SearchParam], list[Refused]]:
    """The search parameters that definitions add, in the order of their URLs, and those that cannot be used."""
    found: list[SearchParam] = []
    refused: list[Refused] = []
    for resource in sorted(_newest(canonicals.all("SearchParameter")), key=lambda each: str(each.get("url"))):
        try:
            found.append(read(resource))
        except Problem as problem:
            refused.append(Refused(resource.get("url") or "", problem))
    return found[:MOST], refused + [
        Refused(each.url, Problem("too-costly", "there are too many search parameters")) for each in found[MOST:]
    ]


def _newest(resources: Iterable[Resource]) -> list[Resource]:
    """One definition a URL: the last that is in use."""
    return list({resource.get("url"): resource for resource in resources if in_use(resource)}.values())
