"""The pages say what the program does: docs/messages.md, docs/site.md and docs/howto are compared with the code."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.auth import clients
from penstock.convert import plan
from penstock.convert.api import structure_of
from penstock.errors import Problem
from penstock.formats.hl7v2 import Header, Message, answer_code
from penstock.ingress import Interface
from penstock.ingress.arrival import Sender, arrive, outcome

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "docs" / "messages.md", ROOT / "docs" / "site.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
MESSAGES = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")

GOOD = b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|X1|P|2.5\rPID|1||1^^^A^MR\r"

#: How the rows of "One message" begin, and messages that they are about.
CASES: dict[str, tuple[bytes, ...]] = {
    "not HL7 v2": (b"hello", b"", b'{"a": 1}'),
    "unusable encoding": (b"MSH||||\r",),
    "no message type": (GOOD.replace(b"ADT^A01", b""),),
    "unknown trigger": (GOOD.replace(b"ADT^A01", b"ZZZ^Z99"), GOOD.replace(b"A01", b"A99"), GOOD.replace(b"^A01", b"")),
    "no control id": (GOOD.replace(b"X1", b""),),
    "a control id of more": (GOOD.replace(b"X1", b"X" * 200),),
    "a control character": (GOOD.replace(b"X1", b"X\x01"),),
    "an unknown version": (GOOD.replace(b"2.5", b"3.0"),),
    "any version 2": (GOOD, GOOD.replace(b"2.5", b"2.1"), GOOD.replace(b"2.5", b"2.8"), GOOD.replace(b"2.5", b"")),
    "an unknown character set": (GOOD.replace(b"2.5", b"2.5||||||KLINGON"),),
    "bytes that are not in": (GOOD.replace(b"2.5", b"2.5||||||UNICODE UTF-8") + b"NTE|1||\xff\r",),
    "no declared set": (GOOD + b"NTE|1||\xff\r",),
    "a NUL": (GOOD + b"NTE|1||\0\r",),
    "a line that is no segment": (GOOD + b"free text\r",),
    "a sender that": (GOOD.replace(b"|B|", b"|STRANGER|"),),
    "segments that end in LF": (GOOD.replace(b"\r", b"\n"), GOOD.replace(b"\r", b"\r\n")),
    "Z segments": (GOOD + b"ZZZ|1\r", GOOD + b"EVN|A01\r", GOOD.replace(b"^MR", b"^MR|||||notatime")),
}


def _rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading of docs/messages.md."""
    part = MESSAGES.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| ")][1:]


def _check(_: Header, message: Message) -> Problem | None:
    try:
        structure_of(message, plan())
    except Problem as problem:
        return problem
    return None


@pytest.mark.parametrize("row", _rows("One message"), ids=lambda row: row[0])
def test_the_fate_of_a_message_is_as_its_row_says(row: list[str]) -> None:
    (messages,) = [messages for beginning, messages in CASES.items() if row[0].startswith(beginning)]
    interface = Interface(name="mllp", facilities=frozenset({"B"}) if "sender" in row[0] else frozenset())
    for message in messages:
        found = arrive(message, interface, sender=Sender("host"), now=datetime(2026, 1, 1, tzinfo=UTC), trace_id="0" * 32, check=_check)
        problem = found.arrival.problem
        answer = answer_code(found.header.accept_ack, found.header.application_ack, outcome(problem, interface))
        told = f"`{problem.code}`{f' at {problem.at}' if problem.at else ''}" if problem else ""
        assert [answer, found.arrival.state, told] == row[1:4]


def test_every_case_has_its_row() -> None:
    assert len(_rows("One message")) == len(CASES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_and_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for path, name in re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", text):
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8") if name else (ROOT / path).is_file(), (path, name)
    for path in re.findall(r"`(src/penstock/[\w./]+\.\w+)`", text):
        assert (ROOT / path).is_file(), path
    for link in re.findall(r"\]\(([\w./-]+\.md)(?:#[\w-]+)?\)", text):
        assert (page.parent / link).is_file(), link


def test_every_row_of_the_page_of_messages_names_its_test() -> None:
    for line in MESSAGES.splitlines():
        if line.startswith("| ") and not line.startswith(("| input", "| what happens")):
            assert "`tests/" in line.rsplit("|", 2)[1], line


def test_the_page_of_the_site_has_every_key_and_no_other() -> None:
    page = (ROOT / "docs" / "site.md").read_text(encoding="utf-8")
    source = (ROOT / "src" / "penstock" / "site" / "parts.py").read_text(encoding="utf-8")
    taken = {*re.findall(r"given\.(?:text|texts|choice|number|mapping)\(\"(\w+)\"", source), "name", *clients._KEYS}
    parts = re.findall(r"^## `\w+/\*\.yaml`\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL)
    told = {key for part in parts for row in re.findall(r"^\| (`[^|]+)\|", part, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}
    assert (len(parts), told) == (5, taken)


def test_the_examples_of_the_page_of_the_site_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORTHSIDE_AUTHORIZATION", "Bearer of-northside")
    from penstock.site import load_site

    page = (ROOT / "docs" / "site.md").read_text(encoding="utf-8")
    key = "{kty: EC, crv: P-256, kid: one, x: WKn-ZIGevcwGIyyrzFoZNBdaq9_TsqzGl96oc0CWuis, y: y77t-RvAHRKTsSGdIYUfweuOvwrvDD-Q3Hv5J0fSKbE}"
    page = page.replace("{kty: EC, crv: P-384, kid: lab-1, x: …, y: …}", key)
    for folder, kind in (("interfaces", "yaml"), ("clients", "yaml"), ("partners", "yaml"), ("subscriptions", "yaml"), ("maps", "csv")):
        (example,) = re.findall(rf"^## `{folder}/\*\.{kind}`\n\n```{kind}\n(.*?)```", page, re.MULTILINE | re.DOTALL)
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"example.{kind}").write_text(example, encoding="utf-8")
    (example,) = re.findall(r"^## `site\.toml`\n\n```toml\n(.*?)```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "site.toml").write_text(example, encoding="utf-8")
    site = load_site(tmp_path)
    found = site.name, site.channel("adt").filters, site.webhooks[0].batch, len(site.overlays[""].rows)
    assert found == ("northgate", {"ADT^A60"}, 100, 1)
    assert list(site.clients) == ["lab"]
    assert (site.partners[0].manners.write, site.partners[0].headers) == ("conditional", (("Authorization", "Bearer of-northside"),))
    assert site.plan(site.channel("adt")).version != plan().version
