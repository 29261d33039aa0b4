"""The client: one method an interaction (http://hl7.org/fhir/R4/http.html). A refusal raises the Problem that the server tells."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar, cast

from penstock.client import refusal
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.fhir.validate import require_sound
from penstock.sdk.transaction import Done, Transaction

R = TypeVar("R", bound=Mapping[str, Any])
_FHIR = "application/fhir+json"


class Stored(NamedTuple):
    """One version in a history; ``resource`` is None where it was deleted then."""

    version: int
    at: str
    resource: dict[str, Any] | None


class Client:
    """Speaks to one FHIR endpoint. ``token`` is a bearer token, or gives one whenever it is called."""

    def __init__(self, base: str, token: str | Callable[[], str], *, timeout_s: float = 60.0) -> None:
        self._base = base.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s

    def read(self, kind: type[R], id: str) -> R:
        """The current version; Problem("not-found") or ("deleted") where there is none."""
        return cast(R, self._ask("GET", f"{kind.__name__}/{_quoted(id)}"))

    def vread(self, kind: type[R], id: str, version: int) -> R:
        return cast(R, self._ask("GET", f"{kind.__name__}/{_quoted(id)}/_history/{version}"))

    def search(self, kind: type[R], **criteria: str | int | list[str]) -> Iterator[R]:
        """Every match, page after page. A list is a parameter given several times; ``name__exact`` is ``name:exact``."""
        pairs = [(name.replace("__", ":"), value) for name, value in criteria.items()]
        url: str | None = f"{kind.__name__}?{urllib.parse.urlencode(pairs, doseq=True)}"
        while url is not None:
            page = self._ask("GET", url)
            for entry in page.get("entry", ()):
                if entry.get("search", {}).get("mode", "match") == "match":
                    yield entry["resource"]
            url = next((link["url"] for link in page.get("link", ()) if link["relation"] == "next"), None)

    def create(self, resource: R, *, if_none_exist: str | None = None) -> R:
        """Store a new resource; with a condition, the one that it finds comes back instead."""
        headers = {"If-None-Exist": if_none_exist} if if_none_exist else {}
        return cast(R, self._ask("POST", resource["resourceType"], _sound(resource), headers))

    def update(self, resource: R, *, if_match: int | None = None) -> R:
        """Store a resource under its id; with ``if_match`` only over that version, else Problem("conflict")."""
        headers = {"If-Match": f'W/"{if_match}"'} if if_match is not None else {}
        return cast(R, self._ask("PUT", f"{resource['resourceType']}/{_quoted(resource['id'])}", _sound(resource), headers))

    def delete(self, kind: type[Any], id: str) -> None:
        self._ask("DELETE", f"{kind.__name__}/{_quoted(id)}")

    def history(self, kind: type[Any], id: str) -> Iterator[Stored]:
        """Every version, newest first."""
        url: str | None = f"{kind.__name__}/{_quoted(id)}/_history"
        while url is not None:
            page = self._ask("GET", url)
            for entry in page.get("entry", ()):
                response = entry["response"]
                yield Stored(int(response["etag"][3:-1]), response["lastModified"], entry.get("resource"))
            url = next((link["url"] for link in page.get("link", ()) if link["relation"] == "next"), None)

    def commit(self, transaction: Transaction) -> list[Done]:
        """Do all of a transaction; what became of each entry, in its order."""
        answer = self._ask("POST", "", transaction.bundle())
        return [_done(entry["response"]) for entry in answer.get("entry", ())]

    def _ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        token = self._token if isinstance(self._token, str) else self._token()
        sent = {"Authorization": f"Bearer {token}", "Accept": _FHIR, **(headers or {})}
        data = None
        if body is not None:
            data, sent["Content-Type"] = json.encode(body), _FHIR
        request = urllib.request.Request(self._url(path), data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as response:
                answer = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise refusal(error.code, error.read()) from None
        except OSError as error:
            raise Problem("transient", "the server does not answer") from error
        return json.decode(answer) if answer else {}

    def _url(self, path: str) -> str:
        """A path below the endpoint; a page link only where it is one of it, because the token goes with it."""
        if "://" not in path.partition("?")[0]:
            return f"{self._base}/{path}".rstrip("/")
        if not path.startswith(f"{self._base}/"):
            raise Problem("forbidden", "a page link leads to another server")
        return path


def _done(response: dict[str, Any]) -> Done:
    location = response.get("location")
    if location is None:
        return Done(int(response["status"][:3]), None, None)
    type_, id_, _, version = location.split("/")[-4:]
    return Done(int(response["status"][:3]), f"{type_}/{id_}", int(version))


def _sound(resource: Mapping[str, Any]) -> dict[str, Any]:
    sound = dict(resource)
    require_sound(sound)
    return sound


def _quoted(id: str) -> str:
    return urllib.parse.quote(id, safe="")
