"""``penstock up --demo``: loads invented people, listens as a webhook, plays sample messages through the MLLP port, tells the story."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from penstock.client import Client
from penstock.errors import explain
from penstock.running import Running
from penstock.samples import sample_messages
from penstock.samples.people import transaction
from penstock.sending import Answer, send
from penstock.settings import Settings
from penstock.workbench import mint_token
from penstock.workbench.trace import trace_lines

SCOPE = "system/*.cruds admin/*.* events/*.* ingest/v2.c"
WATCHED = ("Patient", "Encounter", "Observation", "DiagnosticReport")

#: What each sample shows: the story beside the file.
STORY = {
    "01_admission.hl7": "an admission whose admit date stands in the wrong field (PV1-39): kept, told, and not lost",
    "02_admission_northgate.hl7": "an admission to the acute medical unit",
    "03_transfer.hl7": "the transfer to cardiology: one Encounter, two locations",
    "04_lab_critical_potassium.hl7": "a laboratory result with a critical potassium",
    "05_unknown_code.hl7": "a result with codes that no table knows: kept beside the gap they leave",
    "06_registration.hl7": "the same person registered twice, under another number",
    "07_merge.hl7": "the merge of the two",
    "08_broken.hl7": "a trigger that no map knows: kept, answered with an error, never AA",
}


@dataclass
class Receiver:
    """The webhook of the demonstration: a subscriber that answers 200 and remembers what it was told."""

    told: list[tuple[str, str]] = field(default_factory=list)

    async def start(self) -> int:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                _, _, rest = head.partition(b"content-length:")
                body = await reader.readexactly(int(rest.split(b"\r\n", 1)[0])) if rest else b""
                if body:
                    resource = json.loads(body)
                    self.told.append((f"{resource['resourceType']}/{resource['id']}", resource["meta"]["versionId"]))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def prepare(settings: Settings) -> Settings:
    """The settings of the demonstration: its webhook is on this machine, and its story is not drowned in log lines."""
    return settings.model_copy(update={"delivery_allow": (*settings.delivery_allow, "127.0.0.0/8"), "log_level": "warning"})


async def play(settings: Settings, found: Running) -> None:
    """The whole demonstration; then the program just goes on."""
    try:
        receiver = Receiver()
        port = await receiver.start()
        token = mint_token(settings, client="demo", scope=SCOPE, lifetime=timedelta(hours=1))
        client = Client(found.http, token)
        answers = await asyncio.to_thread(_play, client, found, port)
        await _quiet(client, receiver)
        lines = await asyncio.to_thread(_tell, client, answers, receiver)
        print("\n".join([*lines, *_look(settings, found, token)]), flush=True)
    except Exception as error:
        print(f"penstock: the demonstration stopped: {explain(error)}", file=sys.stderr)


def _play(client: Client, found: Running, port: int) -> list[tuple[str, Answer]]:
    for type_ in WATCHED:
        client.put(f"/fhir/Subscription/demo-{type_.lower()}", _subscription(type_, port))
    client.post("/fhir", transaction(20), media="application/fhir+json")
    samples = sample_messages()
    return list(zip([name for name, _ in samples], send([body for _, body in samples], found.mllp), strict=True))


def _subscription(type_: str, port: int) -> dict[str, Any]:
    return {
        "resourceType": "Subscription",
        "id": f"demo-{type_.lower()}",
        "status": "requested",
        "reason": "the demonstration watches what changes",
        "criteria": type_,
        "channel": {"type": "rest-hook", "endpoint": f"http://127.0.0.1:{port}/{type_}", "payload": "application/fhir+json"},
    }


async def _quiet(client: Client, receiver: Receiver) -> None:
    """Wait until every message is processed and the webhook has heard nothing new for half a second; 20 s at most.

    Where all of it was played before there is nothing to be told: three seconds of silence are enough then.
    """
    heard, since = -1, 0
    for _ in range(200):
        counts = (await asyncio.to_thread(client.get, "/admin/v1/conservation"))["interfaces"]
        busy = any(sum(count["in_flight"].values()) for count in counts.values())
        since = 0 if busy or len(receiver.told) != heard else since + 1
        heard = len(receiver.told)
        if since >= (5 if heard else 30):
            return
        await asyncio.sleep(0.1)


def _tell(client: Client, answers: Sequence[tuple[str, Answer]], receiver: Receiver) -> list[str]:
    lines = ["", "What was sent over MLLP, and what was answered (each AA after the commit):"]
    lines += [f"  {answer.code}  {answer.control_id:<10} {STORY[name]}" for name, answer in answers]
    patient = _first(client, "Patient", identifier="https://fhir.nhs.uk/Id/nhs-number|9000000009")
    encounter = _first(client, "Encounter", subject=f"Patient/{patient['id']}")
    name, subject = patient["name"][0], f"Patient/{patient['id']}"
    heard = sum(resource == subject for resource, _ in receiver.told)
    lines += [
        "",
        "The admission MSG001 became:",
        f"  Patient/{patient['id']}: {name['family']}, {' '.join(name['given'])}, {patient['gender']}, born {patient['birthDate']}",
        f"  Encounter/{encounter['id']}: {encounter['class']['code']}, {encounter['status']}, since {encounter['period']['start']}",
        f"  the webhook was told of {heard} version(s) of this Patient, and of {len(receiver.told)} changes in all"
        + ("" if receiver.told else ": all of this was played here before"),
        "",
        "Its trace, from the connection to the webhook:",
        *(f"  {line}" for line in trace_lines(client.get("/admin/v1/trace", q="MSG001"))),
        "",
        "Where each value of the Patient came from (element, rule, field):",
    ]
    origins = client.get(f"/admin/v1/lineage/Patient/{patient['id']}")["elements"]
    lines += [f"  {origin['element']:<38} {origin['rule']:<28} {origin['source']}" for origin in origins]
    return lines


def _first(client: Client, type_: str, **query: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/fhir/{type_}", **query)["entry"][0]["resource"]
    return found


def _command() -> str:
    """The command as it was started, from here where that is shorter."""
    command = Path(sys.argv[0])
    return str(command.relative_to(Path.cwd())) if command.is_relative_to(Path.cwd()) else str(command)


def _look(settings: Settings, found: Running, token: str) -> list[str]:
    curl = 'curl -s -H "Authorization: Bearer $TOKEN"'
    return [
        "",
        "Look further (this token lives for an hour):",
        f"  TOKEN={token}",
        f'  {curl} "{found.http}/fhir/Patient?family=Okonkwo&_pretty=true"',
        f'  {curl} "{found.http}/fhir/Observation?code=http://loinc.org|2823-3&_include=Observation:subject"',
        f'  {curl} "{found.http}/fhir/metadata"',
        f'  {curl} "{found.http}/events?limit=5"',
        f'  {curl} "{found.http}/admin/v1/trace?q=DEMO-0004"',
        f'  {curl} "{found.http}/admin/v1/conservation"',
        f"  {_command()} trace DEMO-0004 --data {settings.data}",
        "",
        "Penstock goes on serving; Ctrl-C stops it.",
    ]
