"""Generates the Python of one map: a function that takes the fields of a segment, or the parts of a value, and fills FHIR.

The code is straight-line: one block for each source field in the order of the rows, one `for` over its repetitions, one `if` for each
condition. It is generated from our own rows only, never from a message. Names in the generated code:

    run, me, out, at      the conversion, the number of the resource, the dict being filled, its path with a dot at the end
    fields, sid           segment maps: the raw fields and how source paths name the segment
    raw, delim, parts     data type maps: the raw value, what cuts it, and its parts
    src, r, raw           the source path, repetition number and raw text of the row's own source
    S                     instances by (path with labels, repetition): `[n]` is the same instance for the same n
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from penstock.convert import conditions, paths, shape, sources
from penstock.convert.conditions import Ref
from penstock.convert.paths import Step
from penstock.convert.rows import Row, normal
from penstock.convert.sources import Here
from penstock.errors import Problem

#: reads that do not depend on the repetition at hand
READ = re.compile(r"run\.(?:get|count)\(fields, [0-9]+\)|run\.text\(pick\(parts, [0-9]+\)\)")
NUMBER = re.compile(r"[-.]([0-9]+)$")
CONSTANTS: dict[str, Callable[[str], object]] = {
    "boolean": lambda text: text.lower() == "true",
    "integer": int,
    "positiveInt": int,
    "unsignedInt": int,
}


class Using(NamedTuple):
    """A resolved data type map: the function that generated code calls, and what it fills: a value, an element or a resource (its type)."""

    function: str
    kind: str
    type: str = ""


class Links(NamedTuple):
    """How a row's names are resolved: data type maps and code tables to names in the generated module."""

    using: Callable[[str], Using | None]
    vocabulary: Callable[[str], str | None]


class Rule(NamedTuple):
    """A row, read: everything that emission needs, checked."""

    row: Row
    number: int
    test: conditions.Condition | None
    steps: tuple[Step, ...]
    shape: shape.Shape | None
    using: Using | None
    table: str
    assign: tuple[str | Ref, ...] | None

    @property
    def constant(self) -> bool:
        return self.assign is not None and not any(isinstance(part, Ref) for part in self.assign)


def position(source: str) -> int:
    found = NUMBER.search(source)
    return int(found[1]) if found else 0


def read_rule(row: Row, owner: str, links: Links) -> Rule | None:
    """Check one row against R4 and the other tables. None for a row that maps nothing; a Problem for one that cannot be classified."""
    if not row.target or row.target == "?extension" or row.condition.upper().removeprefix("IF ").strip() == "NEVER":
        return None
    if "?" in (row.target, row.condition, row.assign):
        raise Problem("structure", "this row is left to people and no decision answers it")
    steps = tuple(step for step in paths.parse(row.target) if not (step.kind == "resource" and not shape.is_resource(step.name)))
    if steps and steps[0].kind == "sibling":
        if steps[0].label != "1":
            raise Problem("structure", "this row fills another instance than its map does")
        steps = steps[1:]
    if row.assign == "NULL":
        return Rule(row, position(row.source), conditions.parse(row.condition), steps, shape.leaf(owner, steps), None, "", ())
    assign = tuple(sources.expression(row.assign)) if row.assign else None
    found = shape.leaf(owner, steps)
    using = resolve(row, steps, found, owner, links, assign is not None)
    if using is not None and using.kind == "resource" and found is not None and found.type == "Reference":
        steps = (*steps, Step("resource", using.type))
        found = shape.leaf(owner, steps)
    if using is not None and using.kind in ("element", "resource") and steps:
        fitting(using, found.type if found is not None else steps[-1].name)
    table = links.vocabulary(row.vocabulary) if row.vocabulary else ""
    if table is None:
        raise Problem("structure", "this row names a code table that is not there")
    if using is not None and using.kind not in ("value", "lines") and found is not None and found.primitive:
        raise Problem("structure", "this data type map fills an element, and the target is a value")
    if using is not None and not steps and using.kind != "value" and using.type != owner:
        raise Problem("structure", "this row fills its own map with another type")
    if using is None and (found is None or not found.primitive) and steps:
        raise Problem("structure", "no data type map leads from this source to this target")
    if assign is not None and found is not None and not found.primitive:
        raise Problem("structure", "an assignment needs a primitive target")
    return Rule(row, position(row.source), conditions.parse(row.condition), steps, found, using, table, assign)


#: R4 types that a map for another type fills as well
FITTING = {"Duration": "Quantity", "SimpleQuantity": "Quantity", "Age": "Quantity"}


def fitting(using: Using, wanted: str) -> None:
    """A map must fill the type of its target; a function for a backbone element says so."""
    if using.type not in (wanted, FITTING.get(wanted), "BackboneElement"):
        raise Problem("structure", "this data type map fills another type than its target has")


def resolve(row: Row, steps: tuple[Step, ...], found: shape.Shape | None, owner: str, links: Links, assigned: bool) -> Using | None:
    """The data type map of a row: the one it names, else the one that fits its v2 type and the type of its target."""
    if row.using and not assigned:
        using = links.using(row.using)
        if using is None:
            raise Problem("structure", "this row names a data type map that is not there")
        return using
    if assigned or (found is not None and found.primitive):
        return None
    wanted = found.type if found is not None else steps[-1].name if steps else owner
    return links.using(f"{row.type}[{wanted}]")


class Emitter:
    """The source text of one function."""

    def __init__(self, name: str, owner: str, segment: str) -> None:
        self.name, self.owner, self.segment = name, owner, segment
        self.lines: list[str] = []
        self.depth = 1
        self.count = 0
        self.shared: dict[str, str] = {}
        self.slots: dict[str, str] = {}

    def add(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def fresh(self) -> int:
        self.count += 1
        return self.count

    def remembered(self, rules: Sequence[Rule], all_rules: Sequence[Rule]) -> tuple[Step, Step] | None:
        """Whether a field only makes one entry of references to one resource: then the same text again can refer to it again."""
        heads = {rule.steps[:2] for rule in rules}
        if not self.segment or len(heads) != 1 or any(rule.test is not None for rule in rules):
            return None
        head = heads.pop()
        if len(head) < 2 or head[0].kind != "element" or head[1].kind != "resource" or not shape.element(self.owner, head[0].name).many:
            return None
        mine = spell(head[0])
        if any(rule.number != rules[0].number and rule.steps and spell(rule.steps[0]) == mine for rule in all_rules):
            return None
        return head[0], head[1]

    def source(self, rules: Sequence[Rule]) -> str:
        """The whole function: fields in order, then the rows without a source of their own."""
        self.add("for _ in ONCE:  # left at the end of the message's fields")
        self.depth += 1
        for number, group in groupby(
            sorted((rule for rule in rules if rule.number), key=lambda rule: rule.number), key=lambda rule: rule.number
        ):
            members = list(group)
            self.field(number, members, rules)
        self.depth -= 1
        if not any(rule.number for rule in rules):
            self.lines.clear()
        for rule in rules:
            if not rule.number:
                self.unsourced(rule)
        return "\n".join(
            (
                self.head(),
                *self.reads(),
                *(f"    {name} = None" for name in self.slots.values()),
                *self.lines,
                "    return None",
            )
        )

    def reads(self) -> list[str]:
        return [f"    {name} = {text}" for text, name in self.shared.items()]

    def hoisted(self, test: str) -> str:
        """Reads of other fields or components are done once, at the top of the function."""

        def name(found: re.Match[str]) -> str:
            return self.shared.setdefault(
                found[0], "seen_" + ("count_" if ".count(" in found[0] else "") + re.sub(r"[^0-9]+", "_", found[0]).strip("_")
            )

        return READ.sub(name, test)

    def head(self) -> str:
        if self.segment:
            opening = [f"def {self.name}(run, me, out, at, fields, sid, at_segment):", "size = len(fields)"]
        else:
            opening = [f"def {self.name}(run, me, raw, delim, out, at, src):", "parts = raw.split(delim)", "size = len(parts)"]
            opening += ["sub = run.T if delim == run.C else NEVER", "whole, base = raw, src"]
        opening += ["log = run.lineage.append", *(["S = {}", "r = 1"] if self.segment else [])]
        return "\n    ".join(opening)

    def field(self, number: int, rules: list[Rule], all_rules: Sequence[Rule]) -> None:
        """One source field or component, and each of its repetitions."""
        index = number if self.segment else number - 1
        self.add(f"if size <= {index}: break")
        self.add(f"if (raw{number} := {'fields' if self.segment else 'parts'}[{index}]) not in EMPTY:")
        self.depth += 1
        if self.segment:
            self.add(f'src{number} = f"{{sid}}-{number}"')
            self.add(f"many = run.R in raw{number}")
            self.add(f"for r, raw in enumerate(raw{number}.split(run.R) if many else (raw{number},), 1):")
            self.depth += 1
            self.add("if raw in EMPTY: continue")
            self.add(f'src = f"{{src{number}}}[{{r}}]" if many else src{number}')
        else:
            self.add(f'raw, src = raw{number}, f"{{base}}.{number}"')
        start = self.depth
        head = self.remembered(rules, all_rules)
        if head is not None:
            self.recall(number, head, rules[0])
        pivots = {pivot(rule.steps, self.owner) for rule in rules if not rule.constant}
        for rule in sorted(rules, key=lambda rule: rule.constant):
            self.rule(rule, pivots - {""})
        if head is not None:
            key = spell(head[0]) + spell(head[1])
            self.add(f"if ({key!r}, r) in S: run.memory[({self.name!r}, {number}, raw)] = S[({key!r}, r)]")
        self.depth = start
        self.depth -= 2 if self.segment else 1
        if self.segment:
            self.nulls(index, rules, all_rules)

    def recall(self, number: int, head: tuple[Step, Step], rule: Rule) -> None:
        """The same person or organization in the same field of another segment is the same resource."""
        name = head[0].name
        self.add(f"known = run.memory.get(({self.name!r}, {number}, raw))")
        self.add("if known is not None:")
        self.add(f"    entry, entries = {{}}, out.setdefault({name!r}, [])")
        self.add(f'    run.refer(me, entry, f"{{at}}{name}[{{len(entries)}}].", known, {rule.row.rule!r}, src)')
        self.add("    entries.append(entry)")
        self.add("else:")
        self.depth += 1

    def nulls(self, index: int, rules: list[Rule], all_rules: Sequence[Rule]) -> None:
        """HL7 null in the whole field: what only this field fills is deleted; what other fields fill too stays."""
        targets = sorted({null_path(rule, rules, all_rules, self.owner) for rule in rules} - {""})
        self.add(f"elif raw{index}:")
        for target in targets:
            self.add(f'    run.null(me, at + {target!r}, f"{{sid}}-{index}")')
        if not targets:
            self.add(f'    run.note(f"{{sid}}-{index}", NULL_OF_MANY)')

    def unsourced(self, rule: Rule) -> None:
        """A row without a source: it fires when its condition holds and the rest of the map filled something."""
        if self.segment:
            self.add("r = 1")
        self.add("if len(out) > 1:" if self.segment else "if out:")
        self.depth += 1
        if not self.segment:
            self.add("raw, src = whole, base")
        else:
            self.add("raw, src = '', sid")
        self.rule(rule, set())
        self.depth -= 1

    def rule(self, rule: Rule, pivots: set[str]) -> None:
        """One row: its condition, its value, its target."""
        test = self.hoisted(sources.condition(rule.test, Here(self.segment, rule.number)))
        start = self.depth
        if test:
            self.add(f"if {test}:")
            self.depth += 1
        walk = Walk(self, rule, pivots)
        if not walk.repeats and not walk.continues() and self.segment and rule.number and rule.steps:
            self.add("if r > 1: run.note(src, TAKES_ONE)")
            self.add("else:")
            self.depth += 1
        if rule.assign == ():
            self.add(f"run.null(me, at + {'.'.join(step.name for step in rule.steps)!r}, src)")
        else:
            walk.emit()
        self.depth = start


def null_path(rule: Rule, rules: Sequence[Rule], all_rules: Sequence[Rule], owner: str) -> str:
    """What a null deletes: what does not repeat; of what repeats, all when no other field fills it, or the entries of one use."""
    if rule.shape is None or any(step.kind != "element" for step in rule.steps) or rule.steps[0].name in ("extension", "identifier"):
        return ""
    names = ".".join(step.name for step in rule.steps)
    many = repeating(rule.steps, owner)
    if not many:
        return names
    if many[0] != "".join(map(spell, rule.steps)):
        return ""
    use = next(
        (
            "".join(map(str, one.assign or ()))
            for one in rules
            if one.constant and one.steps[:-1] == rule.steps and one.steps[-1].name == "use"
        ),
        "",
    )
    if use:
        return f"{names}[use={use}]"
    others = any(one.number not in (0, rule.number) and [step.name for step in one.steps] == names.split(".") for one in all_rules)
    return "" if others else names


def pivot(steps: tuple[Step, ...], owner: str) -> str:
    """The step at which repetitions multiply: the repeating element nearest to the value, spelled with its labels."""
    found = repeating(steps, owner)
    return found[-1] if found else ""


def repeating(steps: tuple[Step, ...], owner: str) -> list[str]:
    """The paths down to each repeating element on the way."""
    found, text, kind, primitive = [], "", owner, False
    for step in steps:
        text += spell(step)
        if step.kind == "resource":
            kind, primitive = step.name, False
            continue
        one = shape.element(kind, step.name, primitive)
        kind, primitive = one.type, one.primitive
        if one.many:
            found.append(text)
    return found


def spell(step: Step) -> str:
    label = f"[{step.label}]" if step.label not in ("", "1") else ""
    return f"({step.name}{label})" if step.kind == "resource" else f".{step.name}{label}"


class Walk:
    """The code that opens the way to a target, puts the value there, and keeps what was opened when something came of it."""

    def __init__(self, emitter: Emitter, rule: Rule, pivots: set[str]) -> None:
        self.emitter, self.rule, self.add = emitter, rule, emitter.add
        self.needs = self.companion(pivots) if rule.constant else ""
        self.pivot = (self.needs if self.needs in pivots else "") if rule.constant and pivots else pivot(rule.steps, emitter.owner)
        self.repeats = bool(self.pivot)
        self.commits: list[list[str]] = []
        self.text, self.multiplied = "", False
        self.node, self.path, self.me, self.type, self.primitive = "out", "at", "me", emitter.owner, False

    def companion(self, pivots: set[str]) -> str:
        """The instance that a constant belongs to: the deepest one that it shares with a value of the same field."""
        shared = [
            text
            for text in repeating(self.rule.steps, self.emitter.owner)
            if any(value == text or value.startswith((text + ".", text + "(")) for value in pivots)
        ]
        return shared[-1] if shared else ""

    def slot(self) -> tuple[str, str, str]:
        """Code that looks an instance up, asks whether it is new, and keeps it: in a local in data type maps, where nothing repeats."""
        if not self.emitter.segment:
            name = self.emitter.slots.setdefault(self.text, f"kept_{len(self.emitter.slots)}")
            return name, f"{name} is None", name
        if self.text == self.pivot:
            self.multiplied = True
        key = f"({self.text!r}, {'r' if self.multiplied else 1})"
        return f"S.get({key})", f"{key} not in S", f"S[{key}]"

    def emit(self) -> None:
        if self.needs:
            kept = self.emitter.slots.setdefault(self.needs, f"kept_{len(self.emitter.slots)}") if not self.emitter.segment else ""
            self.add(f"if {kept} is not None:" if kept else f"if ({self.needs!r}, {'r' if self.needs == self.pivot else 1}) in S:")
            self.emitter.depth += 1
        if self.rule.shape is not None and self.rule.shape.primitive:
            self.primitive_value()
        else:
            self.complex_value()

    # -- values -------------------------------------------------------------------------------------------------------

    def primitive_value(self) -> None:
        """Value first: nothing is opened for a value that cannot be used."""
        leaf = self.rule.shape
        assert leaf is not None
        if self.rule.constant:
            self.add(f"value = {self.literal()!r}")
            self.add("leaf = src")
            self.placed(leaf)
            return
        self.read()
        rule = self.rule
        self.add("if text:")
        self.emitter.depth += 1
        if rule.table:
            self.add(f"found = {rule.table}.find(text)")
            self.add("if found is None:")
            self.emitter.depth += 1
            if leaf.many or not self.simple():
                self.add(f"run.unknown({rule.table}, text, leaf)")
            else:
                start = self.emitter.depth
                self.open(rule.steps[:-1])
                self.add(
                    f"run.unknown_code({self.me}, {self.node}, {self.path}, {leaf.name!r}, {rule.table}, text, leaf, {rule.row.rule!r})"
                )
                self.close()
                self.emitter.depth = start
                self.reset()
            self.emitter.depth -= 1
            self.add("else:")
            self.emitter.depth += 1
            self.add(f"value = P_{leaf.type}(run, found.code, leaf)" if leaf.type in CONSTANTS else "value = found.code")
        else:
            self.add(f"value = P_{leaf.type}(run, text, leaf)")
        self.add("if value is not None:")
        self.emitter.depth += 1
        self.placed(leaf)

    def continues(self) -> bool:
        """Text that a repetition continues on a new line instead of starting another element."""
        return self.rule.using is not None and self.rule.using.kind == "lines" and not self.pivot

    def simple(self) -> bool:
        return all(step.kind == "element" for step in self.rule.steps)

    def reset(self) -> None:
        self.commits, self.text, self.multiplied = [], "", False
        self.node, self.path, self.me, self.type, self.primitive = "out", "at", "me", self.emitter.owner, False

    def literal(self) -> object:
        leaf = self.rule.shape
        text = "".join(str(part) for part in self.rule.assign or ())
        return CONSTANTS.get(leaf.type if leaf else "", str)(text)

    def read(self) -> None:
        """Sets `text` and `leaf`, the source path of the text."""
        rule = self.rule
        here = Here(self.emitter.segment, rule.number)
        if rule.assign is not None:
            pieces = ", ".join(
                f"({sources.reads(part, here)}, {sources.source(part, here)})" if isinstance(part, Ref) else f"({part!r}, '')"
                for part in rule.assign
            )
            self.add(f"text, leaf, others = run.joined(({pieces},))")
        elif rule.using is not None:
            self.add(f"text, leaf = {rule.using.function}(run, {self.raw()}, src)")
        else:
            self.add("text, leaf = run.leaf(raw, src)")

    def raw(self) -> str:
        """The raw value and what cuts it, as the arguments of a data type map."""
        whole = not self.rule.number
        if self.emitter.segment:
            return "raw, run.C"
        return "whole, delim" if whole else "raw, sub"

    def placed(self, leaf: shape.Shape) -> None:
        rule = self.rule
        self.open(rule.steps[:-1])
        name = leaf.name
        if leaf.many:
            self.add(f"many_ = {self.node}.setdefault({name!r}, [])")
            self.add("many_.append(value)")
            self.add(f'log(({self.me}, f"{{{self.path}}}{name}[{{len(many_) - 1}}]", {rule.row.rule!r}, leaf))')
        else:
            if self.continues():
                self.add(f"if r > 1 and {name!r} in {self.node}: value = {self.node}[{name!r}] + NEWLINE + value")
            self.add(f"{self.node}[{name!r}] = value")
            self.add(f"log(({self.me}, {self.path} + {name!r}, {rule.row.rule!r}, leaf))")
        if rule.assign is not None and not rule.constant:
            self.add(f"for other in others: log(({self.me}, {self.path} + {name!r}, {rule.row.rule!r}, other))")
        self.close()

    def complex_value(self) -> None:
        rule = self.rule
        using = rule.using
        if using is None:
            raise Problem("structure", "no data type map leads from this source to this target")
        self.open(rule.steps)
        if using.kind == "value":
            raise Problem("structure", "a map for a value cannot fill an element")
        if rule.table and self.type not in VOCABULARY:
            raise Problem("structure", "a code table needs a code, a Coding or a CodeableConcept")
        if rule.table:
            reads = f"{rule.table}, raw, src, {rule.row.rule!r}"
            self.add(f"run.{VOCABULARY[self.type]}({self.me}, {self.node}, {self.path}, {reads})")
        self.add(f"{using.function}(run, {self.me}, {self.raw()}, {self.node}, {self.path}, src)")
        if rule.table and self.type == "Coding":
            self.add(f"run.standardise({self.me}, {self.node}, {self.path})")
        if self.type == "CodeableConcept":
            binding = rule.shape.binding if rule.shape else ""
            self.add(f"run.steward_concept({self.node}, {binding!r}, {rule.table or 'None'}, src)")
        if self.commits:
            self.add(f"if {'len(' + self.node + ') > 1' if self.node.startswith('body') else self.node}:")
            self.emitter.depth += 1
        self.close()

    # -- the way ------------------------------------------------------------------------------------------------------

    def open(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.text += spell(step)
            if step.kind == "resource":
                self.through(step)
            else:
                self.into(step)

    def into(self, step: Step) -> None:
        one = shape.element(self.type, step.name, self.primitive)
        number = self.emitter.fresh()
        node, path = f"node{number}", f"path{number}"
        name = f"_{one.name}" if one.primitive else one.name
        if one.primitive and one.many:
            raise Problem("structure", "an extension of a repeating primitive is not supported")
        if one.many:
            look, fresh, keep = self.slot()
            self.add(f"slot{number} = {look}")
            start = {"url": step.label} if one.name == "extension" else {}
            made = f'f"{{{self.path}}}{one.name}[{{len({self.node}.get({name!r}, ()))}}]."'
            self.add(f"if slot{number} is None: slot{number} = ({start!r}, {made})")
            self.add(f"{node}, {path} = slot{number}")
            self.commits.append([f"if {fresh}: {keep} = slot{number}; {self.node}.setdefault({name!r}, []).append({node})"])
        else:
            self.slot()
            self.add(f"{node} = {self.node}.get({name!r})")
            self.add(f"if {node} is None: {node} = {{}}")
            self.add(f"{path} = {self.path} + {one.name + '.'!r}")
            self.commits.append([f"{self.node}[{name!r}] = {node}"])
        self.node, self.path, self.type, self.primitive = node, path, one.type, one.primitive

    def through(self, step: Step) -> None:
        """Into another resource through the reference that was opened before."""
        number = self.emitter.fresh()
        look, fresh, keep = self.slot()
        reference, path, me = self.node, self.path, self.me
        self.add(f"made{number} = {look}")
        self.add(f"if made{number} is None: made{number} = run.new({step.name!r}, source=src)")
        self.add(f"body{number}, me{number}, path{number} = made{number}.body, made{number}.number, ''")
        self.commits.append(
            [
                f"if {fresh}: {keep} = made{number}",
                f"if 'reference' not in {reference}: run.refer({me}, {reference}, {path}, made{number}, {self.rule.row.rule!r}, src)",
            ]
        )
        self.node, self.path, self.me, self.type, self.primitive = f"body{number}", f"path{number}", f"me{number}", step.name, False

    def close(self) -> None:
        for lines in reversed(self.commits):
            for line in lines:
                self.add(line)


VOCABULARY = {"CodeableConcept": "vocabulary_concept", "Coding": "vocabulary_coding"}


def value_function(name: str, rules: Sequence[Rule]) -> str:
    """A `$value` map: the first row that has a value gives it."""
    lines = [f"def {name}(run, raw, delim, src):", "    parts = raw.split(delim)", "    size = len(parts)"]
    here = Here("", 0)
    for rule in rules:
        at = f'f"{{src}}.{rule.number}"'
        test = sources.condition(rule.test, Here("", rule.number))
        lines.append(f"    if size >= {rule.number} and parts[{rule.number - 1}] not in EMPTY{' and ' + test if test else ''}:")
        if rule.assign is not None:
            pieces = ", ".join(
                f"({sources.reads(p, here)}, {sources.source(p, here)})" if isinstance(p, Ref) else f"({p!r}, '')" for p in rule.assign
            )
            lines.append(f"        return run.joined(({pieces},))[:2]")
        else:
            lines.append(f"        return run.leaf(parts[{rule.number - 1}], {at})")
    lines.append("    return '', src")
    return "\n".join(lines)


def compiled(name: str, text: str, names: Mapping[str, Any]) -> Any:
    """Run the generated source and give back its function. The source is made of our rows; no message ever reaches it."""
    module: dict[str, Any] = dict(names)
    exec(compile(text, f"<map {name}>", "exec"), module)  # noqa: S102 - the compiler's own output
    return module


__all__ = ["Emitter", "Links", "Rule", "Using", "compiled", "normal", "read_rule", "value_function"]
