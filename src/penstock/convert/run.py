"""What the generated functions work on: the state of one conversion, and the small functions that read parts of a message."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from penstock.convert.codes import Codes, CodeTable, Concept
from penstock.convert.grammar import Group
from penstock.convert.local import NO_LOCAL_CODES, LocalCodes
from penstock.convert.memory import Memories, Said, Steward, Told, maker
from penstock.convert.moments import later
from penstock.formats.hl7v2 import Message
from penstock.formats.hl7v2.escape import unescape
from penstock.formats.hl7v2.message import NULL, Segment

Resource = dict[str, Any]

#: A delimiter that no message has: the parser refuses NUL.
NEVER = "\0"
ALTERNATE_CODES = "http://hl7.org/fhir/StructureDefinition/alternate-codes"


@dataclass(frozen=True, slots=True)
class Context:
    """What a conversion depends on besides the message and the plan."""

    interface: str = ""
    zone: tzinfo = UTC
    received_at: datetime | None = None
    #: identifier system by assigning authority, as the site knows them: `{"RXH": "https://example.org/id/mrn"}`
    authorities: Mapping[str, str] = field(default_factory=dict)
    #: code system by the name that the sender gives it: `{"LOCALLAB": "https://example.org/codes/lab"}`
    code_systems: Mapping[str, str] = field(default_factory=dict)
    tenant: str = ""
    #: what codes mean that no table knows
    local: LocalCodes = NO_LOCAL_CODES

    def settings(self) -> tuple[object, ...]:
        """What a code can depend on."""
        return self.zone, tuple(self.authorities.items()), tuple(self.code_systems.items()), self.local.version


#: (resource index, element path, rule id, source path). An empty element path is the whole resource. A plain tuple: there are hundreds.
Lineage = tuple[int, str, str, str]


class Null(NamedTuple):
    """HL7 `""`: element `path` of the stored resource is to be deleted before the produced one is merged in."""

    resource: int
    path: str


class Instance:
    """One resource in the making, and where in the message it belongs."""

    #: the groups around the segment that made it
    groups: tuple[int, ...] = ()
    key = id = reference = ""
    #: whether labels find it
    registered = False

    def __init__(self, number: int, type: str, body: Resource, place: int = -1, creator: str = "", source: str = "", at: str = "") -> None:
        self.number, self.type, self.body = number, type, body
        #: which segment made it, by its place in the message; -1: none, a row inside a map did
        self.place, self.creator, self.source = place, creator, source
        #: for a part of a resource: the path of what is in it
        self.at = at

    @property
    def empty(self) -> bool:
        return len(self.body) < 2


class Run:
    """One conversion. Generated code appends to `lineage`; what it could not use it notes with a reason."""

    def __init__(self, message: Message, codes: Codes, context: Context, memories: Memories | None = None) -> None:
        cuts = message.delimiters
        self.message, self.codes, self.context, self.cuts, self.charset = message, codes, context, cuts, message.charset
        self.C, self.R = cuts.component or NEVER, cuts.repetition or NEVER
        self.T, self.E = cuts.subcomponent or NEVER, cuts.escape or NEVER
        self.segments: list[Segment] = message.segments
        self.sids = names(message)
        self.root = Group(0)
        #: the parts of resources that segments fill, by resource and element
        self.portions: dict[tuple[int, str], list[Instance]] = {}
        self.around: list[Group] = []
        self.groups: list[tuple[int, ...]] = []
        self.places: dict[str, list[int]] = {}
        for place, segment in enumerate(message.segments):
            self.places.setdefault(segment.name, []).append(place)
        #: the segment at hand, by its place in the message
        self.here = -1
        self.instances: list[Instance] = []
        self.lineage: list[Lineage] = []
        #: what remembered segments became: the resource, the name of the segment, and what it said
        self.said: list[tuple[int, str, Said]] = []
        self.memory: dict[tuple[str, int, str], Instance] = {}
        self.notes: dict[str, str] = {}
        #: sources of values that were put somewhere and taken out again
        self.forgotten: list[str] = []
        self.nulls: list[tuple[int, str]] = []
        self.steward: list[Steward] = []
        self.references: list[tuple[Resource, Instance]] = []
        #: the lineage of each of these
        self.referred: list[Lineage] = []
        self.systems: dict[str, str] = {}
        self.untidy = False
        self.tellings: dict[str, Told] = {}
        self.seen: set[tuple[int, str, str]] = set()
        self.standard: dict[int, tuple[CodeTable, str, str, str]] = {}
        #: why nothing was made of a segment, by its position: the reason of the row whose condition did not hold
        self.skipped: dict[int, str] = {}
        #: which of its node's conditions held, by the segment's place
        self.held: dict[int, tuple[bool, ...]] = {}
        self.facility = message.get("MSH-4") or message.get("MSH-3") or context.interface
        self.common = {} if memories is None else memories.under((self.facility, cuts, self.charset, *context.settings()))

    def new(self, type: str, creator: str = "", source: str = "") -> Instance:
        """A resource that belongs where the segment at hand stands."""
        instance = Instance(len(self.instances), type, {"resourceType": type}, self.here, creator, source)
        if self.here >= 0:
            instance.groups = self.groups[self.here]
        self.instances.append(instance)
        return instance

    # -- the same text again ------------------------------------------------------------------------------------------

    def told(self, map: str, segment: str) -> Told | None:
        """What the fields of the segments of that name became so far; None where there is one such segment only."""
        return self.tellings.setdefault(map, {}) if len(self.places[segment]) > 1 else None

    def coded(self, map: str) -> Told:
        """What the coded fields of that map became in this and in earlier messages under the same circumstances."""
        return self.common.setdefault(map, {})

    def extent(self) -> tuple[int, ...]:
        """How much there is of everything but properties and lineage; lineage comes first."""
        return (
            len(self.lineage),
            len(self.notes),
            len(self.steward),
            len(self.nulls),
            len(self.references),
            len(self.instances),
        )

    def remember(self, told: Told, key: Hashable, begun: tuple[int, ...], names: tuple[str, ...], me: int, out: Resource, sid: str) -> None:
        """Keep what a text became, unless another resource, a reference or a null came of it."""
        if self.extent()[3:] != begun[3:]:
            return
        cut, (lineage, notes, stewards) = len(sid), begun[:3]
        properties = {name: value for name, value in out.items() if name in names}
        simple = {name: value for name, value in properties.items() if not isinstance(value, (dict, list))}
        told[key] = Said(
            simple,
            [(name, maker(value)) for name, value in properties.items() if name not in simple],
            [(path, rule, source[cut:]) for _, path, rule, source in self.lineage[lineage:]],
            [each._replace(source=each.source[cut:]) for each in self.steward[stewards:]],
            [(source[cut:], reason) for source, reason in [*self.notes.items()][notes:]],
        )

    def repeat(self, said: Said, me: int, out: Resource, sid: str) -> None:
        """Say again what a text became; its lineage is left to the caller."""
        out.update(said.simple)
        for name, make in said.makers:
            out[name] = make()
        if said.stewards:
            self.steward += [each._replace(source=sid + each.source) for each in said.stewards]
        for tail, reason in said.notes:
            self.note(sid + tail, reason)

    def text(self, raw: str) -> str:
        """The first part of a raw value, unescaped."""
        if self.C in raw:
            raw = raw.partition(self.C)[0]
        if self.T in raw:
            raw = raw.partition(self.T)[0]
        return unescape(raw, self.cuts, self.charset) if self.E in raw else raw

    def leaf(self, raw: str, source: str) -> tuple[str, str]:
        """The first part of a raw value and the source path of that part."""
        if self.C in raw:
            raw, source = raw.partition(self.C)[0], source + ".1"
        if self.T in raw:
            raw, source = raw.partition(self.T)[0], source + ".1"
        if self.E in raw:
            raw = unescape(raw, self.cuts, self.charset)
        return ("" if raw == NULL else raw), source

    def parts(self, raw: str) -> list[str]:
        return raw.split(self.C)

    def get(self, fields: list[str], field: int, component: int = 0, part: int = 0) -> str:
        """First repetition of a field, or one of its components, unescaped; "" when it is not there or is an HL7 null."""
        if field >= len(fields):
            return ""
        raw = fields[field]
        if not raw or raw.isalnum():
            return raw if component <= 1 and part <= 1 else ""
        if self.R in raw:
            raw = raw.partition(self.R)[0]
        if component:
            raw = piece(raw, self.C, component)
        if part:
            raw = piece(raw, self.T, part)
        raw = self.text(raw)
        return "" if raw == NULL else raw

    def has(self, fields: list[str], field: int, component: int) -> bool:
        """Whether a component of a field's first repetition holds anything."""
        raw = fields[field] if field < len(fields) else ""
        return piece(raw.partition(self.R)[0], self.C, component) not in ("", NULL)

    def count(self, fields: list[str], field: int) -> int:
        """How many repetitions a field has; 0 when it is not valued."""
        raw = fields[field] if field < len(fields) else ""
        return raw.count(self.R) + 1 if raw else 0

    def near(self, position: int, name: str) -> int:
        """Position of the segment of that name which shares the longest group prefix with the segment at `position`; -1 for none.

        A segment of another occurrence of a group that both are in is never meant.
        """
        best, score = -1, -1
        group = self.around[position]
        for other in self.places.get(name, ()):
            shared, apart = group.meets(self.around[other])
            if apart:
                continue
            if shared > score or (shared == score and other <= position):
                best, score = other, shared
        return best

    def first(self, position: int) -> bool:
        """Whether a segment is the first of its name in its occurrence of the groups around it."""
        group = self.around[position]
        return all(other >= position or self.around[other] is not group for other in self.places[self.segments[position].name])

    def other(self, position: int, name: str, field: int = 0, component: int = 0, part: int = 0) -> str:
        """A field of the nearest segment of that name; the segment's name when no field is asked for."""
        at = self.near(position, name)
        if at < 0:
            return ""
        return self.get(self.segments[at].fields, field, component, part) if field else name

    def other_has(self, position: int, name: str, field: int) -> bool:
        """Whether a field of the nearest segment of that name is valued; an HL7 null is not."""
        at = self.near(position, name)
        fields = self.segments[at].fields if at >= 0 else []
        return field < len(fields) and fields[field] not in ("", NULL)

    def other_source(self, position: int, name: str, rest: str) -> str:
        at = self.near(position, name)
        return f"{self.sids[at]}-{rest}"

    def orderly(self, period: Resource, name: str, value: str, source: str) -> bool:
        """Whether a bound can stand in a period: R4 has none that ends before it begins (per-1)."""
        start, end = (value, period.get("end")) if name == "start" else (period.get("start"), value)
        if not start or not end or not later(start, end):
            return True
        self.note(source, "the period would end before it begins")
        return False

    def note(self, source: str, reason: str) -> None:
        self.notes.setdefault(source, reason)

    def null(self, me: int, path: str, source: str) -> None:
        """HL7 `""` in a whole field: what it fills is to be deleted."""
        self.nulls.append((me, path))
        self.lineage.append((me, path, "null", source))

    def joined(self, pieces: tuple[tuple[str, str], ...]) -> tuple[str, str, list[str]]:
        """The text of an assignment, and the source paths of its references; "" when none of them is valued."""
        read = [source for text, source in pieces if source and text]
        if not read:
            return "", "", []
        return "".join(text for text, _ in pieces).strip(), read[0], read[1:]

    def refer(self, me: int, reference: Resource, path: str, to: Instance, rule: str, source: str) -> None:
        """Put a reference that gets its id when all resources are known."""
        reference["reference"] = ""
        self.references.append((reference, to))
        self.referred.append((me, path + "reference", rule, source))
        self.lineage.append(self.referred[-1])

    def find(self, table: CodeTable, text: str) -> Concept | None:
        """The standard meaning of a code of a table: by the table, else by what the site's concept maps say of its code system."""
        return table.find(text) or self.context.local.concept(table.source, text)

    def listed(self, table: CodeTable, text: str, source: str) -> str:
        """The standard code for an element that takes any text; what the table does not know stays as it is and is listed for a steward."""
        found = self.find(table, text)
        if found is None:
            self.steward.append(Steward(source, table.source, text, table.name))
        return text if found is None else found.code

    def unknown(self, table: CodeTable, text: str, source: str) -> None:
        """A code that its table does not know, where the original cannot be kept beside it."""
        self.steward.append(Steward(source, table.source, text, table.name))
        self.note(source, "the code is not in its table")

    def unknown_code(self, me: int, node: Resource, path: str, name: str, table: CodeTable, text: str, source: str, rule: str) -> None:
        """The same, for an element of type code: the original coding is kept in the standard extension for alternate codes."""
        text = " ".join(text.split())
        self.steward.append(Steward(source, table.source, text, table.name))
        coding = {"system": table.source, "code": text} if table.source else {"code": text}
        extensions = node.setdefault(f"_{name}", {}).setdefault("extension", [])
        extensions.append({"url": ALTERNATE_CODES, "valueCodeableConcept": {"coding": [coding]}})
        self.lineage.append((me, f"{path}{name}.extension[{len(extensions) - 1}].valueCodeableConcept.coding[0].code", rule, source))

    def vocabulary_concept(self, me: int, node: Resource, path: str, table: CodeTable, raw: str, source: str, rule: str) -> None:
        """Put the standard coding first; the data type map then adds the original one behind it."""
        text, leaf = self.leaf(raw, source)
        found = self.find(table, text) if text else None
        if found is None:
            if text and not self.named_elsewhere(raw, table):
                self.steward.append(Steward(leaf, table.source, text, table.name))
            return
        if found.system == table.source and found.code == text:
            return
        codings = node.setdefault("coding", [])
        codings.append(coding_of(found))
        at = f"{path}coding[{len(codings) - 1}]."
        self.lineage.extend((me, at + name, rule, leaf) for name in codings[-1])

    def named_elsewhere(self, raw: str, table: CodeTable) -> bool:
        """Whether a coded value names a known system (its third component) that is not the one of this table."""
        name = self.text(piece(raw, self.C, 3)).strip()
        uri, known = self.codes.system(name, self.context.code_systems, self.facility) if name else ("", False)
        return known and uri != table.source

    def vocabulary_coding(self, me: int, node: Resource, path: str, table: CodeTable, raw: str, source: str, rule: str) -> None:
        """A single Coding holds the standard code; `standardise` undoes what the data type map put over it."""
        self.standard[id(node)] = (table, raw, source, rule)

    def standardise(self, me: int, node: Resource, path: str) -> None:
        table, raw, source, rule = self.standard.pop(id(node))
        text, leaf = self.leaf(raw, source)
        found = self.find(table, text) if text else None
        if found is None:
            if text:
                self.steward.append(Steward(leaf, table.source, text, table.name))
                if table.source and "system" not in node:
                    node["system"] = table.source
            return
        node.clear()
        node.update(coding_of(found))
        start = len(self.lineage)
        while start and self.lineage[start - 1][0] == me and self.lineage[start - 1][1].startswith(path):
            start -= 1
        self.lineage[start:] = [entry for entry in self.lineage[start:] if entry[1].removeprefix(path) in node]
        self.lineage.extend((me, path + name, rule, leaf) for name in node)

    def steward_concept(self, me: int, node: Resource, path: str, binding: str, table: CodeTable | None, source: str) -> None:
        """A concept of which no coding has a system that we know: a concept map says what it means, or it is work for a steward.

        The standard coding stands behind the original one. Codes of an HL7 table get their table's system.
        """
        codings = node.get("coding")
        if not codings:
            return
        if table is not None:
            for coding in codings:
                if "system" not in coding and "code" in coding and table.source:
                    coding["system"] = table.source
            return
        first = codings[0].get("system")
        if first is not None and not first.startswith("urn:id:"):
            return  # the frequent case, without the two searches below
        local = next((coding for coding in codings if "code" in coding), None)
        if local is None or any(not coding.get("system", "urn:id:").startswith("urn:id:") for coding in codings):
            return
        known = self.context.local.find(local.get("system", ""), local["code"])
        if known is not None:
            codings.append(coding_of(known.concept))
            at = f"{path}coding[{len(codings) - 1}]."
            self.lineage.extend((me, at + name, known.rule, source) for name in codings[-1])
        elif binding:
            self.steward.append(Steward(source, local.get("system", ""), local["code"], binding))


def coding_of(concept: Concept) -> Resource:
    coding = {"system": concept.system, "code": concept.code, "display": concept.display}
    return {name: value for name, value in coding.items() if value}


def piece(raw: str, delimiter: str, number: int) -> str:
    if delimiter not in raw:
        return raw if number == 1 else ""
    parts = raw.split(delimiter)
    return parts[number - 1] if number <= len(parts) else ""


def pick(parts: list[str], number: int) -> str:
    return parts[number - 1] if number <= len(parts) else ""


def names(message: Message) -> list[str]:
    """How source paths name each segment: `PID`, or `OBX[3]` where there are several."""
    totals: dict[str, int] = {}
    for segment in message.segments:
        totals[segment.name] = totals.get(segment.name, 0) + 1
    seen: dict[str, int] = {}
    out = []
    for segment in message.segments:
        seen[segment.name] = seen.get(segment.name, 0) + 1
        out.append(segment.name if totals[segment.name] == 1 else f"{segment.name}[{seen[segment.name]}]")
    return out
