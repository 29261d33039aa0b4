"""JSON and XML, parts of resources, the content of a Binary, and patches, over a real socket."""

from __future__ import annotations

import base64
import json
import lzma
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from penstock.formats.fhir import json as fhir_json
from penstock.formats.fhir import xml
from tests.e2e.conftest import Program

Resource = dict[str, Any]

JSON, XML = "application/fhir+json", "application/fhir+xml"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">a <b>narrative</b></div>'
PATIENT: Resource = {
    "resourceType": "Patient",
    "text": {"status": "generated", "div": DIV},
    "identifier": [{"system": "urn:formats", "value": "1"}],
    "name": [{"family": "Ælfric", "given": ["A", "B"], "_given": [None, {"id": "x"}]}],
    "gender": "male",
    "birthDate": "1970-01-01",
    "contact": [{"name": {"text": "c"}}],
}


@pytest.fixture(scope="module")
def client(program: Program) -> Iterator[httpx.Client]:
    """A client that says nothing of what it accepts."""
    with program.client() as client:
        del client.headers["accept"]
        yield client


@pytest.fixture
def url(client: httpx.Client) -> str:
    """A patient that is just made."""
    return create(client, PATIENT)


def create(client: httpx.Client, resource: Resource) -> str:
    response = client.post(f"/fhir/{resource['resourceType']}", json=resource)
    assert response.status_code == 201, response.text
    return httpx.URL(response.headers["location"]).path.partition("/_history")[0]


def of(response: httpx.Response) -> Resource:
    """The resource of an answer, from the format that it says it has."""
    kind = response.headers["content-type"].partition(";")[0]
    resource: Resource = xml.decode(response.content) if kind == XML else response.json()
    return resource


def plain(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name not in ("id", "meta")}


# both formats, both ways


@pytest.mark.req("FH-09")
def test_what_is_sent_in_one_format_is_read_in_the_other(client: httpx.Client) -> None:
    sent = client.post("/fhir/Patient", content=xml.encode(PATIENT), headers={"content-type": XML, "accept": JSON})
    assert sent.status_code == 201 and sent.headers["content-type"].startswith(JSON)
    assert plain(sent.json()) == PATIENT
    path = f"/fhir/Patient/{sent.json()['id']}"
    read = client.get(path, headers={"accept": XML})
    assert read.headers["content-type"] == f"{XML}; charset=utf-8"
    assert plain(xml.decode(read.content)) == PATIENT
    updated = client.put(path, content=read.content.replace(b'"male"', b'"female"'), headers={"content-type": XML, "accept": XML})
    assert updated.status_code == 200 and xml.decode(updated.content)["gender"] == "female"


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (XML, XML),
        ("application/xml", XML),
        ("text/xml", XML),
        ("text/json", JSON),
        ("application/json", JSON),
        (f"{JSON};q=0.5, {XML};q=0.9", XML),
        (f"{JSON};q=0.9, {XML}", XML),
        (f"{XML}, {JSON}", XML),
        (f"text/html, {XML};q=0.8, */*;q=0.1", XML),
        (f"text/turtle, {JSON};q=0.1", JSON),
        (f"{XML};fhirVersion=3.0, {JSON};q=0.1", JSON),
    ],
)
def test_the_accept_header_chooses(client: httpx.Client, url: str, accept: str | None, format: str) -> None:
    response = client.get(url, headers={"accept": accept} if accept else {})
    assert response.status_code == 200 and response.headers["content-type"] == f"{format}; charset=utf-8"
    assert plain(of(response)) == PATIENT


@pytest.mark.parametrize("name", ["xml", "text/xml", "application/xml", "application/fhir%2Bxml", "application/fhir+xml", "XML"])
def test_format_goes_before_the_accept_header(client: httpx.Client, url: str, name: str) -> None:
    response = client.get(f"{url}?_format={name}", headers={"accept": JSON})
    assert response.headers["content-type"].startswith(XML) and plain(of(response)) == PATIENT


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("?_format=ttl", {}),
        ("?_format=html", {}),
        ("?_format=xml;fhirVersion=3.0", {}),
        ("", {"accept": "text/html"}),
        ("", {"accept": f"{JSON};q=0"}),
        ("", {"accept": f"{JSON};fhirVersion=6.0, {XML};fhirVersion=4.3"}),
    ],
)
def test_what_cannot_be_had_is_406_and_says_what_can(client: httpx.Client, url: str, path: str, headers: dict[str, str]) -> None:
    response = client.get(url + path, headers=headers)
    assert response.status_code == 406
    text = response.json()["issue"][0]["details"]["text"]
    assert JSON in text and XML in text and "4.0" in text


@pytest.mark.parametrize("method", ["post", "put", "patch"])
@pytest.mark.parametrize("kind", ["text/plain", "application/fhir+turtle", f"{XML}; fhirVersion=5.0", f"{JSON}; charset=latin-1"])
def test_what_cannot_be_read_is_415(client: httpx.Client, url: str, method: str, kind: str) -> None:
    path = "/fhir/Patient" if method == "post" else url
    assert getattr(client, method)(path, content=b"{}", headers={"content-type": kind}).status_code == 415


def test_the_version_is_stated_when_it_was_asked_for(client: httpx.Client, url: str) -> None:
    for accept in (f"{JSON}; fhirVersion=4.0", f'{XML};fhirVersion="4.0"'):
        response = client.get(url, headers={"accept": accept})
        assert response.headers["content-type"].endswith("; charset=utf-8; fhirVersion=4.0")
        assert plain(of(response)) == PATIENT
    sent = client.post("/fhir/Patient", json=PATIENT, headers={"content-type": f"{JSON}; fhirVersion=4.0"})
    assert sent.status_code == 201


def test_an_answer_to_xml_is_xml_where_nothing_else_is_asked_for(client: httpx.Client) -> None:
    response = client.post("/fhir/Patient", content=xml.encode(PATIENT), headers={"content-type": XML})
    assert response.status_code == 201 and response.headers["content-type"].startswith(XML)


def test_refusals_have_the_form_that_was_asked_for(client: httpx.Client, program: Program) -> None:
    for path, status in (("/fhir/Patient/nobody", 404), ("/fhir/Nothing", 404), ("/fhir/Patient?nonsense=1", 400)):
        response = client.get(path, headers={"accept": XML})
        assert response.status_code == status and of(response)["resourceType"] == "OperationOutcome", path
        assert response.headers["content-type"].startswith(XML)
    stranger = httpx.get(f"{program.http}/fhir/Patient/1?_format=xml")
    assert stranger.status_code == 401 and of(stranger)["resourceType"] == "OperationOutcome"
    broken = client.post("/fhir/Patient", content=b"<Patient", headers={"content-type": XML})
    assert broken.status_code == 400 and of(broken)["issue"][0]["code"] == "structure"


def test_searches_histories_and_bundles_come_in_xml(client: httpx.Client, url: str) -> None:
    id = url.rpartition("/")[2]
    for path in (f"/fhir/Patient?_id={id}&_format=xml", f"{url}/_history?_format=xml", "/fhir/metadata?_format=xml"):
        found = of(client.get(path))
        assert found["resourceType"] in ("Bundle", "CapabilityStatement"), path
        if found["resourceType"] == "Bundle":
            assert plain(found["entry"][0]["resource"]) == PATIENT
    posted = client.post("/fhir/Patient/_search", data={"_id": id, "_format": "xml", "_pretty": "true"})
    assert posted.headers["content-type"].startswith(XML) and b"\n  <" in posted.content
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": f"Patient/{id}"}}]}
    response = client.post("/fhir", content=xml.encode(bundle), headers={"content-type": XML})
    assert plain(of(response)["entry"][0]["resource"]) == PATIENT


@pytest.mark.parametrize("format", ["json", "xml"])
def test_pretty_is_the_same_on_more_lines(client: httpx.Client, url: str, format: str) -> None:
    flat, pretty = (client.get(f"{url}?_format={format}&_pretty={pretty}") for pretty in ("false", "true"))
    assert of(pretty) == of(flat) and pretty.text.count("\n") > flat.text.count("\n") + 10
    refused = client.get(f"/fhir/Patient/nobody?_format={format}&_pretty=true")
    assert refused.text.count("\n") > 3


def test_head_tells_the_length_of_the_form(client: httpx.Client, url: str) -> None:
    get, head = (client.request(method, url, headers={"accept": XML}) for method in ("GET", "HEAD"))
    assert head.content == b"" and head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


def test_hostile_xml_is_refused_quickly(client: httpx.Client) -> None:
    declaration = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    deep = "<extension>" * 50_000
    for body in (f'{declaration}<Patient xmlns="http://hl7.org/fhir">&b;&c;</Patient>', f'<Patient xmlns="http://hl7.org/fhir">{deep}'):
        response = client.post("/fhir/Patient", content=body.encode(), headers={"content-type": XML, "accept": JSON})
        assert response.status_code == 400 and "root:" not in response.text
        assert response.elapsed.total_seconds() < 2


# versions


ENCOUNTER: Resource = {
    "resourceType": "Encounter",
    "status": "finished",
    "class": {"code": "AMB"},
    "period": {"start": "2020-01-01"},
    "reasonCode": [{"text": "r"}],
}


@pytest.mark.req("FH-17")
def test_another_version_is_translated_for_the_types_that_are_mapped(client: httpx.Client, url: str) -> None:
    for version in ("3.0", "4.3", "5.0"):
        patient = client.get(url, headers={"accept": f"{JSON}; fhirVersion={version}"})
        assert patient.status_code == 200 and patient.headers["content-type"] == f"{JSON}; charset=utf-8; fhirVersion={version}"
        assert plain(patient.json()) == PATIENT, "a Patient is the same in all of them"
    path = create(client, ENCOUNTER)
    assert plain(client.get(path, headers={"accept": f"{JSON}; fhirVersion=4.3"}).json()) == ENCOUNTER
    assert plain(client.get(path, headers={"accept": f"{JSON}; fhirVersion=5.0"}).json()) == {
        "resourceType": "Encounter",
        "status": "completed",
        "class": [{"coding": [{"code": "AMB"}]}],
        "actualPeriod": {"start": "2020-01-01"},
        "reason": [{"value": [{"concept": {"text": "r"}}]}],
    }
    found = client.get(f"/fhir/Encounter?_id={path.rpartition('/')[2]}", headers={"accept": f"{JSON}; fhirVersion=5.0"}).json()
    assert found["entry"][0]["resource"]["status"] == "completed"


@pytest.mark.req("FH-17")
def test_what_is_not_mapped_is_406_with_the_list_of_what_is(client: httpx.Client) -> None:
    accept = {"accept": f"{JSON}; fhirVersion=5.0"}
    device = create(client, {"resourceType": "Device", "deviceName": [{"name": "x", "type": "other"}]})
    response = client.get(device, headers=accept)
    text = response.json()["issue"][0]["details"]["text"]
    assert response.status_code == 406 and "FHIR 5.0" in text and "Patient" in text and "Device," not in text
    history = create(client, ENCOUNTER | {"statusHistory": [{"status": "planned", "period": {"start": "2019"}}]})
    refused = client.get(history, headers=accept)
    assert refused.status_code == 406 and refused.json()["issue"][0]["expression"] == ["Encounter.statusHistory"]


def test_the_versions_that_may_be_asked_for_are_listed(client: httpx.Client, url: str) -> None:
    listed = client.get("/fhir/$versions").json()["parameter"]
    assert [each["valueCode"] for each in listed if each["name"] == "default"] == ["4.0"]
    versions = [each["valueCode"] for each in listed if each["name"] == "version"]
    assert "4.0" in versions and len(versions) > 1
    for version in versions:
        assert client.get(url, headers={"accept": f"{JSON}; fhirVersion={version}"}).status_code == 200, version


def test_a_resource_is_converted_without_being_stored(client: httpx.Client) -> None:
    as_xml = client.post("/fhir/$convert", json=ENCOUNTER, headers={"accept": XML})
    assert xml.decode(as_xml.content) == ENCOUNTER
    as_r5 = client.post("/fhir/$convert", content=as_xml.content, headers={"content-type": XML, "accept": f"{JSON}; fhirVersion=5.0"})
    assert as_r5.status_code == 200 and as_r5.json()["actualPeriod"] == ENCOUNTER["period"]


def test_what_changes_something_is_answered_in_the_version_that_is_served(client: httpx.Client, url: str) -> None:
    accept = {"accept": f"{JSON}; fhirVersion=5.0"}
    assert client.put(url, json=PATIENT | {"id": url.rpartition("/")[2], "gender": "female"}, headers=accept).status_code == 406
    assert of(client.get(url))["gender"] == "male"


# parts of resources


SUBSETTED = "SUBSETTED"


def tags(resource: Resource) -> list[str]:
    return [tag["code"] for tag in resource["meta"].get("tag", [])]


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("_summary=true", {"identifier", "name", "gender", "birthDate"}),
        ("_summary=text", {"text"}),
        ("_summary=data", {"identifier", "name", "gender", "birthDate", "contact"}),
        ("_elements=gender,contact", {"gender", "contact"}),
        ("_elements=Patient.gender", {"gender"}),
    ],
)
def test_a_part_is_marked_as_one(client: httpx.Client, url: str, query: str, left: set[str]) -> None:
    id = url.rpartition("/")[2]
    for path in (f"{url}?{query}", f"{url}/_history/1?{query}", f"{url}/_history?{query}", f"/fhir/Patient?_id={id}&{query}"):
        found = of(client.get(path))
        part = found["entry"][0]["resource"] if found["resourceType"] == "Bundle" else found
        assert plain(part).keys() == {"resourceType", *left}, path
        assert tags(part) == [SUBSETTED] and part["id"] == id and part["meta"]["versionId"] == "1"
    assert of(client.get(url)).get("meta", {}).get("tag") is None, "nothing of that is stored"


def test_a_part_comes_in_any_form_and_from_any_search(client: httpx.Client, url: str) -> None:
    id = url.rpartition("/")[2]
    in_xml = client.get(f"{url}?_elements=gender&_format=xml&_pretty=true")
    assert plain(of(in_xml)) == {"resourceType": "Patient", "gender": "male"}
    posted = of(client.post("/fhir/Patient/_search", data={"_id": id, "_elements": "gender"}))
    assert plain(posted["entry"][0]["resource"]) == {"resourceType": "Patient", "gender": "male"}
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": f"Patient/{id}?_summary=text"}}]}
    assert of(client.post("/fhir", json=batch))["entry"][0]["resource"].keys() == {"resourceType", "id", "meta", "text"}


def test_a_part_does_not_overwrite_the_whole(client: httpx.Client, url: str) -> None:
    part = client.get(f"{url}?_elements=gender").json()
    assert client.put(url, json=part).status_code == 422
    entry = {"resource": part, "request": {"method": "PUT", "url": url.removeprefix("/fhir/")}}
    assert client.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).status_code == 422
    batch = client.post("/fhir", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]}).json()
    assert batch["entry"][0]["response"]["status"].startswith("422")
    assert plain(of(client.get(url))) == PATIENT


def test_whole_resources_and_counts(client: httpx.Client, url: str) -> None:
    id = url.rpartition("/")[2]
    assert plain(of(client.get(f"{url}?_summary=false"))) == PATIENT
    count = of(client.get(f"/fhir/Patient?_id={id}&_summary=count"))
    assert count["total"] == 1 and "entry" not in count
    assert client.get(f"{url}?_summary=some").status_code == 422
    assert client.get(f"{url}?_summary=true&_elements=gender").status_code == 400


# Binary


def test_the_content_of_a_binary_goes_in_and_out_as_it_is(client: httpx.Client) -> None:
    content = os.urandom(3000)
    sent = client.post("/fhir/Binary", content=content, headers={"content-type": "image/png", "x-security-context": "Patient/1"})
    assert sent.status_code == 201 and sent.json()["resourceType"] == "Binary"
    path = f"/fhir/Binary/{sent.json()['id']}"
    for accept in ("image/png", "image/*", "*/*", None, "text/html, image/png;q=0.1"):
        response = client.get(path, headers={"accept": accept} if accept else {})
        assert response.content == content and response.headers["content-type"] == "image/png", accept
        assert response.headers["x-security-context"] == "Patient/1" and response.headers["etag"] == 'W/"1"'
    for kind in (JSON, XML, "application/json"):
        resource = of(client.get(path, headers={"accept": kind}))
        assert base64.b64decode(resource["data"]) == content and resource["contentType"] == "image/png", kind
        assert resource["securityContext"] == {"reference": "Patient/1"}
    assert of(client.get(f"{path}?_format=xml"))["resourceType"] == "Binary"
    assert client.get(path, headers={"accept": "application/pdf"}).status_code == 406
    replaced = client.put(path, content=b"other", headers={"content-type": "text/plain"})
    assert replaced.status_code == 200
    assert client.get(path).content == b"other" and client.get(f"{path}/_history/1").content == content
    head = client.head(path)
    assert head.headers["content-length"] == "5" and head.content == b""
    assert client.get(path, headers={"if-none-match": 'W/"2"'}).status_code == 304


def test_only_a_binary_is_taken_as_one(client: httpx.Client) -> None:
    whole = {"resourceType": "Binary", "contentType": "text/plain", "data": base64.b64encode(b"x").decode()}
    for content, kind, media, data in (
        (json.dumps(whole).encode(), JSON, "text/plain", b"x"),
        (xml.encode(whole), XML, "text/plain", b"x"),
        (json.dumps(PATIENT).encode(), JSON, JSON, json.dumps(PATIENT).encode()),
        (b"{not json", "application/json", "application/json", b"{not json"),
        (b"<html/>", "text/html", "text/html", b"<html/>"),
    ):
        sent = client.post("/fhir/Binary", content=content, headers={"content-type": kind, "accept": JSON})
        assert sent.status_code == 201, sent.text
        raw = client.get(f"/fhir/Binary/{sent.json()['id']}")
        assert raw.content == data and raw.headers["content-type"] == media
        assert raw.headers["x-content-type-options"] == "nosniff" and "default-src 'none'" in raw.headers["content-security-policy"]
        assert raw.headers.get("content-disposition") == ("attachment" if media == "text/html" else None)


@pytest.mark.parametrize("headers", [{}, {"content-type": "nonsense"}, {"content-type": "text/plain", "x-security-context": "a b"}])
def test_a_binary_that_cannot_be_told_is_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    response = client.post("/fhir/Binary", content=b"x", headers=headers)
    assert response.status_code in (415, 422), response.text


def test_a_large_binary_is_kept(client: httpx.Client) -> None:
    content = os.urandom(2_000_000)
    sent = client.post("/fhir/Binary", content=content, headers={"content-type": "application/pdf", "prefer": "return=minimal"})
    assert sent.status_code == 201, sent.text
    path = httpx.URL(sent.headers["location"]).path.partition("/_history")[0]
    assert client.get(path).content == content


# patches

JSON_PATCH, XML_PATCH = "application/json-patch+json", "application/xml-patch+xml"
FHIRPATH_PATCH = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "Patient.gender"},
                {"name": "value", "valueCode": "female"},
            ],
        }
    ],
}
PATCHES = {
    JSON_PATCH: b'[{"op":"test","path":"/gender","value":"male"},{"op":"replace","path":"/gender","value":"female"}]',
    XML_PATCH: b'<diff><replace sel="f:Patient/f:gender/@value">female</replace></diff>',
    JSON: json.dumps(FHIRPATH_PATCH).encode(),
    XML: xml.encode(FHIRPATH_PATCH),
}


@pytest.mark.req("FH-04")
@pytest.mark.parametrize("kind", PATCHES)
def test_a_patch_makes_the_next_version(client: httpx.Client, url: str, kind: str) -> None:
    response = client.patch(url, content=PATCHES[kind], headers={"content-type": kind, "accept": JSON})
    assert response.status_code == 200, response.text
    assert response.headers["etag"] == 'W/"2"' and plain(response.json()) == PATIENT | {"gender": "female"}
    assert of(client.get(url)) == response.json()
    history = of(client.get(f"{url}/_history"))["entry"]
    assert [entry["resource"]["gender"] for entry in history] == ["female", "male"]


def test_a_patch_heeds_versions_and_preferences(client: httpx.Client, url: str) -> None:
    headers = {"content-type": JSON_PATCH}
    assert client.patch(url, content=PATCHES[JSON_PATCH], headers=headers | {"if-match": 'W/"2"'}).status_code == 412
    done = client.patch(url, content=PATCHES[JSON_PATCH], headers=headers | {"if-match": 'W/"1"', "prefer": "return=minimal"})
    assert done.status_code == 200 and done.content == b"" and done.headers["location"].endswith("/_history/2")
    assert client.patch(url, content=PATCHES[JSON_PATCH], headers=headers).status_code == 422, "the test of the patch fails now"
    assert client.patch("/fhir/Patient/nobody", content=b"[]", headers=headers).status_code == 404
    client.delete(url)
    assert client.patch(url, content=b"[]", headers=headers).status_code == 410


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "add", "path": "/nonsense", "value": 1}],
        [{"op": "replace", "path": "/gender", "value": "unknown gender"}],
        [{"op": "replace", "path": "/id", "value": "other"}],
        [{"op": "replace", "path": "/resourceType", "value": "Person"}],
        [{"op": "remove", "path": "/nothing"}],
        [{"op": "add", "path": "/name/0/given/-", "value": None}],
        [{"op": "replace", "path": "", "value": {"resourceType": "Patient"}}],
    ],
)
def test_what_a_patch_would_make_wrong_is_refused(client: httpx.Client, url: str, patch: Any) -> None:
    response = client.patch(url, content=json.dumps(patch), headers={"content-type": JSON_PATCH})
    assert response.status_code in (400, 422), response.text
    assert plain(of(client.get(url))) == PATIENT


def test_a_conditional_patch_finds_one(client: httpx.Client) -> None:
    headers = {"content-type": JSON_PATCH}
    for value in ("one", "two", "two"):
        create(client, PATIENT | {"identifier": [{"system": "urn:patched", "value": value}]})
    found = client.patch("/fhir/Patient?identifier=urn:patched|one", content=PATCHES[JSON_PATCH], headers=headers)
    assert found.status_code == 200 and found.json()["gender"] == "female"
    assert client.patch("/fhir/Patient?identifier=urn:patched|two", content=b"[]", headers=headers).status_code == 412
    assert client.patch("/fhir/Patient?identifier=urn:patched|none", content=b"[]", headers=headers).status_code == 404
    assert client.patch("/fhir/Patient", content=b"[]", headers=headers).status_code == 422


def test_no_patch_is_lost_among_many(client: httpx.Client) -> None:
    """Eight at once, each adding a name: every name is there in the end."""
    url = create(client, {"resourceType": "Patient"})
    begun = client.patch(url, content=b'[{"op":"add","path":"/name","value":[{"text":"0"}]}]', headers={"content-type": JSON_PATCH})
    assert begun.status_code == 200

    def add(number: int) -> int:
        patch = [{"op": "add", "path": "/name/-", "value": {"text": str(number)}}]
        return client.patch(url, content=json.dumps(patch), headers={"content-type": JSON_PATCH}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(add, range(1, 41))) == {200}
    assert sorted(int(name["text"]) for name in of(client.get(url))["name"]) == list(range(41))


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_patches_stand_in_bundles_in_every_format(client: httpx.Client, kind: str) -> None:
    held: dict[str, Resource] = {
        JSON_PATCH: {"resourceType": "Binary", "contentType": JSON_PATCH, "data": base64.b64encode(PATCHES[JSON_PATCH]).decode()},
        XML_PATCH: {"resourceType": "Binary", "contentType": XML_PATCH, "data": base64.b64encode(PATCHES[XML_PATCH]).decode()},
        JSON: FHIRPATH_PATCH,
    }
    urls = [create(client, PATIENT) for _ in held]
    entries = [
        {"resource": resource, "request": {"method": "PATCH", "url": url.removeprefix("/fhir/")}}
        for url, resource in zip(urls, held.values(), strict=True)
    ]
    response = client.post("/fhir", json={"resourceType": "Bundle", "type": kind, "entry": entries})
    assert response.status_code == 200, response.text
    assert [entry["response"]["status"][:3] for entry in response.json()["entry"]] == ["200"] * 3
    assert [of(client.get(url))["gender"] for url in urls] == ["female"] * 3


def test_an_operation_takes_and_gives_xml(client: httpx.Client, url: str) -> None:
    given = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "t"}]}}]}
    response = client.post(f"{url}/$meta-add", content=xml.encode(given), headers={"content-type": XML, "accept": XML})
    assert response.status_code == 200, response.text
    assert xml.decode(response.content)["parameter"][0]["valueMeta"]["tag"] == [{"code": "t"}]


def test_a_patch_of_another_kind_is_told_what_is_possible(client: httpx.Client, url: str) -> None:
    response = client.patch(url, content=b"x", headers={"content-type": "text/plain"})
    assert response.status_code == 415
    assert set(response.headers["accept-patch"].split(", ")) >= {JSON_PATCH, XML_PATCH, JSON, XML}


def test_the_statement_says_so(client: httpx.Client) -> None:
    statement = etree.fromstring(client.get("/fhir/metadata", headers={"accept": XML}).content)
    declared = {name: statement.xpath(f"f:{name}/@value", namespaces={"f": "http://hl7.org/fhir"}) for name in ("format", "patchFormat")}
    assert {JSON, XML} <= set(declared["format"]) and {JSON_PATCH, XML_PATCH, JSON, XML} <= set(declared["patchFormat"])


# every type


#: Examples that are stored as they are, two of each type at most. May only rise; the others break the rules that they illustrate.
STORED = 220


@pytest.mark.req("FH-09")
def test_examples_of_every_type_go_in_and_out_as_xml(client: httpx.Client, data_sets: Path) -> None:
    with lzma.open(data_sets / "fhir-examples" / "r4-4.0.1-examples.ndjson.xz", "rt", encoding="utf-8") as lines:
        found = [fhir_json.decode(line.rstrip().partition(',"resource":')[2][:-1].encode()) for line in lines]
    by_type = {each["resourceType"]: [one for one in found if one["resourceType"] == each["resourceType"]][:2] for each in found}
    examples = [each for some in by_type.values() for each in some]
    assert len(by_type) >= 140

    def put(number: int) -> bool:
        example = examples[number] | {"id": f"example-{number}"}
        path = f"/fhir/{example['resourceType']}/{example['id']}"
        response = client.put(path, content=xml.encode(example), headers={"content-type": XML, "accept": XML})
        answer = xml.decode(response.content)
        if not response.is_success:
            assert response.status_code in (400, 422) and answer["resourceType"] == "OperationOutcome", path
            return False
        for each in (answer, example):
            each["meta"] = {name: value for name, value in each.get("meta", {}).items() if name not in ("versionId", "lastUpdated")}
            each.get("channel", {}).pop("header", None)  # the secrets of a Subscription are not told again
        assert fhir_json.encode(answer) == fhir_json.encode(example), path
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(put, range(len(examples)))) >= STORED
