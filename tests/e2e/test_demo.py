"""``penstock up --demo``: one command, nothing else needed, and every sentence of its story is true."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

from tests.e2e.conftest import Program, Start

LAST = "Penstock goes on serving; Ctrl-C stops it."


@pytest.fixture(scope="module")
def demo(start: Start) -> tuple[Program, list[str]]:
    """The program with its demonstration played, and what it printed."""
    program = start("--demo", PENSTOCK_WORKERS="0")  # as it comes: a process for each core
    return program, _read(program)


def _read(program: Program) -> list[str]:
    """What a program prints until its story ends."""
    assert program.process.stdout is not None
    story: list[str] = []
    for line in program.process.stdout:
        story.append(line.rstrip("\n"))
        if story[-1] == LAST:
            return story
    raise AssertionError("the story has no end:\n" + "\n".join(story))


def _section(story: list[str], heading: str) -> list[str]:
    """The indented lines under a heading."""
    start = next(place for place, line in enumerate(story) if line.startswith(heading)) + 1
    stop = next((place for place in range(start, len(story)) if not story[place].startswith("  ")), len(story))
    return [line.strip() for line in story[start:stop]]


@pytest.mark.req("HY-04", "V2-03")
def test_every_sample_is_answered_and_only_the_broken_one_with_an_error(demo: tuple[Program, list[str]]) -> None:
    answers = [line.split()[:2] for line in _section(demo[1], "What was sent over MLLP")]
    assert answers == [["AA", "MSG001"], *(["AA", f"DEMO-000{number}"] for number in range(2, 8)), ["AE", "DEMO-0008"]]


@pytest.mark.req("V2-13")
def test_the_admission_became_a_patient_and_an_encounter_and_the_webhook_was_told(demo: tuple[Program, list[str]]) -> None:
    patient, encounter, told = _section(demo[1], "The admission MSG001 became:")
    assert re.fullmatch(r"Patient/\S+: Smith, John Paul, male, born 1985-03-15", patient)
    assert re.fullmatch(r"Encounter/\S+: IMP, in-progress, since 2025-04-13T09:30:00\+00:00", encounter)
    versions, changes = map(int, re.findall(r"\d+", told))
    assert (versions, changes > 80) == (1, True)


@pytest.mark.req("V2-13")
def test_its_trace_goes_from_the_connection_to_the_webhook(demo: tuple[Program, list[str]]) -> None:
    hops = _section(demo[1], "Its trace, from the connection to the webhook:")
    stages = [hop.split()[3] for hop in hops[1:]]
    assert stages[:5] == ["received", "authorised", "parsed", "mapped", "validated"]
    assert {"stored", "published", "delivered"} <= set(stages)
    assert any(hop.split()[3] == "delivered" and "Patient/" in hop and "Subscription/demo-patient" in hop for hop in hops[1:])


@pytest.mark.req("AU-07")
def test_each_value_of_the_patient_has_its_rule_and_field(demo: tuple[Program, list[str]]) -> None:
    origins = {line.split()[0]: line.split()[1:] for line in _section(demo[1], "Where each value of the Patient came from")}
    assert origins["birthDate"] == ["PID[Patient]:7#1", "PID-7"]
    assert origins["name[0].family"][1].startswith("PID-5.1")
    assert origins["identifier[0].value"][1] == "PID-3.1"


def test_every_line_that_it_prints_to_look_further_works(demo: tuple[Program, list[str]]) -> None:
    lines = _section(demo[1], "Look further")
    token = next(line.removeprefix("TOKEN=") for line in lines if line.startswith("TOKEN="))
    curls = [shlex.split(line.replace("$TOKEN", token)) for line in lines if line.startswith("curl ")]
    assert len(curls) == 6
    answers = {}
    for command in curls:
        name, _, value = command[command.index("-H") + 1].partition(": ")
        url = urllib.parse.quote(command[-1], safe=":/?&=|_.-%")
        with urllib.request.urlopen(urllib.request.Request(url, headers={name: value}), timeout=10) as answer:
            answers[urllib.parse.urlsplit(url).path] = json.load(answer)
    assert answers["/fhir/Patient"]["entry"][0]["resource"]["name"][0]["family"] == "Okonkwo"
    assert {entry["resource"]["resourceType"] for entry in answers["/fhir/Observation"]["entry"]} == {"Observation", "Patient"}
    assert len(answers["/events"]) == 5
    assert answers["/admin/v1/conservation"]["conserved"] is True
    traced = subprocess.run(shlex.split(lines[-1]), capture_output=True, text=True, timeout=30, check=True)
    assert "received" in traced.stdout


def test_it_stops_cleanly_and_quickly(demo: tuple[Program, list[str]]) -> None:
    program, _ = demo
    began = time.monotonic()
    assert program.stop() == 0
    assert time.monotonic() - began < 10
    assert not (program.data / "running.json").exists()


def test_played_again_on_the_same_data_it_gets_the_same_answers_and_changes_nothing(demo: tuple[Program, list[str]], start: Start) -> None:
    program, story = demo
    if program.process.poll() is None:
        program.stop()
    again = _read(start("--demo", data=program.data))
    assert _section(again, "What was sent over MLLP") == _section(story, "What was sent over MLLP")
    assert _section(again, "Where each value") == _section(story, "Where each value")
    assert "of 0 changes in all: all of this was played here before" in _section(again, "The admission MSG001 became:")[2]
