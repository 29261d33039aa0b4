"""How much of what other converters make of public HL7 v2 messages this one makes too, by facts (see v2_facts.py).

    python tools/v2_pairs.py                                  # shares for each set of pairs and each resource type
    python tools/v2_pairs.py --set google --type Patient --missing 40

A measure, not a test of truth: the expected bundles are other programs' output, with their choices and their mistakes.
`docs/mapping-differences.md` says which differences are meant.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from penstock.convert import Context, convert, plan, to_bundle
from penstock.errors import Problem
from penstock.formats.hl7v2 import parse, split_batch
from v2_facts import Fact, facts, found

DATA = Path(os.environ.get("PENSTOCK_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
FLOORS = Path(__file__).resolve().parents[1] / "tests" / "conformance" / "v2_pairs.csv"
SETS = {"cdc-reportstream": "reportstream", "microsoft-fhir-converter": "microsoft", "google-hdh": "google"}
#: when the messages were received, for all the same
RECEIVED = datetime(2025, 1, 1, tzinfo=UTC)
#: messages that are listed with the bundle of another one: it tells of allergies, places and people that they do not name
MISPAIRED = frozenset({"rde_o01_ex3.hl7"})
#: types that describe the message itself: they are made by `penstock convert` and not stored (docs/decisions/0002)
ABOUT_THE_MESSAGE = frozenset({"MessageHeader", "Provenance"})


class Pair(NamedTuple):
    set: str
    name: str
    type: str
    message: bytes
    expected: dict[str, Any]


class Compared(NamedTuple):
    """One pair: the facts expected, those of them that are there, and those that are there besides."""

    pair: Pair
    expected: set[Fact]
    found: set[Fact]
    more: set[Fact]
    problem: str = ""


def pairs(data: Path) -> Iterator[Pair]:
    """Every message with an expected bundle, in the order of the list; unreadable bundles are left out."""
    with tarfile.open(data / "v2-samples.tar.xz") as archive:
        files = {member.name.removeprefix("./"): file.read() for member in archive if (file := archive.extractfile(member))}
    for one in json.loads(files["PAIRS.json"]):
        if one["kind"] != "fhir-bundle" or one["source"] not in SETS or Path(one["hl7"]).name in MISPAIRED:
            continue
        bundle = json.loads(files[f"{one['source']}/{one['expected']}"], parse_float=Decimal)
        yield Pair(SETS[one["source"]], one["hl7"], one["type"], files[f"{one['source']}/{one['hl7']}"], bundle)


def compare(pair: Pair) -> Compared:
    """Convert the message and compare. What is not converted has no fact."""
    expected, said, problem = facts(pair.expected), set[Fact](), ""
    for message in split_batch(pair.message).messages:
        try:
            said |= facts(to_bundle(convert(parse(message), plan(message=True), Context(interface="pairs", received_at=RECEIVED))))
        except Problem as one:
            problem = one.text
    there = found(expected, said)
    return Compared(pair, expected, there, said - there, problem)


class Share(NamedTuple):
    expected: int
    found: int
    more: int

    @property
    def percent(self) -> float:
        return 100 * self.found / self.expected if self.expected else 100.0


def shares(compared: Iterable[Compared]) -> dict[tuple[str, str], Share]:
    """By set and resource type, `*` for all of a set."""
    counts: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in Share._fields}
    for one in compared:
        for name, counter in counts.items():
            for fact in getattr(one, name):
                counter.update([(one.pair.set, fact.type), (one.pair.set, "*")])
    return {key: Share(*(counts[name][key] for name in Share._fields)) for key in counts["expected"]}


def table(compared: list[Compared]) -> Iterator[str]:
    yield f"{'set':14}{'type':24}{'expected':>9}{'found':>9}{'share':>8}{'more':>9}"
    for (name, type), share in sorted(shares(compared).items(), key=lambda item: (item[0][0], item[0][1] != "*", -item[1].expected)):
        about = " (about the message)" if type in ABOUT_THE_MESSAGE else ""
        yield f"{name:14}{type:24}{share.expected:9}{share.found:9}{share.percent:7.1f}%{share.more:9}{about}"
    for name in SETS.values():
        mine = [one for one in compared if one.pair.set == name]
        if mine:
            failed = Counter(one.pair.type for one in mine if one.problem)
            yield f"{name}: {len(mine)} pairs, {failed.total()} not converted {' '.join(sorted(failed))}"


def frequent(compared: list[Compared], number: int, which: str, values: bool) -> Iterator[str]:
    """The most frequent facts that are missing, or that are there besides: by path, or with their values; and a message where it is so."""
    counter: Counter[tuple[str, str, str, str]] = Counter()
    example: dict[tuple[str, str, str, str], str] = {}
    for one in compared:
        for fact in one.expected - one.found if which == "missing" else one.more:
            key = (one.pair.set, fact.type, fact.path, fact.value if values else "")
            counter[key] += 1
            example.setdefault(key, Path(one.pair.name).name)
    for key, count in counter.most_common(number):
        yield f"{count:6} {' '.join(key)}  ({example[key]})"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--set", choices=[*SETS.values()])
    arguments.add_argument("--type", help="one resource type")
    arguments.add_argument("--pair", default="", help="only pairs whose file name holds this text")
    arguments.add_argument("--missing", type=int, default=0, help="how many of the most frequent missing facts")
    arguments.add_argument("--more", type=int, default=0, help="how many of the most frequent facts that nobody expects")
    arguments.add_argument("--values", action="store_true", help="tell them with their values")
    arguments.add_argument("--converted", action="store_true", help="only messages that have a map")
    arguments.add_argument("--floors", action="store_true", help="raise the shares of tests/conformance/v2_pairs.csv to those of now")
    asked = arguments.parse_args()
    compared = [compare(pair) for pair in pairs(DATA) if asked.set in (None, pair.set) and asked.pair in pair.name]
    if asked.converted:
        compared = [one for one in compared if not one.problem]
    if asked.floors:
        floors(compared, FLOORS)
    if asked.type:
        compared = [of_type(one, asked.type) for one in compared]
    print(*table(compared), sep="\n")
    for which in ("missing", "more"):
        if getattr(asked, which):
            print(f"\n{which}:", *frequent(compared, getattr(asked, which), which, asked.values), sep="\n")


def of_type(one: Compared, type: str) -> Compared:
    expected, there, more = ({fact for fact in part if fact.type == type} for part in (one.expected, one.found, one.more))
    return Compared(one.pair, expected, there, more, one.problem)


def floors(compared: list[Compared], file: Path) -> None:
    """Raise the shares below which the suite fails to those of now, in whole percent; types with less than ten facts have none."""
    old = {(row["set"], row["type"]): int(row["percent"]) for row in csv.DictReader(file.read_text().splitlines())} if file.exists() else {}
    found = {key: max(int(share.percent), old.get(key, 0)) for key, share in shares(compared).items() if share.expected >= 10}
    file.write_text("set,type,percent\n" + "".join(f"{name},{type},{percent}\n" for (name, type), percent in sorted(found.items())))


if __name__ == "__main__":
    main()
