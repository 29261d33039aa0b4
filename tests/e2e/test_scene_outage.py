"""One of two webhooks is away for a while: the other notices nothing, and the one that was away gets everything afterwards, in order."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from penstock.samples.traffic import admissions
from tests.e2e.conftest import Program, Start
from tests.e2e.scenes import QUICK, Hook, Told, eventually, faults_of_order, make_site

MESSAGES = 120
PROMPT_S = 5.0
ANY = {"Accept": "*/*"}


@pytest.fixture(scope="module")
def outage(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Hook, Hook, dict[str, float]]]:
    """(program, the steady webhook, the one that was away, moments) after an outage under traffic."""
    steady, away = Hook().open(), Hook().open()
    site = make_site(tmp_path_factory.mktemp("site"), steady=steady.port, away=away.port)
    program = start("--site", str(site), **QUICK)
    traffic = admissions(prefix="OUT", patients=15)
    moments = {}
    assert {answer.code for answer in program.send(*(next(traffic) for _ in range(30)))} == {"AA"}
    eventually(lambda: away.told and steady.told)
    away.close()
    moments["gone"] = time.monotonic()
    for _ in range(MESSAGES - 30):
        (answer,) = program.send(next(traffic))
        assert answer.code == "AA"
    moments["sent"] = time.monotonic()
    eventually(lambda: len(steady.told) >= len(_feed(program)), within=20, why="the steady webhook does not follow")
    moments["followed"] = time.monotonic()
    moments["missed"] = len(_feed(program)) - len({(t.subject, t.version) for t in away.told})
    away.open()
    eventually(lambda: {(t.subject, t.version) for t in away.told} >= {(t.subject, t.version) for t in steady.told}, within=30)
    yield program, steady, away, moments
    steady.close()
    away.close()


def _feed(program: Program) -> list[tuple[str, str, int]]:
    """Everything that was produced: (event id, subject, version)."""
    found, cursor = [], None
    with program.client() as client:
        while True:
            answer = client.get(
                "/events", params={"limit": "1000", "payload": "none"} | ({"cursor": cursor} if cursor else {}), headers=ANY
            )
            assert answer.status_code == 200, answer.text
            page = answer.json()
            if not page:
                return found
            found += [(event["id"], event["subject"], int(event["resourceversion"])) for event in page]
            cursor = answer.headers["X-Next-Cursor"]


def _kinds(told: list[Told]) -> set[tuple[str, str, int]]:
    return {(event.id, event.subject, event.version) for event in told}


def test_the_webhook_that_is_there_keeps_its_pace(outage: tuple[Program, Hook, Hook, dict[str, float]]) -> None:
    _, steady, _, moments = outage
    assert moments["missed"] >= MESSAGES - 30, "the outage met no traffic"
    assert moments["followed"] - moments["sent"] < PROMPT_S
    meanwhile = [event for event in steady.told if moments["gone"] < event.at <= moments["followed"]]
    assert len(meanwhile) >= MESSAGES - 30


@pytest.mark.req("EV-13")
def test_what_was_produced_was_delivered_to_both_in_order(outage: tuple[Program, Hook, Hook, dict[str, float]]) -> None:
    program, steady, away, _ = outage
    produced = _feed(program)
    assert len(produced) == len(set(produced)) >= MESSAGES
    assert _kinds(steady.told) == _kinds(away.told) == set(produced)
    assert faults_of_order(steady.told) == []
    assert faults_of_order(away.told) == []


@pytest.mark.req("EV-13")
def test_nothing_was_given_up(outage: tuple[Program, Hook, Hook, dict[str, float]]) -> None:
    program, _, _, _ = outage
    with program.client() as client:
        assert client.get("/admin/v1/dead").json() == []
