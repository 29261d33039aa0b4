"""What every sink promises, for each member of SINKS, on real sockets."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime

import pytest

from penstock.clock import SystemClock
from penstock.delivery import Door
from penstock.delivery.policy import DELIVERED, GONE, REJECTED, RETRY
from penstock.delivery.sinks import SINKS, HttpSink, Parcel, Sink
from penstock.delivery.sinks.wire import Client
from penstock.delivery.subscription import Spec
from penstock.events import Event
from tests.subscriber import OK, Subscriber, Told, answer

BODY = b'{"resourceType":"Patient","id":"1","name":[{"family":"Canaryname"}]}'
SECRETS = {"h": "Bearer of-the-test", "k": "signing secret"}


def parcel(seq: int = 5, replay: int = 0) -> Parcel:
    event = Event(
        seq, uuid.UUID(int=seq), "main", "Patient", "1", 1, "create", "Patient/1",
        datetime(2026, 1, 1, tzinfo=UTC), "ab" * 16, "demo", None, bytes(32),
    )  # fmt: skip
    return Parcel(event, BODY, replay)


def spec(kind: str, endpoint: str, payload: str = "full") -> Spec:
    return Spec(kind, endpoint, payload=payload, headers=(("Authorization", "h"),), keys=("k",))


@pytest.fixture(params=sorted(SINKS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def sink(kind: str) -> Sink:
    client = Client(Door(["127.0.0.1"]), timeout_s=0.5)
    return SINKS[kind](HttpSink(client, SystemClock(), source="https://here.example/fhir"))


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (200, DELIVERED), (201, DELIVERED), (202, DELIVERED), (204, DELIVERED),
        (301, REJECTED), (302, REJECTED), (307, REJECTED), (308, REJECTED),
        (400, REJECTED), (401, REJECTED), (403, REJECTED), (404, REJECTED), (409, REJECTED), (413, REJECTED), (422, REJECTED),
        (408, RETRY), (410, GONE), (425, RETRY), (429, RETRY), (500, RETRY), (502, RETRY), (503, RETRY), (504, RETRY),
    ],
)  # fmt: skip
async def test_each_status_has_one_meaning(kind: str, sink: Sink, status: int, meaning: str) -> None:
    async def behave(told: Told) -> bytes:
        return answer(status)

    async with Subscriber(behave).listening() as subscriber:
        assert (await sink.send(spec(kind, subscriber.url), [parcel()], SECRETS)).meaning == meaning


async def test_a_repeat_carries_the_same_ids_and_a_replay_says_so(kind: str, sink: Sink) -> None:
    names = ("webhook-id", "idempotency-key", "penstock-event-id")
    async with Subscriber().listening() as subscriber:
        for sent in (parcel(), parcel(), parcel(replay=4), parcel(6)):
            assert (await sink.send(spec(kind, subscriber.url), [sent], SECRETS)).meaning == DELIVERED
    ids = [[told.headers.get(name) for name in names] for told in subscriber.told]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert any(str(uuid.UUID(int=5)) == value for value in ids[0])
    told_of_replay = subscriber.told[2]
    assert b'"replay":"4"' in told_of_replay.body or told_of_replay.headers.get("penstock-replay") == "4"


async def test_the_subscribers_own_headers_are_sent(kind: str, sink: Sink) -> None:
    async with Subscriber().listening() as subscriber:
        await sink.send(spec(kind, subscriber.url), [parcel()], SECRETS)
    assert subscriber.told[0].headers["authorization"] == "Bearer of-the-test"


async def test_without_a_payload_no_patient_data_leaves(kind: str, sink: Sink) -> None:
    async with Subscriber().listening() as subscriber:
        await sink.send(spec(kind, subscriber.url, "none"), [parcel()], SECRETS)
        await sink.send(spec(kind, subscriber.url, "full"), [parcel()], SECRETS)
    *thin, full = subscriber.told  # a kind that has only whole resources to send sends nothing without a payload
    assert not any(b"Canaryname" in told.body + repr(told.headers).encode() for told in thin) and b"Canaryname" in full.body
    assert "Canaryname" not in full.path + repr(full.headers)


@pytest.mark.parametrize("trouble", ["closed port", "silence", "cut", "forbidden address", "missing secret"])
async def test_trouble_is_an_answer_with_our_words_and_never_an_exception(kind: str, sink: Sink, trouble: str) -> None:
    async def behave(told: Told) -> bytes | None:
        if trouble == "silence":
            await asyncio.sleep(5)
        return None if trouble == "cut" else OK

    subscriber = Subscriber(behave)
    async with subscriber.listening():
        url = "https://169.254.169.254/latest" if trouble == "forbidden address" else subscriber.url
        secrets = {} if trouble == "missing secret" else SECRETS
        if trouble != "closed port":
            found = await sink.send(spec(kind, url), [parcel()], secrets)
    if trouble == "closed port":
        found = await sink.send(spec(kind, url), [parcel()], secrets)
    assert (found.status, found.meaning) == (0, RETRY) and found.words and "127.0.0.1" not in found.words


async def test_the_handshake_says_whether_the_subscriber_can_be_reached(kind: str, sink: Sink) -> None:
    subscriber = Subscriber()
    async with subscriber.listening():
        assert (await sink.check(spec(kind, subscriber.url))).meaning == DELIVERED
    assert (await sink.check(spec(kind, subscriber.url))).status == 0
    assert subscriber.told == []
