"""The cases of the HL7 terminology ecosystem tests (data/suites/terminology-tx): read, and their answers compared.

The suite writes R5: a request's filter ``child-of`` becomes the extension that R4 has for it, and the extensions in which R4 tells the
properties of an expansion are read as R5's elements. Words are each server's own (the suite takes them from a file that the server's
makers give), so where the suite has words, there must be some.
"""

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

_R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet."
_PATTERNS = {
    "id": r"[A-Za-z0-9\-.]{1,64}",
    "uuid": r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "instant": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "date": r"\d{4}(-\d\d(-\d\d(T.*)?)?)?",
    "semver": r"\d+\.\d+\.\d+.*",
    "version": r"[^|\s]+",
    "url": r"\S+:\S+",
    "token": r"\S+",
    "string": r"(?s).+",
}
#: OperationOutcome.issue.location is deprecated for expression; the suite's own answers have it in some cases and not in others.
_DEPRECATED = {"location"}


@dataclass(frozen=True)
class Case:
    suite: str
    name: str
    operation: str
    request: dict[str, Any]
    response: dict[str, Any]
    flat: dict[str, Any] | None
    headers: dict[str, str]
    refused: bool


def read(folder: Path) -> tuple[list[Case], dict[str, list[dict[str, Any]]]]:
    """The cases, and the definitions of each suite."""
    with tarfile.open(folder / "tests.tar.xz") as archive:
        files = {
            each.name.removeprefix("tests/"): archive.extractfile(each) for each in archive.getmembers() if each.name.endswith(".json")
        }
        content = {name: json.loads(file.read().decode("utf-8-sig")) for name, file in files.items() if file}
    suites = content["test-cases.json"]["suites"]
    cases = [_case(suite["name"], row, content) for suite in suites for row in suite["tests"]]
    return cases, {suite["name"]: [as_r4(content[name]) for name in suite["setup"]] for suite in suites}


def _case(suite: str, row: dict[str, Any], content: dict[str, Any]) -> Case:
    return Case(
        suite,
        row["name"],
        row["operation"],
        content.get(row.get("request", ""), {}),
        content[row["response"]],
        content.get(row.get("response:flat", "")),
        {"accept-language": row["Accept-Language"]} if "Accept-Language" in row else {},
        row.get("http-code") == "4xx",
    )


def as_r4(resource: Any) -> Any:
    """R4 has no ``child-of``: it comes in the extension for the element."""
    if isinstance(resource, list):
        return [as_r4(each) for each in resource]
    if not isinstance(resource, dict):
        return resource
    if resource.get("op") == "child-of":
        extension = {"url": _R5 + "compose.include.filter.op", "valueCode": "child-of"}
        return {**{key: value for key, value in resource.items() if key != "op"}, "_op": {"extension": [extension]}}
    return {key: as_r4(value) for key, value in resource.items()}


def as_r5(value: Any) -> Any:
    """The properties of an expansion as R5's elements."""
    if isinstance(value, list):
        return [as_r5(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: as_r5(each) for key, each in value.items() if key != "extension"}
    rest = []
    for each in value.get("extension", ()):
        if each["url"] in (_R5 + "expansion.property", _R5 + "expansion.contains.property"):
            found.setdefault("property", []).append(_property(each))
        else:
            rest.append(as_r5(each))
    return {**found, "extension": rest} if rest else found


def _property(extension: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for part in extension["extension"]:
        key = next(key for key in part if key.startswith("value"))
        found[key if part["url"] == "value" else part["url"]] = part[key]
    return found


def differences(expected: Any, actual: Any, at: str = "", worded: bool = False) -> Iterator[str]:
    """Where an answer is not what the suite expects."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        yield from _of_objects(expected, actual, at)
    elif isinstance(expected, list) and isinstance(actual, list):
        yield from _of_lists(expected, actual, at)
    elif isinstance(expected, str) and isinstance(actual, str):
        if not _fits(expected, actual, worded):
            yield f"{at}: {expected!r} is {actual!r}"
    elif isinstance(expected, (int, float)) and isinstance(actual, (int, float)) and not isinstance(expected, bool):
        if Decimal(str(expected)) != Decimal(str(actual)):
            yield f"{at}: {expected} is {actual}"
    elif type(expected) is not type(actual) or expected != actual:
        yield f"{at}: {expected!r} is {actual!r}"


def _of_objects(expected: dict[str, Any], actual: dict[str, Any], at: str) -> Iterator[str]:
    optional = {*expected.get("$optional-properties$", ()), *_DEPRECATED}
    worded = expected.get("name") == "message"
    names = {name for name in expected if not name.startswith("$")}
    for name in names | set(actual):
        if name not in names:
            if name not in optional:
                yield f"{at}.{name} is not expected"
        elif name in actual:
            words = name in ("text", "diagnostics") or (worded and name == "valueString")
            yield from differences(expected[name], actual[name], f"{at}.{name}", words)
        elif name not in optional and not _is_optional(expected[name]):
            yield f"{at}.{name} is missing"


def _is_optional(expected: Any) -> bool:
    """Whether something may be missing: what is marked so, and a list of nothing else."""
    if isinstance(expected, list):
        return all(map(_is_optional, expected))
    return isinstance(expected, dict) and "$optional$" in expected


def _of_lists(expected: list[Any], actual: list[Any], at: str) -> Iterator[str]:
    """Order does not matter; what is marked as optional may be missing."""
    left = list(expected)
    for item in actual:
        found = next((each for each in left if not any(differences(each, item))), None)
        if found is None:
            yield f"{at}: not expected: {json.dumps(item)[:300]}"
        else:
            left.remove(found)
    for each in left:
        if not _is_optional(each):
            yield f"{at}: missing: {json.dumps(each)[:300]}"


def _fits(expected: str, actual: str, worded: bool) -> bool:
    if worded or expected.startswith(("$external:", "$fragments:")) or expected == "$$":
        return bool(actual)
    if expected.startswith("$choice:"):
        return actual in expected[8:-1].split("|")
    pieces = re.split(r"\$(\w+)\$", expected)
    pattern = "".join(_PATTERNS[piece] if place % 2 else re.escape(piece) for place, piece in enumerate(pieces))
    return re.fullmatch(pattern, actual) is not None
