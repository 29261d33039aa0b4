"""Ingest, feed and operations over HTTP."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from penstock.api.app import App, build
from penstock.api.parts import Parts
from penstock.auth.tokens import mint, realm
from penstock.errors import Problem
from penstock.inbox import bury, claim
from tests.http_door import Recorded

ADMISSION = b"\r".join(
    (
        rb"MSH|^~\&|SENDING_APP|SENDING_FAC|RECV_APP|RECV_FAC|20250413093000||ADT^A01|MSG001|P|2.5",
        b"EVN|A01|20250413093000",
        b"PID|1||9000000009^^^NHS^NH||Smith^John^Paul||19850315|M",
        b"PV1|1|I|Ward7^Bed12^Room2",
    )
)
HL7 = {"content-type": "application/hl7-v2"}


async def test_a_message_is_acknowledged_when_it_is_durable_and_answered_the_same_again(client: httpx.AsyncClient) -> None:
    first = await client.post("/ingest/v2", content=ADMISSION, headers=HL7)
    assert first.status_code == 200, first.text
    assert first.headers["content-type"] == "application/hl7-v2"
    assert "MSA|AA|MSG001" in first.text
    again = await client.post("/ingest/v2", content=ADMISSION, headers=HL7 | {"accept": "application/json"})
    (told,) = again.json()["messages"]
    assert (told["code"], told["fate"], told["problem"]) == ("AA", "repeated", None)
    counted = (await client.get("/admin/v1/conservation")).json()
    assert counted["conserved"] and counted["interfaces"]["http"]["accepted"] == 1


async def test_a_batch_is_answered_message_by_message_and_the_worst_gives_the_status(client: httpx.AsyncClient) -> None:
    batch = b"\r".join((ADMISSION, ADMISSION.replace(b"MSG001", b"MSG002"), rb"MSH|^~\&|A|B|C|D|2025||ADT^A01||P|2.5"))
    response = await client.post("/ingest/v2", content=batch, headers=HL7 | {"accept": "application/json"})
    codes = [message["code"] for message in response.json()["messages"]]
    assert codes[:2] == ["AA", "AA"] and codes[2] in ("AE", "AR")
    assert response.status_code == 422
    assert all(message["inbox_id"] for message in response.json()["messages"]), "each of them is kept"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", HL7, 422), (b"hello", HL7, 422), (ADMISSION, {"content-type": "application/json"}, 415),
        (ADMISSION, HL7 | {"accept": "image/png"}, 406), (ADMISSION, {"content-type": "text/plain; charset=klingon"}, 415),
    ],
)  # fmt: skip
async def test_a_body_that_is_no_message_has_one_fate(client: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int) -> None:
    assert (await client.post("/ingest/v2", content=body, headers=headers)).status_code == status


async def test_an_operator_finds_looks_at_and_replays_what_was_quarantined(client: httpx.AsyncClient, parts: Parts) -> None:
    await client.post("/ingest/v2", content=ADMISSION, headers=HL7)
    async with parts.database.transaction() as tx:
        (received,) = await claim(tx, limit=10)
        await bury(tx, received.inbox_id, Problem("invalid", "no table maps this", at="PID-7"))
    (row,) = (await client.get("/admin/v1/inbox?state=quarantined")).json()
    assert row["control_id"] == "MSG001" and row["at"] == "PID-7"
    one = await client.get(f"/admin/v1/inbox/{row['inbox_id']}")
    assert one.json() == row and "Smith" not in one.text
    assert (await client.get(f"/admin/v1/inbox/{row['inbox_id']}/raw")).content == ADMISSION
    planned = await client.post("/admin/v1/inbox/replay", json={"state": "quarantined", "preview": True})
    assert planned.json() == {"chosen": 1, "replayed": 0, "ids": [row["inbox_id"]]}
    done = await client.post("/admin/v1/inbox/replay", json={"ids": [row["inbox_id"]]})
    assert done.json()["replayed"] == 1
    assert (await client.get("/admin/v1/inbox?state=quarantined")).json() == []
    assert (await client.get("/admin/v1/lanes")).json() == []


async def test_raw_bytes_need_a_scope_of_their_own(client: httpx.AsyncClient, token: Any) -> None:
    await client.post("/ingest/v2", content=ADMISSION, headers=HL7)
    client.headers["authorization"] = f"Bearer {token('admin/inbox.r')}"
    response = await client.get("/admin/v1/inbox/1/raw")
    assert response.status_code == 403 and "Smith" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/admin/v1/trace", None), ("GET", "/admin/v1/trace?q=" + "a" * 600, None), ("GET", "/admin/v1/trace?x=1", None),
        ("GET", "/admin/v1/inbox?state=Zzyzx", None), ("GET", "/admin/v1/inbox?limit=0", None), ("GET", "/admin/v1/inbox?limit=9999", None),
        ("GET", "/admin/v1/inbox/Zzyzx", None), ("GET", "/admin/v1/inbox/999", None), ("GET", "/admin/v1/inbox/999/raw", None),
        ("GET", "/admin/v1/inbox/" + "9" * 40, None), ("GET", "/admin/v1/lineage/Zzyzx/1", None),
        ("GET", "/admin/v1/lineage/Patient/1/x", None),
        ("POST", "/admin/v1/inbox/replay", {}), ("POST", "/admin/v1/inbox/replay", []), ("POST", "/admin/v1/inbox/replay", {"ids": ["1"]}),
        ("POST", "/admin/v1/inbox/replay", {"ids": [-1]}), ("POST", "/admin/v1/inbox/replay", {"state": "Zzyzx"}),
        ("POST", "/admin/v1/inbox/replay", {"ids": [1], "since": "Zzyzx"}), ("POST", "/admin/v1/inbox/replay", {"state": 7}),
        ("POST", "/admin/v1/inbox/replay", {"Zzyzx": 7}), ("POST", "/admin/v1/inbox/replay", {"ids": [1], "code": "a\0b"}),
        ("POST", "/admin/v1/dead/retry", {"subscription": "a"}),
        ("POST", "/admin/v1/dead/retry", {"subscription": "a", "seqs": [1], "all": True}),
        ("POST", "/admin/v1/dead/discard", {"subscription": "a", "seqs": [1]}), ("POST", "/admin/v1/dead/retry", {"seqs": [1]}),
        ("POST", "/admin/v1/deliveries/replay", {"subscription": "a"}), ("POST", "/admin/v1/lanes/release", {"lanes": [1]}),
        ("POST", "/admin/v1/lanes/release", {}), ("POST", "/admin/v1/lanes/release", {"lanes": ["9" * 19]}),
        ("POST", "/admin/v1/deliveries/replay", {"subscription": "a", "since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}),
        ("GET", "/events?limit=0", None), ("GET", "/events?cursor=Zzyzx", None), ("GET", "/events?type=Zzyzx", None),
        ("GET", "/events?payload=Zzyzx", None), ("GET", "/events?Zzyzx=1", None), ("GET", "/events?cursor=" + "9" * 30, None),
    ],
)  # fmt: skip
async def test_a_bad_question_is_answered_as_a_problem(client: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    response = await client.request(method, path, content=None if body is None else json.dumps(body))
    assert 400 <= response.status_code < 500, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code and problem["type"].startswith("urn:penstock:problem:")
    assert "Zzyzx" not in response.text


async def test_the_other_parts_are_asked_what_the_operator_asked(client: httpx.AsyncClient, recorded: Recorded) -> None:
    window = {"subscription": "s", "since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00+00:00"}
    for method, path, body in (
        ("GET", "/admin/v1/trace?q=MSG001", None), ("GET", "/admin/v1/lineage/Patient/1", None),
        ("GET", "/admin/v1/lineage/Patient/1/3", None),
        ("GET", "/admin/v1/dead?limit=7", None), ("POST", "/admin/v1/dead/retry", {"subscription": "s", "seqs": [1, 2]}),
        ("POST", "/admin/v1/dead/discard", {"subscription": "s", "all": True, "reason": "moved"}),
        ("POST", "/admin/v1/deliveries/replay", window),
        ("POST", "/admin/v1/deliveries/replay", window | {"preview": False}),
    ):  # fmt: skip
        assert (await client.request(method, path, json=body)).status_code == 200, path
    asked = [(name, *(argument for argument in rest if not hasattr(argument, "scopes"))) for name, *rest in recorded.calls]
    assert asked[:6] == [
        ("trace", "MSG001"), ("lineage", "Patient", "1", None), ("lineage", "Patient", "1", 3), ("dead", 7), ("retry_dead", "s", [1, 2]),
        ("discard_dead", "s", None, "moved"),
    ]  # fmt: skip
    assert [call[-1] for call in asked[6:]] == [False, True], "a replay is a preview unless it says otherwise"


async def test_the_feed_goes_on_where_the_reader_stopped(client: httpx.AsyncClient, patient: dict[str, Any]) -> None:
    for number in range(5):
        assert (await client.put(f"/fhir/Patient/p{number}", json=patient | {"id": f"p{number}"})).status_code == 201
    seen, following = [], "/events?limit=2"
    while True:
        response = await client.get(following)
        assert response.headers["content-type"] == "application/cloudevents-batch+json"
        page = response.json()
        if not page:
            break
        assert len(page) <= 2
        seen += [event["subject"] for event in page]
        following = response.links["next"]["url"]
    assert seen == [f"Patient/p{number}" for number in range(5)]
    assert "Smith" not in (await client.get("/events")).text
    full = (await client.get("/events?payload=full&type=Patient")).json()
    assert full[0]["data"]["name"][0]["family"] == "Smith"


async def test_the_feed_shows_only_what_the_token_may_read(client: httpx.AsyncClient, token: Any, patient: dict[str, Any]) -> None:
    await client.post("/fhir/Patient", json=patient)
    client.headers["authorization"] = f"Bearer {token('events/feed.r system/Observation.r')}"
    assert (await client.get("/events?payload=full")).json() == []
    assert (await client.get("/events?type=Patient")).status_code == 403
    client.headers["authorization"] = f"Bearer {token('events/feed.r')}"
    assert (await client.get("/events")).status_code == 403


async def test_the_counters_know_routes_and_never_paths(client: httpx.AsyncClient) -> None:
    await client.get("/fhir/Patient/Zzyzx?name=Zzyzx")
    response = await client.get("/metrics")
    assert 'penstock_http_requests_total{method="GET",route="/fhir/{type}/{id}",status="404"}' in response.text
    assert "Zzyzx" not in response.text


async def test_health_is_open_and_says_what_does_not_work(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/health/live")).json() == {"status": "live"}
    assert (await stranger.get("/health/ready")).json() == {"status": "ready", "checks": {"database": True}}


async def test_what_is_concealed_is_neither_answered_nor_kept(parts: Parts, token: Any) -> None:
    async def conceal(tx: Any, resource: dict[str, Any]) -> dict[str, Any]:
        return resource | {"channel": resource["channel"] | {"header": ["Authorization: ***"]}}

    app = build(replace(parts, conceal={"Subscription": conceal}))
    channel = {"type": "rest-hook", "endpoint": "https://your-api.example/hook", "header": ["Authorization: Bearer s3cret"]}
    subscription = {
        "resourceType": "Subscription", "status": "active", "reason": "x", "channel": channel,
        "criteria": "Observation?patient=Patient/123",
    }  # fmt: skip
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://penstock.test") as client:
        client.headers["authorization"] = f"Bearer {token('system/Subscription.cruds system/Observation.rs')}"
        created = await client.post("/fhir/Subscription", json=subscription)
        assert created.status_code == 201, created.text
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": subscription, "request": {"method": "POST", "url": "Subscription"}}],
        }
        entered = await client.post("/fhir", json=bundle, headers={"prefer": "return=representation"})
        assert entered.status_code == 200, entered.text
        for response in (created, entered, await client.get("/fhir/Subscription"), await client.get("/fhir/Subscription/_history")):
            assert "s3cret" not in response.text and "***" in response.text
        client.headers["authorization"] = f"Bearer {token('system/Subscription.cruds')}"
        assert (await client.post("/fhir/Subscription", json=subscription)).status_code == 403
        assert (await client.post("/fhir", json=bundle)).status_code == 403


async def stream(parts: Parts, token: str, told: asyncio.Queue[bytes], gone: asyncio.Event, app: App | None = None) -> None:
    """One reader of the stream, over the bare ASGI interface: the in-process client waits for the end of a body that has none."""
    headers = [(b"host", b"penstock.test"), (b"accept", b"text/event-stream"), (b"authorization", b"Bearer " + token.encode())]
    scope = {"type": "http", "method": "GET", "path": "/events", "query_string": b"", "headers": headers, "scheme": "http"}

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await told.put(message["body"])

    await (app or build(parts))(scope, receive, send)


async def test_a_stream_tells_what_happens_until_the_reader_is_gone(
    parts: Parts, client: httpx.AsyncClient, token: Any, patient: dict[str, Any]
) -> None:
    told: asyncio.Queue[bytes] = asyncio.Queue()
    gone = asyncio.Event()
    streaming = asyncio.create_task(stream(parts, token("events/feed.r system/*.r"), told, gone))
    await asyncio.sleep(0.2)
    await client.put("/fhir/Patient/live", json=patient | {"id": "live"})
    event = await asyncio.wait_for(told.get(), 5)
    assert event.startswith(b"id: ") and b"Patient/live" in event
    gone.set()
    await asyncio.wait_for(streaming, 5)


async def test_a_stream_ends_with_its_token(parts: Parts) -> None:
    short = mint(
        parts.keys, realm(None), client="t", scope="events/feed.r system/*.r", now=parts.clock.now(), lifetime=timedelta(seconds=1)
    )
    await asyncio.wait_for(stream(parts, short, asyncio.Queue(), asyncio.Event()), 5)


async def test_a_stream_ends_when_the_program_stops(parts: Parts, token: Any) -> None:
    app = build(parts)
    streaming = asyncio.create_task(stream(parts, token("events/feed.r system/*.r"), asyncio.Queue(), asyncio.Event(), app))
    await asyncio.sleep(0.2)
    assert not streaming.done()
    app.close()
    await asyncio.wait_for(streaming, 2)
