"""The compiler: rows in, a Plan of compiled functions out. All bad rows are reported at once, before the first message."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from penstock.convert import conditions, emit, paths, rows, shape, sources, timing
from penstock.convert.builtins import BUILTINS, EMPTY
from penstock.convert.codes import CodeRow, Codes, codes_of, shipped_codes
from penstock.convert.compiled import Check, Fill, Plan, Step, Structure
from penstock.convert.grammar import Grammar, Node, tree, walk
from penstock.convert.message_rows import astray, first_labels, grouped, part_of, pointed, reference
from penstock.convert.primitives import PRIMITIVES, numeric
from penstock.convert.remainder import remember_fields
from penstock.convert.rows import EVERY, Row, Tables, normal
from penstock.convert.rule import Links, Rule, Using, read_rule, spell
from penstock.convert.run import NEVER, pick, piece
from penstock.convert.shifts import order
from penstock.convert.sources import Here
from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.hl7v2.message import NULL

#: the data type maps that are functions, by the name that rows use
FUNCTIONS = {**BUILTINS, **timing.BUILTINS}
#: segments that only add to what another one has created
JOINERS = frozenset({"NTE", "PD1", "PV2", "ROL", "PRT", "NK1", "IN2", "GT1"})
OWN = re.compile(r"(\w+)\[own\]")
NULL_OF_MANY = "an HL7 null of an element that other fields fill as well: nothing is deleted"
TAKES_ONE = "its target takes one value, and this is a further repetition"

#: what generated code may name besides its arguments
RUNTIME: dict[str, Any] = {
    "NULL": NULL,
    "EMPTY": EMPTY,
    "NEVER": NEVER,
    "ONCE": (0,),
    "NEWLINE": "\n",
    "TAKES_ONE": TAKES_ONE,
    "NULL_OF_MANY": NULL_OF_MANY,
    "pick": pick,
    "piece": piece,
    "numeric": numeric,
    "itemgetter": itemgetter,
    "remember_fields": remember_fields,
}


class Compiler:
    """Compiles maps on demand: a segment map pulls in the data type maps and code tables that its rows name."""

    def __init__(self, tables: Tables, codes: Codes, witness: Callable[[str], None] | None = None, *, message: bool = False) -> None:
        self.tables, self.codes, self.witness = tables, codes, witness is not None
        self.datatypes = {normal(name): name for name in tables.datatypes}
        self.usings: dict[str, Using | None] = {}
        self.module: dict[str, Any] = {**RUNTIME, **{f"P_{name}": function for name, function in PRIMITIVES.items()}, "seen": witness}
        self.compiled: set[str] = set()
        self.sources: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.about = frozenset(row["type"] for row in rows.table("decisions", "resources") if row["stored"] == "message")
        never = frozenset(row["type"] for row in rows.table("decisions", "resources") if row["stored"] == "no")
        self.excluded = never if message else never | self.about
        self.functions = {normal(row["map"]): row["function"] for row in rows.table("decisions", "functions")}
        self.links = Links(self.using, self.vocabulary)

    def vocabulary(self, name: str) -> str | None:
        found = self.codes.table(name)
        if found is None:
            return None
        if not found.concepts:
            return ""
        key = "T_" + re.sub(r"\W", "_", normal(name))
        self.module[key] = found
        return key

    def using(self, name: str) -> Using | None:
        """The function of a data type map, compiled at its first use."""
        key = normal(name)
        if key not in self.usings:
            builtin = FUNCTIONS.get(self.functions.get(key, name))
            if builtin is not None:
                function = "B_" + builtin.function.__name__
                self.module[function] = builtin.function
                self.usings[key] = Using(function, builtin.kind, builtin.type)
            elif key in self.datatypes:
                self.usings[key] = self.datatype(self.datatypes[key])
            else:
                self.usings[key] = None
        return self.usings[key]

    def datatype(self, name: str) -> Using:
        map_rows = self.tables.datatypes[name]
        owner = filled_type(name)
        function = "D_" + re.sub(r"\W", "_", name)
        mapped = [row for row in map_rows if row.target and row.target != "?extension"]
        if (
            mapped
            and all(row.target in ("$value", "$this") for row in mapped)
            and (not owner or r4().type(owner) is None or primitive(owner))
        ):
            self.usings[normal(name)] = using = Using(function, "value", owner)
            rules = self.rules([row._replace(using="") for row in map_rows], "string")
            self.define(function, emit.value_function(function, rules, witness=self.witness))
            self.compiled.update(rule.row.rule for rule in rules)
            return using
        if not owner:
            raise Problem("structure", "this data type map fills no type of R4")
        self.usings[normal(name)] = using = Using(function, "resource" if shape.is_resource(owner) else "element", owner)
        self.generate(function, owner, "", self.rules(map_rows, owner))
        return using

    def segment(self, name: str, segment: str) -> Fill:
        function = "S_" + re.sub(r"\W", "_", name)
        if function not in self.module:
            if name not in self.tables.segments:
                raise Problem("structure", "this message row names a segment map that is not there")
            owner = filled_type(name)
            if not owner:
                raise Problem("structure", "this segment map fills no resource of R4")
            self.generate(function, owner, segment, self.rules(self.tables.segments[name], owner))
        fill: Fill = self.module[function]
        return fill

    def rules(self, map_rows: Sequence[Row], owner: str) -> list[Rule]:
        out = []
        for row in map_rows:
            try:
                rule = read_rule(row, owner, self.links)
                if rule is not None:
                    out.append(rule)
            except Problem as problem:
                self.problems.append(Problem(problem.code, problem.text, at=row.rule))
        return self.keyed(out)

    def keyed(self, rules: list[Rule]) -> list[Rule]:
        """Extensions are keyed by their URL, not by the number that a table gave them: rows of one field with one label share it."""
        urls = {
            extension(rule): "".join(map(str, rule.assign or ()))
            for rule in rules
            if rule.constant and rule.steps and rule.steps[-1].name == "url"
        }
        out = []
        for rule in rules:
            steps, lost = relabelled(rule, urls)
            if lost:
                self.problems.append(Problem("structure", "this extension has no URL", at=rule.row.rule))
            else:
                out.append(rule._replace(steps=steps))
        return out

    def generate(self, function: str, owner: str, segment: str, rules: Sequence[Rule]) -> None:
        good: list[Rule] = []
        for rule in rules:
            try:
                emit.Emitter(function, owner, segment).source([rule])
                good.append(rule)
                self.compiled.add(rule.row.rule)
            except Problem as problem:
                self.problems.append(Problem(problem.code, problem.text, at=rule.row.rule))
        self.define(function, emit.Emitter(function, owner, segment, witness=self.witness).source(good))

    def define(self, function: str, text: str) -> None:
        self.sources[function] = text
        exec(compile(text, f"<map {function}>", "exec"), self.module)  # noqa: S102 - the compiler's own output, made of our rows

    # -- message maps -------------------------------------------------------------------------------------------------

    def structure(self, name: str) -> Structure:
        root = tree(name, self.tables.messages[name])
        self.everywhere(root)
        labels = first_labels(root)
        steps: dict[int, tuple[Step, ...]] = {}
        checks: dict[int, Check] = {}
        creators: set[tuple[str, str]] = set()
        for node in walk(root):
            made: list[Step] = []
            for row in node.rows:
                try:
                    step = self.step(row, node, labels, creators)
                except Problem as problem:
                    self.problems.append(Problem(problem.code, problem.text, at=row.rule))
                    continue
                if step is not None:
                    made.append(step)
                    self.compiled.add(step.rule)
            if node.name not in JOINERS:
                creators.update(step.target for step in made)
            if made:
                steps[node.number] = tuple(made)
                if any(step.condition for step in made):
                    checks[node.number] = self.check(made, node.name)
        for rule in astray([step for made in steps.values() for step in made]):
            self.problems.append(Problem("structure", "this reference names a resource under a label that no row makes", at=rule))
        shifts = any(step.orders for made in steps.values() for step in made)
        return Structure(name, Grammar(root), steps, checks, self.grouped(root, steps), shifts)

    def grouped(self, root: Node, steps: Mapping[int, Sequence[Step]]) -> Mapping[int, tuple[str, ...]]:
        try:
            return grouped(root, steps)
        except Problem as problem:
            self.problems.append(problem)
            return {}

    def everywhere(self, root: Node) -> None:
        """Adds the rows that stand in every structure (the map `*`). What tells of the message itself is said there alone."""
        every: dict[str, list[Row]] = {}
        for row in self.tables.messages.get(EVERY, ()):
            every.setdefault(row.source.rpartition(".")[2], []).append(row)
        labels = first_labels(root)
        for node in walk(root):
            own = [row for row in node.rows if not row.target or paths.target(row.target).type not in self.about]
            node.rows = own if node.group else [*own, *(owned(row, own, labels) for row in every.get(node.name, ()))]

    def step(self, row: Row, node: Node, labels: Mapping[str, str], creators: set[tuple[str, str]]) -> Step | None:
        if not row.target or row.condition.upper().removeprefix("IF ").strip() == "NEVER":
            return None
        target = paths.target(row.target)
        if target.type in self.excluded:
            return None
        if row.condition == "?":
            raise Problem("structure", "this row is left to people and no decision answers it")
        target, pointing = pointed(target)
        if not shape.is_resource(target.type):
            raise Problem("structure", "this row fills no resource of R4")
        part = part_of(target, filled_type(row.using))
        sources.condition(conditions.parse(row.condition), Here(node.name, 0))
        fill = self.segment(row.using, node.name)
        texts = row.assign.split(";")
        orders = tuple(found for text in texts if (found := order(text, row.rule)))
        references = tuple(
            found
            for text in (*texts, pointing)
            if text.strip() and not order(text, row.rule)
            for found in [reference(text.strip(), target[:2], row.rule, labels, self.excluded)]
            if found
        )
        joins = node.name in JOINERS and target[:2] in creators
        adds = target.path[0].name if target.path else ""
        return Step(row.rule, target[:2], fill, row.using, references, row.condition, joins, adds, part, row.reason, orders)

    def check(self, steps: Sequence[Step], segment: str) -> Check:
        """One function for all conditions of a node, so that what they read is read once."""
        emitter = emit.Emitter("check", "", segment)
        here = Here(segment, 0)
        tests = [emitter.hoisted(sources.condition(conditions.parse(step.condition), here)) or "True" for step in steps]
        lines = ["def check(run, fields, at_segment):", *emitter.reads(emitter.shared), f"    return ({', '.join(tests)},)"]
        scope: dict[str, Any] = {}
        exec(compile("\n".join(lines), f"<conditions of {segment}>", "exec"), self.module, scope)  # noqa: S102 - made of our rows
        found: Check = scope["check"]
        return found


def owned(row: Row, rows: Sequence[Row], labels: Mapping[str, str]) -> Row:
    """`Patient[own]` of a row that stands in every structure: the one that another row of the same segment fills, else the first one."""

    def label(found: re.Match[str]) -> str:
        mine = [target.label for one in rows if one.target and (target := paths.target(one.target)).type == found[1]]
        return f"{found[1]}[{mine[0] if mine else labels.get(found[1], '')}]".replace("[]", "")

    return row._replace(target=OWN.sub(label, row.target), assign=OWN.sub(label, row.assign))


def extension(rule: Rule, depth: int = 0) -> tuple[int, str]:
    """What names the extension that a row is about: its field, and its path down to the (last) extension step."""
    last = depth or max((place for place, step in enumerate(rule.steps) if step.name == "extension"), default=-1) + 1
    return rule.number, "".join(spell(step) for step in rule.steps[:last])


def only(found: list[str]) -> str:
    """The one URL that a label has in the whole map; "" where it has several."""
    return found[0] if len(set(found)) == 1 else ""


def relabelled(rule: Rule, urls: Mapping[tuple[int, str], str]) -> tuple[tuple[paths.Step, ...], bool]:
    steps = list(rule.steps)
    for place, step in enumerate(rule.steps):
        if step.kind == "element" and step.name == "extension":
            field, text = extension(rule, place + 1)
            url = urls.get((field, text)) or only([one for (_, other), one in urls.items() if other == text])
            if not url:
                return rule.steps, True
            steps[place] = step._replace(label=url)
    return tuple(steps), False


def primitive(name: str) -> bool:
    return name[:1].islower()


def filled_type(name: str) -> str:
    """The R4 type that a map fills, from its name: `EI[Identifier-Extension]` fills an Identifier, `PL[location]` a Location.

    `OBX[Immunization.education]` fills an element that has no type of its own.
    """
    wanted = re.split(r"[-\]]", name.partition("[")[2])[0]
    element = r4().type_at(wanted) if "." in wanted else None
    return element.type if element is not None else type_names().get(wanted.partition(".")[0].lower(), "")


@cache
def type_names() -> Mapping[str, str]:
    return {name.lower(): name for name in (*r4().data_types, *r4().resource_types)}


@cache
def tables(message: bool = False) -> Tables:
    return rows.collect(message=message)


def build(
    names: Sequence[str],
    overlay: Sequence[Row] = (),
    codes: Sequence[CodeRow] = (),
    *,
    strict: bool = True,
    message: bool = False,
    witness: Callable[[str], None] | None = None,
) -> Plan:
    """Compile these structures. With `strict` any bad row stops the program; all of them are in the group that is raised.

    With `message` what tells of the message itself is made too. A `witness` is told the id of each row that fires in a segment map
    or a data type map, for coverage.
    """
    all_rows = rows.collect(overlay, message=message) if overlay else tables(message)
    compiler = Compiler(all_rows, codes_of(codes) if codes else shipped_codes(), witness, message=message)
    structures: dict[str, Structure] = {}
    for name in names:
        if name not in all_rows.messages:
            raise Problem("not-supported", "there is no map for this message structure")
        structures[name] = compiler.structure(name)
    if compiler.problems and strict:
        raise ExceptionGroup("these rows do not compile", compiler.problems)
    return Plan(
        rows.versioned(all_rows.version, codes),
        compiler.codes,
        structures,
        all_rows,
        {"all": compiler.problems},
        frozenset(compiler.compiled),
    )
