"""Stories: what a hospital's systems tell of one patient, message by message, and a store of records that hears them in any order."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock import convert
from penstock.convert import Context
from penstock.convert.state import Marks, Record, Statement, fold, moment, statements
from penstock.formats.hl7v2 import parse

Key = tuple[str, str]
Records = Mapping[Key, Record]

NOTHING = Record(None, Marks())
#: what messages only mention is the same in each of them
TOLD = frozenset({"Patient", "Encounter", "Account", "Observation", "DiagnosticReport", "ServiceRequest"})
START = datetime(2025, 4, 1, 8, tzinfo=UTC)
PLACES = ("WARDA^R1^B1", "WARDB^R2^B2", "WARDC^R3^B3")


def adt(
    trigger: str,
    at: str,
    number: int = 1,
    *,
    place: str = PLACES[0],
    visit: str | None = "V1^^^RXH",
    pid: str = "",
    pv1: str = "",
    evn: str = "",
) -> str:
    """One message of a stay; ``pid`` stands behind the name in PID, ``pv1`` behind the visit number, ``evn`` behind EVN-2."""
    lines = [
        f"MSH|^~\\&|PAS|RXH|EHR|RXH|{at}||ADT^{trigger}|{trigger}-{number}|P|2.5.1",
        f"EVN|{trigger}|{at}{evn}",
        f"PID|1||MRN7^^^RXH^MR||{pid or 'Doe^Ann||19800229|F'}",
    ]
    if visit is not None:
        lines.append(f"PV1|1|I|{place}{'|' * 16}{visit}{pv1}")
    return "\r".join(lines)


def oru(at: str, number: int, status: str, value: str) -> str:
    """One result of the patient, at a stage."""
    return "\r".join(
        (
            f"MSH|^~\\&|LAB|RXH|EHR|RXH|{at}||ORU^R01|R-{number}|P|2.5.1",
            "PID|1||MRN7^^^RXH^MR||Doe^Ann||19800229|F",
            f"OBR|1|P1^PAS|F1^LAB|24323-8^Panel^LN|||20250401{'|' * 18}{status}",
            f"OBX|1|NM|2823-3^Potassium^LN||{value}|mmol/L|||||{status}",
        )
    )


def said(text: str, types: frozenset[str] = TOLD) -> list[Statement]:
    """What a message says of the patient's own resources."""
    message, context = parse(text), Context(received_at=datetime(2025, 6, 1, tzinfo=UTC))
    found = statements(convert.convert(message, convert.plan(), context), moment(message, context))
    return [one for one in found if one.resource["resourceType"] in types]


def hear(records: Records, message: Iterable[Statement]) -> Records:
    """The records after a message."""
    out = dict(records)
    for statement in message:
        key = (statement.resource["resourceType"], statement.resource["id"])
        out[key] = fold(out.get(key, NOTHING), statement)
    return out


def end(story: Iterable[Iterable[Statement]]) -> Records:
    """The records after all of a story."""
    records: Records = {}
    for message in story:
        records = hear(records, message)
    return records


def seen(records: Records) -> str:
    """The resources, spelled in one way."""
    return json.dumps([records[key].resource for key in sorted(records)], sort_keys=True, default=str)


def only(records: Records, type: str) -> dict[str, Any]:
    (found,) = [record.resource for (kind, _), record in records.items() if kind == type]
    assert found is not None
    return found


NAMES = ("Doe^Ann", "Doe^Anna^Maria", "Roe^Ann~Doe^Ann^^^^^M")
PEOPLE = ("||19800229|F", "||19800228|F|||1 Road^^Town", '||""|F|||""', "|||U||||||||M", '||19800229|F||||||||M||||||||""')


def story(seed: int) -> list[str]:
    """A stay of up to ten messages, some at the same second, some sent again; in the order of their times."""
    chance = random.Random(seed)
    at, place, out, open_moves, left = START, PLACES[0], [], 0, False
    begin = chance.choice(("A01", "A04", "A05"))
    triggers = [begin] + (["A01"] if begin == "A05" and chance.random() < 0.8 else [])
    for _ in range(chance.randrange(2, 8)):
        options = ["A02", "A08", "A08", "A31", "ORU", "A21", "A22", "A54"]
        options += ["A12"] * 3 * (open_moves > 0) + (["A13"] * 3 if left else ["A03"] * 2) + ["A11"] * (chance.random() < 0.1)
        trigger = chance.choice(options)
        open_moves += (trigger == "A02") - (trigger == "A12")
        left = trigger == "A03" or (left and trigger != "A13")
        triggers.append(trigger)
    for number, trigger in enumerate(triggers, 1):
        at += timedelta(seconds=chance.choice((0, 0, 60, 3600, 86400)))
        text = at.strftime("%Y%m%d%H%M%S")
        place = chance.choice(PLACES) if trigger in ("A01", "A02", "A08") else place
        pid = chance.choice(NAMES) + chance.choice(PEOPLE)
        if trigger == "ORU":
            out.append(oru(text, number, chance.choice("PFCC"), str(number)))
        elif trigger == "A54":
            out.append(
                adt("A08", text, number, place=place, pid=pid).replace(place + "||", place + f"|||||{number}^Doctor^{number}^^^^^^RXH|", 1)
            )
        else:
            out.append(adt(trigger, text, number, place=place, visit=None if trigger == "A31" else "V1^^^RXH", pid=pid))
    return out


def shuffled(story: Sequence[Any], seed: int) -> list[Any]:
    """The same messages in another order, one of them twice."""
    chance = random.Random(seed)
    out = [*story, chance.choice(story)]
    chance.shuffle(out)
    return out
