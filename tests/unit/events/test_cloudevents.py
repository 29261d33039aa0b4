"""The envelope: CloudEvents 1.0, and our promise about every attribute."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.events.cloudevents import ENVELOPE, defects, encode, encode_batch, envelope
from penstock.events.log import Event

EVENT = Event(
    seq=42,
    id=uuid.UUID("018cc251-f400-7000-8000-00000000002a"),
    tenant="main",
    type="Patient",
    resource_id="1",
    ver=1,
    op="create",
    key="Patient/1",
    at=datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC),
    trace_id="0af7651916cd43dd8448eb211c80319c",
    source="interface:adt",
    inbox_id=7,
    hash=bytes(32),
)
BODY = b'{"resourceType":"Patient","id":"1","name":[{"family":"Canaryname"}],"extension":[{"url":"u","valueDecimal":1.10}]}'


def render(event: Event = EVENT, **how: object) -> dict:
    return json.loads(encode(envelope(event, **({"source": "https://here.example/fhir", "payload": "none"} | how))))


@pytest.mark.req("EV-05")
def test_an_event_carries_every_attribute_that_a_consumer_may_rely_on() -> None:
    assert render() == {
        "specversion": "1.0",
        "id": "018cc251-f400-7000-8000-00000000002a",
        "source": "https://here.example/fhir",
        "type": "penstock.resource.created",
        "subject": "Patient/1",
        "time": "2026-01-02T03:04:05.678Z",
        "partitionkey": "Patient/1",
        "sequence": "00000000000000000042",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-800000000000002a-01",
        "schemaversion": "1.0",
        "resourceversion": "1",
        "sourcesystem": "interface:adt",
        "correlationid": "0af7651916cd43dd8448eb211c80319c",
        "causationid": "inbox/7",
        "payloadhash": "sha256:" + "00" * 32,
    }


@pytest.mark.req("EV-01")
@pytest.mark.parametrize("payload", ["none", "id-only"])
def test_only_a_full_payload_holds_the_resource(payload: str) -> None:
    assert b"Canaryname" not in encode(envelope(EVENT, source="/fhir", payload=payload, body=BODY))
    assert b"Canaryname" in encode(envelope(EVENT, source="/fhir", payload="full", body=BODY))


def test_the_resource_goes_in_byte_for_byte_so_that_decimals_keep_their_digits() -> None:
    assert b'"valueDecimal":1.10' in encode(envelope(EVENT, source="/fhir", payload="full", body=BODY))


def test_a_deletion_has_no_body_to_tell() -> None:
    assert "data" not in render(EVENT._replace(op="delete"), payload="full", body=BODY)


def test_a_replayed_event_keeps_its_id_and_says_that_it_is_replayed() -> None:
    assert render(replay=3)["replay"] == "3"
    assert render(replay=3)["id"] == render()["id"]


@given(
    payload=st.sampled_from(["full", "id-only", "none"]),
    trace_id=st.sampled_from(["", "free text", "0" * 32, "ab" * 16]),
    inbox_id=st.none() | st.integers(1, 2**60),
    client=st.sampled_from(["", "demo", "interface:adt"]),
    op=st.sampled_from(["create", "update", "delete"]),
    seq=st.integers(1, 2**63 - 1),
    hours=st.integers(-12, 14),
    replay=st.integers(0, 5),
)
def test_every_event_that_can_be_rendered_keeps_to_the_schema(payload, trace_id, inbox_id, client, op, seq, hours, replay) -> None:
    at = EVENT.at.astimezone(timezone(timedelta(hours=hours)))
    event = EVENT._replace(trace_id=trace_id.replace(" ", "-"), inbox_id=inbox_id, source=client, op=op, seq=seq, at=at)
    assert defects(render(event, payload=payload, body=BODY, replay=replay)) == []


@pytest.mark.parametrize("name", [name for name, (needed, _) in ENVELOPE.items() if needed])
def test_a_missing_or_malformed_attribute_is_found(name: str) -> None:
    good = render()
    assert defects({k: v for k, v in good.items() if k != name}) == [name]
    assert defects(good | {name: "\n"}) == [name]
    assert defects(good | {"surname": "x"}) == ["surname"]


def test_attribute_names_keep_to_the_rules_of_cloudevents() -> None:
    assert all(name.isascii() and name.isalnum() and name == name.lower() and len(name) <= 20 for name in ENVELOPE)


def test_a_batch_is_a_json_array_of_events() -> None:
    assert json.loads(encode_batch([envelope(EVENT, source="/fhir", payload="full", body=BODY)] * 2))[1]["data"]["id"] == "1"
