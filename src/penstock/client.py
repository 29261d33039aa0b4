"""A client of a running program, for the command line: finds it by its data folder and mints its own short-lived token."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import timedelta
from typing import Any, Self

from penstock import running
from penstock.errors import MEANINGS, Problem
from penstock.settings import Settings
from penstock.workbench import mint_token


class Client:
    """Speaks JSON to the HTTP door of one program. A refusal raises the Problem that its status stands for."""

    def __init__(self, base: str, token: str) -> None:
        self._base = base.rstrip("/")
        self._token = token

    @classmethod
    def of(cls, settings: Settings, scope: str) -> Self:
        """A client of the program on ``settings.data``, with the rights of ``scope`` for a minute."""
        found = running.find(settings.data)
        if not found.http:
            raise Problem("not-found", "no process on this data folder has an HTTP door: start one with the role api")
        return cls(found.http, mint_token(settings, client="penstock-cli", scope=scope, lifetime=timedelta(minutes=1)))

    def get(self, path: str, **query: str) -> Any:
        return self._ask("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def post(self, path: str, body: Any, *, media: str = "application/json") -> Any:
        return self._ask("POST", path, json.dumps(body).encode(), media)

    def put(self, path: str, body: Any, *, media: str = "application/fhir+json") -> Any:
        return self._ask("PUT", path, json.dumps(body).encode(), media)

    def upload(self, path: str, data: bytes, media: str) -> Any:
        """Send bytes that are no JSON."""
        return self._ask("POST", path, data, media, accept="application/json")

    def delete(self, path: str, **query: str) -> Any:
        return self._ask("DELETE", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def _ask(self, method: str, path: str, body: bytes | None = None, media: str = "application/json", accept: str = "") -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": f"{accept or media}, */*;q=0.5"}
        if body is not None:
            headers["Content-Type"] = media
        request = urllib.request.Request(self._base + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                raise refusal(error.code, error.read()) from None
        except OSError as error:
            raise Problem("transient", "the program does not answer") from error


def refusal(status: int, body: bytes) -> Problem:
    """The Problem in an answer (RFC 9457, or an OperationOutcome); of an answer that holds none, only the status is known."""
    try:
        answer = json.loads(body)
        issue = (
            answer["issue"][0] if "issue" in answer else {"code": answer["type"].rpartition(":")[2], "details": {"text": answer["detail"]}}
        )
        return Problem(issue["code"], issue["details"]["text"])
    except (ValueError, KeyError, IndexError, AttributeError, TypeError):
        code = next((code for code, meaning in MEANINGS.items() if meaning.http == status), "exception")
        return Problem(code, f"the program answered with status {status}")
