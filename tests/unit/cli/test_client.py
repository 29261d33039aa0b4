"""The command's client of a running program: JSON in and out, refusals as Problems."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from penstock import running
from penstock.auth.keys import open_keys
from penstock.auth.tokens import realm, verify
from penstock.client import Client
from penstock.clock import SystemClock
from penstock.errors import Problem
from penstock.running import Running
from penstock.settings import Settings


class _Door(BaseHTTPRequestHandler):
    """Answers what it is told to, and remembers what it was asked."""

    status, answer = 200, b"{}"
    asked: list[tuple[str, str, bytes, Any]] = []  # noqa: RUF012 # one test at a time

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.command, self.path, body, self.headers))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    do_GET = do_POST = do_PUT = _serve

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def door() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Door)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    _Door.status, _Door.answer = 200, b"{}"
    _Door.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_asks_with_its_token_and_reads_json(door: str) -> None:
    _Door.answer = b'{"a": [1]}'
    client = Client(door + "/", "secret-token")
    assert client.get("/admin/v1/trace", q="A B&c") == {"a": [1]}
    client.post("/x", {"a": 1})
    client.put("/fhir/Patient/1", {"resourceType": "Patient"})
    (got, posted, put) = _Door.asked
    assert got[:2] == ("GET", "/admin/v1/trace?q=A+B%26c")
    assert got[3]["Authorization"] == "Bearer secret-token"
    assert (posted[0], json.loads(posted[2]), posted[3]["Content-Type"]) == ("POST", {"a": 1}, "application/json")
    assert (put[0], put[3]["Content-Type"]) == ("PUT", "application/fhir+json")


def test_an_empty_answer_is_none(door: str) -> None:
    _Door.answer = b""
    assert Client(door, "t").get("/x") is None


@pytest.mark.parametrize(
    ("status", "answer", "code", "text"),
    [
        (404, b'{"type": "urn:penstock:problem:not-found", "detail": "there is no such message"}', "not-found", "there is no such message"),
        (403, b'{"issue": [{"code": "forbidden", "details": {"text": "this token may not"}}]}', "forbidden", "this token may not"),
        (500, b"<html>", "exception", "the program answered with status 500"),
        (404, b'{"type": "about:blank", "detail": "x"}', "not-found", "the program answered with status 404"),
        (418, b"[]", "exception", "the program answered with status 418"),
    ],
)
def test_a_refusal_is_the_problem_that_it_tells(door: str, status: int, answer: bytes, code: str, text: str) -> None:
    _Door.status, _Door.answer = status, answer
    with pytest.raises(Problem) as caught:
        Client(door, "t").get("/x")
    assert (caught.value.code, caught.value.text) == (code, text)


def test_a_program_that_does_not_answer_is_transient() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Problem) as caught:
        Client(f"http://127.0.0.1:{port}", "t").get("/x")
    assert caught.value.code == "transient"


def test_the_client_of_a_data_folder_mints_a_token_for_a_minute(door: str, tmp_path: Path) -> None:
    running.announce(tmp_path, Running(door, "", os.getpid(), "https://fhir.example.org"))
    Client.of(Settings(data=tmp_path), "admin/trace.r").get("/x")
    token = _Door.asked[0][3]["Authorization"].removeprefix("Bearer ")
    now = SystemClock().now()
    access, expires = verify(open_keys(tmp_path), realm("https://fhir.example.org"), token, now=now)
    assert (access.client, access.operates("admin/trace.r"), access.operates("admin/inbox.u")) == ("penstock-cli", True, False)
    assert 50 < expires - now.timestamp() <= 60
