"""The HTTP client against subscribers that misbehave, on real sockets."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc

import pytest
import trustme

from penstock.delivery.outbound import Door, parse_url
from penstock.delivery.sinks.parcel import Letter
from penstock.delivery.sinks.wire import Broken, Client, Reply
from penstock.errors import Problem
from tests.subscriber import OK, Subscriber, Told, answer

DOOR = Door(["127.0.0.1", "localhost"])


async def post(subscriber: Subscriber, timeout_s: float = 1.0, times: int = 1) -> Reply:
    client = Client(DOOR, timeout_s=timeout_s)
    try:
        for _ in range(times):
            reply = await client.send(parse_url(subscriber.url), Letter([("Content-Type", "text/plain")], b"body"))
            await asyncio.sleep(0.01)
        return reply
    finally:
        client.close()


def raw(*pieces: bytes, pause: float = 0.0, forever: bytes = b"") -> Subscriber:
    async def send(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        while forever:
            writer.write(forever)
            await writer.drain()
            await asyncio.sleep(pause)

    return Subscriber(raw=send)


async def test_connections_are_kept_and_used_again() -> None:
    async with Subscriber().listening() as subscriber:
        assert (await post(subscriber, times=5)).status == 200
    assert subscriber.connections == 1 and len(subscriber.told) == 5
    assert subscriber.told[0].body == b"body" and subscriber.told[0].headers["host"] == f"127.0.0.1:{subscriber.port}"


async def test_a_kept_connection_that_the_other_side_closed_costs_one_silent_repeat() -> None:
    async def once(told: Told) -> bytes | None:
        return OK if len(subscriber.told) != 2 else None

    subscriber = Subscriber(once)
    async with subscriber.listening():
        assert (await post(subscriber, times=2)).status == 200
    assert len(subscriber.told) == 3


async def test_an_endless_answer_is_cut_and_its_status_still_counts() -> None:
    tracemalloc.start()
    async with raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", forever=b"x" * 65536).listening() as subscriber:
        assert (await post(subscriber)).status == 200
        await asyncio.sleep(0.2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


async def test_a_body_of_one_byte_now_and_then_does_not_delay_the_answer() -> None:
    async with raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", pause=0.05, forever=b"x").listening() as subscriber:
        async with asyncio.timeout(0.5):
            assert (await post(subscriber)).status == 200


@pytest.mark.parametrize(
    ("pieces", "forever", "reason"),
    [
        ((b"HTTP/1.1 200 OK\r\n",), b"X-More: " + b"y" * 1000 + b"\r\n", "too long"),
        ((b"SSH-2.0-nothing\r\n\r\n",), b"", "not HTTP"),
        ((b"HTTP/1.1 200 OK\r\nContent-Le",), b"", "closed"),
        ((b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",), b"", "protocol|closed|HTTP"),
        ((), b"", "closed"),
    ],
)
async def test_an_answer_that_is_none_is_a_failure_with_our_words(pieces: tuple[bytes, ...], forever: bytes, reason: str) -> None:
    async with raw(*pieces, forever=forever).listening() as subscriber:
        with pytest.raises(Broken, match=reason):
            await post(subscriber)


async def test_headers_that_trickle_in_run_into_the_deadline() -> None:
    async with raw(b"HTTP/1.1 200 OK\r\n", pause=0.05, forever=b"a: b\r\n").listening() as subscriber:
        with pytest.raises(Broken, match="in time"):
            await post(subscriber, timeout_s=0.3)


async def test_chunks_and_interim_answers_are_understood() -> None:
    said = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

    async def behave(told: Told) -> bytes:
        return said

    async with Subscriber(behave).listening() as subscriber:
        assert (await post(subscriber, times=3)).status == 202
    assert subscriber.connections == 1


async def test_a_compressed_bomb_is_not_expanded() -> None:
    bomb = gzip.compress(b"0" * 20_000_000)
    tracemalloc.start()
    async with Subscriber(lambda told: asyncio.sleep(0, answer(200, bomb, "Content-Encoding: gzip"))).listening() as subscriber:
        assert (await post(subscriber)).status == 200
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20


async def test_bytes_that_nobody_asked_for_close_the_connection() -> None:
    async def two_answers(told: Told) -> bytes:
        return OK + answer(200, b"smuggled")

    async with Subscriber(two_answers).listening() as subscriber:
        assert (await post(subscriber, times=2)).status == 200
    assert subscriber.connections == 2


async def test_a_redirect_to_the_inside_is_not_followed() -> None:
    async with Subscriber().listening() as inside:

        async def elsewhere(told: Told) -> bytes:
            return answer(307, b"", f"Location: {inside.url}")

        async with Subscriber(elsewhere).listening() as subscriber:
            assert (await post(subscriber)).status == 307
    assert inside.told == []


async def test_a_name_that_changes_its_address_after_the_check_gains_nothing() -> None:
    answers = iter(["93.184.216.34", "127.0.0.1"])
    asked = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return [next(answers)]

    async with Subscriber().listening() as inside:
        client = Client(Door(["127.0.0.1", "93.184.216.34"], resolve=rebinding), timeout_s=0.2)
        with pytest.raises(Broken):
            await client.send(parse_url(f"http://rebind.example:{inside.port}/"), Letter([], b""))
        client.close()
    assert asked == ["rebind.example"] and inside.told == []


async def test_tls_is_checked_against_the_name() -> None:
    import ssl

    authority = trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(theirs)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with Subscriber().listening(theirs) as subscriber:
        client = Client(DOOR, timeout_s=2, tls=trusting)
        assert (await client.send(parse_url(f"https://localhost:{subscriber.port}/"), Letter([], b"x"))).status == 200
        with pytest.raises(Broken, match="certificate"):
            await client.send(parse_url(f"https://127.0.0.1:{subscriber.port}/"), Letter([], b"x"))
        client.close()
        distrusting = Client(DOOR, timeout_s=2)
        with pytest.raises(Broken, match="certificate"):
            await distrusting.send(parse_url(f"https://localhost:{subscriber.port}/"), Letter([], b"x"))


async def test_a_header_cannot_smuggle_another() -> None:
    client = Client(DOOR, timeout_s=1)
    with pytest.raises(Problem, match="no header may hold"):
        await client.send(parse_url("http://127.0.0.1:9/"), Letter([("X", "a\r\nY: b")], b""))
