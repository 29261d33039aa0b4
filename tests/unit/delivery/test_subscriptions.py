"""R4 Subscriptions: accepted as they are, followed by the log, secrets never readable."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from penstock.db import Database
from penstock.delivery import Vault, parse, redact, registry, take_secrets
from penstock.delivery.policy import Policy
from penstock.delivery.registry import REPORTER
from penstock.errors import Problem
from tests.delivering import House, hook, observation
from tests.event_versions import Version, Why
from tests.subscriber import Subscriber, Told, answer

TOKEN = "Bearer 5ecret-of-the-subscriber"


def rest_hook(url: str, criteria: str = "Observation?patient=Patient/123", **more: object) -> dict:
    """The Subscription of the reference inputs, with an endpoint that exists."""
    return {
        "resourceType": "Subscription",
        "status": "active",
        "reason": "Notify on new observations",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": url, "payload": "application/fhir+json", "header": [f"Authorization: {TOKEN}"]},
    } | more


@pytest.mark.req("EV-17")
async def test_a_rest_hook_gets_the_resource_with_its_header_and_nobody_can_read_the_header_back(database: Database) -> None:
    house = House(database)
    async with Subscriber().listening() as subscriber, house.delivering():
        stored = await house.subscribe(rest_hook(subscriber.url, status="requested"))
        await house.write(observation(1, "123"), observation(2, "456"), Version("Patient", "123"))
        await house.settled(1)
        await house.until(lambda c: bool(house.reports))
    (told,) = subscriber.told
    assert told.body == observation(1, "123").body
    assert told.headers["authorization"] == TOKEN and told.headers["content-type"] == "application/fhir+json"
    assert house.reports == [("s", "active", None)]
    assert TOKEN not in json.dumps(stored) and "5ecret" not in json.dumps(redact(stored))
    async with database.connection() as tx:
        dump = [await tx.fetch(f"select t::text from {table} t") for table in ("subscription", "subscription_secret", "delivery", "event")]
    assert "5ecret" not in str(dump)


async def test_without_a_payload_the_notification_is_empty(database: Database) -> None:
    house = House(database)
    async with Subscriber().listening() as subscriber, house.delivering():
        resource = rest_hook(subscriber.url, "Observation")
        del resource["channel"]["payload"]
        await house.subscribe(resource)
        await house.write(observation(1, "9"))
        await house.settled(1)
    assert subscriber.told[0].body == b""


async def test_what_happened_before_the_subscription_is_not_told_and_deletions_are_not(database: Database) -> None:
    house = House(database)
    async with Subscriber().listening() as subscriber, house.delivering():
        await house.write(observation(1, "9"))
        await house.subscribe(rest_hook(subscriber.url, "Observation"))
        await house.write(observation(2, "9"), Version("Observation", "2", 2, "delete", body=b""), observation(3, "9"))
        await house.settled(2)
    assert [told.headers["penstock-subject"] for told in subscriber.told] == ["Observation/2/_history/1", "Observation/3/_history/1"]


async def test_what_follows_a_new_subscription_in_the_same_look_at_the_log_is_told(database: Database) -> None:
    house = House(database)
    async with Subscriber().listening() as subscriber:
        await house.subscribe(rest_hook(subscriber.url, "Encounter"), id_="other")
        await house.pass_by()
        await house.write(observation(1, "9"))
        await house.subscribe(rest_hook(subscriber.url, "Observation"))
        await house.write(observation(2, "9"))
        async with house.delivering():
            await house.settled(1)
    assert [told.headers["penstock-subject"] for told in subscriber.told] == ["Observation/2/_history/1"]


async def test_an_ended_subscription_is_told_nothing_more(database: Database) -> None:
    house = House(database, Policy(base_s=60, cap_s=60))
    async with Subscriber(lambda told: asyncio.sleep(0, answer(503))).listening() as subscriber, house.delivering():
        await house.subscribe(rest_hook(subscriber.url, "Observation"))
        await house.write(*[observation(n, "9") for n in range(5)])
        await house.until(lambda c: c["due"] == 5 and bool(subscriber.told))
        await house.write(Version("Subscription", "s", 2, "delete", body=b""), observation(9, "9"))
        found = await house.settled(5)
        asked = len(subscriber.told)
        await asyncio.sleep(0.2)
    assert found == {"due": 5, "delivered": 0, "pending": 0, "dead": 0, "discarded": 5}
    assert len(subscriber.told) == asked


@pytest.mark.req("EV-17")
async def test_an_endpoint_that_fails_is_shown_as_in_error_with_the_reason_and_recovers(database: Database) -> None:
    up = False

    async def behave(told: Told) -> bytes:
        return answer(200 if up else 500)

    house = House(database)
    async with Subscriber(behave).listening() as subscriber, house.delivering():
        await house.subscribe(rest_hook(subscriber.url, "Observation"))
        await house.write(observation(1, "9"))
        await house.until(lambda c: ("s", "error", "the endpoint answered with status 500") in house.reports)
        up = True
        await house.settled(1)
        await house.until(lambda c: house.reports[-1] == ("s", "active", None))


async def test_our_own_report_does_not_begin_anew(database: Database) -> None:
    house = House(database)
    async with Subscriber().listening() as subscriber, house.delivering():
        resource = rest_hook(subscriber.url, "Observation")
        stored = await house.subscribe(resource | {"status": "requested"})
        await house.until(lambda c: bool(house.reports))
        body = json.dumps(stored | {"id": "s", "status": "active"}).encode()
        await house.write(Version("Subscription", "s", 2, "update", body=body), why=Why(client=REPORTER))
        await house.write(observation(1, "9"))
        await house.settled(1)
    async with database.connection() as tx:
        found = await registry.get(tx, "Subscription/s")
    assert found is not None and found.registered == 1


async def test_a_subscription_that_is_read_and_put_back_keeps_its_secret(database: Database) -> None:
    house = House(database)
    async with Subscriber().listening() as subscriber, house.delivering():
        stored = await house.subscribe(rest_hook(subscriber.url, "Observation"))
        await house.subscribe(stored | {"reason": "another reason"}, ver=2, op="update")
        await house.write(observation(1, "9"))
        await house.settled(1)
    assert subscriber.told[0].headers["authorization"] == TOKEN


async def test_a_copied_handle_leads_no_secret_elsewhere(database: Database) -> None:
    house = House(database)
    async with Subscriber().listening() as owner, Subscriber().listening() as thief, house.delivering():
        stored = await house.subscribe(rest_hook(owner.url, "Observation"))
        await house.subscribe(stored, id_="copy")
        moved = json.loads(json.dumps(stored))
        moved["channel"]["endpoint"] = thief.url
        await house.subscribe(moved, id_="s", ver=2, op="update")
        await house.write(observation(1, "9"))
        await house.until(lambda c: len([r for r in house.reports if r[1] == "error"]) >= 2)
        await asyncio.sleep(0.1)
    assert thief.told == []
    assert {r[0] for r in house.reports if r[1] == "error" and r[2] and "again" in r[2]} == {"s", "copy"}


async def test_criteria_that_cannot_be_understood_put_the_subscription_in_error_and_stop_nobody_else(database: Database) -> None:
    house = House(database)

    def matches(criteria: str, type_: str, body: bytes) -> bool:
        raise Problem("not-supported", "this search parameter is not known")

    house.matches = matches  # type: ignore[method-assign]
    async with Subscriber().listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url))
        await house.subscribe(rest_hook(subscriber.url, "Observation?nonsense=1"))
        await house.write(observation(1, "9"))
        await house.until(lambda c: ("s", "error", "this search parameter is not known") in house.reports)
        await house.until(lambda c: c["delivered"] == 2)


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"criteria": "observation?x"}, "Subscription.criteria"),
        ({"criteria": None}, "Subscription.criteria"),
        ({"channel": None}, "Subscription.channel"),
        ({"channel": {"type": "email"}}, "Subscription.channel.type"),
        ({"channel": {"type": "rest-hook"}}, "Subscription.channel.endpoint"),
        ({"channel": {"type": "rest-hook", "endpoint": "ftp://x"}}, "Subscription.channel.endpoint"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://x.example", "payload": "text/plain"}}, "Subscription.channel.payload"),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_place(change: dict, at: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(rest_hook("https://a.example/") | change)
    assert caught.value.at == at


@pytest.mark.parametrize("line", ["Host: x", "no colon", "A B: x", "X: a\r\nY: b", "Content-Length: 5", "X: é€", 7])
def test_a_header_that_is_none_or_is_ours_is_refused_without_its_value(line: object) -> None:
    resource = rest_hook("https://a.example/")
    resource["channel"]["header"] = [line]
    with pytest.raises(Problem) as caught:
        take_secrets(resource)
    assert caught.value.at == "Subscription.channel.header" and str(line) not in str(caught.value)


def test_a_secret_that_came_into_the_store_another_way_is_still_hidden() -> None:
    assert redact(rest_hook("https://a.example/"))["channel"]["header"] == ["Authorization: ***"]
    chance = random.Random(1)
    stored, secrets = take_secrets(rest_hook("https://a.example/"), lambda: f"{chance.getrandbits(128):032x}")
    assert redact(stored) == stored and TOKEN not in repr(secrets) and secrets[0].value == TOKEN


def test_the_key_of_the_vault_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    Vault.at(tmp_path / "delivery.key")
    made = (tmp_path / "delivery.key").read_bytes()
    Vault.at(tmp_path / "delivery.key")
    assert (tmp_path / "delivery.key").read_bytes() == made
    assert (tmp_path / "delivery.key").stat().st_mode & 0o777 == 0o600
