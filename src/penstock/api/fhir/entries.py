"""The entries of a batch or transaction, read (http://hl7.org/fhir/R4/bundle.html#bundle, http.html#transaction)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any

from penstock.errors import Problem, Problems
from penstock.formats.fhir import patch

Resource = dict[str, Any]

#: The most entries that one Bundle may have.
MOST = 10_000
#: The order in which a transaction does its entries, whatever order they have (http.html#2.21.0.17.2).
ORDER = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
_BODIED = ("POST", "PUT", "PATCH")
#: By (has a body, is an operation): what the resource of an entry may be.
_FORMS: dict[tuple[bool, bool], tuple[type, ...]] = {(True, False): (dict,), (True, True): (dict, NoneType), (False, False): (NoneType,)}
_READ = re.compile(r"(?!.*\.\.)[A-Za-z0-9\-._/$*]*(?:\?\S*)?")
_WRITTEN = re.compile(r"([A-Za-z]+)(?:/([A-Za-z0-9\-.]{1,64}))?(?:\?(\S*))?")
_CALLED = re.compile(r"(?:([A-Za-z]+)(?:/([A-Za-z0-9\-.]{1,64})(?:/_history/[1-9]\d*)?)?/)?\$([a-z\-]+)(?:\?\S*)?")
_TEXTS = ("ifMatch", "ifNoneExist", "ifNoneMatch", "ifModifiedSince")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. ``target`` is its URL below ``/fhir/``; ``at`` is its place in the Bundle; ``operation`` is what it calls, if it does."""

    number: int
    method: str
    target: str
    type: str
    id: str | None
    criteria: str | None
    full_url: str | None
    resource: Resource | None
    conditions: dict[str, str]
    operation: str | None = None

    @property
    def at(self) -> str:
        return f"Bundle.entry[{self.number}]"

    @property
    def reads(self) -> bool:
        """Whether it only looks."""
        return self.method in ("GET", "HEAD")

    @property
    def writes(self) -> bool:
        """Whether it changes a resource by itself: neither a read nor an operation."""
        return not self.reads and self.operation is None

    @property
    def condition(self) -> str | None:
        """The search that finds what is written: of a conditional create, update, patch or delete."""
        return self.conditions.get("ifNoneExist") if self.method == "POST" else self.criteria

    @property
    def subject(self) -> tuple[str, str] | None:
        """What is written, where the entry says so: a type with an id or a condition."""
        name = self.id or self.condition
        return (self.type, name) if name else None


def entries(bundle: Resource, base: str) -> Iterator[Entry | Problem]:
    """Every entry of a Bundle, or what is wrong with it; ``base`` is the URL of our FHIR endpoint."""
    found = bundle.get("entry", [])
    if not isinstance(found, list):
        raise Problem("structure", "this is a list", at="Bundle.entry")
    if len(found) > MOST:
        raise Problem("too-long", "a Bundle has more entries than this server accepts", at="Bundle.entry")
    for number, entry in enumerate(found):
        try:
            yield _entry(number, entry, base)
        except Problem as problem:
            yield problem


def within(problem: Problem, at: str) -> Problem:
    """A problem of an entry as a problem of the Bundle: ``Patient.name`` becomes ``Bundle.entry[2].resource.name``."""
    if isinstance(problem, Problems):
        return Problems([within(each, at) for each in problem.problems])
    if problem.at.startswith("Bundle."):
        return problem
    _, dot, rest = problem.at.partition(".")
    inside = f"{at}.resource.{rest}" if dot and problem.at[0].isupper() else at
    return Problem(problem.code, problem.text, at=inside)


def _entry(number: int, entry: Any, base: str) -> Entry:
    at = f"Bundle.entry[{number}]"
    if not isinstance(entry, dict):
        raise Problem("structure", "this is an object", at=at)
    request = entry.get("request")
    if not isinstance(request, dict):
        raise Problem("required", "an entry of a batch or transaction has a request", at=f"{at}.request")
    method = request.get("method")
    if method not in ORDER:
        raise Problem("not-supported", "an entry is a GET, HEAD, POST, PUT, PATCH or DELETE", at=f"{at}.request.method")
    target = _target(request.get("url"), base, at)
    type_, id_, criteria, operation = _subject(method, target, at)
    resource: Any = entry.get("resource")
    if type(resource) not in _FORMS[method in _BODIED, operation is not None]:
        raise Problem("required", "a POST, PUT or PATCH has a resource, and nothing else has", at=f"{at}.resource")
    if method == "PATCH":
        _require_patch(resource, at)
    full_url = entry.get("fullUrl")
    if full_url is not None and not isinstance(full_url, str):
        raise Problem("structure", "this is a text", at=f"{at}.fullUrl")
    return Entry(number, method, target, type_, id_, criteria, full_url, resource, _conditions(request, at), operation)


def _require_patch(resource: Resource, at: str) -> None:
    try:
        patch.of_resource(resource)
    except Problem as problem:
        raise Problem(problem.code, problem.text, at=f"{at}.resource") from None


def _subject(method: str, target: str, at: str) -> tuple[str, str | None, str | None, str | None]:
    """Type, id, criteria and operation that a target names."""
    if method in ("GET", "HEAD"):
        if not _READ.fullmatch(target):
            raise Problem("invalid", "the URL of an entry is one of this server", at=f"{at}.request.url")
        return "", None, None, None
    if method == "POST" and (called := _CALLED.fullmatch(target)):
        return called[1] or "", called[2], None, called[3]
    found = _WRITTEN.fullmatch(target)
    if found is None:
        raise Problem("invalid", "the URL of an entry is a type, or a resource of this server", at=f"{at}.request.url")
    type_, id_, criteria = found.groups()
    if method == "POST" and (id_ or criteria):
        raise Problem("invalid", "a POST names a type, and nothing else", at=f"{at}.request.url")
    return type_, id_, criteria, None


def _target(url: Any, base: str, at: str) -> str:
    if not isinstance(url, str):
        raise Problem("required", "an entry has a URL", at=f"{at}.request.url")
    return url.removeprefix(base).removeprefix("/")


def _conditions(request: Resource, at: str) -> dict[str, str]:
    given = {name: request[name] for name in _TEXTS if name in request}
    for name, value in given.items():
        if not isinstance(value, str) or not value.isprintable():
            raise Problem("structure", "this is a text", at=f"{at}.request.{name}")
    return given
