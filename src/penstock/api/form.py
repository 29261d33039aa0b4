"""The form that an answer takes: JSON or XML, pretty or not, whole or in part, which version of FHIR it names itself.

Pure: an Accept header and the parameters ``_format``, ``_pretty``, ``_summary`` and ``_elements`` in, a :class:`Form` out
(http://hl7.org/fhir/R4/http.html#mime-type, #parameters, #version-parameter).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.summary import Cut, asked

Format = Literal["json", "xml"]

#: Every media type, and every short name of ``_format``, by which a format goes.
FORMATS: dict[str, Format] = {
    "application/fhir+json": "json",
    "application/json": "json",
    "text/json": "json",
    "application/fhir+xml": "xml",
    "application/xml": "xml",
    "text/xml": "xml",
}
_SHORT: dict[str, Format] = {"json": "json", "xml": "xml"}
#: Media ranges that leave the choice to us.
_ANY = ("*/*", "application/*", "*")
#: What the version parameter may say (http.html#version-parameter): R4, and nothing else.
VERSIONS = ("4.0", "4.0.1")

_POSSIBLE = "this server answers in application/fhir+json and application/fhir+xml, each with fhirVersion=4.0"


class Form(NamedTuple):
    """``version`` is what the Content-Type says of the version when it was asked for. ``accept`` is set where other media may be had."""

    format: Format = "json"
    pretty: bool = False
    version: str = ""
    cut: Cut | None = None
    accept: str | None = None

    @property
    def media(self) -> bytes:
        """The Content-Type of an answer in this form."""
        version = f"; fhirVersion={self.version}" if self.version else ""
        return f"application/fhir+{self.format}; charset=utf-8{version}".encode()


PLAIN = Form()


class Range(NamedTuple):
    """One media range of an Accept header."""

    name: str
    version: str
    quality: float


def form_of(accept: str | None, pairs: Sequence[tuple[str, str]], sent: str | None) -> Form:
    """The form that is asked for; ``not-acceptable`` where it is none of ours. ``sent`` is the format of the request's own body.

    ``_format`` goes before the Accept header. Where neither asks for one, what was sent as XML is answered in XML.
    """
    parameters = dict(reversed(pairs))
    wanted = parameters.get("_format")
    default: Format = "xml" if sent == "xml" else "json"
    format, version = _named(wanted) if wanted else chosen(accept, default)
    return Form(format, parameters.get("_pretty") == "true", version, asked(pairs))


@lru_cache(maxsize=256)
def chosen(accept: str | None, default: Format) -> tuple[Format, str]:
    """Format and version by an Accept header: the best range that we can answer, the first of equals."""
    if accept is None or not accept.strip():
        return default, ""
    best: tuple[float, Format, str] | None = None
    for each in ranges(accept):
        format = FORMATS.get(each.name) or (default if each.name in _ANY else None)
        if format and each.quality > 0 and each.version in ("", *VERSIONS) and (best is None or each.quality > best[0]):
            best = (each.quality, format, each.version)
    if best is None:
        raise Problem("not-acceptable", _POSSIBLE, at="http.accept")
    return best[1], best[2]


@lru_cache(maxsize=256)
def ranges(accept: str) -> tuple[Range, ...]:
    """The media ranges of an Accept header, in its order (RFC 9110, section 12.5.1). One that cannot be read is left out."""
    found = []
    for part in accept.split(","):
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        values = {key.strip(): value.strip().strip('"') for key, _, value in (word.partition("=") for word in parameters)}
        quality = _quality(values.get("q", "1"))
        if name and quality is not None:
            found.append(Range(name, values.get("fhirversion", ""), quality))
    return tuple(found)


def _quality(text: str) -> float | None:
    whole, _, fraction = text.partition(".")
    if whole not in ("0", "1") or (fraction and not (fraction.isascii() and fraction.isdigit() and len(fraction) <= 3)):
        return None
    return min(float(text), 1.0)


@lru_cache(maxsize=256)
def _named(text: str) -> tuple[Format, str]:
    """What ``_format`` names; a plus sign that was not escaped arrives as a space."""
    (given, *_) = ranges(text.strip().replace("fhir xml", "fhir+xml").replace("fhir json", "fhir+json")) or (Range("", "", 0),)
    format = FORMATS.get(given.name) or _SHORT.get(given.name)
    if format is None or given.version not in ("", *VERSIONS):
        raise Problem("not-acceptable", _POSSIBLE, at="http._format")
    return format, given.version
