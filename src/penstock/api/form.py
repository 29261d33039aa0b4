"""The form that an answer takes: JSON or XML, pretty or not, whole or in part, which version of FHIR it names itself.

Pure: an Accept header and the parameters ``_format``, ``_pretty``, ``_summary`` and ``_elements`` in, a :class:`Form` out
(http://hl7.org/fhir/R4/http.html#mime-type, #parameters, #version-parameter).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir import versions
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
#: What the version parameter may say of R4 (http.html#version-parameter), the version that is served and stored.
VERSIONS = ("4.0", "4.0.1")
#: The versions that answers are translated into, by what the parameter may say: in JSON, and only of what is read.
OTHERS = {name: version for version in versions.VERSIONS for name in (version, f"{version}.0")}

_POSSIBLE = (
    "this server answers in application/fhir+json and application/fhir+xml with fhirVersion=4.0, "
    f"and what is read in application/fhir+json with fhirVersion={' or '.join(versions.VERSIONS)} for the types that can be translated"
)


class Form(NamedTuple):
    """``version`` is what was asked for: it is stated, and another one than R4 is translated to. ``accept`` is set where other media
    may be had.
    """

    format: Format = "json"
    pretty: bool = False
    version: str = ""
    cut: Cut | None = None
    accept: str | None = None

    @property
    def other(self) -> str | None:
        """The version to translate to, if any."""
        return OTHERS.get(self.version)

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


def form_of(accept: str | None, pairs: Sequence[tuple[str, str]], sent: str | None, *, reads: bool = True) -> Form:
    """The form that is asked for; ``not-acceptable`` where it is none of ours. ``sent`` is the format of the request's own body.

    ``_format`` goes before the Accept header. Where neither asks for one, what was sent as XML is answered in XML. What changes
    something (not ``reads``) is answered in R4: it must be clear before anything is done that it can be answered.
    """
    parameters = dict(reversed(pairs))
    wanted = parameters.get("_format")
    default: Format = "xml" if sent == "xml" else "json"
    format, version = _named(wanted, reads) if wanted else chosen(accept, default, reads)
    return Form(format, parameters.get("_pretty") == "true", version, asked(pairs))


@lru_cache(maxsize=256)
def chosen(accept: str | None, default: Format, reads: bool = True) -> tuple[Format, str]:
    """Format and version by an Accept header: the best range that we can answer, the first of equals."""
    if accept is None or not accept.strip():
        return default, ""
    best: tuple[float, Format, str] | None = None
    for each in ranges(accept):
        format = FORMATS.get(each.name) or (default if each.name in _ANY else None)
        if format and each.quality > 0 and _served(format, each.version, reads) and (best is None or each.quality > best[0]):
            best = (each.quality, format, each.version)
    if best is None:
        raise Problem("not-acceptable", _POSSIBLE, at="http.accept")
    return best[1], best[2]


def _served(format: Format, version: str, reads: bool) -> bool:
    return version in ("", *VERSIONS) or (version in OTHERS and format == "json" and reads)


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
def _named(text: str, reads: bool) -> tuple[Format, str]:
    """What ``_format`` names; a plus sign that was not escaped arrives as a space."""
    (given, *_) = ranges(text.strip().replace("fhir xml", "fhir+xml").replace("fhir json", "fhir+json")) or (Range("", "", 0),)
    format = FORMATS.get(given.name) or _SHORT.get(given.name)
    if format is None or not _served(format, given.version, reads):
        raise Problem("not-acceptable", _POSSIBLE, at="http._format")
    return format, given.version
