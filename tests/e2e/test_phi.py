"""Canaries: invented people with unmistakable values go in by every way; nothing that is not theirs may say a word of them (invariant 8).

Message bytes, resources and the database's own files may hold the values: those are what we keep. Everything else is searched.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from penstock import telemetry
from penstock.db import connect
from penstock.errors import Problem
from tests.e2e.conftest import Program, Start
from tests.e2e.scenes import QUICK, Hook, eventually, exchange, make_site, read_frames, talk

CANARIES = {
    "family name": "Quetzalborough",
    "given name": "Xanthippina",
    "record number": "7719283XQ",
    "old record number": "7719284XQ",
    "telephone": "07799551234",
    "street": "Vermilionfox Crescent",
    "postcode": "ZQ9 7XY",
    "birth date": "1933-02-17",
    "birth date in HL7": "19330217",
    "note": "whispered about zebrafish",
    "result": "9371.25",
    "text result": "indigopurple sediment",
    "header secret": "Bearer hushhushhush",
}
ADDRESS = "99 Vermilionfox Crescent^^Wyrmwick^^ZQ9 7XY^GBR"
PATIENT_ROW = f"PID|1||7719283XQ^^^ELMS^MR||Quetzalborough^Xanthippina||19330217|F|||{ADDRESS}||07799551234^PRN^PH"
RESULT_ROWS = (
    "ORC|RE|P1^PAS|F1^LAB\rOBR|1|P1^PAS|F1^LAB|24323-8^Panel^LN|||20250601080000+0000|||||||||||||||20250601083000+0000||CH|F\r"
    "OBX|1|NM|2823-3^Potassium^LN||9371.25|mmol/L^^UCUM||||||F\rNTE|1|L|whispered about zebrafish\r"
    "OBX|2|ST|5767-9^Appearance^LN||indigopurple sediment||||||F"
)


def message(kind: str, control_id: str, *rows: str, charset: str = "UNICODE UTF-8") -> bytes:
    head = f"MSH|^~\\&|PAS|ELMS|PENSTOCK|ELMS|20250601090000+0000||{kind}|{control_id}|P|2.5.1||||||{charset}"
    return "\r".join([head, "EVN||20250601090000+0000", *rows]).encode() + b"\r"


GOOD = (
    message("ADT^A01^ADT_A01", "PHI1", PATIENT_ROW, "PV1|1|I|AMU^1^A^ELMS" + "|" * 16 + "VQ1^^^ELMS^VN"),
    message("ORU^R01^ORU_R01", "PHI2", PATIENT_ROW, RESULT_ROWS).replace(b"EVN||20250601090000+0000\r", b""),
    message("ADT^A28^ADT_A05", "PHI3", PATIENT_ROW.replace("7719283XQ", "7719284XQ")),
    message("ADT^A40^ADT_A39", "PHI4", PATIENT_ROW, "MRG|7719284XQ^^^ELMS^MR||||||Quetzalborough^Xanthippina"),
)
BROKEN = (
    message("ZZZ^Z99", "PHI5", PATIENT_ROW, RESULT_ROWS),
    message("ADT^A01^ADT_A01", "PHI6", PATIENT_ROW, "whispered about zebrafish"),
    message("ADT^A01^ADT_A01", "PHI7", PATIENT_ROW, charset="KLINGON-7"),
    message("ADT^A01^ADT_A01", "", PATIENT_ROW),
    message("ADT^A01^ADT_A01", "PHI8", PATIENT_ROW.replace("19330217", "Quetzalborough")),
    message("ADT^A01^ADT_A01", "PHI1", PATIENT_ROW.replace("|F|", "|M|")),  # the id of another message
    b"Quetzalborough Xanthippina 7719283XQ",
    b"MSH|^~",
)
RESOURCE = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:id:ELMS", "value": "7719283XQ"}],
    "name": [{"family": "Quetzalborough", "given": ["Xanthippina"]}],
    "telecom": [{"system": "phone", "value": "07799551234"}],
    "birthDate": "1933-02-17",
    "address": [{"line": ["99 Vermilionfox Crescent"], "postalCode": "ZQ9 7XY"}],
}
SUBSCRIPTION = {
    "resourceType": "Subscription",
    "status": "requested",
    "reason": "a test",
    "criteria": "Patient?identifier=urn:id:ELMS|7719283XQ",
    "channel": {"type": "rest-hook", "payload": "application/fhir+json", "header": ["Authorization: Bearer hushhushhush"]},
}
#: Requests that are refused: method, path, body.
REFUSED: tuple[tuple[str, str, object], ...] = (
    ("POST", "/fhir/Patient", RESOURCE | {"birthDate": "1933-02-17 Quetzalborough"}),
    ("POST", "/fhir/Patient", RESOURCE | {"gender": "Quetzalborough"}),
    ("POST", "/fhir/Patient", RESOURCE | {"name": "Quetzalborough"}),
    ("POST", "/fhir/Patient", RESOURCE | {"managingOrganization": {"reference": "Quetzalborough/7719283XQ"}}),
    ("POST", "/fhir/Patient", b'{"resourceType": "Patient", "birthDate": "1933-02-17", "birthDate": "1933-02-17"'),
    ("POST", "/fhir", {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": RESOURCE | {"active": "Quetzalborough"}}]}),
    (
        "POST",
        "/fhir",
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {
                    "resource": {
                        "resourceType": "Observation",
                        "status": "final",
                        "code": {"text": "indigopurple sediment"},
                        "subject": {"reference": "Patient?identifier=urn:id:ELMS|7719283XQ-none&family=Quetzalborough"},
                    },
                    "request": {"method": "POST", "url": "Observation"},
                }
            ],
        },
    ),
    ("GET", "/fhir/Patient?family:nonsense=Quetzalborough", None),
    ("GET", "/fhir/Patient?nickname=Quetzalborough&identifier=7719283XQ", None),
    ("GET", "/fhir/Patient?birthdate=1933-02-17-Quetzalborough", None),
    ("GET", "/fhir/Patient?family=Quetzalborough&_sort=Xanthippina", None),
    ("GET", "/fhir/Patient?family=Quetzalborough&_count=Xanthippina", None),
    ("GET", "/fhir/Patient/Quetzalborough", None),
    ("GET", "/fhir/Quetzalborough/7719283XQ", None),
    ("GET", "/fhir/Patient?family=Quetzalborough&name=" + "Xanthippina" * 1000, None),
    ("DELETE", "/fhir/Patient?family=Quetzalborough&nickname=Xanthippina", None),
    ("POST", "/fhir/Subscription", SUBSCRIPTION | {"criteria": "Patient?nickname=Quetzalborough"}),
    ("GET", "/admin/v1/lineage/Patient/Quetzalborough", None),
    ("GET", "/admin/v1/inbox?state=Quetzalborough", None),
    ("GET", "/events?cursor=Quetzalborough", None),
)


@dataclass
class Heard:
    """Everything that was said, by where it was said."""

    said: dict[str, list[str]] = field(default_factory=dict)

    def hear(self, where: str, text: str | bytes) -> None:
        self.said.setdefault(where, []).append(text.decode("utf-8", "replace") if isinstance(text, bytes) else text)

    def leaks(self) -> list[str]:
        """Where which canary sang; names only, so that a failure does not repeat the values."""
        return sorted({f"{name}: {where}" for where, texts in self.said.items() for name in canaries_in("\n".join(texts))})


def canaries_in(text: str) -> list[str]:
    """Names of the canaries in a text, also in the spelling of URLs."""
    lower = text.lower()
    return [
        name
        for name, value in CANARIES.items()
        if any(form.lower() in lower for form in (value, quote(value), value.replace(" ", "+"), value.replace("-", "%2D")))
    ]


@pytest.fixture(scope="module")
def heard(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    """The whole life of a program at log level debug: fed, asked, refused, stopped."""
    heard = Heard()
    failing, hook, entitled = Hook(status=500).open(), Hook().open(), Hook(status=503).open()
    refusing = Hook(status=422, reply=b"no Quetzalborough here, nor 7719283XQ").open()
    site = make_site(tmp_path_factory.mktemp("site"), failing=failing.port, listening=hook.port, refusing=refusing.port)
    program = start("--site", str(site), PENSTOCK_LOG_LEVEL="debug", **QUICK)
    _send(program, heard)
    with program.client() as client:
        _ask(client, heard, entitled)
        eventually(lambda: failing.asked > 5 and len(hook.told) > 5 and entitled.asked > 1)
        eventually(lambda: client.get("/admin/v1/dead").json())
        _look(client, heard)
        heard.said["patients stored"] = [str(len(client.get("/fhir/Patient", params={"family": "Quetzalborough"}).json()["entry"]))]
    for body in (*hook.bodies, *failing.bodies, *refusing.bodies):
        heard.hear("events without payload", body)
    heard.hear("running.json", (program.data / "running.json").read_bytes())
    asyncio.run(_fail_in_postgres(program.data))
    heard.hear("trace on the command line", program.cli("trace", "PHI1").stdout + program.cli("trace", "PHI6").stderr)
    _close(program, heard)
    for each in (failing, hook, entitled, refusing):
        each.close()
    yield heard


def _send(program: Program, heard: Heard) -> None:
    for answer in exchange(program.mllp, *GOOD, *BROKEN):
        heard.hear("acknowledgements", answer)
    with talk(program.mllp) as connection:  # noise, and a frame that never ends
        connection.sendall(b"Quetzalborough\x0b" + GOOD[0][:200])
        connection.shutdown(1)
        for answer in read_frames(connection, 9):
            heard.hear("acknowledgements", answer)


def _ask(client: httpx.Client, heard: Heard, entitled: Hook) -> None:
    created = client.post("/fhir/Patient", json=RESOURCE)
    assert created.status_code == 201
    heard.hear("headers of answers", repr(created.headers))
    endpoint = {"channel": SUBSCRIPTION["channel"] | {"endpoint": f"http://127.0.0.1:{entitled.port}/"}}  # type: ignore[operator]
    subscribed = client.post("/fhir/Subscription", json=SUBSCRIPTION | endpoint)
    assert subscribed.status_code == 201
    shown = client.get(f"/fhir/Subscription/{subscribed.json()['id']}").json()
    heard.hear("header of a Subscription", str(shown["channel"]["header"]))
    for name, value in (("If-None-Exist", "family=Quetzalborough&nickname=Xanthippina"), ("If-Match", "Quetzalborough")):
        answer = client.post("/fhir/Patient", json=RESOURCE, headers={name: value})
        heard.hear("answers", answer.content + repr(answer.headers).encode() if answer.status_code >= 400 else b"")
    for method, path, body in REFUSED:
        content = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        answer = client.request(method, path, headers={"Content-Type": "application/fhir+json"}, **content)  # type: ignore[arg-type]
        assert 400 <= answer.status_code < 500, (method, path, answer.status_code)
        heard.hear("answers", answer.content)
        heard.hear("headers of answers", repr(answer.headers))
    refused = client.post("/ingest/v2", content=BROKEN[0], headers={"Content-Type": "application/hl7-v2", "Accept": "*/*"})
    heard.hear("acknowledgements", refused.content)
    heard.hear("answers", httpx.get(f"{client.base_url}/fhir/Patient?family=Quetzalborough").content)


def _look(client: httpx.Client, heard: Heard) -> None:
    """What an operator looks at."""
    paths = [
        "/metrics", "/health/ready", "/admin/v1/conservation", "/admin/v1/lanes", "/admin/v1/dead", "/events?payload=none&limit=1000",
        "/events?payload=id-only&limit=1000", "/admin/v1/trace?q=7719283XQ", "/admin/v1/trace?q=PHI6",
        *(f"/admin/v1/inbox?limit=1000&state={state}" for state in ("stored", "filtered", "quarantined")),
    ]  # fmt: skip
    for path in paths:
        answer = client.get(path, headers={"Accept": "*/*"})
        assert answer.status_code == 200, path
        heard.hear(path.partition("?")[0], answer.content)
    for row in client.get("/admin/v1/inbox?limit=1000&state=quarantined").json():
        heard.hear("/admin/v1/inbox/{id}", client.get(f"/admin/v1/inbox/{row['inbox_id']}").content)
    patient = client.get("/fhir/Patient", params={"family": "Quetzalborough"}).json()["entry"][0]["resource"]["id"]
    heard.hear("/admin/v1/lineage", client.get(f"/admin/v1/lineage/Patient/{patient}").content)


async def _fail_in_postgres(data: Path) -> None:
    """Statements that the server refuses, with values in them."""
    folder = next(line for line in (data / "postgres" / "postmaster.pid").read_text().splitlines()[4:5])
    database = await connect(f"postgresql://penstock@/penstock?host={quote(folder)}&port=5432", size=1)
    for statement in ("select cast($1::text as int)", "select cast('7719283XQ' as int)"):
        with pytest.raises(Problem):
            async with database.connection() as tx:
                await tx.fetch(statement, *(["Quetzalborough"] if "$1" in statement else []))
    await database.close()


def _close(program: Program, heard: Heard) -> None:
    assert program.stop() == 0
    assert program.process.stdout is not None
    heard.hear("standard output", program.process.stdout.read())
    heard.hear("standard error", (program.data.parent / program.data.name.replace("data", "log")).read_bytes())
    heard.hear("postgres.log", (program.data / "postgres.log").read_bytes())
    for path in program.data.rglob("*"):
        heard.hear("names of files", str(path))


@pytest.mark.req("CP-04", "GW-16")
def test_no_canary_sings(heard: Heard) -> None:
    assert heard.leaks() == []


def test_the_canaries_were_there_and_would_be_heard(heard: Heard) -> None:
    """Otherwise the test above proves nothing."""
    assert int(heard.said.pop("patients stored")[0]) >= 2
    said = {where: "\n".join(texts) for where, texts in heard.said.items()}
    assert said["acknowledgements"].count("MSA|AA") >= 4
    assert said["acknowledgements"].count("MSA|A") >= 11
    assert "message.refused" in said["standard error"]
    assert "penstock_ingress_messages" in said["/metrics"]
    assert {where for where, text in said.items() if not text} <= {"standard output"}
    assert canaries_in("a log line about quetzalborough") == ["family name"]
    assert canaries_in("GET /fhir/Patient?address=Vermilionfox%20Crescent") == ["street"]


def test_a_span_does_not_tell_the_words_of_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("test"))
    monkeypatch.setattr(telemetry, "_exporting", True)
    with pytest.raises(ValueError), telemetry.span("convert", "1" * 32, interface="mllp"):
        raise ValueError("the sender of Quetzalborough")
    (span,) = spans.get_finished_spans()
    assert canaries_in(span.to_json()) == []


PLANTED = """
import sys
from penstock import app, cli, flow
from penstock.auth.access import SYSTEM
from penstock.events import Feed
from penstock.store import Store

def explode(*given, **named):
    raise ValueError(*(getattr(each, "text", each) for each in given), named)

async def explode_later(*given, **named):
    explode(*given, **named)

search = Store.search

async def explode_for_clients(store, tx, access, *given, **named):
    return await (search if access is SYSTEM else explode_later)(store, tx, access, *given, **named)

flow.convert = explode
app._concerns = explode
Feed.page = explode_later
Store.search = explode_for_clients
cli.main()
"""


def test_a_defect_of_ours_does_not_tell_what_it_stumbled_over(tmp_path: Path) -> None:
    """Exceptions that hold values are planted in conversion, delivery, the feed and conditional writes of the real program."""
    heard, hook = Heard(), Hook().open()
    arguments = ["up", "--data", str(tmp_path / "data"), "--http", "127.0.0.1:0", "--mllp", "127.0.0.1:0"]
    (tmp_path / "data").mkdir()
    tmp_path.chmod(0o755)
    environment = os.environ | QUICK | {"PENSTOCK_LOG_LEVEL": "debug", "PENSTOCK_FLOW_ATTEMPTS": "2"}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "default", "-c", PLANTED, *arguments],
            stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
        )  # fmt: skip
    assert process.stdout is not None
    words = dict(word.split("=", 1) for word in process.stdout.readline().split()[2:])
    program = Program(process, words["http"], words["mllp"], tmp_path / "data")
    with program.client() as client:
        endpoint = {"channel": SUBSCRIPTION["channel"] | {"endpoint": f"http://127.0.0.1:{hook.port}/"}}  # type: ignore[operator]
        assert client.post("/fhir/Subscription", json=SUBSCRIPTION | endpoint).status_code == 201
        for answer in exchange(program.mllp, *GOOD):
            heard.hear("acknowledgements", answer)
        assert client.post("/fhir/Patient", json=RESOURCE).status_code == 201
        answer = client.get("/fhir/Patient?family=Quetzalborough")
        assert answer.status_code == 500
        heard.hear("answers", answer.content)
        answer = client.get("/events?cursor=1", headers={"Accept": "*/*"})
        assert answer.status_code == 500
        heard.hear("answers", answer.content)
        eventually(lambda: client.get("/admin/v1/inbox").json())
        heard.hear("/admin/v1/inbox", client.get("/admin/v1/inbox").content)
        heard.hear("/admin/v1/lanes", client.get("/admin/v1/lanes").content)
        heard.hear("/metrics", client.get("/metrics", headers={"Accept": "*/*"}).content)
    process.terminate()
    printed, _ = process.communicate(timeout=30)
    complained = (tmp_path / "log").read_text()
    hook.close()
    heard.hear("standard output", printed)
    heard.hear("standard error", complained)
    assert "unexpected ValueError" in complained
    assert heard.leaks() == []
