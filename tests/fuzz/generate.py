"""Requests without an end: every interaction of the server, with values that it did not hope for. The same seed gives the same requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from penstock.api.operations import OPERATIONS
from penstock.formats.fhir import json as fhir_json
from penstock.formats.fhir import xml
from penstock.formats.fhir.definitions import r4
from tests.fuzz import words
from tests.fuzz.hostile import TEXTS, bombs, damaged, encoded, mutated, value, xml_bombs
from tests.fuzz.shot import Shot

Resource = dict[str, Any]
Headers = tuple[tuple[str, str], ...]
FHIR, XML, FORM, JSON = "application/fhir+json", "application/fhir+xml", "application/x-www-form-urlencoded", "application/json"


class Generator:
    """``examples`` are valid resources to begin from."""

    def __init__(self, seed: int, examples: Sequence[Resource]) -> None:
        self._random = Random(seed)
        self._examples = examples
        self._types = sorted(r4().resource_types)

    def shots(self, count: int) -> Iterator[Shot]:
        """Up to ``count`` requests."""
        for _ in range(count):
            yield self._random.choices(_KINDS, weights=_WEIGHTS)[0](self)

    # what requests are made of

    def any(self, choices: Sequence[Any]) -> Any:
        return self._random.choice(choices)

    def text(self) -> str:
        return str(self.any(TEXTS))

    def type(self) -> str:
        return str(self.any(self._types if self._random.random() < 0.97 else words.NO_TYPES))

    def id(self) -> str:
        return str(self.any(words.IDS))

    def stored(self) -> str:
        """The id of something that may be stored."""
        return f"fuzz-{self._random.randrange(40)}"

    def example(self) -> Resource:
        found: Resource = self.any(self._examples)
        return found

    def accept(self) -> Headers:
        return (("Accept", self.any(words.ACCEPTS)),) if self._random.random() < 0.2 else ()

    def conditions(self) -> Headers:
        return ((self.any(words.CONDITIONS), self.any(words.CONDITION_VALUES)),) if self._random.random() < 0.3 else ()

    def pairs(self, type: str) -> str:
        """A query string of search parameters."""
        codes = list(r4().search_params(type)) if type in r4().resource_types else ["x"]
        pairs = [self._pair(type, codes) for _ in range(self._random.randint(0, 5))]
        return "&".join(f"{quoted(name)}={quoted(held[:1500])}" for name, held in pairs)

    def _pair(self, type: str, codes: Sequence[str]) -> tuple[str, str]:
        random = self._random
        match random.randrange(6):
            case 0:
                held = (self.text(), self.any(codes), "*", f"{type}:*", f"{type}:{self.any(codes)}")
                return self.any(words.CONTROLS), self.any(held)
            case 1:
                return ".".join(random.choices(words.LINKS, k=random.randint(2, 9))), self.text()
            case 2:
                steps = [f"_has:{self.any(words.HAVING)}:{self.any(words.LINKS)}" for _ in range(random.randint(1, 4))]
                return ":".join([*steps, "code"]), self.text()
            case 3:
                return "_filter", self.any(words.FILTERS)
        return self.any(codes) + self.any(words.MODIFIERS), ",".join(self.text() for _ in range(self.any((1, 1, 1, 2, 40))))

    # kinds of requests

    def search(self) -> Shot:
        type = self.type()
        where = self.any((type, type, type, "", f"Patient/1/{type}", f"{type}/_history", "_history"))
        return Shot("search", "GET", f"/fhir/{where}".rstrip("/") + f"?{self.pairs(type)}", headers=self.accept())

    def form(self) -> Shot:
        type = self.type()
        many = "code=" + ",".join(map(str, range(10_000)))
        return Shot("form", "POST", f"/fhir/{type}/_search", (self.pairs(type) if self._random.random() < 0.9 else many).encode(), FORM)

    def write(self) -> Shot:
        resource, headers = self.example(), self.conditions()
        type, changed = resource["resourceType"], mutated(resource, self._random)
        if self._random.random() < 0.5:
            return Shot("create", "POST", f"/fhir/{type}", encoded(changed), FHIR, headers)
        id = self.stored()
        kept = resource if self._random.random() < 0.2 else changed
        return Shot("update", "PUT", f"/fhir/{type}/{id}", encoded({**kept, "id": id}), FHIR, headers)

    def damaged(self) -> Shot:
        resource = self.example()
        body = bombs(self._random) if self._random.random() < 0.2 else damaged(encoded(resource), self._random)
        return Shot("bytes", "POST", f"/fhir/{resource['resourceType']}", body, self.any((FHIR, FHIR, FHIR, *words.MEDIA)))

    def xml(self) -> Shot:
        resource = self.example()
        written = xml.encode(fhir_json.decode(encoded(resource)))
        body = xml_bombs(self._random) if self._random.random() < 0.25 else damaged(written, self._random)
        return Shot("xml", "POST", f"/fhir/{resource['resourceType']}", body, XML, self.accept())

    def validate(self) -> Shot:
        resource = self.example()
        changed = mutated(resource, self._random)
        inside = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": changed}]}
        return Shot("validate", "POST", f"/fhir/{resource['resourceType']}/$validate", encoded(self.any((changed, inside))), FHIR)

    def patch(self) -> Shot:
        body, media = self.any((self._json_patch, self._fhirpath_patch, self._xml_patch))()
        if self._random.random() < 0.2:
            body = damaged(body, self._random)
        return Shot("patch", "PATCH", f"/fhir/{self.example()['resourceType']}/{self.stored()}", body, media, self.conditions())

    def _json_patch(self) -> tuple[bytes, str]:
        path = "/".join(["", *self._random.choices(words.POINTERS, k=self._random.randint(0, 5))])
        step = {"op": self.any(words.JSON_PATCHES), "path": path, "from": path}
        return encoded([step | {"value": value(self._random)} for _ in range(3)]), "application/json-patch+json"

    def _fhirpath_patch(self) -> tuple[bytes, str]:
        parts = [
            {"name": "type", "valueCode": self.any(words.FHIRPATH_PATCHES)},
            {"name": "path", "valueString": self.any((*words.PATHS, self.text()))},
            {"name": "name", "valueString": "family"},
            {"name": "value", "valueString": self.text()},
            {"name": "index", "valueInteger": self.any((0, -1, 9**9))},
        ]
        return encoded({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}), FHIR

    def _xml_patch(self) -> tuple[bytes, str]:
        step, selector = self.any(("add", "replace", "remove")), self.any(words.SELECTORS)
        diff = f'<diff xmlns:f="http://hl7.org/fhir"><{step} sel="{selector}"><f:x/></{step}></diff>'
        return diff.encode(), "application/xml-patch+xml"

    def bundle(self) -> Shot:
        names = [f"urn:uuid:00000000-0000-4000-8000-{n:012d}" for n in range(self.any((0, 1, 3, 5, 10, 10, 60)))]
        entries = [self._entry(name, names) for name in names]
        type = self.any(("transaction", "batch", "batch", "collection", "x"))
        return Shot("bundle", "POST", "/fhir", encoded({"resourceType": "Bundle", "type": type, "entry": entries}), FHIR, self.accept())

    def _entry(self, name: str, names: Sequence[str]) -> Resource:
        random = self._random
        link = {"resourceType": "Patient", "link": [{"other": {"reference": random.choice(names)}, "type": "seealso"}]}
        resource = mutated(self.example(), random) if random.random() < 0.5 else link
        type = str(resource.get("resourceType", "Patient"))[:60]
        url = self.any((type, type, f"{type}/{self.stored()}", f"{type}?identifier=x", self.text()[:200], *words.ENTRY_URLS))
        request = {"method": self.any(words.ENTRY_METHODS), "url": url}
        if random.random() < 0.1:
            request[self.any(words.ENTRY_CONDITIONS)] = self.text()[:300]
        entry = {"fullUrl": name, "resource": resource, "request": request}
        return mutated(entry, random) if random.random() < 0.1 else entry

    def operation(self) -> Shot:
        operation = self.any(OPERATIONS)
        type, id = self.any(operation.types or self._types), self.any((self.id(), self.stored()))
        places = {"system": "", "type": f"/{type}", "instance": f"/{type}/{id}", "version": f"/{type}/{id}/_history/1"}
        target = f"/fhir{places[self.any(operation.levels)]}/${operation.code}"
        takes = [each.name for each in operation.takes] or ["x"]
        if self._random.random() < 0.5:
            return Shot("operation", "GET", f"{target}?{urlencode([(self.any(takes), quoted(self.text()[:500])) for _ in range(3)])}")
        given = [{"name": self.any(takes), self.any(words.VALUES): value(self._random)} for _ in range(3)]
        body = {"resourceType": "Parameters", "parameter": given}
        return Shot("operation", "POST", target, encoded(self.any((body, body, mutated(self.example(), self._random)))), FHIR)

    def graphql(self) -> Shot:
        mixed = " ".join(self._random.choices(words.GRAPHQL, k=40))
        query = self.any((*words.QUERIES, mixed, mixed, self.text()))
        where = self.any(("", f"/Patient/{self.stored()}"))
        return Shot("graphql", "POST", f"/fhir{where}/$graphql", encoded({"query": query, "variables": value(self._random)}), JSON)

    def odd(self) -> Shot:
        """Paths, methods and headers that nobody should send."""
        parts = ["fhir", self.type(), self.id(), "_history", self.any(words.VERSIONS)][: self._random.randint(0, 5)]
        queries = ("", "/", "//", "?", "?" + self.pairs("Patient"), "?_format=" + quoted(self.text()[:300]), "?%", "?=&=&&")
        headers = self.conditions() + self.accept() + self.any(words.HEADERS)
        target = "/" + "/".join(parts) + self.any(queries)
        return Shot("odd", self.any(words.METHODS), target, self.any((b"", b"{}", b"x")), self.any(words.MEDIA), headers)

    def admin(self) -> Shot:
        path = self.any(words.ADMIN)
        media = "application/gzip" if path.startswith("packages") else JSON
        body = self.any((encoded(value(self._random)), bombs(self._random), b"\x1f\x8b" + bytes(30)))
        return Shot("admin", self.any(("GET", "POST", "DELETE")), f"/admin/v1/{path}", body, media)

    def ingest(self) -> Shot:
        message = b"MSH|^~\\&|A|B|C|D|20240101||ADT^A01|1|P|2.5\rPID|1||5^^^MRN\r"
        return Shot("ingest", "POST", "/ingest/v2", damaged(message, self._random), self.any(words.V2))


_TABLE: tuple[tuple[Callable[[Generator], Shot], int], ...] = (
    (Generator.search, 26), (Generator.form, 3), (Generator.write, 16), (Generator.damaged, 8), (Generator.xml, 8), (Generator.validate, 6),
    (Generator.patch, 8), (Generator.bundle, 8), (Generator.operation, 10), (Generator.graphql, 3), (Generator.odd, 8),
    (Generator.admin, 3), (Generator.ingest, 2),
)  # fmt: skip
_KINDS, _WEIGHTS = [kind for kind, _ in _TABLE], [weight for _, weight in _TABLE]


def quoted(text: str) -> str:
    """Percent-encoded, surrogates included."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def examples_from(lines: Iterator[str], *, each: int = 1, longest: int = 20_000) -> list[Resource]:
    """Some examples of every type, none very long."""
    found: dict[str, list[Resource]] = {}
    for line in lines:
        if len(line) <= longest:
            resource = json.loads(line)["resource"]
            held = found.setdefault(resource["resourceType"], [])
            if len(held) < each:
                held.append(resource)
    return [resource for held in found.values() for resource in held]
