"""A small TestScript engine (http://hl7.org/fhir/R4/testscript.html): it plays a script and says what each assertion found.

What it does not know raises: an assertion is never passed over. ``warningOnly`` assertions count like the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from lxml import etree

from penstock.formats.fhir import json, xml
from penstock.formats.fhir.path import compile
from penstock.formats.fhir.validate import check

Resource = dict[str, Any]

_MEDIA = {"json": "application/fhir+json", "xml": "application/fhir+xml"}
_NAMESPACES = {"fhir": "http://hl7.org/fhir"}
#: TestScript.action.assert.response to the statuses that it stands for (valueset-assert-response-code-types.html).
_RESPONSES = {
    "okay": (200,), "created": (201,), "noContent": (204,), "notModified": (304,), "bad": (400,), "forbidden": (403,), "notFound": (404,),
    "methodNotAllowed": (405,), "conflict": (409,), "gone": (410,), "preconditionFailed": (412,), "unprocessable": (422,),
}  # fmt: skip
_METHODS = {
    "read": "GET", "vread": "GET", "search": "GET", "history": "GET", "capabilities": "GET", "create": "POST", "update": "PUT",
    "delete": "DELETE",
}  # fmt: skip


class Verdict(NamedTuple):
    """One assertion: where it stands in the script, and why it does not hold (empty when it does)."""

    place: str
    reason: str


@dataclass
class Run:
    """One script on one server. ``given`` are the variables that a tester enters."""

    client: httpx.AsyncClient
    folder: Path
    script: Resource
    given: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._fixtures: dict[str, Resource] = {}
        self._responses: dict[str, httpx.Response] = {}
        self._last: httpx.Response | None = None
        for fixture in self.script.get("fixture", ()):
            self._fixtures[fixture["id"]] = json.decode((self.folder / fixture["resource"]["reference"]).read_bytes())

    async def verdicts(self) -> list[Verdict]:
        """Play everything: setup, tests, teardown."""
        found: list[Verdict] = []
        parts = [("setup", self.script.get("setup", {})), *((test["id"], test) for test in self.script["test"])]
        for name, part in (*parts, ("teardown", self.script.get("teardown", {}))):
            for action in part.get("action", ()):
                if "operation" in action:
                    await self._operate(action["operation"])
                else:
                    label = action["assert"].get("label", "?")
                    found.append(Verdict(f"{name}: {label}", self._reason(action["assert"])))
        return found

    async def _operate(self, operation: Resource) -> None:
        code = operation["type"]["code"]
        headers = {"accept": _MEDIA[operation.get("accept", "json")]}
        for header in operation.get("requestHeader", ()):
            headers[header["field"]] = self._filled(header["value"])
        body = None
        if "sourceId" in operation:
            media = operation.get("contentType", "json")
            source = self._fixtures[operation["sourceId"]]
            body, headers["content-type"] = (xml.encode(source) if media == "xml" else json.encode(source)), _MEDIA[media]
        self._last = await self.client.request(_METHODS[code], self._url(code, operation), content=body, headers=headers)
        if "responseId" in operation:
            self._responses[operation["responseId"]] = self._last

    def _url(self, code: str, operation: Resource) -> str:
        if "url" in operation:
            return self._filled(operation["url"])
        if code == "capabilities":
            return "/fhir/metadata"
        url = f"/fhir/{operation['resource']}"
        if "targetId" in operation:
            url += "/" + self._fixtures[operation["targetId"]]["id"]
        if code == "history":
            url += "/_history"
        return url + self._filled(operation.get("params", ""))

    def _filled(self, text: str) -> str:
        """``text`` with its ``${variables}``."""
        return re.sub(r"\$\{(\w+)\}", lambda name: self._variable(name[1]), text)

    def _variable(self, name: str) -> str:
        variable = next(each for each in self.script["variable"] if each["name"] == name)
        if name in self.given:
            return self.given[name]
        if "defaultValue" in variable:
            return str(variable["defaultValue"])
        if "headerField" in variable:
            return self._responses[variable["sourceId"]].headers.get(variable["headerField"], "")
        (value,) = _at_path(self._source(variable["sourceId"]), variable["path"])
        return value

    def _source(self, id_: str | None) -> Resource:
        if id_ is None or id_ in self._responses:
            response = self._last if id_ is None else self._responses[id_]
            assert response is not None
            kind = response.headers.get("content-type", "")
            return xml.decode(response.content) if "xml" in kind else json.decode(response.content)
        return self._fixtures[id_]

    def _reason(self, claim: Resource) -> str:
        """Why an assertion does not hold; empty when it does."""
        kind = next((kind for kind in _KINDS if kind in claim), None)
        if kind is None:
            raise NotImplementedError(f"an assertion by {sorted(claim)}")
        return _KINDS[kind](self, claim)

    @property
    def response(self) -> httpx.Response:
        assert self._last is not None
        return self._last

    def _compared(self, claim: Resource) -> str:
        """A value at a path, or of an expression, with a literal one or the one at a path of another source."""
        source = self._source(claim.get("sourceId"))
        found = _evaluated(source, claim.get("expression"), claim.get("path"))
        wanted = [claim.get("value")]
        if "compareToSourceId" in claim:
            other = self._source(claim["compareToSourceId"])
            wanted = _evaluated(other, claim.get("compareToSourceExpression"), claim.get("compareToSourcePath"))
        return _compare(claim, ",".join(found), ",".join(map(str, wanted)))

    def _minimum(self, claim: Resource) -> str:
        return "" if _within(self._fixtures[claim["minimumId"]], self._source(claim.get("sourceId"))) else "less than the minimum"

    def _conforms(self, claim: Resource) -> str:
        profile = next(each["reference"] for each in self.script["profile"] if each["id"] == claim["validateProfileId"])
        resource = self._source(claim.get("sourceId"))
        if profile != f"http://hl7.org/fhir/StructureDefinition/{resource['resourceType']}":
            return "is of another type"
        return "; ".join(f"{issue.at}: {issue.text}" for issue in check(resource))

    def _links(self, claim: Resource) -> str:
        links = {link["relation"]: link["url"] for link in self._source(None).get("link", ())}
        return "" if "self" in links and all(url.startswith("http") for url in links.values()) else "the links lead nowhere"


_Check = Callable[[Run, Resource], str]
#: What an assertion is about to the check of it, the most telling property first.
_KINDS: dict[str, _Check] = {
    "expression": Run._compared,
    "path": Run._compared,
    "minimumId": Run._minimum,
    "validateProfileId": Run._conforms,
    "navigationLinks": Run._links,
    "responseCode": lambda run, claim: _compare(claim, str(run.response.status_code), claim["responseCode"]),
    "response": lambda run, claim: "" if run.response.status_code in _RESPONSES[claim["response"]] else f"is {run.response.status_code}",
    "contentType": lambda run, claim: _compare(
        claim, run.response.headers.get("content-type", "").partition(";")[0], claim["contentType"], "contains"
    ),
    "headerField": lambda run, claim: _compare(claim, run.response.headers.get(claim["headerField"], ""), claim.get("value", "")),
    "requestURL": lambda run, claim: _compare(claim, str(run.response.request.url), claim["requestURL"]),
    "responseBody": lambda run, claim: _compare(claim, run.response.text, claim["responseBody"]),
    "resource": lambda run, claim: _compare(claim, str(run._source(claim.get("sourceId")).get("resourceType")), claim["resource"]),
}
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "equals": lambda found, wanted: found == wanted,
    "notEquals": lambda found, wanted: found != wanted,
    "in": lambda found, wanted: found in wanted.split(","),
    "notIn": lambda found, wanted: found not in wanted.split(","),
    "contains": lambda found, wanted: wanted in found,
    "notEmpty": lambda found, wanted: found != "",
    "matchesRegex": lambda found, wanted: re.search(wanted, found) is not None,
}


def _compare(claim: Resource, found: str, wanted: str, default: str = "equals") -> str:
    operator = claim.get("operator", default)
    return "" if _OPERATORS[operator](found, wanted) else f"{found[:60]!r} is not {operator} {wanted[:60]!r}"


def _evaluated(source: Resource, expression: str | None, path: str | None) -> list[str]:
    if expression is not None:
        return [str(each).lower() if isinstance(each, bool) else str(each) for each in compile(expression, source["resourceType"])(source)]
    assert path is not None
    return _at_path(source, path)


def _at_path(source: Resource, path: str) -> list[str]:
    """The first value at an XPath of the resource as XML; a path without the prefix of the namespace walks the JSON."""
    if path.startswith("fhir:"):
        return [str(each) for each in etree.fromstring(xml.encode(source)).xpath("/" + path, namespaces=_NAMESPACES)][:1]
    value: Any = source
    for name in path.split("/")[1:]:
        value = value[name]
    return [str(value)]


def _within(least: Any, found: Any) -> bool:
    """Whether everything in ``least`` is in ``found``; lists hold at least those items, in any order."""
    if isinstance(least, dict):
        return isinstance(found, dict) and all(name in found and _within(value, found[name]) for name, value in least.items())
    if isinstance(least, list):
        return isinstance(found, list) and all(any(_within(each, other) for other in found) for each in least)
    return bool(least == found)
