"""When to try again, and signatures: pure."""

from __future__ import annotations

import random
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.delivery.policy import Answer, Policy, retry_after
from penstock.delivery.signature import sign, verify
from penstock.errors import Problem

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@given(st.integers(1, 10_000))
def test_the_back_off_grows_is_capped_and_has_full_jitter(attempt: int) -> None:
    policy = Policy(base_s=1, cap_s=60)
    waits = [policy.backoff(attempt, random.Random(seed)) for seed in range(30)]
    ceiling = min(60, 2.0 ** (attempt - 1)) if attempt < 50 else 60
    assert all(0 <= wait <= ceiling for wait in waits) and min(waits) < ceiling / 2 < max(waits)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0), ("0", 0.0), ("-5", 0.0), ("", 0.0), ("soon", 0.0), ("９", 0.0), ("9" * 40, 0.0),
        ("Thu, 01 Jan 2026 12:02:00 GMT", 120.0), ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.integers(0, 999))
def test_every_status_has_a_meaning(status: int) -> None:
    assert Answer(status).meaning in ("delivered", "retry", "rejected", "gone")


def test_a_signature_is_verified_by_either_secret_and_fails_for_anything_changed() -> None:
    header = sign(["new", "old"], "id", 100, b"body")
    assert verify("new", "id", 100, b"body", header, now=120) and verify("old", "id", 100, b"body", header, now=120)
    assert not verify("other", "id", 100, b"body", header, now=120)
    assert not verify("new", "id", 100, b"bodY", header, now=120)
    assert not verify("new", "id2", 100, b"body", header, now=120)
    assert not verify("new", "id", 101, b"body", header, now=120)
    assert not verify("new", "id", 100, b"body", header, now=1000)


def test_the_signature_is_the_one_of_the_standard_webhooks_specification() -> None:
    # The example of https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    body = b'{"type":"user.created","timestamp":"2022-11-03T20:26:10.344522Z","data":{"id":"1f81eb52-5198-4599-803e-771906343485"}}'
    header = sign([secret], "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1649367553, body)
    assert header.startswith("v1,") and verify(secret, "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1649367553, body, header, now=1649367553)


def test_the_verification_of_the_documentation_verifies() -> None:
    text = (Path(__file__).parents[3] / "docs" / "events.md").read_text()
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)  # our own page
    now = int(time.time())
    headers = {"webhook-id": "id", "webhook-timestamp": str(now), "webhook-signature": sign(["whsec_YWJj", "old"], "id", now, b"body")}
    assert names["genuine"]("whsec_YWJj", headers, b"body") and names["genuine"]("old", headers, b"body")
    assert not names["genuine"]("whsec_YWJj", headers, b"bodY") and not names["genuine"]("other", headers, b"body")


def test_a_secret_that_claims_to_be_base64_and_is_not_is_refused() -> None:
    with pytest.raises(Problem):
        sign(["whsec_***"], "id", 1, b"")
