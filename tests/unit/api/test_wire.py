"""The door on a real socket, as the program serves it: what only shows there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from penstock.api.app import build
from penstock.api.corked import Corked
from penstock.api.parts import Parts
from penstock.api.serve import serving


@pytest.fixture
async def port(parts: Parts) -> AsyncIterator[int]:
    async with serving(build(parts), "127.0.0.1:0") as url:
        yield int(url.rpartition(":")[2])


async def ask(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await asyncio.wait_for(reader.read(65536), 5)
    writer.close()
    return answer


async def test_a_resource_goes_in_and_out_over_a_socket(port: int, token: Any, patient: dict[str, Any]) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        client.headers["authorization"] = f"Bearer {token('system/*.cruds')}"
        created = await client.post("/fhir/Patient", json=patient)
        assert created.status_code == 201 and created.headers["location"].startswith(f"http://127.0.0.1:{port}/fhir/Patient/")
        assert "server" not in created.headers
        head = await client.head(created.headers["location"])
        assert head.status_code == 200 and int(head.headers["content-length"]) == len(created.content)
        unchanged = await client.get(created.headers["location"], headers={"if-none-match": 'W/"1"'})
        assert unchanged.status_code == 304
        assert (await client.get("/health/live")).status_code == 200, "the connection is still in step"


async def test_a_stranger_is_refused_before_the_body_is_read(port: int) -> None:
    request = b"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n{"
    assert (await ask(port, request)).startswith(b"HTTP/1.1 401")


async def test_a_body_that_is_declared_too_long_is_refused_before_it_is_read(port: int, token: Any) -> None:
    bearer = token("system/*.cruds").encode()
    request = b"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\ncontent-type: application/fhir+json\r\n" % bearer
    assert (await ask(port, request + b"content-length: 999999999999\r\n\r\n{")).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n", b"GET /fhir/metadata HTTP/1.1\r\nhost: a b\r\n\r\n",
        b"GET /fhir/metadata HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"POST /auth/token HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    ],
)  # fmt: skip
async def test_a_request_that_is_none_is_refused(port: int, raw: bytes) -> None:
    assert (await ask(port, raw)).startswith(b"HTTP/1.1 4")


async def test_a_client_that_leaves_in_the_middle_of_its_body_stores_nothing(port: int, token: Any, parts: Parts) -> None:
    bearer = token("system/*.cruds").encode()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\ncontent-type: application/fhir+json\r\n" % bearer
    writer.write(head + b'content-length: 100\r\n\r\n{"resourceType":"Patient"}')
    await writer.drain()
    writer.close()
    await asyncio.sleep(0.2)
    async with parts.database.connection() as tx:
        assert await tx.fetchval("select count(*) from event") == 0


class Pieces(asyncio.Transport):
    """A transport that keeps what it is given, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def writelines(self, pieces: Any) -> None:
        self.sent.append(b"".join(pieces))

    def close(self) -> None:
        self.sent.append(b"(closed)")


async def test_head_and_body_of_an_answer_are_one_piece_and_none_is_lost_when_the_connection_closes() -> None:
    transport = Pieces()
    corked = Corked(transport, asyncio.get_running_loop())
    corked.write(b"head ")
    corked.write(b"body")
    await asyncio.sleep(0)
    corked.write(b"last")
    corked.close()
    await asyncio.sleep(0)
    assert transport.sent == [b"head body", b"last", b"(closed)"]


async def test_a_long_answer_is_not_held() -> None:
    transport = Pieces()
    corked = Corked(transport, asyncio.get_running_loop())
    corked.write(b"x" * 70_000)
    assert [len(piece) for piece in transport.sent] == [70_000]
