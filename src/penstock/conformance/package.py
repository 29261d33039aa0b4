"""An implementation-guide package in the FHIR NPM format: read, not loaded.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification. Definitions are the JSON files directly in the folder ``package``;
what is in other folders (examples, OpenAPI, schematrons) defines nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import zstandard

from penstock.conformance.archive import Limits, files
from penstock.conformance.definition import KINDS, Definition, definition_of, kind_of
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.fhir.searchparams import custom

_NAME = re.compile(r"(?:@[a-z0-9][a-z0-9-]*/)?[A-Za-z0-9][A-Za-z0-9.-]{0,99}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")
#: What this server is: packages for it are for one of these.
VERSIONS = ("4.0", "4.0.1", "4.0.0")
#: Packages whose content every Penstock has.
BUILT_IN = frozenset({"hl7.fhir.r4.core", "hl7.fhir.core", "hl7.fhir.r4.expansions"})


class Content(NamedTuple):
    """A definition of a package: what an operator calls it, what it is compared by, its bytes, packed, and why it cannot be used, if so."""

    definition: Definition
    kind: str
    digest: bytes
    packed: bytes
    flaw: str


class Package(NamedTuple):
    """What was read. ``left_out`` are (file, reason) of what looks like a definition and cannot be used."""

    name: str
    version: str
    digest: bytes
    manifest: dict[str, Any]
    definitions: list[Content]
    left_out: list[tuple[str, str]]

    @property
    def dependencies(self) -> dict[str, str]:
        """Name to version of what it says it needs."""
        found: dict[str, str] = self.manifest["dependencies"]
        return found


def read_package(data: bytes, limits: Limits = Limits()) -> Package:
    """The package in the bytes of a ``.tgz``; what is no package, or one for another FHIR, is a Problem."""
    manifest: dict[str, Any] | None = None
    definitions: dict[tuple[str, str, str], Content] = {}
    pack = zstandard.ZstdCompressor(level=6).compress
    left_out: list[tuple[str, str]] = []
    for path, content in files(data, limits):
        folder, _, name = path.removeprefix("./").rpartition("/")
        if folder != "package" or not name.endswith(".json") or name.startswith("."):
            continue
        if name == "package.json":
            manifest = _manifest(content)
            continue
        try:
            found = _content(content, pack)
        except Problem as problem:
            left_out.append((name[:120], problem.text))
            continue
        if found is not None:
            definition = found.definition
            definitions[definition.type, definition.url, definition.version] = found
    if manifest is None:
        raise Problem("structure", "this archive holds no package/package.json: it is not a FHIR package")
    _refuse_foreign(manifest)
    return Package(
        manifest["name"], manifest["version"], hashlib.sha256(data).digest(), manifest, list(definitions.values()), left_out
    )  # fmt: skip


def digest_of(body: bytes) -> bytes:
    """What two definitions are compared by."""
    return hashlib.sha256(body).digest()


def _content(file: bytes, pack: Callable[[bytes], bytes]) -> Content | None:
    """A definition, kept as canonical JSON; None for another resource."""
    resource = json.decode(file)
    if resource.get("resourceType") not in KINDS:
        return None
    body = json.encode(resource)
    definition = definition_of(body)
    if definition is None:
        raise Problem("required", "this definition has no URL to ask for it by")
    if len(definition.url) > 2000 or len(definition.version) > 200:
        raise Problem("too-long", "the URL or the version of this definition is longer than is accepted")
    return Content(definition, kind_of(definition, body), digest_of(body), pack(body), _flaw(resource))


def _flaw(resource: dict[str, Any]) -> str:
    """Why a search parameter cannot be searched by; it is loaded all the same, as what the guide says."""
    if resource["resourceType"] == "SearchParameter":
        try:
            custom.read(resource)
        except Problem as problem:
            return problem.text
    return ""


def _manifest(content: bytes) -> dict[str, Any]:
    """What the package says of itself, as far as it matters here."""
    said = json.decode(content)
    name, version = said.get("name"), said.get("version")
    if not (isinstance(name, str) and _NAME.fullmatch(name) and isinstance(version, str) and _VERSION.fullmatch(version)):
        raise Problem("required", "a package has a name and a version", at="package.json")
    dependencies = said.get("dependencies") or {}
    if not isinstance(dependencies, dict) or not all(isinstance(each, str) for each in dependencies.values()):
        raise Problem("structure", "the dependencies of a package are names and versions", at="package.json")
    versions = said.get("fhirVersions", said.get("fhir-version-list")) or []
    return {
        "name": name,
        "version": version,
        "title": _text(said.get("title")),
        "canonical": _text(said.get("canonical")),
        "fhirVersions": [each for each in versions if isinstance(each, str)] if isinstance(versions, list) else [],
        "dependencies": {each: dependencies[each] for each in sorted(dependencies)},
    }


def _text(value: Any) -> str:
    return value[:500] if isinstance(value, str) else ""


def _refuse_foreign(manifest: dict[str, Any]) -> None:
    """Without ``fhirVersions`` the dependency on a core package tells which FHIR it is for."""
    versions = manifest["fhirVersions"] or [
        version for name, version in manifest["dependencies"].items() if re.fullmatch(r"hl7\.fhir\.(r\d\w?\.)?core", name)
    ]
    if versions and not any(version in VERSIONS for version in versions):
        raise Problem("not-supported", "this package is for another version of FHIR than R4", at="package.json")
