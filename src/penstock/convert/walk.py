"""The code of one row: it opens the way to a target, puts the value there, and keeps what was opened when something came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from penstock.convert import shape, sources
from penstock.convert.conditions import Ref
from penstock.convert.paths import Step
from penstock.convert.rule import Rule, pivot, repeating, spell
from penstock.convert.sources import Here
from penstock.errors import Problem

if TYPE_CHECKING:
    from penstock.convert.emit import Emitter

CONSTANTS: dict[str, Callable[[str], object]] = {
    "boolean": lambda text: text.lower() == "true",
    "integer": int,
    "decimal": int,
    "positiveInt": int,
    "unsignedInt": int,
}


VOCABULARY = {"CodeableConcept": "vocabulary_concept", "Coding": "vocabulary_coding"}


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
        if rule.table and leaf.type == "string":
            self.add(f"value = P_string(run, run.listed({rule.table}, text, leaf), leaf)")
        elif rule.table:
            self.code(leaf)
        else:
            self.add(f"value = P_{leaf.type}(run, text, leaf)")
        self.add("if value is not None:")
        self.emitter.depth += 1
        self.placed(leaf)

    def code(self, leaf: shape.Shape) -> None:
        """The code that the table has for the text; what it does not know is kept beside the element."""
        rule = self.rule
        self.add(f"found = run.find({rule.table}, text)")
        self.add("if found is None:")
        self.emitter.depth += 1
        if leaf.many or not self.simple():
            self.add(f"run.unknown({rule.table}, text, leaf)")
        else:
            start = self.emitter.depth
            self.open(rule.steps[:-1])
            self.add(f"run.unknown_code({self.me}, {self.node}, {self.path}, {leaf.name!r}, {rule.table}, text, leaf, {rule.row.rule!r})")
            self.close()
            self.emitter.depth = start
            self.reset()
        self.emitter.depth -= 1
        self.add("else:")
        self.emitter.depth += 1
        self.add(f"value = P_{leaf.type}(run, found.code, leaf)" if leaf.type in CONSTANTS else "value = found.code")

    def continues(self) -> bool:
        """Text that a repetition continues on a new line instead of starting another element."""
        return self.rule.using is not None and self.rule.using.kind in ("lines", "text") and not self.pivot

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
            if rule.using is not None:
                self.add(f"if text: text, leaf = {rule.using.function}(run, text, run.C, leaf)")
        elif rule.using is not None:
            self.add(f"text, leaf = {rule.using.function}(run, {self.raw()}, src)")
        else:
            plain = "(raw, src) if plain else " if not self.emitter.segment and rule.number else ""
            self.add(f"text, leaf = {plain}run.leaf(raw, src)")

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
        if self.type == "Period":
            self.add(f"if run.orderly({self.node}, {name!r}, value, leaf):")
            self.emitter.depth += 1
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
            self.add(f"run.steward_concept({self.me}, {self.node}, {self.path}, {binding!r}, {rule.table or 'None'}, src)")
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
        self.emitter.witnessed(self.rule)
