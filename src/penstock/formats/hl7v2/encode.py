"""A message back to bytes, and new messages from values: content is escaped, so that it can create no segment or field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from penstock.errors import Problem
from penstock.formats.hl7v2.delimiters import STANDARD, Delimiters
from penstock.formats.hl7v2.escape import escape
from penstock.formats.hl7v2.message import HEADS, NULL, Message, parse

#: A field: text, a tuple of components (each text or a tuple of subcomponents), or a list of repetitions of these; None is absent.
Component = str | None | tuple[str | None, ...]
Repetition = str | None | tuple[Component, ...]
Field = Repetition | list[Repetition]

_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")


def encode(message: Message) -> bytes:
    """The bytes of ``message``: those it was parsed from, while its segments say the same; else its segments in its character set."""
    text = message.lead + "".join(segment.text(message.delimiters) + segment.end for segment in message.segments)
    if message.source is not None and text == message.text:
        return message.source
    try:
        return text.encode(message.charset)
    except UnicodeError:
        raise Problem("invalid", "the message holds a character that its character set does not have", at="MSH-18") from None


def build(segments: Iterable[tuple[str, Sequence[Field]]], delimiters: Delimiters = STANDARD) -> Message:
    """A new message from (name, [field 1, field 2, …]); of MSH the first field given is MSH-3."""
    return parse("".join(segment(name, fields, delimiters) + "\r" for name, fields in segments))


def segment(name: str, fields: Sequence[Field], delimiters: Delimiters = STANDARD) -> str:
    """One segment as text, without its end."""
    if not _NAME.fullmatch(name):
        raise Problem("invalid", "a segment name is three capital letters or digits")
    head = [delimiters.encoding] if name in HEADS else []
    return delimiters.field.join([name, *head, *(field(value, delimiters) for value in fields)]).rstrip(
        delimiters.field if not head else ""
    )


def field(value: Field, delimiters: Delimiters = STANDARD) -> str:
    """One field as text. Only the text ``""`` alone (``NULL``) is HL7's null."""
    if isinstance(value, list):
        return _join(delimiters.repetition, [_repetition(each, delimiters) for each in value])
    return _repetition(value, delimiters)


def _repetition(value: Repetition, delimiters: Delimiters) -> str:
    if isinstance(value, tuple):
        return _join(delimiters.component, [_component(each, delimiters) for each in value])
    return _text(value, delimiters)


def _component(value: Component, delimiters: Delimiters) -> str:
    if isinstance(value, tuple):
        return _join(delimiters.subcomponent, [_text(each, delimiters) for each in value])
    return _text(value, delimiters)


def _text(value: str | None, delimiters: Delimiters) -> str:
    return NULL if value == NULL else escape(value or "", delimiters)


def _join(delimiter: str, values: list[str]) -> str:
    if len(values) > 1 and not delimiter:
        raise Problem("invalid", "the message has no delimiter for these parts", at="MSH-2")
    return delimiter.join(values).rstrip(delimiter or None)
