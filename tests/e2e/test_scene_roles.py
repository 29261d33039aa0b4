"""The same program in pieces: each role a process of its own over one PostgreSQL, the flow and the delivery twice.

First only the listener and the API run, so that the inbox is a queue and nothing else; then a worker that is killed at its work, then
two of each.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from penstock import running
from penstock.client import Client
from penstock.errors import Problem
from penstock.running import Running
from penstock.samples.people import people
from penstock.samples.traffic import adt
from penstock.settings import Settings
from tests.e2e.conftest import Program, Start, bundle_resources
from tests.e2e.scenes import QUICK, Hook, eventually, exchange, faults_of_order, make_site

PATIENTS, MOVES, CONNECTIONS = 50, 20, 4
PEOPLE = people(PATIENTS, seed=11)


def moves(first: int, last: int) -> list[list[bytes]]:
    """For each connection its messages: every patient of its own goes from bed ``first`` to ``last``."""
    found: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]
    for bed in range(first, last + 1):
        for number, person in enumerate(PEOPLE):
            trigger = "A01" if bed == 1 else "A02"
            found[number % CONNECTIONS].append(adt(person, f"R{person.mrn}-{bed}", trigger=trigger, bed=bed))
    return found


def send(ingress: Program, messages: list[list[bytes]]) -> Counter[bytes]:
    """What was answered, by code."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = chain.from_iterable(pool.map(lambda own: exchange(ingress.mllp, *own), messages))
        return Counter(answer.split(b"MSA|")[1][:2] for answer in answers)


@dataclass
class Pieces:
    """The processes, and the conservation when nobody worked and when two did."""

    hook: Hook
    ingress: Program
    api: Program
    answers: Counter[bytes] = field(default_factory=Counter)
    counts: list[dict[str, Any]] = field(default_factory=list)

    def conservation(self) -> dict[str, Any]:
        with self.api.client() as client:
            found = client.get("/admin/v1/conservation").json()
        assert found["conserved"]
        return dict(found["interfaces"]["mllp"])

    def settled(self, stored: int) -> dict[str, Any] | None:
        counts = self.conservation()
        return counts if counts["stored"] == stored and not any(counts["in_flight"].values()) else None


@pytest.fixture
def pieces(start: Start, tmp_path: Path, database_url: str) -> Pieces:
    hook = Hook().open()
    tmp_path.chmod(0o755)
    common = ["--site", str(make_site(tmp_path / "site", hook=hook.port)), "--database", database_url]

    def begin(roles: str) -> Program:
        return start("--roles", roles, *common, data=tmp_path / "data", PENSTOCK_FLOW_BATCH="40", **QUICK)

    found = Pieces(hook, begin("ingress"), begin("api"))
    found.answers = send(found.ingress, moves(1, MOVES))
    found.counts.append(found.conservation())
    victim = begin("flow")
    eventually(lambda: found.conservation()["stored"])
    victim.process.kill()
    victim.process.wait()
    found.counts.append(found.conservation())
    workers = [begin(roles) for roles in ("flow", "delivery", "flow", "delivery")]
    found.answers += send(found.ingress, moves(MOVES + 1, MOVES + 4))
    found.counts.append(eventually(lambda: found.settled(PATIENTS * (MOVES + 4)), within=40))
    assert [worker.process.poll() for worker in workers] == [None] * 4
    return found


def _told(pieces: Pieces) -> dict[str, int]:
    """The newest version of each Encounter that the webhook knows."""
    newest: dict[str, int] = defaultdict(int)
    for event in pieces.hook.told:
        if event.subject.startswith("Encounter/"):
            newest[event.subject] = max(newest[event.subject], event.version)
    return newest


@pytest.mark.req("V2-14", "EV-04")
def test_a_queue_without_workers_fills_and_two_of_each_empty_it_in_order_and_once(pieces: Pieces) -> None:
    sent = PATIENTS * (MOVES + 4)
    assert pieces.answers == {b"AA": sent}
    queued, killed, done = pieces.counts
    assert (queued["stored"], sum(queued["in_flight"].values())) == (0, PATIENTS * MOVES)
    assert 0 < killed["stored"] < PATIENTS * MOVES, "the worker was not killed at its work"
    assert (done["accepted"], done["stored"], done["quarantined"], done["filtered"]) == (sent, sent, {}, {})

    with pieces.api.client() as client:
        encounters = bundle_resources(client.get("/fhir/Encounter", params={"_count": "500"}))
        assert client.get("/fhir/Patient", params={"_summary": "count"}).json()["total"] == PATIENTS
        histories = [client.get(f"/fhir/Encounter/{each['id']}/_history", params={"_count": "100"}).json() for each in encounters[::10]]
    assert len(encounters) == PATIENTS
    assert {each["meta"]["versionId"] for each in encounters} == {str(MOVES + 4)}
    for history in histories:
        places = [entry["resource"]["location"] for entry in reversed(history["entry"])]
        assert [len(each) for each in places] == list(range(1, MOVES + 5)), "a patient did not move from bed to bed"

    eventually(lambda: sum(_told(pieces).values()) >= sent, within=30)
    told = pieces.hook.told
    assert len(told) == len({event.id for event in told}), "something was told twice"
    assert faults_of_order(told) == []
    assert "received" in pieces.api.cli("trace", f"R{PEOPLE[0].mrn}-1").stdout, "the pieces are not found by their data folder"
    pieces.hook.close()


def test_a_folder_without_an_http_door_is_said_plainly(tmp_path: Path) -> None:
    running.announce(tmp_path, Running("", "", os.getpid()))
    with pytest.raises(Problem) as caught:
        Client.of(Settings(data=tmp_path), "admin/trace.r")
    assert caught.value.code == "not-found"
