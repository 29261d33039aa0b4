"""The command line: what it prints where, and its exit codes 0, 1 and 2."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from penstock import cli, client
from penstock.auth.keys import open_keys
from penstock.auth.tokens import realm, verify
from penstock.clock import SystemClock
from penstock.samples import sample_messages

SAMPLES = dict(sample_messages())
GOOD, BROKEN = SAMPLES["01_admission.hl7"], SAMPLES["08_broken.hl7"]
VERBS = (
    "up", "load", "mock", "fetch", "init", "check", "convert", "fhirpath", "send", "token", "trace", "transactions", "replay",
    "dead", "doctor", "package", "maps", "codes", "plan", "apply", "rollback", "releases",
)  # fmt: skip


class Ran(NamedTuple):
    code: int
    out: str
    err: str


class Run:
    """The command in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object, stdin: bytes = b"") -> Ran:
        self._monkeypatch.setattr(sys, "argv", ["penstock", *map(str, arguments)])
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = self._capsys.readouterr()
        return Ran(int(left.value.code or 0), out, err)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


@pytest.mark.parametrize("arguments", [(verb,) for verb in VERBS] + [("dead", verb) for verb in ("list", "retry", "discard")])
def test_every_verb_explains_itself(run: Run, arguments: tuple[str, ...]) -> None:
    shown = run(*arguments, "--help")
    assert shown.code == 0
    assert "Usage: penstock " + " ".join(arguments) in shown.out


def test_every_verb_is_in_the_list_of_this_test(run: Run) -> None:
    listed = [
        line.split()[0] for line in run("--help").out.partition("Commands:")[2].splitlines() if line.startswith("  ") and line[2] != " "
    ]
    assert sorted(listed) == sorted(VERBS)


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",), ("convert",), ("send", "--nonsense", "x"), ("replay",), ("dead", "retry", "Subscription/1"),
        ("dead", "retry", "Subscription/1", "7", "--all"), ("dead", "discard", "Subscription/1", "7"), ("dead", "bury"), ("check",),
        ("up", "--roles", "cook"), ("token", "--client", "me"),
    ],
)  # fmt: skip
def test_a_command_that_is_not_understood_is_code_2_and_says_so_on_standard_error(run: Run, arguments: tuple[str, ...]) -> None:
    refused = run(*arguments)
    assert (refused.code, refused.out) == (2, "")
    assert "Usage: penstock" in refused.err


def test_the_version_is_printed(run: Run) -> None:
    assert run("--version").out.startswith("penstock 0.")


def test_a_setting_that_nobody_knows_or_that_is_not_one_refuses_without_its_value(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_NONSENSE", "1")
    assert run("doctor") == Ran(1, "", "penstock: unknown setting PENSTOCK_NONSENSE\n")
    monkeypatch.delenv("PENSTOCK_NONSENSE")
    monkeypatch.setenv("PENSTOCK_FLOW_BATCH", "hunter2")
    refused = run("doctor")
    assert (refused.code, "flow_batch" in refused.err, "hunter2" in refused.err) == (1, True, False)


# convert


def test_convert_prints_a_bundle(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.hl7").write_bytes(GOOD)
    shown = run("convert", tmp_path / "a.hl7")
    assert (shown.code, shown.err) == (0, "")
    bundle = json.loads(shown.out)
    assert {entry["resource"]["resourceType"] for entry in bundle["entry"]} >= {"Patient", "Encounter"}


def test_convert_tells_of_the_message_itself_unless_asked_for_what_is_stored(run: Run) -> None:
    told, stored = (json.loads(run("convert", "--json", *flags, "-", stdin=GOOD).out) for flags in ((), ("--transaction",)))
    assert (told["type"], told["entry"][0]["resource"]["resourceType"]) == ("message", "MessageHeader")
    assert not any("request" in entry for entry in told["entry"])
    assert stored["type"] == "transaction" and all(entry["request"]["method"] == "PUT" for entry in stored["entry"])
    kinds = [{entry["resource"]["resourceType"] for entry in bundle["entry"]} for bundle in (told, stored)]
    assert kinds[0] - kinds[1] == {"MessageHeader", "Provenance", "Organization", "Device"}


def test_convert_reads_standard_input_and_prints_a_line_a_message(run: Run) -> None:
    shown = run("convert", "--json", "-", stdin=GOOD + SAMPLES["02_admission_northgate.hl7"])
    assert [json.loads(line)["resourceType"] for line in shown.out.splitlines()] == ["Bundle", "Bundle"]


def test_a_bad_message_of_a_batch_is_told_with_its_place_and_does_not_stop_the_others(run: Run, tmp_path: Path) -> None:
    (tmp_path / "batch.hl7").write_bytes(GOOD + BROKEN + b"MSH|^~\\&|x\r" + SAMPLES["02_admission_northgate.hl7"])
    shown = run("convert", "--json", tmp_path / "batch.hl7")
    assert (shown.code, len(shown.out.splitlines())) == (1, 2)
    first, second = shown.err.splitlines()
    assert first == "penstock: batch.hl7: message 2: there is no map for this message type and trigger event (at MSH-9)"
    assert second.startswith("penstock: batch.hl7: message 3: ")


def test_a_batch_whose_count_does_not_agree_is_told(run: Run) -> None:
    shown = run("convert", "--json", "-", stdin=b"BHS|^~\\&\r" + GOOD + b"BTS|2\r")
    assert (shown.code, len(shown.out.splitlines())) == (1, 1)
    assert shown.err == "penstock: -: the trailer of the batch counts otherwise (at BTS-1)\n"


def test_a_file_without_a_message_and_a_file_that_is_not_there_are_told(run: Run, tmp_path: Path) -> None:
    assert run("convert", "-") == Ran(1, "", "penstock: -: there is no message in it\n")
    assert run("convert", tmp_path / "nowhere.hl7").err.startswith("penstock: this file cannot be read")


def test_convert_explains_every_rule_as_a_table_or_as_json(run: Run) -> None:
    table = run("convert", "--explain", "-", stdin=GOOD)
    assert any(line.startswith("PID-7 ") and "Patient.birthDate" in line and "fired" in line for line in table.out.splitlines())
    (line,) = run("convert", "--explain", "--json", "-", stdin=GOOD).out.splitlines()
    assert any(step["outcome"] == "not mapped" and step["why"] for step in json.loads(line))


def test_convert_reads_a_message_as_the_interface_of_the_site_says(run: Run, tmp_path: Path) -> None:
    (tmp_path / "interfaces").mkdir()
    (tmp_path / "interfaces" / "old.yaml").write_text(
        "name: old\nlisten: 127.0.0.1:1\nfallback: 8859/1\nzone: America/New_York\nauthorities: {NHS: 'https://example.org/own'}\n"
    )
    latin = GOOD.replace(b"Smith", b"M\xfcller")
    assert run("convert", "--site", tmp_path, "-", stdin=latin).code == 1
    shown = run("convert", "--site", tmp_path, "--interface", "old", "-", stdin=latin)
    assert (shown.code, "Müller" in shown.out, "https://example.org/own" in shown.out) == (0, True, True)
    assert "2025-04-13T09:30:00-04:00" in shown.out
    assert run("convert", "--site", tmp_path, "--interface", "none", "-", stdin=GOOD).err.endswith("no interface of this name\n")


def test_every_problem_of_a_site_and_of_its_maps_is_printed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "own.csv").write_text(
        "rule,source,target\nPID[Patient]:8#1,PID-8,Patient.nothing\nPID[Patient]:7#1,PID-7,nowhere\n"
    )
    refused = run("convert", "--site", tmp_path, "-", stdin=GOOD)
    assert (refused.code, len(refused.err.splitlines())) == (1, 2)
    (tmp_path / "site.toml").write_text('zone = "x"\nname = 5\n')
    assert len(run("convert", "--site", tmp_path, "-", stdin=GOOD).err.splitlines()) == 2


# token


def test_a_token_is_good_for_the_program_on_its_data_folder(run: Run, tmp_path: Path) -> None:
    shown = run("token", "--client", "me", "--scope", "system/Patient.r", "--data", tmp_path)
    access, _ = verify(open_keys(tmp_path), realm(None), shown.out.strip(), now=SystemClock().now())
    assert (shown.code, access.client) == (0, "me")


@pytest.mark.parametrize(
    ("name", "scope", "minutes"),
    [
        ("penstock:delivery", "system/*.r", 1),
        (" ", "system/*.r", 1),
        ("me", "everything", 1),
        ("me", "system/*.r", 0),
        ("me", "system/*.r", 9999),
    ],
)
def test_a_token_that_may_not_be_is_refused(run: Run, tmp_path: Path, name: str, scope: str, minutes: int) -> None:
    refused = run("token", "--client", name, "--scope", scope, "--minutes", minutes, "--data", tmp_path)
    assert (refused.code, refused.out, refused.err.startswith("penstock: ")) == (1, "", True)


# of a running program


class _Program:
    """What the command asked a program, and what it answers."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def get(self, path: str, **query: str) -> Any:
        self.asked.append((path, query))
        return self.answer

    def post(self, path: str, body: Any) -> Any:
        self.asked.append((path, body))
        return self.answer


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> _Program:
    found = _Program([])
    monkeypatch.setattr(client.Client, "of", lambda settings, scope: found)
    return found


def test_without_a_running_program_the_command_says_what_to_do(run: Run, tmp_path: Path) -> None:
    for arguments in (("trace", "x"), ("dead", "list"), ("replay", "1"), ("send", "-")):
        refused = run(*arguments, "--data", tmp_path)
        assert (refused.code, refused.out) == (1, "")
        assert "start one with `penstock up`" in refused.err


def test_dead_letters_are_named_by_subscription_and_sequence_number(run: Run, program: _Program) -> None:
    program.answer = {"retried": 2}
    assert run("dead", "retry", "site/ward", 4, 5).out == '{\n  "retried": 2\n}\n'
    run("dead", "retry", "site/ward", "--all")
    run("dead", "discard", "Subscription/a", 4, "--reason", "the ward has closed")
    run("dead", "discard", "Subscription/a", "--all", "--reason", "the ward has closed")
    assert program.asked == [
        ("/admin/v1/dead/retry", {"subscription": "site/ward", "seqs": [4, 5]}),
        ("/admin/v1/dead/retry", {"subscription": "site/ward", "all": True}),
        ("/admin/v1/dead/discard", {"subscription": "Subscription/a", "seqs": [4], "reason": "the ward has closed"}),
        ("/admin/v1/dead/discard", {"subscription": "Subscription/a", "all": True, "reason": "the ward has closed"}),
    ]


def test_the_list_of_dead_letters_shows_what_retry_and_discard_want(run: Run, program: _Program) -> None:
    program.answer = [{"subscription": "site/ward", "seq": 4, "attempts": 9, "reason": "the subscriber answered 500", "history": []}]
    program.answer[0] |= {"hop": "delivered", "identity": {"subscriber": "site/ward", "source": "app"}, "rule": "horizon"}
    told = "site/ward 4 attempts=9 the subscriber answered 500 | hop=delivered | subscriber=site/ward source=app | horizon\n"
    assert run("dead", "list").out == told
    assert json.loads(run("dead", "list", "--json").out) == program.answer


def test_the_transaction_log_is_lines_with_seven_fields_and_how_to_go_on(run: Run, program: _Program) -> None:
    seven = {"source_system": "LAB|A", "target_system": "penstock", "message_id": "M1", "correlation_id": "t", "schema_version": "HL7 2.5"}
    entry = {"at": "2026-01-02", **seven, "transformation_rules": ["plan:1"], "outcome": "ok", "stage": "mapped", "what": "message 1"}
    program.answer = {"entries": [entry], "next": "1.2.3"}
    first, more = run("transactions", "outcome=ok", "source_system=LAB|A").out.splitlines()
    assert all(f"{name}={value} " in first for name, value in seven.items()) and first.endswith("outcome=ok  mapped message 1")
    assert more == "more: cursor=1.2.3"
    assert program.asked == [("/admin/v1/transactions", {"outcome": "ok", "source_system": "LAB|A"})]
    program.answer = {"entries": [], "next": None}
    assert run("transactions").out == "nothing agrees with that\n"
    assert run("transactions", "outcome").code == 2


def test_a_replay_is_a_preview_until_it_is_confirmed(run: Run, program: _Program) -> None:
    run("replay", 7, 8)
    run("replay", "--state", "quarantined", "--yes")
    assert [body for _, body in program.asked] == [{"ids": [7, 8], "preview": True}, {"state": "quarantined", "preview": False}]


def test_a_trace_is_lines_for_people_and_json_for_machines(run: Run, program: _Program) -> None:
    hop = {"trace_id": "t", "stage": "received", "what": "message 1", "outcome": "durable", "details": {"keys": ["a", "b"]}}
    hop |= {"ms": 1.5, "transformation_rules": list("abcdefgh")}
    program.answer = [hop | {"at": "2026-01-02T03:04:05+00:00"}, hop | {"at": "2026-01-02T03:04:05.250000+00:00", "stage": "stored"}]
    lines = run("trace", "MSG001").out.splitlines()
    assert lines[0] == "trace t"
    assert lines[1] == "03:04:05.000000       +0.0 ms  received   message 1 durable  keys=a,b rules=a,b,c,d,e,f,+2 ms=1.5"
    assert "+250.0 ms  stored" in lines[2]
    assert json.loads(run("trace", "MSG001", "--json").out) == program.answer
    program.answer = []
    assert run("trace", "MSG001").out == "nothing is known by that name\n"


# init and check


def test_init_writes_a_site_that_check_finds_in_order_once_its_placeholder_is_replaced(run: Run, tmp_path: Path) -> None:
    site = tmp_path / "site"
    written = run("init", "--site", site)
    assert written.code == 0
    assert {str(Path(line).relative_to(site)) for line in written.out.splitlines()} == {
        "README.md", ".gitignore", "site.toml", "interfaces/adt.yaml", "clients/example.yaml", "subscriptions/example.yaml",
        "maps/README.md", "tests/adt/admission.hl7", "tests/adt/admission.json",
    }  # fmt: skip
    told = run("check", "--site", site)
    assert told == Ran(1, "clients/example.yaml: jwks: put the client's public key where the placeholder stands\n", "")
    (site / "clients" / "example.yaml").unlink()
    good = run("check", "--site", site)
    assert (good.code, good.out) == (0, f"{site} is in order: 3 interfaces, 0 clients, 0 webhooks, 0 rows of maps, 1 tests\n")


def test_init_leaves_a_folder_alone_that_is_not_empty(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    assert run("init", "--site", tmp_path).code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert run("init", "--site", tmp_path / "mine").code == 1


@pytest.fixture
def site(run: Run, tmp_path: Path) -> Path:
    """A site in order, with one test."""
    run("init", "--site", tmp_path / "site")
    (tmp_path / "site" / "clients" / "example.yaml").unlink()
    return tmp_path / "site"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            '[{"resource": "Patient", "path": "name[0].family", "value": "Duval"}]',
            "fact 1, Patient name[0].family: the message does not become",
        ),
        ('[{"resource": "Observation", "path": "status", "value": "final"}]', "fact 1, Observation status: the message does not become"),
        ('[{"resource": "Patient", "path": "famly", "value": 1}]', "fact 1, Patient famly: "),
        ('[{"resource": "Person"}]', "the facts beside this message are a list"),
        ('[{"resource": "Nobody", "path": "id", "value": 1}]', "the facts beside this message are a list"),
        ("{", "the facts beside this message are not JSON"),
    ],
)
def test_a_fact_that_does_not_hold_fails_the_check(run: Run, site: Path, facts: str, said: str) -> None:
    (site / "tests" / "adt" / "admission.json").write_text(facts)
    failed = run("check", "--site", site)
    assert (failed.code, failed.out.startswith("tests/adt/admission.hl7: ")) == (1, True)
    assert said in failed.out


def test_all_tests_of_a_site_run_and_all_their_failures_are_told(run: Run, site: Path) -> None:
    (site / "tests" / "adt" / "admission.json").write_text(
        '[{"resource": "Patient", "path": "gender", "value": "male"}, {"resource": "Patient", "path": "gender", "value": "female"},'
        ' {"resource": "Patient", "path": "birthDate", "value": "1900-01-01"}]'
    )
    (site / "tests" / "unknown.hl7").write_bytes(BROKEN)
    (site / "tests" / "alone.hl7").write_bytes(GOOD)
    (site / "tests" / "unknown.json").write_text("[]")
    (site / "tests" / "lab").mkdir()
    (site / "tests" / "lab" / "x.hl7").write_bytes(GOOD)
    (site / "tests" / "lab" / "x.json").write_text("[]")
    failed = json.loads(run("check", "--site", site, "--json").out)
    assert failed["tests"] == 4
    assert [problem["at"] for problem in failed["problems"]] == [
        "tests/adt/admission.hl7: fact 1, Patient gender", "tests/adt/admission.hl7: fact 3, Patient birthDate",
        "tests/alone.hl7", "tests/lab/x.hl7", "tests/unknown.hl7: MSH-9",
    ]  # fmt: skip


def test_check_tells_rows_that_do_not_compile_all_at_once(run: Run, site: Path) -> None:
    (site / "maps" / "own.csv").write_text("rule,source,target\nPID[Patient]:8#1,PID-8,nothing\nPID[Patient]:7#1,PID-7,nowhere\n")
    told = run("check", "--site", site)
    assert (told.code, len(told.out.splitlines())) == (1, 2)
    assert told.out.startswith("maps: PID[Patient]:")


def test_the_overlay_of_a_site_is_what_its_tests_see(run: Run, site: Path) -> None:
    (site / "maps" / "own.csv").write_text("rule,source,target,reason\nPID[Patient]:5#1,PID-5,,kept elsewhere\n")
    told = run("check", "--site", site)
    assert told.out.startswith("tests/adt/admission.hl7: fact 1, Patient name[0].family: ")
