"""What the scenes share: a webhook endpoint that can be away, a site that tells it, and waiting for what must become true."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from penstock.formats.hl7v2 import Frame, Frames, wrap

#: A program whose webhooks may be on this machine, and whose retries take no patience.
QUICK = {
    "PENSTOCK_DELIVERY_ALLOW": "127.0.0.0/8",
    "PENSTOCK_DELIVERY_RETRY_S": "0.05",
    "PENSTOCK_DELIVERY_RETRY_CAP_S": "0.4",
    "PENSTOCK_FLOW_RETRY_S": "0.05",
}


@dataclass(frozen=True)
class Told:
    """One event as it reached a webhook, and when."""

    id: str
    key: str
    subject: str
    version: int
    sequence: int
    at: float


@dataclass
class Hook:
    """A webhook endpoint on a thread of its own: it answers ``status`` and writes down what it was told. It may go away."""

    status: int = 200
    reply: bytes = b""
    port: int = 0
    told: list[Told] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    asked: int = 0

    def open(self) -> Hook:
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def close(self) -> None:
        """Go away: the port is closed, and so is every connection to it."""
        self._server.shutdown()
        self._server.server_close()
        self._server.cut()

    def note(self, body: bytes) -> int:
        """Write a request down; the status to answer it with."""
        self.asked += 1
        self.bodies.append(body)
        if self.status == 200:
            found = json.loads(body)
            at = time.monotonic()
            self.told += [
                Told(e["id"], e["partitionkey"], e["subject"], int(e["resourceversion"]), int(e["sequence"]), at)
                for e in (found if isinstance(found, list) else [found])
            ]
        return self.status


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *given: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*given)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    def cut(self) -> None:
        for each in tuple(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _handler(hook: Hook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            status = hook.note(self.rfile.read(int(self.headers["Content-Length"])))
            self.wfile.write(b"HTTP/1.1 %d Status\r\nContent-Length: %d\r\n\r\n%b" % (status, len(hook.reply), hook.reply))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def make_site(folder: Path, *, mode: str = "batch", payload: str = "none", **hooks: int) -> Path:
    """A site whose webhooks are ``name=port``."""
    (folder / "subscriptions").mkdir(parents=True)
    for name, port in hooks.items():
        text = f"name: {name}\nendpoint: http://127.0.0.1:{port}/\nmode: {mode}\npayload: {payload}\n"
        (folder / "subscriptions" / f"{name}.yaml").write_text(text)
    return folder


def exchange(target: str, *messages: bytes) -> list[bytes]:
    """Send each message in a frame of its own, all in one write; the content of the frame that answers each."""
    with talk(target) as connection:
        connection.sendall(b"".join(map(wrap, messages)))
        return read_frames(connection, len(messages))


def talk(target: str) -> socket.socket:
    """A connection to ``mllp://host:port``."""
    parts = urlsplit(target)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def read_frames(connection: socket.socket, count: int) -> list[bytes]:
    """The next ``count`` frames; fewer where the peer closes before."""
    frames, found = Frames(2**20), list[bytes]()
    while len(found) < count and (data := connection.recv(65536)):
        found += [event.data for event in frames.feed(data) if isinstance(event, Frame)]
    return found


def eventually(what: Callable[[], Any], *, within: float = 20.0, why: str = "what was waited for did not become true") -> Any:
    """The first true answer of ``what``, asked again and again."""
    deadline = time.monotonic() + within
    while not (found := what()):
        assert time.monotonic() < deadline, why
        time.sleep(0.03)
    return found


def faults_of_order(told: Iterable[Told]) -> list[str]:
    """What is wrong with what a webhook was told: gaps and overtaking in a resource, steps back within a key, two ids for one version."""
    faults = []
    newest: dict[str, int] = defaultdict(int)
    last: dict[str, int] = defaultdict(int)
    ids: dict[tuple[str, int], str] = {}
    for event in told:
        if ids.setdefault((event.subject, event.version), event.id) != event.id:
            faults.append(f"{event.subject} version {event.version} was told under two ids")
        if event.version <= newest[event.subject]:
            continue  # told again
        if event.version != newest[event.subject] + 1:
            faults.append(f"{event.subject} version {event.version} came after {newest[event.subject]}")
        if event.sequence < last[event.key]:
            faults.append(f"an event of {event.key} was overtaken by a later one")
        newest[event.subject], last[event.key] = event.version, event.sequence
    return faults
