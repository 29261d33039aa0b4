"""The command beside a running program: send, trace, replay, dead letters, doctor; and a site that is served."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.samples import sample_messages
from penstock.workbench.init import start_site
from tests.e2e.conftest import BIN, Program, Start, bundle_resources
from tests.e2e.scenes import QUICK, Hook, make_site

SAMPLES = dict(sample_messages())


def _until(true: Callable[[], Any], what: str) -> Any:
    for _ in range(200):
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within ten seconds: {what}")


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., list[str]]:
    def write(*names: str) -> list[str]:
        for name in names:
            (tmp_path / name).write_bytes(SAMPLES[name])
        return [str(tmp_path / name) for name in names]

    return write


def test_send_prints_each_answer_and_fails_when_one_is_refused(program: Program, files: Callable[..., list[str]]) -> None:
    good = program.cli("send", *files("02_admission_northgate.hl7", "03_transfer.hl7"))
    assert (good.returncode, good.stdout) == (0, "AA DEMO-0002\nAA DEMO-0003\n"), good.stderr
    mixed = program.cli("send", "--json", *files("08_broken.hl7", "04_lab_critical_potassium.hl7"))
    assert mixed.returncode == 1
    assert [json.loads(line)["code"] for line in mixed.stdout.splitlines()] == ["AE", "AA"]


@pytest.mark.req("OB-09")
def test_a_message_that_was_refused_is_traced_with_its_reason_and_replayed_by_its_id(program: Program) -> None:
    program.send(SAMPLES["08_broken.hl7"])
    received, *_, refused = json.loads(program.cli("trace", "DEMO-0008", "--json").stdout)
    assert (refused["stage"], refused["outcome"], refused["details"]["code"]) == ("refused", "quarantined", "not-supported")
    inbox_id = received["details"]["inbox_id"]
    assert f"message {inbox_id} quarantined" in program.cli("trace", "DEMO-0008").stdout
    preview = program.cli("replay", str(inbox_id))
    assert json.loads(preview.stdout) == {"chosen": 1, "replayed": 0, "ids": [inbox_id]}, preview.stderr
    done = program.cli("replay", "--state", "quarantined", "--yes")
    assert json.loads(done.stdout)["replayed"] == 1, done.stderr
    again = _until(
        lambda: [h for h in json.loads(program.cli("trace", "DEMO-0008", "--json").stdout) if h["outcome"] == "quarantined"], "done"
    )
    assert again[0]["details"]["at"] == "MSH-9"


def test_the_doctor_knows_that_the_ports_are_ours(program: Program) -> None:
    http, mllp = program.http.removeprefix("http://"), program.mllp.removeprefix("mllp://")
    seen = program.cli("doctor", "--http", http, "--mllp", mllp, "--json")
    findings = {finding["what"]: finding for finding in json.loads(seen.stdout)}
    assert (findings["http"]["text"], findings["mllp"]["text"]) == (f"{http} is ours", f"{mllp} is ours")


def test_dead_letters_are_listed_retried_and_discarded(start: Start, tmp_path: Path) -> None:
    with_hook = Hook().open()
    try:
        program = start("--site", str(make_site(tmp_path / "site", mode="single", ward=with_hook.port)), **QUICK)
        program.send(SAMPLES["06_registration.hl7"])
        _until(lambda: with_hook.told, "the webhook is told")
        with_hook.status = 400
        program.send(SAMPLES["02_admission_northgate.hl7"])
        lines = _until(lambda: _settled(program), "dead letters")
        assert all(line.startswith("site/ward ") for line in lines)
        first = lines[0].split()[1]
        with_hook.status = 200
        assert json.loads(program.cli("dead", "retry", "site/ward", first).stdout) == {"retried": 1}
        assert program.cli("dead", "discard", "site/ward", "--all").returncode == 2
        given_up = program.cli("dead", "discard", "site/ward", "--all", "--reason", "the ward has closed")
        assert json.loads(given_up.stdout) == {"discarded": len(lines) - 1}, given_up.stderr
        assert program.cli("dead", "list").stdout == ""
        unknown = program.cli("dead", "retry", "site/nobody", "--all")
        assert (unknown.returncode, unknown.stderr) == (1, "penstock: there is no such subscription\n")
    finally:
        with_hook.close()


def _counts(program: Program) -> dict[str, Any]:
    with program.client() as client:
        found: dict[str, Any] = client.get("/admin/v1/conservation").json()["interfaces"]["mllp"]
    return found


def _settled(program: Program) -> list[str]:
    """The list of dead letters once the admission's are all there: nothing is on its way to the webhook any more."""
    counts = _counts(program)
    before = program.cli("dead", "list").stdout.splitlines()
    return before if counts["stored"] == 2 and before and before == program.cli("dead", "list").stdout.splitlines() else []


def test_a_subscription_that_cannot_be_served_is_refused_when_it_is_written_unless_it_is_off(program: Program) -> None:
    asked = {
        "resourceType": "Subscription", "id": "mail", "status": "requested", "reason": "r", "criteria": "Patient",
        "channel": {"type": "email", "endpoint": "mailto:me@example.org"},
    }  # fmt: skip
    with program.client() as client:
        refused = client.put("/fhir/Subscription/mail", json=asked)
        assert (refused.status_code, refused.json()["issue"][0]["expression"]) == (400, ["Subscription.channel.type"])
        assert client.get("/fhir/Subscription/mail").status_code == 404
        assert client.put("/fhir/Subscription/mail", json=asked | {"status": "off"}).status_code == 201


def test_the_starter_site_is_served_as_it_says(start: Start, tmp_path: Path) -> None:
    site = tmp_path / "site"
    start_site(site)
    (site / "clients" / "example.yaml").unlink()
    adt = site / "interfaces" / "adt.yaml"  # its agreement, on the listener whose port is free to choose
    adt.write_text(adt.read_text().replace("name: adt\nlisten: 127.0.0.1:2576\n", "name: mllp\n"))
    program = start("--site", str(site))
    admission = (site / "tests" / "adt" / "admission.hl7").read_bytes()
    assert program.send(admission, admission.replace(b"ADT^A01^ADT_A01|EX-0001", b"ADT^A60|EX-0002"))[1].code == "AA"
    with program.client() as client:
        wanted = {"identifier": "https://example.org/id/mrn|50001"}
        (patient,) = _until(lambda: bundle_resources(client.get("/fhir/Patient", params=wanted)), "the patient is stored")
        (encounter,) = bundle_resources(client.get("/fhir/Encounter", params={"subject": f"Patient/{patient['id']}"}))
        counts = _until(lambda: _counts(program) if _counts(program)["filtered"] else None, "the A60 is filtered")
    assert (patient["name"][0]["family"], encounter["period"]["start"]) == ("Brandt", "2025-07-01T08:30:00+01:00")
    assert (counts["stored"], sum(counts["filtered"].values())) == (1, 1)


@pytest.mark.req("SE-09")
def test_a_site_with_a_secret_in_it_does_not_start_and_every_problem_is_told(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site", ward=1)
    with (site / "subscriptions" / "ward.yaml").open("a") as file:
        file.write("secret: hunter2\n")
    (site / "site.toml").write_text('zone = "Mars/Olympus"\n')
    ran = subprocess.run(
        [BIN, "up", "--site", site, "--data", tmp_path / "data", "--http", "127.0.0.1:0", "--mllp", "127.0.0.1:0"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.splitlines() == [
        "penstock: this is not an IANA time zone (at site.toml: zone)",
        "penstock: a secret must not be written into the site (at subscriptions/ward.yaml: secret)",
    ]
