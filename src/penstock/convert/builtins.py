"""Data type maps that no row can say, by the name that rows use: `@authority`, `@system`, `@lines`, `@location`, `@range`, `@units`.

Each takes what generated code gives a map and logs its lineage under the rule that a reader would look for.
"""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from typing import Any, NamedTuple

from penstock.convert import codes, places
from penstock.convert.primitives import decimal, string
from penstock.convert.run import Resource, Run, pick
from penstock.formats.hl7v2.escape import render, unescape
from penstock.formats.hl7v2.message import NULL

EMPTY = ("", NULL)
RANGE = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]+)?)\s*-\s*([+-]?[0-9]+(?:\.[0-9]+)?)\s*$")
UCUM = "http://unitsofmeasure.org"


class Builtin(NamedTuple):
    """kind is value, lines, element, text (an element that repetitions continue) or resource; `type` is what it fills."""

    function: Any
    kind: str
    type: str = ""


def authority(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """HD as the system of an identifier."""
    parts = [run.text(part) if part != NULL else "" for part in raw.split(delim)]
    return run.codes.authority(parts, run.context.authorities), src


def plain_authority(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """A namespace alone (EI.2, FC.1) as the system of an identifier."""
    text, leaf = run.leaf(raw, src)
    return run.codes.authority([text], run.context.authorities), leaf


def endpoint(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """HD as the address of an application: its universal id as a URI; a namespace alone is no address."""
    parts = [run.text(part) if part != NULL else "" for part in raw.split(delim)]
    kind, uid = pick(parts, 3).upper(), pick(parts, 2)
    known = codes.universal(uid)
    return known or (f"urn:dns:{uid}" if kind == "DNS" and uid and not any(c.isspace() for c in uid) else ""), f"{src}.2"


def universal(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """A universal id as the URI that it is (an OID becomes `urn:oid:`); what is none stays as it is."""
    text, leaf = run.leaf(raw, src)
    return codes.universal(text) or text, leaf


def rfc3986(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """The system of an identifier whose value is a URI (R4 datatypes.html#identifier); "" for any other value."""
    text, leaf = run.leaf(raw, src)
    return "urn:ietf:rfc:3986" if codes.universal(text) else "", leaf


def policy(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """MSG as the canonical name of HL7's map for that message structure."""
    parts = [run.text(part) for part in raw.split(delim)]
    name = pick(parts, 3) or "_".join(filter(None, parts[:2]))
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"http://hl7.org/fhir/uv/v2mappings/message-{plain}-to-bundle" if plain else "", src


def system(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """The name of a coding system (table 0396) as a URI."""
    text, leaf = run.leaf(raw, src)
    known = run.systems.get(text)
    if known is None:
        known = run.systems[text] = run.codes.system(text.strip(), run.context.code_systems, run.facility)[0] if text.strip() else ""
    return known, leaf


def first(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """The first component."""
    return run.leaf(raw, src)


def lines(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """ST, TX, FT as text: all of it, formatting commands laid out; these types have no components."""
    return render(raw, run.cuts, run.charset), src


def said(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """CWE as text for people: what the sender calls the original text, else the name, else the code."""
    parts = raw.split(delim)
    number = next((number for number in (9, 2, 5, 1, 4) if pick(parts, number) not in EMPTY), 0)
    if not number:
        return "", src
    return render(parts[number - 1], run.cuts, run.charset), f"{src}.{number}" if len(parts) > 1 else src


def name(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """XPN as one line: prefix, given, further given, family, suffix."""
    parts = [run.text(part) if part != NULL else "" for part in raw.split(delim)]
    return " ".join(filter(None, (pick(parts, number) for number in (5, 2, 3, 1, 4)))), src


def attachment(run: Run, me: int, raw: str, delim: str, out: Resource, at: str, src: str) -> None:
    """ED: base64 is checked and kept, anything else is encoded (R4 Attachment.data is base64Binary)."""
    parts = raw.split(delim)
    data = unescape(pick(parts, 5), run.cuts, run.charset)
    if not data or data == NULL:
        return
    if run.text(pick(parts, 4)).lower() == "base64":
        data = "".join(data.split())
        if not base64_valid(data):
            run.note(f"{src}.5", "this is not base64")
            return
        run.lineage.append((me, at + "data", "ED[Attachment]:4#1", f"{src}.4"))
    else:
        data = base64.b64encode(data.encode()).decode("ascii")
    out["contentType"] = media_type(run.text(pick(parts, 2)), run.text(pick(parts, 3)))
    out["data"] = data
    run.lineage.append((me, at + "data", "ED[Attachment]:5#1", f"{src}.5"))
    for number in (2, 3):
        if pick(parts, number) not in EMPTY:
            run.lineage.append((me, at + "contentType", f"ED[Attachment]:{number}#1", f"{src}.{number}"))


def text(run: Run, me: int, raw: str, delim: str, out: Resource, at: str, src: str) -> None:
    """TX, FT, ST as a file: a further line of the text that is there already."""
    line = render(raw, run.cuts, run.charset)
    if not line:
        return
    known = base64.b64decode(out["data"]).decode() + "\n" if "data" in out else ""
    out["data"] = base64.b64encode((known + line).encode()).decode("ascii")
    run.lineage.append((me, at + "data", "TX[Attachment]:1#1", src))


def media(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """Table 0191 as a MIME type."""
    found, leaf = run.leaf(raw, src)
    return (media_type(found, "") if found else ""), leaf


def base64_valid(data: str) -> bool:
    try:
        base64.b64decode(data, validate=True)
    except ValueError:
        return False
    return True


def media_type(kind: str, subtype: str) -> str:
    """Tables 0191 and 0291 as a MIME type; `application/octet-stream` where they say nothing that MIME knows."""
    kind, subtype = kind.strip().lower(), subtype.strip().lower()
    if "/" in subtype:
        return subtype
    known = MEDIA.get(subtype)
    if known:
        return known
    if kind in ("text", "image", "audio", "video", "application") and subtype and all(c.isalnum() or c in ".+-" for c in subtype):
        return f"{kind}/{subtype}"
    return "text/plain" if kind in ("tx", "ft", "text") else "application/octet-stream"


MEDIA = {
    "pdf": "application/pdf",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "tiff": "image/tiff",
    "html": "text/html",
    "xml": "application/xml",
    "rtf": "application/rtf",
    "dicom": "application/dicom",
    "plain": "text/plain",
}


def pointer(run: Run, me: int, raw: str, delim: str, out: Resource, at: str, src: str) -> None:
    """RP: where the data is."""
    parts = raw.split(delim)
    text, leaf = run.leaf(pick(parts, 1), f"{src}.1")
    if not text.strip() or any(c.isspace() for c in text.strip()):
        return
    out["contentType"] = media_type(run.text(pick(parts, 3)), run.text(pick(parts, 4)))
    out["url"] = text.strip()
    run.lineage.append((me, at + "url", "RP[Attachment]:1#1", leaf))
    for number in (3, 4):
        if pick(parts, number) not in EMPTY:
            run.lineage.append((me, at + "contentType", "RP[Attachment]:3#1", f"{src}.{number}"))


def comparator(run: Run, me: int, raw: str, delim: str, out: Resource, at: str, src: str) -> None:
    """SN as a Quantity: comparator and number."""
    parts = raw.split(delim)
    sign = run.text(pick(parts, 1)).strip()
    number = run.text(pick(parts, 2)).strip()
    if not number:
        return
    value = decimal(run, number, f"{src}.2")
    if value is None:
        return
    if sign in ("<", "<=", ">=", ">"):
        out["comparator"] = sign
        run.lineage.append((me, at + "comparator", "SN[Quantity]:1#1", f"{src}.1"))
    elif sign == "=":
        run.lineage.append((me, at + "value", "SN[Quantity]:1#1", f"{src}.1"))
    out["value"] = value
    run.lineage.append((me, at + "value", "SN[Quantity]:2#1", f"{src}.2"))


def reference_range(run: Run, me: int, raw: str, delim: str, out: Resource, at: str, src: str) -> None:
    """OBX-7: always its text; low and high as well where it is plainly `low-high`."""
    text = string(run, unescape(raw, run.cuts, run.charset) if run.E in raw else raw, src)
    if text is None:
        return
    found = RANGE.match(text)
    if found is not None:
        low, high = found.groups()
        out["low"], out["high"] = {"value": Decimal(low)}, {"value": Decimal(high)}
        run.lineage += (me, at + "low.value", "OBX[Observation]:7#1", src), (me, at + "high.value", "OBX[Observation]:7#1", src)
    out["text"] = text
    run.lineage.append((me, at + "text", "OBX[Observation]:7#1", src))


BUILTINS: dict[str, Builtin] = {
    "@authority": Builtin(authority, "value"),
    "@endpoint": Builtin(endpoint, "value"),
    "@first": Builtin(first, "value"),
    "@namespace": Builtin(plain_authority, "value"),
    "@policy": Builtin(policy, "value"),
    "@rfc3986": Builtin(rfc3986, "value"),
    "@system": Builtin(system, "value"),
    "@universal": Builtin(universal, "value"),
    "@lines": Builtin(lines, "lines"),
    "@said": Builtin(said, "lines"),
    "@location": Builtin(places.location, "resource", "Location"),
    "@person-location": Builtin(places.person_location, "resource", "Location"),
    "@name": Builtin(name, "value"),
    "@attachment": Builtin(attachment, "element", "Attachment"),
    "@text": Builtin(text, "text", "Attachment"),
    "@media": Builtin(media, "value"),
    "@pointer": Builtin(pointer, "element", "Attachment"),
    "@comparator": Builtin(comparator, "element", "Quantity"),
    "@range": Builtin(reference_range, "element", "BackboneElement"),
}
