"""HL7 v2: framing, parse, header, encode, acknowledge, batch, character sets and times. Pure; it knows no message structures.

Verbs: ``parse`` bytes to a :class:`Message`, ``encode`` it back, read its ``header``, ``acknowledge`` it, ``split_batch``.
"""

from penstock.formats.hl7v2.ack import acknowledge, answer_code
from penstock.formats.hl7v2.batch import Batch, split_batch
from penstock.formats.hl7v2.delimiters import STANDARD, Delimiters
from penstock.formats.hl7v2.encode import build, encode
from penstock.formats.hl7v2.escape import escape, render, unescape
from penstock.formats.hl7v2.framing import Frame, Frames, Noise, wrap
from penstock.formats.hl7v2.header import NO_HEADER, Header, header
from penstock.formats.hl7v2.message import NULL, Message, Segment, parse, part, parts
from penstock.formats.hl7v2.times import Time, to_fhir

__all__ = [
    "NO_HEADER",
    "NULL",
    "STANDARD",
    "Batch",
    "Delimiters",
    "Frame",
    "Frames",
    "Header",
    "Message",
    "Noise",
    "Segment",
    "Time",
    "acknowledge",
    "answer_code",
    "build",
    "encode",
    "escape",
    "header",
    "parse",
    "part",
    "parts",
    "render",
    "split_batch",
    "to_fhir",
    "unescape",
    "wrap",
]
