"""SQL and memory are two readings of one specification: on resources and queries made up at random they agree."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from penstock.auth.access import SYSTEM
from penstock.db import Database, Tx
from penstock.formats.fhir.searchparams import Parameters
from penstock.store import Cause, Change, Store
from penstock.store.index import Index
from penstock.store.search.match import matches
from penstock.store.search.parse import parse

BASE = "https://here.example/fhir"
UCUM = "http://unitsofmeasure.org"
SYSTEMS = (None, "urn:s", "http://hl7.org/fhir/observation-status")
CODES = ("a", "A", "b", "a|b", "x,y")
UNITS = ("g", "mg", "kg", "Cel", "[degF]", "/min", "Hz", "bogus")
TEXTS = ("Ann", "ANNA", "Zoë", "o'neil, jr", "100%_x", "many words in a row")
TARGETS = (
    "Patient/p1",
    f"{BASE}/Patient/p1",
    "Patient/p2",
    "Group/p1",
    "http://there.example/Patient/p1",
    "Patient/p1/_history/2",
    "urn:uuid:1",
)
MOMENTS = ("2024", "2024-05", "2024-05-01", "2024-05-01T10:00:00Z", "2024-05-01T12:00:00+02:00", "2023-12-31")
NUMBERS = ("5", "5.0", "5.4", "-2", "0", "1000", "0.0054")
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")


def concept(random: Random) -> dict[str, Any]:
    codings = []
    for _ in range(random.randint(0, 2)):
        coding: dict[str, Any] = {"code": random.choice(CODES)}
        if system := random.choice(SYSTEMS):
            coding["system"] = system
        if random.random() < 0.5:
            coding["display"] = random.choice(TEXTS)
        codings.append(coding)
    return ({"coding": codings} if codings else {}) | {"text": random.choice(TEXTS)}


def quantity(random: Random) -> dict[str, Any]:
    found: dict[str, Any] = {"value": Decimal(random.choice(NUMBERS)), "unit": random.choice(UNITS)}
    if random.random() < 0.2:
        found["comparator"] = random.choice(("<", "<=", ">", ">="))
    return found | ({"system": UCUM, "code": found["unit"]} if random.random() < 0.8 else {})


def when(random: Random) -> dict[str, Any]:
    if random.random() < 0.5:
        return {"effectiveDateTime": random.choice(MOMENTS)}
    return {"effectivePeriod": {name: random.choice(MOMENTS) for name in ("start", "end") if random.random() < 0.7}}


def value(random: Random) -> dict[str, Any]:
    kind = random.choice(("quantity", "concept", "text", "range", "none"))
    return {
        "quantity": lambda: {"valueQuantity": quantity(random)},
        "concept": lambda: {"valueCodeableConcept": concept(random)},
        "text": lambda: {"valueString": random.choice(TEXTS)},
        "range": lambda: {"valueRange": {name: quantity(random) for name in ("low", "high") if random.random() < 0.7}},
        "none": dict,
    }[kind]()  # type: ignore[no-any-return]


def observation(random: Random, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": random.choice(("final", "amended")),
        "code": concept(random),
    }
    found |= value(random) | (when(random) if random.random() < 0.8 else {})
    if random.random() < 0.8:
        found["subject"] = {"reference": random.choice(TARGETS)}
    if random.random() < 0.5:
        found["identifier"] = [{"system": "urn:s", "value": random.choice(CODES), "type": concept(random)}]
    if random.random() < 0.5:
        parts = [{"code": concept(random)} | value(random) for _ in range(2)]
        found["component"] = [{name: held for name, held in part.items() if name != "valueRange"} for part in parts]
    if random.random() < 0.3:
        found["text"] = {"status": "generated", "div": f"<div>{random.choice(TEXTS)} <b>{random.choice(TEXTS)}</b></div>"}
    if random.random() < 0.3:
        found["meta"] = {"profile": [f"http://example.org/{random.choice('ab')}/c|1.0"], "tag": [{"code": random.choice(CODES)}]}
    return found


def escaped(text: str) -> str:
    for sign in ("\\", ",", "|", "$"):
        text = text.replace(sign, f"\\{sign}")
    return text


def token(random: Random) -> str:
    system, code = random.choice((None, *SYSTEMS)), escaped(random.choice(CODES))
    return random.choice((code, f"{system or ''}|{code}", f"{system}|" if system else code))


def number(random: Random) -> str:
    unit = random.choice(("", f"|{UCUM}|{random.choice(UNITS)}", f"||{random.choice(UNITS)}"))
    return f"{random.choice(PREFIXES)}{random.choice(NUMBERS)}{unit}"


def text(random: Random) -> str:
    return escaped(random.choice(TEXTS))[: random.randint(1, 12)].rstrip("\\ ") or "a"


def pair(first: Callable[[Random], str], second: Callable[[Random], str]) -> Callable[[Random], str]:
    return lambda random: f"{first(random)}${second(random)}"


def one_of(*values: str) -> Callable[[Random], str]:
    return lambda random: random.choice(values)


VALUES: dict[str, Callable[[Random], str]] = {
    "code": token,
    "code:not": token,
    "combo-code": token,
    "_tag": token,
    "identifier": token,
    "identifier:of-type": lambda random: f"urn:s|{escaped(random.choice(CODES))}|{escaped(random.choice(CODES))}",
    "code:text": text,
    "combo-value-concept:text": text,
    "status": one_of("final", "FINAL", "amended,final"),
    "value-string": text,
    "value-string:contains": text,
    "value-string:exact": lambda random: escaped(random.choice(TEXTS)),
    "value-quantity": number,
    "combo-value-quantity": number,
    "date": lambda random: random.choice(PREFIXES) + random.choice(MOMENTS),
    "subject": one_of(*TARGETS, "p1"),
    "patient": one_of(*TARGETS, "p1"),
    "subject:Patient": one_of("p1"),
    "_profile": one_of("http://example.org/a/c"),
    "_profile:below": one_of("http://example.org", "http://example.org/a"),
    "_text": one_of("ann", "NOT ann", "words row"),
    "_content": one_of("ann", "many row", "nobody"),
    "code-value-quantity": pair(token, number),
    "component-code-value-quantity": pair(token, number),
    "combo-code-value-quantity": pair(token, number),
    "combo-code-value-concept": pair(token, token),
    "code-value-string": pair(token, text),
}
PRESENT = (
    "date", "code", "subject", "patient", "combo-value-quantity", "value-concept", "component-code", "code-value-quantity", "identifier",
    "_tag", "combo-code-value-concept",
)  # fmt: skip
VALUES |= {f"{name}:missing": one_of("true", "false") for name in PRESENT}


def query(random: Random) -> str:
    """One criterion; now and then two, or two values."""
    return "&".join(_criterion(random, name) for name in random.sample(sorted(VALUES), 2 if random.random() < 0.25 else 1))


def _criterion(random: Random, name: str) -> str:
    values = [VALUES[name](random) for _ in range(2 if random.random() < 0.2 and "missing" not in name else 1)]
    return f"{name}={quote(','.join(values), safe='')}"


def beside_a_code(random: Random) -> str:
    """A code, with what lies beside it in the row."""
    names = random.sample(("date", "value-quantity", "status", "combo-value-quantity:missing", "patient"), random.randint(1, 2))
    code = random.choice((f"code={quote(token(random), safe='')}", f"code-value-quantity={quote(pair(token, number)(random), safe='')}"))
    return "&".join((code, *(_criterion(random, name) for name in names)))


async def _told(*_: object, **__: object) -> None:
    """Nobody listens."""


async def filled(database: Database, random: Random) -> tuple[Store, list[dict[str, Any]]]:
    """A store with Observations that are made up."""
    store = Store(_told, index=Index(base=BASE))  # type: ignore[arg-type]
    resources = [observation(random, number) for number in range(150)]
    await store.ensure(database, {"Observation"})
    cause = Cause("trace", None, "test", datetime(2026, 1, 1, tzinfo=UTC))
    async with database.transaction() as tx:
        await store.write(tx, SYSTEM, [Change("update", "Observation", each["id"], each) for each in resources], cause)
    return store, resources


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_database_finds_what_memory_decides(database: Database, seed: int) -> None:
    random, parameters = Random(seed), Parameters(base=BASE)
    store, resources = await filled(database, random)
    wrong, found_some = [], 0
    indexed = {each["id"]: (parameters.extract(each), each) for each in resources}
    async with database.transaction(readonly=True) as tx:
        for text in dict.fromkeys(query(random) for _ in range(400)):
            page = await store.search(tx, SYSTEM, "Observation", text + "&_count=1000")
            stored = {entry.stored.id for entry in page.entries}
            parsed = parse("Observation", text)
            decided = {
                id for id, (values, each) in indexed.items() if matches(parsed, values, each, datetime.now(UTC), parameters=parameters)
            }
            found_some += bool(stored)
            if stored != decided:
                wrong.append((text, sorted(stored - decided)[:2], sorted(decided - stored)[:2]))
    assert not wrong, "\n".join(map(str, wrong))
    assert found_some > 150


async def test_pages_of_a_code_and_what_lies_beside_it_hold_what_memory_decides_in_order(database: Database) -> None:
    random, parameters = Random(3), Parameters(base=BASE)
    store, resources = await filled(database, random)
    queries = list(dict.fromkeys(beside_a_code(random) for _ in range(120)))
    wrong, found_some = [], 0
    async with database.transaction(readonly=True) as tx:
        await tx.execute("analyze r_observation")
        for text in queries:
            parsed = parse("Observation", text)
            decided = [
                each["id"]
                for each in resources
                if matches(parsed, parameters.extract(each), each, datetime.now(UTC), parameters=parameters)
            ]
            found_some += bool(decided)
            oldest, newest, dated = [await _all_pages(store, tx, text + sort) for sort in ("", "&_sort=-_lastUpdated", "&_sort=-date")]
            if oldest != decided or newest != decided[::-1] or sorted(dated) != sorted(decided):
                wrong.append((text, decided, oldest, newest, dated))
    assert not wrong, "\n".join(map(str, wrong[:3]))
    assert found_some > 40


async def _all_pages(store: Store, tx: Tx, text: str) -> list[str]:
    page = await store.search(tx, SYSTEM, "Observation", text + "&_count=5")
    found = [entry.stored.id for entry in page.entries]
    while page.next is not None:
        page = await store.search(tx, SYSTEM, "Observation", f"{text}&_count=5&_cursor={page.next}")
        found += [entry.stored.id for entry in page.entries]
    return found
