"""One kind of file of the site each: what its keys say, as a value. A key is one line here and one line in docs/site.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import cast
from zoneinfo import ZoneInfo

from penstock.auth.clients import Client, read_client
from penstock.convert.state.moment import EVENT_TIME, ORDERS
from penstock.delivery import Manners, Partner, Webhook
from penstock.delivery.outbound import parse_url
from penstock.delivery.partner import FORMATS, PAGES, WRITES
from penstock.delivery.registry import REPORTER
from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.path import program
from penstock.formats.fhir.validate.demands import Demand
from penstock.formats.hl7v2.charset import codec
from penstock.ingress import Interface
from penstock.ingress.interface import Policy
from penstock.ingress.mllp import address
from penstock.site.given import Given
from penstock.site.model import Channel

#: Client names that begin like this are the program's own.
RESERVED = REPORTER.partition(":")[0] + ":"

#: What ``penstock init`` writes where a key of the operator's belongs.
PLACEHOLDER = "REPLACE-ME"

_TRIGGER = re.compile(r"[A-Z][A-Z0-9]{2}\^[A-Z0-9]{3}")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_SEVERITIES = {"warn": "warning", "reject": "error"}


def channel(given: Given, zone: str) -> Channel:
    """``interfaces/*.yaml``."""
    name = given.name()
    listen = given.text("listen", check=address)
    if name == "http" and listen:
        given.problems.append(Problem("invalid", "the http interface is behind the HTTP door and has no listener", at="listen"))
    if name not in ("", "http", "mllp") and not listen and not given.problems:
        given.problems.append(Problem("required", "an interface of your own needs a listener, HOST:PORT", at="listen"))
    interface = Interface(
        name=name,
        zone=given.text("zone", zone, check=check_zone),
        charset=given.text("charset", check=codec) or None,
        fallback=given.text("fallback", check=codec) or None,
        ack="processed" if given.choice("ack", ("received", "processed"), "received") == "processed" else "received",
        unmappable=cast(Policy, given.choice("unmappable", ("reject", "error", "accept"), "error")),
        applications=frozenset(given.texts("applications")),
        facilities=frozenset(given.texts("facilities")),
        processing_ids=frozenset(given.texts("processing_ids")),
    )
    return Channel(
        interface,
        listen or None,
        filters=frozenset(given.texts("filters", check=_trigger)),
        order=given.choice("order", ORDERS, EVENT_TIME),
        authorities=given.mapping("authorities", check=_uri),
        code_systems=given.mapping("code_systems", check=_uri),
        maps=given.texts("maps", check=_word),
    )


def webhook(given: Given, secret_of: Callable[[str], str]) -> Webhook:
    """``subscriptions/*.yaml``."""
    name = given.name()
    mode, batch = given.choice("mode", ("single", "batch"), "single"), given.number("batch", 100, low=1, high=1000)
    return Webhook(
        name=name,
        endpoint=given.text("endpoint", check=parse_url, needed=True),
        secrets=(secret_of(name),) if name and not given.problems else (),
        types=given.texts("types", check=_resource_type),
        payload=given.choice("payload", ("none", "id-only", "full"), "none"),
        batch=batch if mode == "batch" else 1,
        concurrency=given.number("concurrency", 16, low=1, high=256),
    )


def demand(given: Given) -> Demand:
    """``demands/*.yaml``."""
    type = given.text("type", check=_resource_type, needed=True)
    found = Demand(
        name=given.name(),
        type=type,
        sources=frozenset(given.texts("sources")),
        rejects=given.choice("unmet", ("reject", "warn"), "reject") == "reject",
        profiles=given.texts("profiles", check=_uri),
        elements=given.texts("elements", check=partial(program, type=type) if type else None),
        identifier_systems=frozenset(given.texts("identifier_systems", check=_uri)),
        provenance=given.choice("provenance", ("required", "optional"), "optional") == "required",
        unknown_profile=_SEVERITIES[given.choice("unknown_profiles", tuple(_SEVERITIES), "warn")],
    )
    if type and found == Demand(found.name, type, found.sources, found.rejects, unknown_profile=found.unknown_profile):
        given.problems.append(Problem("required", "a demand asks for something: profiles, elements, identifier_systems or provenance"))
    return found


def partner(given: Given, environment: Mapping[str, str]) -> Partner:
    """``partners/*.yaml``."""
    write, pages = given.choice("write", WRITES, "update"), given.text("pages", PAGES, check=_word)
    identifier = given.text("identifier", check=_uri)
    if write == "conditional" and not identifier:
        given.problems.append(
            Problem("required", "a conditional write needs the identifier system that the partner knows", at="identifier")
        )
    return Partner(
        name=given.name(),
        endpoint=given.text("endpoint", check=parse_url, needed=True),
        types=given.texts("types", check=_resource_type),
        manners=Manners(
            write=write,
            identifier=identifier,
            deletes=given.choice("deletes", ("yes", "no"), "yes") == "yes",
            format=given.choice("format", tuple(FORMATS), "json"),
            profiles=tuple(given.mapping("profiles", check=_uri).items()),
            without=given.texts("without", check=_word),
            prefer=given.text("prefer", "return=minimal"),
            pages=pages,
        ),
        headers=tuple((name, _from_environment(given, name, key, environment)) for name, key in given.mapping("headers_from").items()),
        concurrency=given.number("concurrency", 4, low=1, high=64),
    )


def _from_environment(given: Given, name: str, key: str, environment: Mapping[str, str]) -> str:
    """A header value that a file may only name: it may be a secret."""
    if key not in environment:
        given.problems.append(Problem("required", "the environment variable that this header names is not set", at=f"headers_from.{name}"))
    return environment.get(key, "")


def client(given: Given) -> Client:
    """``clients/*.yaml``; its keys are read by ``auth.clients``."""
    keys = given.rest()
    if str(keys.get("id", "")).startswith(RESERVED):
        raise Problem("invalid", "client names that begin with penstock: are the program's own", at="id")
    if PLACEHOLDER in str(keys.get("jwks", "")):
        raise Problem("invalid", "put the client's public key where the placeholder stands", at="jwks")
    try:
        return read_client(keys)
    except Problem as problem:
        raise Problem(problem.code, problem.text, at=problem.at.removeprefix("clients").lstrip(".")) from None
    except (TypeError, ValueError, AttributeError, KeyError):
        raise Problem("value", "a key of this client has a value of another kind") from None


def check_zone(name: str) -> None:
    """Raises ``value`` when ``name`` is not an IANA time zone."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise Problem("value", "this is not an IANA time zone", at="zone") from None


def _word(text: str) -> None:
    if not _WORD.fullmatch(text):
        raise Problem("value", "this is one word")


def _trigger(text: str) -> None:
    if not _TRIGGER.fullmatch(text):
        raise Problem("value", "a trigger looks like ADT^A08")


def _uri(text: str) -> None:
    if not _URI.fullmatch(text):
        raise Problem("value", "a system is a URI")


def _resource_type(name: str) -> None:
    if name not in r4().resource_types:
        raise Problem("value", "FHIR R4 has no such resource type")
