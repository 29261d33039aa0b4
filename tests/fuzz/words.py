"""Words of the protocol, right and wrong ones, that requests are put together from."""

from __future__ import annotations

NO_TYPES = ("Nonsense", "patient", "%2e%2e", "Resource", "DomainResource", "Element")
IDS = ("1", "a", "x" * 64, "x" * 65, "a%2Fb", "%00", "..", "%C3%A9", "$x", "_history", "example", "_search")
VERSIONS = ("1", "0", "-1", "9" * 20, "x", "%0a")
MODIFIERS = (
    "", "", "", ":exact", ":contains", ":missing", ":not", ":in", ":not-in", ":above", ":below", ":text", ":of-type", ":identifier",
    ":Patient", ":x",
)  # fmt: skip
CONTROLS = (
    "_count", "_sort", "_include", "_revinclude", "_include:iterate", "_summary", "_elements", "_total", "_cursor", "_format",
    "_pretty", "_filter", "_has", "_text", "_content", "_list", "_type", "_contained", "_query", "_id", "_lastUpdated", "_since",
    "_at", "_tag", "_profile", "_security", "_source", "near",
)  # fmt: skip
LINKS = ("subject", "patient", "subject:Patient", "general-practitioner", "organization", "encounter", "name", "x", "")
HAVING = ("Observation", "Encounter", "Provenance", "X")
FILTERS = (
    'name eq "x"', "((((((a", 'date gt 2024-01-01 and (code eq "x" or not (status ne y))', "a.b[c eq 1].d sw x", "not", "and and",
    '"' * 100, "x pr true", "(" * 1000, "name co '", "_id in 1",
)  # fmt: skip
MEDIA = (
    "application/fhir+json", "application/fhir+xml", "application/json-patch+json", "application/xml-patch+xml", "application/json",
    "text/plain", "", "application/x-www-form-urlencoded", "application/fhir+json; fhirVersion=9.9", ";;", "application/octet-stream",
    "multipart/form-data",
)  # fmt: skip
ACCEPTS = (
    "", "*/*", "application/fhir+json", "application/fhir+xml", "text/html", "application/fhir+json; fhirVersion=4.0",
    "application/*;q=x", ",", "a" * 3000, "application/fhir+xml;q=0.9, */*;q=0.1",
)  # fmt: skip
CONDITIONS = ("If-Match", "If-None-Match", "If-None-Exist", "If-Modified-Since", "Prefer", "X-Request-Id", "traceparent")
CONDITION_VALUES = (
    'W/"1"', "*", "identifier=x", "Patient?x=y", "yesterday", "return=minimal", "Sat, 01 Jan 2022 00:00:00 GMT", "x" * 500, "",
    'W/"-1"', "%",
)  # fmt: skip
HEADERS: tuple[tuple[tuple[str, str], ...], ...] = (
    (), (), (("Prefer", "return=x; handling=lenient, respond-async"),), (("Range", "bytes=0-"),), (("Expect", "x"),),
    (("If-None-Match", 'W/"1"'),), (("Content-Encoding", "gzip"),), (("X-Security-Context", "Patient/1"),),
)  # fmt: skip
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get")
POINTERS = ("name", "0", "-", "given", "~1", "~", "x", "id", "meta", "", "999999999", "extension")
JSON_PATCHES = ("add", "remove", "replace", "move", "copy", "test", "x")
FHIRPATH_PATCHES = ("add", "insert", "delete", "replace", "move", "x")
PATHS = (
    "Patient.name",
    "Patient.name[0].given",
    "%resource",
    "((",
    "Patient",
    "a.b.c",
    "Patient.descendants()",
    "Patient.repeat(children())",
)
SELECTORS = ("f:Patient/f:name", "/*", "//f:id", "f:Patient/f:name[1]/f:given[1]/@value", "((", "x" * 5000, "", "/f:Patient/@id", "..")
ENTRY_METHODS = ("POST", "POST", "PUT", "GET", "DELETE", "PATCH", "HEAD", "X", "")
ENTRY_URLS = (
    "metadata",
    "",
    "Patient/$everything",
    "../x",
    "$meta",
    "Bundle",
    "_history",
    "Patient?_count=1",
    "/",
    "http://elsewhere.example/Patient/1",
)
ENTRY_CONDITIONS = ("ifMatch", "ifNoneExist", "ifNoneMatch", "ifModifiedSince")
VALUES = (
    "valueString", "valueUri", "valueCode", "valueBoolean", "resource", "part", "valueCoding", "valueInteger", "valueCodeableConcept",
)  # fmt: skip
GRAPHQL = (
    "{", "}", "{", "}", "Patient", "PatientList", "PatientConnection", "(", ")", ":", "id", "name", "given", "@flatten",
    '@slice(path:"x")', "...", "on", "fragment", "$x", '"a"', "1", "[", "]", "resource", "subject", "edges",
)  # fmt: skip
QUERIES = (
    "{ PatientList { id name { given } } }",
    '{ Patient(id: "fuzz-1") { id } }',
    "{" * 3000,
    '{ name(fhirpath: "repeat($this)") { given } }',
)
ADMIN = (
    "trace?q=x", "lineage/Patient/1", "lineage/X/1/99999999999", "inbox?state=x", "inbox/9", "inbox/replay", "lanes/release",
    "dead?limit=x", "dead/retry", "dead/discard", "deliveries/replay", "packages", "packages?preview=true", "packages/x/1",
)  # fmt: skip
V2 = ("application/hl7-v2", "text/plain", "x-application/hl7-v2+er7", "")
