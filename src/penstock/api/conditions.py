"""Versions and conditions in headers (http://hl7.org/fhir/R4/http.html#concurrency and #cread)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

from penstock.api.reply import Header
from penstock.errors import Problem

_ETAG = re.compile(r'(?:W/)?"([^"]*)"')
_VERSION = re.compile(r"[1-9]\d{0,8}")


def etag(version: int) -> bytes:
    """The version as a weak ETag."""
    return b'W/"%d"' % version


def version_headers(version: int, last_updated: datetime) -> tuple[Header, ...]:
    """ETag and Last-Modified of a version."""
    return (b"etag", etag(version)), (b"last-modified", http_date(last_updated))


def http_date(at: datetime) -> bytes:
    """A time as HTTP writes it."""
    return _http_date(int(at.timestamp()))


@lru_cache(maxsize=1024)
def _http_date(seconds: int) -> bytes:
    """Many versions are of the same second."""
    return formatdate(seconds, usegmt=True).encode()


def if_match(header: str | None) -> int | None:
    """The version that must be current. What no version of ours can be is ``precondition``, like a version that is not current."""
    if header is None:
        return None
    found = _ETAG.fullmatch(header.strip())
    text = found[1] if found else header.strip()
    if not _VERSION.fullmatch(text):
        raise Problem("precondition", "If-Match does not name a version of this server", at="http.if-match")
    return int(text)


def is_new_only(header: str | None) -> bool:
    """Whether ``If-None-Match: *`` was sent: only what does not exist yet may be written."""
    return header is not None and header.strip() == "*"


def unchanged(if_none_match: str | None, if_modified_since: str | None, version: int, last_updated: datetime) -> bool:
    """Whether the client has this version already (RFC 9110, section 13.2.2: the ETag, where there is one, decides alone)."""
    if if_none_match is not None:
        return if_none_match.strip() == "*" or str(version) in _ETAG.findall(if_none_match)
    if if_modified_since is None:
        return False
    try:
        since = parsedate_to_datetime(if_modified_since)
    except (TypeError, ValueError):
        return False  # RFC 9110, section 13.1.3: a date that cannot be read is ignored
    if since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    return last_updated.replace(microsecond=0) <= since
