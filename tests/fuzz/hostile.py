"""Values and documents that break careless programs."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

#: Texts that mean something to some parser.
TEXTS = (
    "", " ", "\u0000", "\ud800", "\u202e", "\ufeff", "\U0010ffff", "é" * 300, "a" * 70_000, "%", "%00", "%ff", "\\", "'", '"', "''",
    "';--", "$", "$$", "$1", "\x1e", "\x1f", "|", "||", "a|b|c", "http://loinc.org|", "|x", ",", ",,,,", "\\,", "\\|", "a,b,c",
    "(a+)+$", "(" * 2000, "[" * 500, ".*" * 400, "null", "true", "NaN", "Infinity", "-0", "0", "1e999", "1e-999", "9" * 60, "-1",
    "1.10", "0x10", "١٢", "2024-02-30", "2024", "0000", "9999-12-31T23:59:60Z", "0001-01-01", "ge2024", "ap", "sa9999",
    "eb0001-01-01", "ne", "lt-5", "10000-01-01", "2024-01-01T00:00:00+99:99", "2024-13", "24:00:00", "now", "../../etc/passwd",
    "Patient/", "/Patient", "Patient/1/_history/", "urn:uuid:", "urn:oid:1..2", "#", "#x", "http://", "http://[",
    "https://127.0.0.1/fhir/Patient/1", "javascript:alert(1)", "<script>", "<!DOCTYPE", "&lol;", "{{7*7}}", "${jndi:ldap://x}",
    "%s%n", "__class__", "constructor", "*", "_", "-", ".", "..", "a.b.c.d.e.f.g.h.i.j.k.l.m", "1|2|3|4", "5.4||mg",
)  # fmt: skip

NUMBERS: tuple[Any, ...] = (0, -1, 1, 2**31, 2**31 - 1, 2**63, -(2**63) - 1, 10**40, 0.1, 1e308, -1e-308, 3.14)


_MEMBERS = ("id", "url", "extension", "reference", "resourceType", "value", "x", "", "_id", "$ref")
_COMMON = ("extension", "modifierExtension", "contained", "id", "meta", "text", "implicitRules", "x")


def value(random: Random, deep: int = 0) -> Any:
    """Any JSON value."""
    kind = random.randrange(9 if deep < 4 else 6)
    match kind:
        case 0:
            return None
        case 1:
            return random.random() < 0.5
        case 2:
            return random.choice(NUMBERS)
        case 3 | 4 | 5:
            return random.choice(TEXTS)
        case 6:
            return [value(random, deep + 1) for _ in range(random.randrange(4))]
    return {
        random.choice(("id", "url", "extension", "reference", "resourceType", "value", "x", "", "_id", "$ref")): value(random, deep + 1)
        for _ in range(3)
    }


def mutated(resource: dict[str, Any], random: Random) -> dict[str, Any]:
    """The resource with a few things changed, taken away, repeated or put elsewhere."""
    changed = copy.deepcopy(resource)
    for _ in range(random.randint(1, 4)):
        if not changed:
            break
        holder, name = _anywhere(changed, random)
        match random.randrange(7):
            case 0:
                holder[name] = value(random)
            case 1 if isinstance(holder, dict):
                del holder[name]
            case 2:
                holder[name] = [holder[name]]
            case 3 if isinstance(holder[name], list):
                holder[name] = holder[name] * random.choice((0, 2, 50))
            case 4 if isinstance(holder, dict):
                holder["_" + str(name)] = value(random)
            case 5 if isinstance(holder, dict):
                holder[random.choice(("extension", "modifierExtension", "contained", "id", "meta", "text", "implicitRules", "x"))] = value(
                    random
                )
            case _:
                holder[name] = random.choice(TEXTS)
    return changed


def _anywhere(value: Any, random: Random) -> tuple[Any, Any]:
    """Some member of some object or list inside."""
    holder, name = value, random.choice(list(value))
    while random.random() < 0.7:
        inner = holder[name]
        if isinstance(inner, dict) and inner:
            holder, name = inner, random.choice(list(inner))
        elif isinstance(inner, list) and inner:
            holder, name = inner, random.randrange(len(inner))
        else:
            break
    return holder, name


def encoded(value: Any) -> bytes:
    """JSON, whatever is in it."""
    return json.dumps(value, ensure_ascii=True).encode()


def damaged(data: bytes, random: Random) -> bytes:
    """The bytes with some changed, cut or doubled."""
    raw = bytearray(data)
    for _ in range(random.randint(1, 6)):
        if not raw:
            break
        at = random.randrange(len(raw))
        match random.randrange(5):
            case 0:
                raw[at] = random.randrange(256)
            case 1:
                del raw[at : at + random.randrange(1, 40)]
            case 2:
                raw[at:at] = raw[at : at + random.randrange(1, 200)]
            case 3:
                raw[at:at] = random.choice((b'"', b"{", b"}", b"[", b",", b":", b"\\u0000", b"\xff\xfe", b"<", b"&", b"]]>", b"1e9999"))
            case 4:
                del raw[at:]
    return bytes(raw)


_XHTML = b"http://www.w3.org/1999/xhtml"


def bombs(random: Random) -> bytes:
    """Documents that are made to hurt."""
    return random.choice(
        (
            b'{"resourceType":"Patient","extension":' + b'[{"extension":' * 5000 + b"[]" + b"}]" * 5000 + b"}",
            b"[" * 100_000,
            b'{"a":' * 50_000,
            b'{"resourceType":"Patient","id":"a","id":"b"}',
            b'{"resourceType":"Observation","valueQuantity":{"value":' + b"9" * 100_000 + b"}}",
            b'{"resourceType":"Observation","valueQuantity":{"value":1e' + b"9" * 50 + b"}}",
            b'{"resourceType":"Patient","name":[' + b",".join([b'{"family":"x"}'] * 20_000) + b"]}",
            b'{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\\"' + _XHTML + b'\\">' + b"<b>" * 9000 + b'"}}',
            b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"", b" " * 1000, b"null", b"[]", b'"x"', b"{}",
        )
    )  # fmt: skip


def xml_bombs(random: Random) -> bytes:
    """The same in XML."""
    lol = b"".join(b'<!ENTITY l%d "%s">' % (n + 1, b"&l%d;" % n * 10) for n in range(9))
    return random.choice(
        (
            b'<!DOCTYPE x [<!ENTITY l0 "lol">' + lol + b']><Patient xmlns="http://hl7.org/fhir"><id value="&l9;"/></Patient>',
            b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir"><id value="&e;"/></Patient>',
            b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><Patient xmlns="http://hl7.org/fhir"/>',
            b'<Patient xmlns="http://hl7.org/fhir">' + b'<extension url="x">' * 3000 + b"</extension>" * 3000 + b"</Patient>",
            b'<Patient xmlns="http://hl7.org/fhir">' + b"<a>" * 100_000,
            b'<?xml version="1.0" encoding="utf-16"?><Patient/>', b'<?xml version="1.0" encoding="nonsense"?><Patient/>',
            b"<Patient/>", b"<", b"",
            b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>',
            b'<Patient xmlns="http://hl7.org/fhir"><text><div xmlns="http://www.w3.org/1999/xhtml"><script>x</script></div></text></Patient>',
            b'<Patient xmlns="http://hl7.org/fhir" ' + b" ".join(b'a%d="x"' % n for n in range(5000)) + b"/>",
        )
    )  # fmt: skip
