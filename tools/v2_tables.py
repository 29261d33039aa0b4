"""Carry HL7's v2-to-FHIR mapping tables over into `convert/ig/`: facts only, without their prose, in our one row schema.

    python tools/v2_tables.py FOLDER            # FOLDER is the published `mappings` folder: messages, segments, datatypes, codesystems

What a row leaves to people (a narrative condition, an /instruction/, "local implementation") becomes a `?`. The compiler refuses a `?`
that no row of `convert/decisions` answers. Rule ids are made here once and never change: map, position and count within the position.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

COLUMNS = ("rule", "source", "type", "condition", "target", "using", "vocabulary", "assign")
CODE_COLUMNS = ("table", "code", "source", "target", "display", "system")
HOME = Path(__file__).resolve().parent.parent / "src" / "penstock" / "convert" / "ig"
FILE_NAME = re.compile(r"(?:R4_|Concept Map_) ?(.+?) - [^-]*\.csv$")

Row = tuple[str, ...]


def cells(path: Path) -> list[list[str]]:
    """The data rows of one published file: the band and the heading are its first two lines; short lines are padded."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = [[cell.strip() for cell in row] + [""] * 20 for row in csv.reader(lines)]
    return rows[2:]


def map_name(path: Path) -> str:
    found = FILE_NAME.search(path.name)
    if found is None:
        raise ValueError(f"not a mapping file: {path.name}")
    return found.group(1).strip()


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("“", '"').replace("”", '"')).strip()


def condition(row: list[str]) -> str:
    """The computable condition; `?` where there is only a narrative one."""
    if row[6] or not row[8]:
        return one_line(row[6])
    return "?"


def assignment(text: str) -> str:
    text = one_line(text)
    return "?" if text.startswith("/") else text


def target(row: list[str]) -> str:
    if row[9]:
        return "?" if row[9].lower().startswith("local implementation") else one_line(row[9])
    return "?extension" if row[10] else ""


def numbered(rows: Iterable[tuple[str, str, Row]]) -> Iterator[Row]:
    """Give each row its rule id: `PID[Patient]:5#1` is the first row of field 5 in that map."""
    counts: Counter[str] = Counter()
    for name, position, row in rows:
        place = f"{name}:{position}"
        counts[place] += 1
        yield (f"{place}#{counts[place]}", *row)


def field_rows(paths: Iterable[Path]) -> Iterator[tuple[str, str, Row]]:
    """Segment and data type maps. Sort order 0, or no identifier, is a constant without a v2 source."""
    for path in paths:
        name = map_name(path)
        for row in cells(path):
            if not any(row[:18]):
                continue
            source = re.sub(r"\s", "", row[1])
            position = re.split(r"[-.]", source)[-1] if re.search(r"[-.]\d", source) else "0"
            using = one_line(row[14]).replace(" ", "")
            yield (
                name,
                position,
                (source, row[3].split(" ")[0], condition(row), target(row), using, row[15].replace(" ", ""), assignment(row[16])),
            )


def message_rows(paths: Iterable[Path]) -> Iterator[tuple[str, str, Row]]:
    """Message maps: type holds the syntax and cardinality, using the segment map, assign the references."""
    for path in paths:
        name = map_name(path)
        for row in cells(path):
            if not row[1]:
                continue
            begin = "begin" if row[3].endswith("begin") else "end" if row[1].startswith("/") or row[3].endswith("end") else ""
            syntax = f"{begin or 'segment'} {row[4] or '0'}..{'*' if row[5] == '-1' else row[5] or '1'}"
            references = "; ".join(part.strip() for part in re.split(r"[;\n]", row[11]) if part.strip())
            position = row[1].split(".", 1)[-1] if "." in row[1] else row[1]
            yield name, position, (row[1], syntax, condition(row), one_line(row[9]), row[10].replace(" ", ""), "", references)


def code_rows(paths: Iterable[Path]) -> Iterator[Row]:
    """Code tables. Three heading variants: with a blank column after the target code, without it, and with one condition column less."""
    for path in paths:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            heading = [cell.strip() for cell in list(csv.reader(lines))[1]]
        code = heading.index("Code", 1)
        display, system = heading.index("Display"), heading.index("Code System", code)
        name = map_name(path).replace(" ", "")
        yield (name, "", "", "", "", "")
        for row in cells(path):
            if row[0] and row[code]:
                yield (name, row[0], row[2], row[code], row[display], row[system])


def write(path: Path, heading: Row, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(heading)
        writer.writerows(rows)


def main(folder: Path) -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    for kind, rows in (("segments", field_rows), ("datatypes", field_rows), ("messages", message_rows)):
        write(HOME / f"{kind}.csv", COLUMNS, numbered(rows(sorted((folder / kind).glob("*.csv")))))
    write(HOME / "codes.csv", CODE_COLUMNS, code_rows(sorted((folder / "codesystems").glob("*.csv"))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
