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
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from penstock.convert import conditions, shape, sources
from penstock.convert.conditions import Condition, Junction, Ref, Test
from penstock.convert.paths import Step
from penstock.convert.rows import CODED
from penstock.convert.rule import Rule, null_path, pivot, repeating, spell
from penstock.convert.sources import Here
from penstock.convert.steady import Steady
from penstock.convert.walk import Walk

#: characters; a longer text in a coded field is no code and is not remembered
LONGEST_CODE = 500
#: reads that do not depend on the repetition at hand
READ = re.compile(r"numeric\(run\.get\(fields, [0-9]+\)\)|run\.(?:get|count)\(fields, [0-9]+\)|run\.text\(pick\(parts, [0-9]+\)\)")
by_number = attrgetter("number")


class Emitter:
    """The source text of one function."""

    def __init__(self, name: str, owner: str, segment: str, *, witness: bool = False) -> None:
        self.name, self.owner, self.segment, self.witness = name, owner, segment, witness
        #: a map for a part of a resource has paths that say which part: what it made is not remembered for another one
        self.whole = shape.is_resource(owner)
        self.lines: list[str] = []
        self.depth = 1
        self.count = 0
        self.shared: dict[str, str] = {}
        self.slots: dict[str, str] = {}
        self.retold = False
        self.recoded = False
        #: the lines of the fields that are left out where a segment is remembered
        self.once = range(0)

    def add(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def witnessed(self, rule: Rule) -> None:
        """Under a witness the code says which of its rules fired: lineage names the rule of each value, and not those around it."""
        if self.witness:
            self.add(f"seen({rule.row.rule!r})")

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
        """The whole function: what depends on codes alone, the other fields in order, then the rows without a source of their own."""
        fields = {
            number: list(group) for number, group in groupby(sorted((rule for rule in rules if rule.number), key=by_number), key=by_number)
        }
        steady = Steady.of(self.segment, self.owner, fields, rules) if self.segment and self.whole else None
        if steady is not None:
            self.remembering(steady, fields, rules)
        self.fields({number: members for number, members in fields.items() if steady is None or number not in steady.numbers}, rules)
        for rule in rules:
            if not rule.number:
                self.unsourced(rule)
        rare = self.rare()
        return "\n".join(
            (
                *(steady.constants(self.name) if steady is not None else ()),
                self.head(),
                *self.reads({text: name for text, name in self.shared.items() if text not in rare}),
                *([f"    told = run.told({self.name!r}, {self.segment!r})"] if self.retold else []),
                *([f"    codes = run.coded({self.name!r})"] if self.recoded else []),
                *(f"    {name} = None" for name in self.slots.values()),
                *self.lines,
                "    return None",
            )
        )

    def fields(self, fields: Mapping[int, list[Rule]], rules: Sequence[Rule]) -> None:
        if not fields:
            return
        self.add("for _ in ONCE:  # left at the end of the message's fields")
        self.depth += 1
        for number, members in fields.items():
            self.field(number, members, rules)
        self.depth -= 1

    def remembering(self, steady: Steady, fields: Mapping[int, list[Rule]], rules: Sequence[Rule]) -> None:
        """The fields that depend on codes alone, in one step where a message has said the same before."""
        self.recoded = True
        more = "".join(f", {self.hoisted(test)}" for test in steady.tests)
        texts = f"{self.name}_TEXTS(fields if size > {max(steady.numbers)} else fields + {self.name}_NONE)"
        self.add("alone = len(out) == 1")
        self.add(f"whole = ({texts}{more or ','})")
        self.add("said = codes.get(whole) if alone else None")
        self.add("if said:")
        self.add("    run.repeat(said, me, out, sid)")
        self.add("    run.said.append((me, sid, said))")
        self.add("else:")
        self.depth += 1
        self.add("begun_all = run.extent() if said is not None else None")
        first = len(self.lines)
        self.fields({number: fields[number] for number in steady.numbers}, rules)
        texts = f"[raw if number in {set(steady.numbers)} else '' for number, raw in enumerate(fields)]"
        self.add(f"if begun_all: remember_fields(run, codes, whole, begun_all, {steady.names!r}, me, out, sid, {texts})")
        self.add("elif alone: codes[whole] = ()")
        self.depth -= 1
        self.once = range(first, len(self.lines))

    def rare(self) -> dict[str, str]:
        """What only the fields of a segment that is not remembered read is read there."""
        elsewhere = "\n".join(line for place, line in enumerate(self.lines) if place not in self.once)
        found = {text: name for text, name in self.shared.items() if not re.search(rf"\b{name}\b", elsewhere)}
        if self.once:
            self.lines[self.once.start : self.once.start] = ["    " + line for line in self.reads(found)]
        return found if self.once else {}

    def reads(self, shared: Mapping[str, str]) -> list[str]:
        return [f"    {name} = {guarded(text)}" for text, name in shared.items()]

    def hoisted(self, test: str) -> str:
        """Reads of other fields or components are done once, at the top of the function."""

        def name(found: re.Match[str]) -> str:
            kind = "count_" if ".count(" in found[0] else "numeric_" if found[0].startswith("numeric") else ""
            return self.shared.setdefault(found[0], f"seen_{kind}" + re.sub(r"[^0-9]+", "_", found[0]).strip("_"))

        return READ.sub(name, test)

    def head(self) -> str:
        if self.segment:
            opening = [f"def {self.name}(run, me, out, at, fields, sid, at_segment):", "size = len(fields)"]
        else:
            opening = [f"def {self.name}(run, me, raw, delim, out, at, src):", "parts = raw.split(delim)", "size = len(parts)"]
            opening += ["sub = run.T if delim == run.C else NEVER", "whole, base = raw, src"]
            # most values have neither subcomponents nor escapes: then a component is its own leaf
            opening += ["plain = delim == run.C and run.T not in raw and run.E not in raw"]
        opening += ["log = run.lineage.append", *(["S = {}", "r = 1"] if self.segment else [])]
        return "\n    ".join(opening)

    def field(self, number: int, rules: list[Rule], all_rules: Sequence[Rule]) -> None:
        """One source field or component, and each of its repetitions."""
        index = number if self.segment else number - 1
        self.add(f"if size <= {index}: break")
        self.add(f"if (raw{number} := {'fields' if self.segment else 'parts'}[{index}]) not in EMPTY:")
        self.depth += 1
        names = self.repeated(number, rules, all_rules)
        memory = "codes" if all(rule.row.type in CODED for rule in rules) else "told"
        if names:
            self.again(number, names, memory)
        if self.segment:
            self.add(f'src{number} = f"{{sid}}-{number}"')
            self.add(f"many = run.R in raw{number}")
            self.add(f"for r, raw in enumerate(raw{number}.split(run.R), 1) if many else ((1, raw{number}),):")
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
        for selector, chosen in selections(sorted(rules, key=lambda rule: rule.constant)):
            around = self.depth
            if selector is not None:
                self.add(f"if {self.hoisted(sources.condition(selector, Here(self.segment, number)))}:")
                self.depth += 1
            for rule in chosen:
                self.rule(rule, pivots - {""})
            self.depth = around
        if head is not None:
            key = spell(head[0]) + spell(head[1])
            self.add(f"if ({key!r}, r) in S: run.memory[({self.name!r}, {number}, raw)] = S[({key!r}, r)]")
        self.depth = start
        self.depth -= 2 if self.segment else 1
        if names:
            self.add(f"    if begun: run.remember({memory}, key{number}, begun, {names!r}, me, out, sid)")
            self.add(f"    elif fresh: {memory}[key{number}] = ()")
            self.depth -= 1
        if self.segment:
            self.nulls(index, rules, all_rules)

    def repeated(self, number: int, rules: Sequence[Rule], all_rules: Sequence[Rule]) -> tuple[str, ...]:
        """The properties that a field fills, if they depend on its text alone: the same text in another segment says the same again."""
        if not self.segment or not self.whole or not all(self.alone(number, rule) for rule in rules):
            return ()
        names = {rule.steps[0].name for rule in rules}
        sharing = [rule for rule in all_rules if rule.steps and rule.steps[0].name in names]
        if any(rule.number != number for rule in sharing) and any(repeating(rule.steps, self.owner) for rule in sharing):
            return ()
        return tuple(sorted(names | {f"_{name}" for name in names if shape.element(self.owner, name).primitive}))

    def alone(self, number: int, rule: Rule) -> bool:
        """Whether a row reads its own field only, and fills its own resource only."""
        if not rule.steps or any(step.kind != "element" for step in rule.steps):
            return False
        read = [*conditions.references(rule.test), *(part for part in rule.assign or () if isinstance(part, Ref))]
        return all(not ref.name or (ref.name == self.segment and ref.numbers[:1] == (number,)) for ref in read)

    def again(self, number: int, names: Sequence[str], memory: str) -> None:
        """The same text in the same field of another segment of this name is not converted again; a code not even in another message.

        A text is remembered when it comes the second time: most texts come once.
        """
        absent = " and ".join(f"{name!r} not in out" for name in names)
        if memory == "codes":
            self.recoded = True
            self.add(f"fresh = len(raw{number}) <= {LONGEST_CODE} and {absent}")
        else:
            self.retold = True
            self.add(f"fresh = told is not None and {absent}")
        self.add(f"known = {memory}.get(key{number} := ({number}, raw{number})) if fresh else None")
        self.add("if known:")
        self.add("    run.repeat(known, me, out, sid)")
        self.add("    for path, rule, tail in known.ways: log((me, path, rule, sid + tail))")
        self.add("else:")
        self.depth += 1
        self.add("begun = run.extent() if known is not None else None")

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
        """A row without a source: it fires when its condition holds and the rest of the map filled something.

        In a data type map one that reads the whole value by another map needs nothing else.
        """
        if self.segment:
            self.add("r = 1")
        reads = not self.segment and rule.using is not None and rule.assign is None
        self.add("if whole:" if reads else "if len(out) > 1:" if self.segment and self.whole else "if out:")
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
            self.witnessed(rule)
        else:
            walk.emit()
        self.depth = start


def selections(rules: Sequence[Rule]) -> list[tuple[Test | None, list[Rule]]]:
    """Rows in their order, in runs that look for values of one place (OBX-5 by OBX-2): one question passes a whole run over.

    The first of a run stands alone: it is the common case, and then the others need not be asked one by one.
    """
    out: list[tuple[Test | None, list[Rule]]] = []
    for place, group in groupby(rules, key=lambda rule: found.ref if (found := selector(rule.test)) else None):
        members = list(group)
        if place is None or len(members) < 4:
            out.append((None, members))
            continue
        tests = [found for rule in members[1:] if (found := selector(rule.test))]
        values = tuple(dict.fromkeys(value for test in tests for value in test.values))
        out += [(None, members[:1]), (Test("in", place, values=values), members[1:])]
    return out


def selector(test: Condition | None) -> Test | None:
    """The part of a condition, always asked first, that wants a place to have one of some constant values."""
    if isinstance(test, Junction):
        return selector(test.parts[0]) if test.kind == "and" else None
    if test is None or test.kind not in ("equals", "in") or any(isinstance(value, Ref) for value in test.values):
        return None
    return test


def guarded(text: str) -> str:
    """A read of a field that most segments end before costs no call."""
    found = re.fullmatch(r"run\.(get|count)\(fields, ([0-9]+)\)", text)
    if found is None:
        return text
    return f"{text} if len(fields) > {found[2]} and fields[{found[2]}] else {'0' if found[1] == 'count' else repr('')}"


def value_function(name: str, rules: Sequence[Rule], *, witness: bool = False) -> str:
    """A `$value` map: the first row that has a value gives it."""
    lines = [f"def {name}(run, raw, delim, src):", "    parts = raw.split(delim)", "    size = len(parts)"]
    here = Here("", 0)
    for rule in rules:
        at = f'f"{{src}}.{rule.number}"'
        test = sources.condition(rule.test, Here("", rule.number))
        lines.append(f"    if size >= {rule.number} and parts[{rule.number - 1}] not in EMPTY{' and ' + test if test else ''}:")
        lines += [f"        seen({rule.row.rule!r})"] if witness else []
        if rule.assign is not None:
            pieces = ", ".join(
                f"({sources.reads(p, here)}, {sources.source(p, here)})" if isinstance(p, Ref) else f"({p!r}, '')" for p in rule.assign
            )
            lines.append(f"        return run.joined(({pieces},))[:2]")
        else:
            lines.append(f"        return run.leaf(parts[{rule.number - 1}], {at})")
    lines.append("    return '', src")
    return "\n".join(lines)
